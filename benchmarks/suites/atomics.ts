/** `@heddle/atomics` against the bare calls: what a class costs over the engine. */
import { type Suite } from '../src/suite.js'
import { bareCalls } from './atomics/bare-calls.js'
import { bool, int32, uint32 } from './atomics/cells.js'
import { bigint64 } from './atomics/cells64.js'
import { codecs } from './atomics/codecs.js'
import { region } from './atomics/region.js'
import { bitset, box, counter, seqLock, slots, structField } from './atomics/structures.js'

export const suite: Suite = {
  name: 'atomics',
  cases: [bareCalls, ...int32, ...uint32, ...bool, ...bigint64, region, bitset, slots, counter, seqLock, box, structField, ...codecs],
}
