/** `@heddle/atomics` against the bare calls: what a class costs over the engine. */
import { type Suite } from '../src/suite.js'
import { bareCalls } from './atomics/bare-calls.js'
import { bool, int32, uint32 } from './atomics/cells.js'
import { bigint64 } from './atomics/cells64.js'
import { region } from './atomics/region.js'

export const suite: Suite = { name: 'atomics', cases: [bareCalls, ...int32, ...uint32, ...bool, ...bigint64, region] }
