/** `@heddle/cancel`: looking at tokens, making and ending them, listening. */
import { type Suite } from '../src/suite.js'
import { listeners, looks, made, trees } from './cancel/tokens.js'

export const suite: Suite = { name: 'cancel', cases: [looks, made, listeners, trees] }
