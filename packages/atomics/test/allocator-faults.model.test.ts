/**
 * The death of an agent at each operation inside the allocator. In-process, an agent dies by a private error at its n-th operation, which
 * every later operation repeats, and its identity is abandoned: on shared memory that is what `terminate()` between two operations does.
 * Some real ones follow.
 */
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Region, RegionFullError } from '../src/index.js'
import * as native from '../src/ops.js'
import { type Ops, install } from '../src/ops-model.js'
import { declareDead, isZero, releaseSlot } from './support.js'

class Death extends Error {}

interface Victim {
  id: number
  generation: number
  died: boolean
  operations: number
}

/** Runs `action` as a new agent of the region that dies at its n-th operation (from 0). */
function dieAt(region: Region, n: number, action: () => void): Victim {
  let left = Infinity
  const mortal = Object.fromEntries(
    Object.entries(native).map(([name, op]) => [
      name,
      typeof op === 'function' && !['agentLocal', 'AgentLocal', 'random', 'now', 'createBuffer', 'effect'].includes(name)
        ? (...args: unknown[]) => {
            if (--left < 0) throw new Death()
            return (op as (...args: unknown[]) => unknown)(...args)
          }
        : op,
    ]),
  ) as Partial<Ops>
  const restore = install(mortal)
  try {
    const { id, generation } = region.self.get()
    left = n
    let died = false
    try {
      action()
    } catch (error) {
      if (!(error instanceof Death)) throw error
      died = true
    }
    const operations = n - left
    left = Infinity
    return { id, generation, died, operations }
  } finally {
    restore()
  }
}

/** A region with used blocks and holes, in this agent's hands. */
function prepared(debug: boolean, frees: 'quick' | 'hole' | 'last' = 'hole'): { region: Region; held: number[]; victimBlock: number } {
  const region = Region.create({ bytes: 1024 + 384 * 4 + (debug ? 24 * 1024 : 6 * 1024), agents: 4, debug })
  const blocks = Array.from({ length: 9 }, (_, i) => region.alloc(24 + i * 40))
  for (const i of [1, 4, 6]) region.free(blocks[i]!)
  // Between two holes, so that its release merges on both sides.
  const victim = { quick: 2, hole: 5, last: 8 }[frees]
  return { region, held: [0, 2, 3, 5, 7, 8].filter((i) => i !== victim).map((i) => blocks[i]!), victimBlock: blocks[victim]! }
}

/** The heap is in order, holds the blocks expected, and gives out every byte of the rest once and zeroed. */
function audit(region: Region, held: number[]): void {
  region.check()
  expect(region.stats().blocks).toBe(held.length)
  for (const at of held) region.words[at >> 2] = at
  const filled: number[] = []
  for (let bytes = 512; bytes >= 8;) {
    try {
      const at = region.alloc(bytes)
      if (!isZero(region, at, bytes)) throw new Error(`${bytes} bytes at ${at} are not zero`)
      region.bytes.fill(0xab, at, at + bytes)
      filled.push(at)
    } catch (error) {
      if (!(error instanceof RegionFullError)) throw error
      bytes >>= 1
    }
  }
  for (const at of held) expect(region.words[at >> 2]).toBe(at)
  for (const at of [...filled, ...held]) region.free(at)
  region.check()
  expect(region.stats()).toMatchObject({ used: 0, blocks: 0 })
}

const calls: [string, (region: Region, block: number) => unknown, 'quick' | 'hole' | 'last' | undefined][] = [
  ['alloc from a quick list', (region) => region.alloc(64), undefined],
  ['alloc from a list', (region) => region.alloc(24), undefined],
  ['alloc with a split', (region) => region.alloc(100), undefined],
  ['alloc with a gap in front', (region) => region.alloc(64, 64), undefined],
  ['alloc from memory never used', (region) => region.alloc(1000), undefined],
  ['alloc from memory never used, aligned', (region) => region.alloc(1000, 256), undefined],
  ['alloc of too much', allocTooMuch, undefined],
  ['free to a quick list', freeBlock, 'quick'],
  ['free between two holes', freeBlock, 'hole'],
  ['free of the last block', freeBlock, 'last'],
  ['stats', (region) => region.stats().blocks, undefined],
]

function freeBlock(region: Region, block: number): void {
  region.free(block)
}

function allocTooMuch(region: Region): void {
  try {
    region.alloc(100_000)
  } catch (error) {
    if (!(error instanceof RegionFullError)) throw error
  }
}

const recoveries: [string, (region: Region, victim: Victim) => void][] = [
  [
    'the reaper reclaims',
    (region, victim) => {
      declareDead(region, victim)
      region.reclaim(victim.id)
      region.reclaim(victim.id)
    },
  ],
  [
    'another agent allocates first',
    (region, victim) => {
      declareDead(region, victim)
      region.free(region.alloc(40))
      region.reclaim(victim.id)
    },
  ],
  [
    'the slot has a new owner, nobody reclaimed',
    (region, victim) => {
      declareDead(region, victim)
      const at = region.alloc(24)
      releaseSlot(region, victim)
      const heir = dieAt(region, Infinity, () => region.free(region.alloc(24)))
      expect(heir.id).toBe(victim.id)
      region.free(at)
      declareDead(region, heir)
    },
  ],
]

describe.each([false, true])('debug: %s', (debug) => {
  describe.each(calls)('a death in %s', (name, call, frees) => {
    it.each(recoveries)('%s', (recovery, recover) => {
      let freed = 0
      let n = 0
      // A debug region's calls have hundreds of operations: one way of recovery meets each, the others every third.
      for (; ; n += debug && recovery !== recoveries[0]![0] ? 3 : 1) {
        const { region, held, victimBlock } = prepared(debug, frees)
        let result: unknown
        const victim = dieAt(region, n, () => {
          result = call(region, victimBlock)
        })
        if (!victim.died) {
          // The call completed: what it allocated is its caller's.
          declareDead(region, victim)
          if (name.startsWith('alloc from') || name.startsWith('alloc with')) region.free(result as number)
          audit(region, frees === undefined ? [...held, victimBlock] : held)
          break
        }
        recover(region, victim)
        const isFreed = frees !== undefined && region.stats().blocks === held.length
        if (isFreed) freed++
        // Once a release is past the point of no return, it is at every later operation.
        else expect(freed).toBe(0)
        audit(region, isFreed ? held : [...held, victimBlock])
      }
      expect(n).toBeGreaterThan(8)
      expect(freed > 0).toBe(frees !== undefined)
    })
  })
})

describe.each([false, true])('debug: %s: a block that a word owns', (debug) => {
  const late: [string, (region: Region, victim: Victim, name: number) => void][] = [
    ...recoveries,
    [
      'the word is taken over and in use again before the reaper reclaims',
      (region, victim, name) => {
        declareDead(region, victim)
        region.adopt(name)
        region.freeFrom(name)
        region.allocInto(name, 64)
        const at = region.words[name]
        region.reclaim(victim.id)
        expect(region.words[name]).toBe(at)
        region.check()
        region.words[at! >> 2] = 7
        region.free(region.alloc(64))
        expect(region.words[at! >> 2]).toBe(7)
      },
    ],
  ]
  for (const frees of [false, true]) {
    it.each(late)(`${frees ? 'freeFrom' : 'allocInto'}: %s`, (recovery, recover) => {
      let operations = 0
      let owned = 0
      for (; ; operations += debug && recovery !== recoveries[0]![0] ? 3 : 1) {
        const { region, held, victimBlock } = prepared(debug)
        region.free(victimBlock)
        const name = (held[1]! >> 2) + 2
        region.words[name] = 0
        if (frees) region.allocInto(name, 64)
        const victim = dieAt(region, operations, () => {
          if (frees) region.freeFrom(name)
          else region.allocInto(name, 64)
        })
        if (victim.died) recover(region, victim, name)
        else declareDead(region, victim)
        region.adopt(name)
        const at = region.words[name]!
        if (at !== 0) owned++
        // The word says what there is.
        expect(region.stats().blocks).toBe(held.length + (at === 0 ? 0 : 1))
        region.freeFrom(name)
        region.freeFrom(name)
        expect(region.words[name]).toBe(0)
        audit(region, held)
        if (!victim.died) break
      }
      expect(operations).toBeGreaterThan(10)
      expect(owned).toBeGreaterThan(0)
    })
  }
})

describe('a death while repairing after a death', () => {
  it.each([
    ['alloc', (region: Region) => region.alloc(64, 64), false],
    ['free', freeBlock, true],
  ] as const)('in %s, at every pair of operations', (_name, call, frees) => {
    let pairs = 0
    for (let n = 0; ; n += 1) {
      let firstDied = false
      for (let m = 0; ; m += 1 + (n % 3)) {
        const { region, held, victimBlock } = prepared(false)
        const first = dieAt(region, n, () => call(region, victimBlock))
        if (!first.died) break
        firstDied = true
        declareDead(region, first)
        const second = dieAt(region, m, () => region.free(region.alloc(16)))
        if (second.died) declareDead(region, second)
        for (const id of [first.id, second.id]) region.reclaim(id)
        if (!second.died) declareDead(region, second)
        const { blocks } = region.stats()
        // The second agent's block is its own between alloc and free, and nobody else knows it.
        const expected = held.length + (frees ? 0 : 1)
        expect(blocks).toBeGreaterThanOrEqual(expected)
        expect(blocks).toBeLessThanOrEqual(expected + (frees ? 2 : 1))
        region.check()
        pairs++
        if (!second.died) break
      }
      if (!firstDied) break
    }
    expect(pairs).toBeGreaterThan(500)
  })
})

describe('terminate() at an operation', () => {
  it.each([0, 1, 3, 6, 10, 15, 21, 28, 36, 45])('alloc and free, at operation %i', async (stopAt) => {
    for (const frees of [false, true]) {
      const { region, held, victimBlock } = prepared(false)
      const signal = new Int32Array(new SharedArrayBuffer(16))
      const worker = new Worker(new URL('.fixtures/allocator-death.model.js', import.meta.url), {
        workerData: { buffer: region.buffer, flag: signal.buffer, at: frees ? victimBlock : 0, stopAt },
      })
      const failed = new Promise<never>((_resolve, reject) => worker.on('error', reject))
      const waiting = Atomics.waitAsync(signal, 0, 0)
      if (waiting.async) await Promise.race([waiting.value, failed])
      await worker.terminate()
      declareDead(region, { id: Atomics.load(signal, 2), generation: Atomics.load(signal, 3) })
      region.free(region.alloc(64))
      region.reclaim(Atomics.load(signal, 2))
      const { blocks } = region.stats()
      const completed = Atomics.load(signal, 0) === 2
      if (frees) audit(region, blocks === held.length ? held : [...held, victimBlock])
      else if (completed) expect(blocks).toBe(held.length + 2)
      else audit(region, [...held, victimBlock])
    }
  })
})
