/** Sizes that are written as plain numbers (so that bundlers can drop the classes) are those of their layouts. */
import { AtomicBitset, AtomicCounter } from '@heddle/atomics'
import { LINE_BYTES } from '@heddle/atomics/internal'
import { Parker, WaitQueue } from '@heddle/park'
import { QUEUE_BYTES } from '@heddle/park/internal'
import { expect, test } from 'vitest'

test('BYTES of classes', () => {
  expect(AtomicBitset.BYTES).toBe(AtomicBitset.bytesFor(1))
  expect(AtomicCounter.BYTES).toBe(LINE_BYTES * 17)
  expect(Parker.BYTES).toBe(8 + QUEUE_BYTES)
  expect(WaitQueue.BYTES).toBe(4 + QUEUE_BYTES)
})
