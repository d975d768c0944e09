/** `@heddle/executor`: what a call costs, against other pools in the same run. */
import { type Suite } from '../src/suite.js'
import { floods, oneByOne, scaling } from './executor/calls.js'
import { starts } from './executor/starts.js'
import { threadCases } from './executor/threads.js'

export const suite: Suite = { name: 'executor', cases: [...floods, oneByOne, scaling, starts, ...threadCases] }
