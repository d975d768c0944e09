/** Linearizable, within bounds: histories of SeqLock and AtomicCounter against sequential ones (Wing & Gong, Lowe). */
import { check, model } from '@heddle/model'
import { expect, test } from 'vitest'
import { array, AtomicCounter, type Codec, i32, SeqLock } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

test('SeqLock is a register: two writers, two readers', () => {
  const report = model(
    'SeqLock: write | write | read ×2: linearizable',
    ({ region, spawn, linearize }) => {
      const lock = new SeqLock(array(i32, 2) as Codec<ArrayLike<number>>, { region, value: [0, 0] })
      const shared = linearize(
        () => {
          const self = {
            value: 0,
            write: (value: number) => {
              self.value = value
              return undefined
            },
            read: () => self.value,
          }
          return self
        },
        {
          write: (value: number) => lock.write([value, value]),
          read: () => {
            const [a, b] = Array.from(lock.read())
            return a === b ? a! : 'torn'
          },
        },
      )
      for (const value of [1, 2]) spawn(() => shared.write(value))
      spawn(() => [shared.read(), shared.read()])
      if (full) spawn(() => shared.read())
    },
    { regionBytes: 1 << 16, preemptions: 2 },
  )
  expect(report.complete).toBe(true)
})

/** A counter in one thread. */
function counter() {
  const self = {
    total: 0,
    add: (value: number) => {
      self.total += value
      return undefined
    },
    sum: () => self.total,
  }
  return self
}

test('AtomicCounter counts: ones that are added are seen in an order', () => {
  const report = model(
    'AtomicCounter: add 1 ×2 | add 1 | sum ×2: linearizable',
    ({ region, spawn, linearize }) => {
      const one = new AtomicCounter({ region })
      const shared = linearize(counter, { add: (value: number) => one.add(value), sum: () => one.sum() })
      spawn(() => [shared.add(1), shared.add(1)])
      spawn(() => shared.add(1))
      spawn(() => [shared.sum(), shared.sum()])
    },
    { regionBytes: 1 << 16, preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test('AtomicCounter is no snapshot of unequal steps, as its documentation says', () => {
  const { finding } = check(
    'AtomicCounter: add 1, add 2 by two agents | sum',
    ({ region, spawn, linearize }) => {
      const one = new AtomicCounter({ region })
      const flag = new Int32Array(region.buffer, region.alloc(8), 1)
      const shared = linearize(counter, { add: (value: number) => one.add(value), sum: () => one.sum() })
      spawn(() => {
        shared.add(1)
        Atomics.store(flag, 0, 1)
      })
      spawn(() => {
        // Not before the other's: then no total was ever 2.
        if (Atomics.load(flag, 0) === 1) shared.add(2)
      })
      spawn(() => shared.sum())
    },
    { regionBytes: 1 << 16, preemptions: 2 },
  )
  expect(finding?.kind).toBe('not-linearizable')
})
