/** `@heddle/executor`: what a call costs, against piscina in the same run. */
import { type Suite } from '../src/suite.js'
import { floods, oneByOne } from './executor/calls.js'

export const suite: Suite = { name: 'executor', cases: [...floods, oneByOne] }
