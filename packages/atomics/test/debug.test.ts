import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { InvalidArgumentError, MemoryDamageError, Region, RegionFullError } from '../src/index.js'
import { isZero, randomFrom, testSeed } from './support.js'

const debugRegion = (bytes = 256 * 1024): Region => Region.create({ bytes, agents: 4, debug: true })

function allocateHere(region: Region, bytes: number): number {
  return region.alloc(bytes)
}

describe('red zones', () => {
  it.each([
    [-1, 'before'],
    [-30, 'before'],
    [21, 'behind'],
    [36, 'behind'],
  ])('finds a write at offset %i of 21 bytes', (offset, where) => {
    const region = debugRegion()
    const at = allocateHere(region, 21)
    region.check()
    region.bytes[at + offset] = 7
    for (const call of [() => region.check(), () => region.free(at)]) {
      expect(call).toThrow(MemoryDamageError)
      expect(call).toThrow(new RegExp(where === '' ? '' : `${where}|freed already`))
    }
  })

  it('says where the block was allocated, and frees it all the same', () => {
    const region = debugRegion()
    const at = allocateHere(region, 8)
    region.bytes[at + 8] = 1
    expect(() => {
      region.free(at)
    }).toThrow(/allocateHere/)
    expect(region.stats().blocks).toBe(0)
    region.check()
  })

  it('leaves the block itself alone', () => {
    const region = debugRegion()
    for (const align of [4, 64, 128, 4096]) {
      const at = region.alloc(100, align)
      expect(at % align).toBe(0)
      expect(isZero(region, at, 100)).toBe(true)
      region.bytes.fill(0x77, at, at + 100)
      region.free(at)
    }
    region.check()
  })
})

describe('freed memory', () => {
  it('is found written to by check', () => {
    const region = debugRegion()
    const at = allocateHere(region, 64)
    region.free(at)
    region.check()
    region.words[(at >> 2) + 3] = 1
    expect(() => {
      region.check()
    }).toThrow(new RegExp(`freed block at byte ${at} was written to at offset 12[^]*allocateHere`))
  })

  it('is found written to when it leaves the quarantine', () => {
    const region = debugRegion()
    const at = region.alloc(64)
    region.free(at)
    region.words[at >> 2] = 1
    expect(() => {
      for (let i = 0; i < 1000; i++) region.free(region.alloc(1000))
    }).toThrow(MemoryDamageError)
    region.check()
  })

  it('is not given out again soon, but before the region is full', () => {
    const region = debugRegion()
    const first = region.alloc(64)
    region.free(first)
    for (let i = 0; i < 10; i++) expect(region.alloc(64)).not.toBe(first)
    const { largest } = region.stats()
    const whole = region.alloc(largest - 1024)
    region.free(whole)
    expect(region.stats().blocks).toBe(10)
    const again = region.alloc(largest - 1024)
    expect(isZero(region, again, largest - 1024)).toBe(true)
    expect(() => region.alloc(largest)).toThrow(RegionFullError)
    region.check()
  })

  it('can be freed once', () => {
    const region = debugRegion()
    const at = allocateHere(region, 64)
    region.free(at)
    expect(() => {
      region.free(at)
    }).toThrow(/freed already; it was allocated[^]*allocateHere/)
    for (const wrong of [0, 4, at - 64, at + 4, at + 16, 1.5, Number.NaN, region.buffer.byteLength])
      expect(() => region.free(wrong)).toThrow(InvalidArgumentError)
    region.check()
  })
})

describe('leaks', () => {
  it('lists what is held, with size, agent and stack', () => {
    const region = debugRegion()
    const a = allocateHere(region, 10)
    const b = region.alloc(20)
    region.free(b)
    expect(region.leaks()).toEqual([
      { at: a, bytes: 10, agent: { id: region.self.get().id, generation: 0 }, stack: expect.stringMatching(/^\s*at allocateHere/) as string },
    ])
    region.free(a)
    expect(region.leaks()).toEqual([])
    expect(Region.create({ bytes: 1 << 20 }).leaks()).toEqual([])
  })

  it("reports another agent's blocks, also when it is gone", async () => {
    const region = debugRegion(1 << 20)
    const ledger = new SharedArrayBuffer(16)
    const worker = new Worker(new URL('.fixtures/allocator.js', import.meta.url), {
      workerData: { buffer: region.buffer, ledger, seed: 1, rounds: 1 },
    })
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
    const [leak, ...others] = region.leaks()
    expect(others).toEqual([])
    expect(new Int32Array(ledger)).toContain(leak!.at)
    expect(leak!.stack).toContain('.fixtures/allocator.js')
    expect(leak!.agent.id).not.toBe(region.self.get().id)
  })
})

it('behaves like any allocator under a random load', () => {
  const random = randomFrom(testSeed())
  const region = debugRegion()
  const { used, blocks } = region.stats()
  const live = new Map<number, number>()
  for (let step = 0; step < 4000; step++) {
    if (live.size < 40 && random(2) === 0) {
      const bytes = 1 + random(700)
      const at = region.alloc(bytes, 4 << random(8))
      if (!isZero(region, at, bytes)) throw new Error(`step ${step}: not zero`)
      region.bytes.fill(1 + random(255), at, at + bytes)
      live.set(at, bytes)
    } else if (live.size > 0) {
      const at = [...live.keys()][random(live.size)]!
      region.free(at)
      live.delete(at)
    }
    if (step % 200 === 0) region.check()
  }
  expect(region.leaks().map(({ at, bytes }) => [at, bytes])).toEqual([...live].sort(([a], [b]) => a - b))
  for (const at of live.keys()) region.free(at)
  region.check()
  expect(region.stats()).toMatchObject({ used, blocks })
})
