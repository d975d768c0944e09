import { describe, expect, it } from 'vitest'
import { InvalidArgumentError, MemoryDamageError, Region, RegionFullError } from '../src/index.js'
import { H_ALLOC_LOCK } from '../src/layout.js'
import { registerAgent } from '../src/agents.js'
import { declareDead, isZero, randomFrom, testSeed } from './support.js'

const small = (): Region => Region.create({ bytes: 64 * 1024, agents: 4 })

describe('alloc', () => {
  it.each([4, 8, 16, 32, 64, 128, 1024, 4096])('aligns to %i', (align) => {
    const region = small()
    for (let i = 0; i < 5; i++) expect(region.alloc(1 + i * 7, align) % align).toBe(0)
    region.check()
  })

  it.each([0, -1, 1.5, Number.NaN, Infinity, '8' as unknown as number])('refuses %s bytes', (bytes) => {
    expect(() => small().alloc(bytes)).toThrow(InvalidArgumentError)
  })

  it.each([0, 1, 2, 3, 12, -8, 8192, 2 ** 40, 4.5, Number.NaN])('refuses an alignment of %s', (align) => {
    expect(() => small().alloc(8, align)).toThrow(InvalidArgumentError)
  })

  it('zeroes memory that was used before', () => {
    const region = small()
    for (const bytes of [8, 100, 255, 257, 5000]) {
      const at = region.alloc(bytes)
      region.bytes.fill(0xff, at, at + bytes)
      region.free(at)
      const again = region.alloc(bytes)
      expect(again).toBe(at)
      expect(isZero(region, again, bytes)).toBe(true)
      region.free(again)
    }
  })

  it('zeroes the used part of a block that reaches into memory never used', () => {
    const region = small()
    const at = region.alloc(1000)
    region.bytes.fill(0xff, at, at + 1000)
    region.free(at)
    const larger = region.alloc(4000)
    expect(larger).toBe(at)
    expect(isZero(region, larger, 4000)).toBe(true)
  })

  it('reuses freed blocks before it touches memory never used', () => {
    const region = small()
    const blocks = Array.from({ length: 20 }, () => region.alloc(40))
    const last = blocks.at(-1)!
    for (const at of blocks.slice(0, -1)) region.free(at)
    for (let i = 0; i < 19; i++) expect(region.alloc(40)).toBeLessThan(last)
  })

  it('merges neighbours, whatever the order in which they are freed', () => {
    const region = small()
    const { largest } = region.stats()
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const blocks = [region.alloc(100), region.alloc(200), region.alloc(300)]
      for (const i of order) region.free(blocks[i]!)
      region.check()
      expect(region.stats()).toMatchObject({ used: 0, blocks: 0, largest })
    }
  })

  it('gives out the whole region as one block, and says so when that is too much', () => {
    const region = small()
    const { largest, bytes } = region.stats()
    const at = region.alloc(largest)
    expect(isZero(region, at, largest)).toBe(true)
    expect(region.stats()).toMatchObject({ free: 0, blocks: 1, largest: 0 })
    expect(() => region.alloc(1)).toThrow(RegionFullError)
    region.free(at)
    let error: unknown
    try {
      region.alloc(largest + 9)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(RegionFullError)
    expect(error).toMatchObject({ code: 'ERR_REGION_FULL' })
    for (const figure of [largest + 9, bytes, largest]) expect((error as Error).message).toContain(String(figure))
    expect(() => region.alloc(2 ** 40)).toThrow(RegionFullError)
    expect(region.alloc(largest)).toBe(at)
    region.check()
  })

  it('works in a region of 2 GiB - 64 KiB, and commits no memory that nobody touches', () => {
    const bytes = 2 ** 31 - 64 * 1024
    const before = process.memoryUsage().rss
    const whole = Region.create({ bytes })
    const { largest } = whole.stats()
    const at = whole.alloc(largest)
    expect(at + largest).toBeLessThanOrEqual(bytes)
    whole.free(at)
    expect(whole.stats()).toMatchObject({ used: 0, blocks: 0, largest })
    const parts = Region.create({ bytes })
    const blocks = [parts.alloc(64), parts.alloc(2 ** 30, 4096), parts.alloc(largest - 2 ** 30 - 3 * 4096)]
    expect(new Set(blocks).size).toBe(3)
    for (const block of blocks) parts.free(block)
    for (const region of [whole, parts]) region.check()
    expect(parts.stats()).toMatchObject({ used: 0, blocks: 0, largest })
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20)
  })

  it('finds a block that only a search of a whole list can find', () => {
    const region = Region.create({ bytes: 64 * 1024, agents: 1 })
    const keep: number[] = []
    const hole = (bytes: number): number => {
      const at = region.alloc(bytes)
      keep.push(region.alloc(8))
      return at
    }
    // One list holds sizes 1024 to 1279: 30 blocks of 1024, freed last, stand in front of one of 1264.
    const large = hole(1256)
    const smaller = Array.from({ length: 30 }, () => hole(1016))
    keep.push(region.alloc(region.stats().largest))
    region.free(large)
    for (const at of smaller) region.free(at)
    expect(region.alloc(1256)).toBe(large)
    region.check()
  })
})

describe('free', () => {
  it('refuses what is no live allocation, and changes nothing', () => {
    const region = small()
    const a = region.alloc(64)
    const b = region.alloc(64)
    const c = region.alloc(64)
    region.free(b)
    const before = region.stats()
    for (const at of [
      b,
      0,
      4,
      512,
      a + 4,
      a + 8,
      a + 16,
      a + 32,
      c + 16,
      -8,
      1.5,
      Number.NaN,
      Infinity,
      region.buffer.byteLength,
      2 ** 31,
      2 ** 32 + a,
    ]) {
      expect(() => region.free(at), String(at)).toThrow(InvalidArgumentError)
    }
    expect(region.stats()).toEqual(before)
    region.check()
    region.free(a)
    expect(() => region.free(a)).toThrow(/freed already/)
    expect(() => region.free(b)).toThrow(/freed already/)
    region.free(c)
    expect(region.stats()).toMatchObject({ used: 0, blocks: 0 })
    region.check()
  })

  it('is not deceived by data that look like a header', () => {
    const region = small()
    const a = region.alloc(256)
    // A copy of the block's own header, and plausible words, in front of addresses inside it.
    for (let at = a + 16; at < a + 256; at += 16) {
      region.words[(at >> 2) - 2] = region.words[(a >> 2) - 2]!
      region.words[(at >> 2) - 1] = region.words[(a >> 2) - 1]!
      expect(() => region.free(at)).toThrow(InvalidArgumentError)
      region.words[(at >> 2) - 2] = 33
      region.words[(at >> 2) - 1] = 33
      expect(() => region.free(at)).toThrow(InvalidArgumentError)
    }
    region.free(a)
    region.check()
  })
})

describe('random loads against a model of intervals', () => {
  it.each([
    ['small blocks', 200, 8],
    ['all sizes and alignments', 3000, 4096],
  ])('%s', (_name, maxBytes, maxAlign) => {
    const random = randomFrom(testSeed())
    const region = Region.create({ bytes: 256 * 1024, agents: 2 })
    const untouched = region.stats()
    const live = new Map<number, { bytes: number; fill: number }>()
    const owner = new Int32Array(region.buffer.byteLength >> 2).fill(-1)
    let refused = 0
    for (let step = 0; step < 20_000; step++) {
      const grow = step % 4000 < 2400
      if (live.size === 0 || random(10) < (grow ? 6 : 3)) {
        const bytes = 1 + random(random(4) === 0 ? maxBytes * 4 : maxBytes)
        const align = Math.min(maxAlign, 4 << random(11))
        let at: number
        try {
          at = region.alloc(bytes, align)
        } catch (error) {
          expect(error).toBeInstanceOf(RegionFullError)
          refused++
          continue
        }
        if (at % align !== 0) throw new Error(`step ${step}: ${at} is not aligned to ${align}`)
        if (!isZero(region, at, bytes)) throw new Error(`step ${step}: ${bytes} bytes at ${at} are not zero`)
        if (at + bytes > region.buffer.byteLength) throw new Error(`step ${step}: ${at} + ${bytes} is outside`)
        for (let word = at >> 2; word < (at + bytes + 3) >> 2; word++) {
          if (owner[word] !== -1) throw new Error(`step ${step}: ${at} overlaps the block at ${owner[word]}`)
          owner[word] = at
        }
        const fill = 1 + random(255)
        region.bytes.fill(fill, at, at + bytes)
        live.set(at, { bytes, fill })
      } else {
        const at = [...live.keys()][random(live.size)]!
        const { bytes, fill } = live.get(at)!
        if (!region.bytes.subarray(at, at + bytes).every((byte) => byte === fill)) throw new Error(`step ${step}: the block at ${at} was written to`)
        region.free(at)
        owner.fill(-1, at >> 2, (at + bytes + 3) >> 2)
        live.delete(at)
      }
      if (step % 500 === 0) region.check()
      if (region.stats().blocks !== live.size) throw new Error(`step ${step}: ${region.stats().blocks} blocks, expected ${live.size}`)
    }
    for (const at of live.keys()) region.free(at)
    region.check()
    expect(region.stats()).toEqual(untouched)
    expect(refused).toBeLessThan(20_000)
  })
})

describe('the lock', () => {
  it('is taken over from a dead agent', () => {
    const region = small()
    const at = region.alloc(64)
    const dead = registerAgent(region.words)
    Atomics.store(region.words, H_ALLOC_LOCK, dead.tag)
    declareDead(region, dead)
    const other = region.alloc(64)
    expect(other).not.toBe(at)
    expect(region.stats().blocks).toBe(2)
    region.check()
  })

  it('is taken over from the agent itself, whose stack overflowed inside', () => {
    const region = small()
    const at = region.alloc(64)
    Atomics.store(region.words, H_ALLOC_LOCK, region.self.get().tag)
    region.free(at)
    region.check()
    expect(region.stats().blocks).toBe(0)
  })

  it('survives stack overflows at any depth', () => {
    const region = Region.create({ bytes: 1 << 20, agents: 1 })
    const overflow = (pad: number): void => {
      region.alloc(16 + (pad & 63))
      overflow(pad + 1)
    }
    for (let i = 0; i < 20; i++) {
      const deep = (levels: number): void => {
        if (levels > 0) deep(levels - 1)
        else overflow(i)
      }
      try {
        deep(i * 3)
      } catch (error) {
        expect(error instanceof RangeError || error instanceof RegionFullError).toBe(true)
      }
      region.check()
    }
  })

  it('fences off what follows a header that was overwritten', () => {
    const region = small()
    const before = region.alloc(64)
    const victim = region.alloc(64)
    region.alloc(64)
    region.words[(victim >> 2) - 2] = 7777
    expect(() => region.check()).toThrow(MemoryDamageError)
    const dead = registerAgent(region.words)
    Atomics.store(region.words, H_ALLOC_LOCK, dead.tag)
    declareDead(region, dead)
    expect(() => region.alloc(64)).toThrow(MemoryDamageError)
    region.free(before)
    expect(region.alloc(64)).toBe(before)
    const fresh = region.alloc(64)
    expect(fresh).toBeGreaterThan(victim)
    region.check()
  })
})
