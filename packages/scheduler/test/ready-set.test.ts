import { describe, expect, it } from 'vitest'
import { ReadySet } from '../src/ready-set.js'
import { generator, SEED } from './random.js'

/** What `take` must return next: the first member after the last one taken, going round. */
function nextAfter(members: ReadonlySet<number>, cursor: number): number {
  const sorted = [...members].sort((a, b) => a - b)
  return sorted.find((member) => member >= cursor) ?? sorted[0] ?? -1
}

describe('ReadySet', () => {
  it('goes round, so that none is passed over', () => {
    const set = new ReadySet(100)
    for (const slot of [5, 40, 99]) set.add(slot)
    expect([set.take(), set.take()]).toEqual([5, 40])
    set.add(5)
    set.add(41)
    expect([set.take(), set.take(), set.take(), set.take()]).toEqual([41, 99, 5, -1])
  })

  it('removes in the middle, once', () => {
    const set = new ReadySet(64)
    set.add(33)
    set.add(34)
    expect(set.remove(33)).toBe(true)
    expect(set.remove(33)).toBe(false)
    expect(set.take()).toBe(34)
    expect(set.take()).toBe(-1)
  })

  it('keeps its members when it grows, over a million slots', () => {
    const set = new ReadySet(1)
    set.add(0)
    set.reserve(40)
    set.add(39)
    set.reserve(3_000_000)
    set.add(2_999_999)
    set.add(1_048_577)
    expect([set.take(), set.take(), set.take(), set.take(), set.take()]).toEqual([0, 39, 1_048_577, 2_999_999, -1])
  })

  it(`equals a sorted set (HEDDLE_SEED=${SEED})`, () => {
    const random = generator(SEED)
    for (const capacity of [1, 31, 32, 33, 1024, 1025, 40_000]) {
      const set = new ReadySet(capacity)
      const members = new Set<number>()
      let cursor = 0
      let takes = 0
      for (let step = 0; step < 3000; step++) {
        const action = random(10)
        if (action < 4) {
          const slot = random(capacity)
          set.add(slot)
          members.add(slot)
        } else if (action < 5) {
          const slot = random(capacity)
          if (set.remove(slot) !== members.delete(slot)) throw new Error(`remove(${slot}) was wrong at step ${step} of ${capacity}`)
        } else {
          const start = action < 9 ? cursor : random(capacity)
          const expected = nextAfter(members, start)
          const taken = action < 9 ? set.take() : set.takeFrom(start)
          if (taken !== expected) throw new Error(`took ${taken}, expected ${expected} at step ${step} of ${capacity}`)
          takes++
          if (taken >= 0) {
            members.delete(taken)
            cursor = taken + 1
          }
        }
      }
      expect(takes).toBeGreaterThan(1000)
    }
  })
})
