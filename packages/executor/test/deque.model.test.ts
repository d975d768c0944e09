/** Interleavings, within bounds, of a deque's owner and thieves, and of an owner that dies at any operation. */
import type { Region } from '@heddle/atomics'
import { model, type ModelOptions } from '@heddle/model'
import { expect, test } from 'vitest'
import { Deque, LOST } from '../src/deque.js'
import { D_CELLS } from '../src/layout.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 18, preemptions: full ? 4 : 2 }

/** A deque of 2 cells. */
const BITS = 1
const deque = (region: Region): (() => Deque) => {
  const at = region.alloc((D_CELLS + (1 << BITS)) * 4, 64) >> 2
  return () => new Deque(region.words, at, BITS)
}
const got = (slot: number): number[] => (slot >= 0 ? [slot] : [])
const rest = (from: Deque): number[] => {
  const slots: number[] = []
  for (let slot = from.take(); slot >= 0; slot = from.take()) slots.push(slot)
  return slots
}

test('an owner and two thieves: each entry once, none lost', () => {
  const report = model(
    'push ×2, take, push, take | steal | steal',
    ({ region, spawn }) => {
      const open = deque(region)
      const owner = spawn(() => {
        const mine = open()
        const kept = [1, 2].filter((slot) => mine.push(slot))
        const taken = got(mine.take())
        if (mine.push(3)) kept.push(3)
        return { kept, taken: [...taken, ...got(mine.take())] }
      })
      const thieves = [0, 1].map(() => spawn(() => got(open().steal())))
      return () => {
        const all = [...owner.result!.taken, ...thieves.flatMap(({ result }) => result!), ...rest(open())]
        expect(all.sort()).toEqual(owner.result!.kept)
      }
    },
    options,
  )
  expect(report.executions).toBeGreaterThan(50)
})

test('the last entry: one of owner and thief has it', () => {
  model(
    'take | steal | steal',
    ({ region, spawn }) => {
      const open = deque(region)
      open().push(7)
      const owner = spawn(() => open().take())
      const thieves = [0, 1].map(() => spawn(() => open().steal()))
      return () => {
        expect([owner, ...thieves].filter(({ result }) => result === 7)).toHaveLength(1)
        expect(open().length).toBe(0)
      }
    },
    { ...options, preemptions: full ? 5 : 3 },
  )
})

test('thieves take the oldest first', () => {
  model(
    'steal ×2 | push',
    ({ region, spawn }) => {
      const open = deque(region)
      open().push(1)
      const thief = spawn(() => {
        const deque = open()
        return [deque.steal(), deque.steal()].filter((slot) => slot >= 0)
      })
      const owner = spawn(() => open().push(2))
      return () => {
        expect(owner.result).toBe(true)
        expect([...thief.result!, ...rest(open()).reverse()]).toEqual([1, 2])
      }
    },
    options,
  )
})

test('an owner that dies anywhere, and its successor: nothing of the successor is lost, whatever a slow thief does', () => {
  const report = model(
    'push, take, push † ; reset, push, push | steal ×2',
    ({ region, spawn }) => {
      const open = deque(region)
      open().push(1)
      spawn(() => {
        const mine = open()
        mine.push(2)
        mine.take()
        mine.take()
      })
      // What the successor does while the thief is still at it.
      const thief = spawn(() => {
        const deque = open()
        return [deque.steal(), deque.steal()]
      })
      return () => {
        const successor = open()
        successor.reset()
        expect(successor.push(5)).toBe(true)
        expect(successor.push(6)).toBe(true)
        expect(rest(successor)).toEqual([6, 5])
        for (const slot of thief.result ?? []) expect([1, 2, -1, LOST]).toContain(slot)
      }
    },
    { ...options, deaths: true },
  )
  expect(report.executions).toBeGreaterThan(20)
})

test('a thief that looked before a reset does not take the successor’s entries for the old ones', () => {
  for (const left of [0, 1, 2]) {
    model(
      `steal | reset with ${left} entries, push, take`,
      ({ region, spawn }) => {
        const open = deque(region)
        const former = open()
        for (let slot = 1; slot <= left; slot++) former.push(slot)
        const thief = spawn(() => got(open().steal()))
        const successor = spawn(() => {
          const mine = open()
          mine.reset()
          mine.push(5)
          return got(mine.take())
        })
        return () => {
          const all = [...thief.result!, ...successor.result!, ...rest(open())]
          expect(all.filter((slot) => slot === 5)).toHaveLength(1)
        }
      },
      { ...options, preemptions: full ? 5 : 3 },
    )
  }
})
