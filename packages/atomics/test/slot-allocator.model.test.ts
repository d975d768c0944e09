/** ABA, made to happen: between any two operations of one acquire or release, another agent pops two slots and pushes the first back. */
import { describe, expect, it } from 'vitest'
import { Region, SlotAllocator } from '../src/index.js'
import { atEveryOperation, interleave } from './interleave.js'

const SIZE = 6
const region = Region.create({ bytes: 1 << 20 })

/** All slots held: those given, and those that are left. Fails when one comes twice or is missing. */
function expectEachOnce(slots: SlotAllocator, held: number[]): void {
  const all = [...held]
  for (let slot = slots.acquire(); slot >= 0 && all.length <= SIZE; slot = slots.acquire()) all.push(slot)
  expect(all.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5])
}

const intrusions: [string, (slots: SlotAllocator) => number[]][] = [
  [
    'pops two, pushes the first back',
    (slots) => {
      const first = slots.acquire()
      const second = slots.acquire()
      slots.release(first)
      return [second]
    },
  ],
  [
    'pops three, pushes two back in the other order',
    (slots) => {
      const [first, second, third] = [slots.acquire(), slots.acquire(), slots.acquire()]
      slots.release(first)
      slots.release(second)
      return [third]
    },
  ],
  [
    'pops and pushes the same slot many times',
    (slots) => {
      for (let i = 0; i < 100; i++) slots.release(slots.acquire())
      return []
    },
  ],
]

describe.each(intrusions)('another agent %s', (_name, intrude) => {
  it('in the middle of an acquire', () => {
    const operations = atEveryOperation((n) => {
      const slots = new SlotAllocator(SIZE, { region })
      const held: number[] = []
      const reached = interleave(() => held.push(slots.acquire()), [n, () => held.push(...intrude(slots))])
      expectEachOnce(slots, held)
      slots.dispose()
      return reached
    })
    expect(operations).toBeGreaterThan(3)
  })

  it('in the middle of a release', () => {
    const operations = atEveryOperation((n) => {
      const slots = new SlotAllocator(SIZE, { region })
      const mine = slots.acquire()
      const held: number[] = []
      const reached = interleave(() => slots.release(mine), [n, () => held.push(...intrude(slots))])
      expect(slots.generation(mine)).toBeGreaterThan(0)
      expectEachOnce(slots, held)
      slots.dispose()
      return reached
    })
    expect(operations).toBeGreaterThan(3)
  })
})

it('of two releases of one hold, however they fall, one is refused', () => {
  atEveryOperation((n) => {
    const slots = new SlotAllocator(SIZE, { region })
    const mine = slots.acquire()
    let refused = 0
    const release = (): void => {
      try {
        slots.release(mine, 0)
      } catch {
        refused++
      }
    }
    const reached = interleave(release, [n, release])
    expect(refused).toBe(reached ? 1 : 0)
    expectEachOnce(slots, [])
    slots.dispose()
    return reached
  })
})

it('an agent that dies at any operation of an acquire or release costs at most that one slot', () => {
  class Killed extends Error {}
  for (const body of [(slots: SlotAllocator) => void slots.acquire(), (slots: SlotAllocator) => slots.release(0)]) {
    atEveryOperation((n) => {
      const slots = new SlotAllocator(SIZE, { region })
      slots.acquire()
      let reached = false
      try {
        reached = interleave(
          () => body(slots),
          [
            n,
            () => {
              throw new Killed()
            },
          ],
        )
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        reached = true
      }
      const left: number[] = []
      for (let slot = slots.acquire(); slot >= 0; slot = slots.acquire()) left.push(slot)
      expect(new Set(left).size).toBe(left.length)
      expect(left.length).toBeGreaterThanOrEqual(SIZE - 2)
      slots.dispose()
      return reached
    })
  }
})
