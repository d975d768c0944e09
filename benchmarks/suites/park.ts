/** `@heddle/park`: waking a thread, and timers. */
import { type Suite } from '../src/suite.js'
import { asleep, spinning } from './park/threads.js'
import { lateness } from './park/lateness.js'
import { timers } from './park/timers.js'

export const suite: Suite = { name: 'park', cases: [spinning, asleep, timers, lateness] }
