/** `@heddle/scheduler`: fibers against bare generators, effect's fibers and goroutines. Timers are in the suite `park`. */
import { type Suite } from '../src/suite.js'
import { parked, resident } from './scheduler/parked.js'
import { ring } from './scheduler/ring.js'
import { skynet } from './scheduler/skynet.js'
import { spawnAndJoin, spawns } from './scheduler/spawns.js'
import { switches } from './scheduler/switches.js'

export const suite: Suite = { name: 'scheduler', cases: [switches, spawns, spawnAndJoin, skynet, ring, ...parked, resident] }
