/** Every interleaving, within bounds, of the region's allocator, AtomicBitset, SlotAllocator and AtomicCounter, on modelled memory. */
import { store } from '@heddle/atomics/ops'
import { full, model, type ModelOptions, type Report } from '@heddle/model'
import { afterAll, expect, test } from 'vitest'
import { AtomicBitset, AtomicCounter, type Region, SlotAllocator } from '../src/index.js'
import { agentRecord } from '../src/agents.js'
import { A_STATUS, PHASE_DEAD } from '../src/layout.js'

const reports: Report[] = []
const run = (name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report => {
  const report = model(name, body, options)
  expect(report.complete).toBe(true)
  reports.push(report)
  return report
}

afterAll(() => {
  console.log(`${reports.length} models, ${reports.reduce((sum, { executions }) => sum + executions, 0)} executions`)
})

/** What a host does when a thread of the model died: the body's own agent has id 1, thread 0 has 2, and all are first generations. */
function declareDead(region: Region, thread: number): void {
  store(region.words, (agentRecord(thread + 2) >> 2) + A_STATUS, PHASE_DEAD)
}

test('two agents allocate and free: blocks are disjoint, and all is given back', () => {
  run(
    'Region: alloc and free, two threads',
    ({ region, spawn }) => {
      const { used } = region.stats()
      const threads = [40, 100].map((bytes) =>
        spawn(() => {
          const at = region.alloc(bytes)
          region.free(at)
          return at
        }),
      )
      return () => {
        expect(region.stats().used).toBe(used)
        region.check()
        return threads.map(({ result }) => result)
      }
    },
    { preemptions: Infinity },
  )
})

test('three agents allocate and free', () => {
  run(
    'Region: alloc and free, three threads',
    ({ region, spawn }) => {
      const { used } = region.stats()
      for (const bytes of [24, 40, 100]) spawn(() => region.free(region.alloc(bytes)))
      return () => {
        expect(region.stats().used).toBe(used)
        region.check()
      }
    },
    { preemptions: full ? 3 : 1 },
  )
})

test('two of three agents may die in alloc or free', () => {
  run(
    'Region: alloc and free, two deaths',
    ({ region, spawn }) => {
      const first = region.alloc(48)
      spawn(() => region.free(region.alloc(48)))
      spawn(() => region.free(first))
      for (let i = 0; i < 2; i++) spawn((dead) => declareDead(region, dead), { reaper: true, twins: 'reaper' })
      return () => {
        region.check()
        region.free(region.alloc(48))
        region.check()
      }
    },
    { preemptions: full ? 2 : 0, deaths: 2 },
  )
})

test('two agents hold blocks at one time', () => {
  run(
    'Region: alloc, alloc | alloc',
    ({ region, spawn }) => {
      const a = spawn(() => [region.alloc(32), region.alloc(32)])
      const b = spawn(() => [region.alloc(64)])
      return () => {
        const blocks = [...a.result.map((at) => [at, 32]), ...b.result.map((at) => [at, 64])].sort(([x], [y]) => x! - y!)
        for (let i = 1; i < blocks.length; i++) expect(blocks[i - 1]![0]! + blocks[i - 1]![1]!).toBeLessThanOrEqual(blocks[i]![0]!)
        region.check()
      }
    },
    { preemptions: full ? Infinity : 2 },
  )
})

test('an agent may die anywhere in alloc or free: the heap is whole, the others go on', () => {
  run(
    'Region: alloc and free, a death',
    ({ region, spawn }) => {
      const first = region.alloc(48)
      spawn(() => region.free(region.alloc(48)))
      spawn(() => region.free(first))
      spawn((dead) => declareDead(region, dead), { reaper: true })
      return () => {
        region.check()
        region.free(region.alloc(48))
        region.check()
      }
    },
    { preemptions: full ? Infinity : 2, deaths: true },
  )
})

test('a bit of the bitset is claimed once, and none that is set is missed for good', () => {
  run(
    'AtomicBitset: two claimers, one setter',
    ({ region, spawn }) => {
      const bitset = new AtomicBitset(64, { region })
      bitset.set(3)
      const claimed = [0, 1].map(() => spawn(() => bitset.claimFirst()))
      spawn(() => bitset.set(40))
      return () => {
        const members = claimed.map(({ result }) => result).filter((member) => member >= 0)
        for (let member = bitset.claimFirst(); member >= 0; member = bitset.claimFirst()) members.push(member)
        expect(members.sort((a, b) => a - b)).toEqual([3, 40])
      }
    },
    { preemptions: full ? Infinity : 2 },
  )
})

test('set and clear and claim of one bit', () => {
  run(
    'AtomicBitset: set | clear | claimWord',
    ({ region, spawn }) => {
      const bitset = new AtomicBitset(64, { region })
      bitset.set(1)
      const claim = spawn(() => bitset.claimWord()?.bits ?? 0)
      spawn(() => bitset.clear(1))
      spawn(() => bitset.set(2))
      return () => {
        // 2 was set and is either claimed or there to be found.
        const rest: number[] = []
        for (let member = bitset.claimFirst(); member >= 0; member = bitset.claimFirst()) rest.push(member)
        expect(((claim.result >> 2) & 1) + rest.filter((member) => member === 2).length).toBe(1)
        return [claim.result, rest]
      }
    },
    { preemptions: full ? Infinity : 2 },
  )
})

test('a slot has one holder at a time, and none is lost', () => {
  run(
    'SlotAllocator: three threads, two slots',
    ({ region, spawn }) => {
      const slots = new SlotAllocator(2, { region })
      const held = new Int32Array(new SharedArrayBuffer(8))
      for (let i = 0; i < 3; i++) {
        spawn(() => {
          const slot = slots.acquire()
          if (slot < 0) return
          if (Atomics.add(held, slot, 1) !== 0) throw new Error(`slot ${slot} has two holders`)
          Atomics.sub(held, slot, 1)
          slots.release(slot)
        })
      }
      return () => expect([slots.acquire(), slots.acquire(), slots.acquire()].sort()).toEqual([-1, 0, 1])
    },
    { preemptions: full ? Infinity : 2 },
  )
})

test('ABA: a slot that was taken and given back is not mistaken for the one that was seen', () => {
  run(
    'SlotAllocator: acquire | acquire, acquire, release',
    ({ region, spawn }) => {
      const slots = new SlotAllocator(3, { region })
      const a = spawn(() => [slots.acquire()])
      const b = spawn(() => {
        const first = slots.acquire()
        const second = slots.acquire()
        slots.release(first)
        return [second]
      })
      return () => {
        const all = [...a.result, ...b.result]
        for (let slot = slots.acquire(); slot >= 0; slot = slots.acquire()) all.push(slot)
        expect(all.sort()).toEqual([0, 1, 2])
      }
    },
    { preemptions: Infinity },
  )
})

test('of two releases of one hold one is refused', () => {
  run(
    'SlotAllocator: double release',
    ({ region, spawn }) => {
      const slots = new SlotAllocator(2, { region })
      const slot = slots.acquire()
      const generation = slots.generation(slot)
      const releases = [0, 1].map(() =>
        spawn(() => {
          try {
            slots.release(slot, generation)
            return 1
          } catch (error) {
            if ((error as { code?: string }).code !== 'ERR_INVALID_ARGUMENT') throw error
            return 0
          }
        }),
      )
      return () => expect(releases[0]!.result + releases[1]!.result).toBe(1)
    },
    { preemptions: Infinity },
  )
})

test('a counter loses nothing, and its sum never shrinks', () => {
  run(
    'AtomicCounter: add, add | add | sum, sum',
    ({ region, spawn }) => {
      const counter = new AtomicCounter({ region })
      spawn(() => {
        counter.add()
        counter.add(2)
      })
      spawn(() => counter.add(4))
      const sums = spawn(() => [counter.sum(), counter.sum()])
      return () => {
        expect(counter.sum()).toBe(7)
        expect(sums.result[0]!).toBeLessThanOrEqual(sums.result[1]!)
        return sums.result
      }
    },
    { preemptions: Infinity },
  )
})
