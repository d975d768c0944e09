import { describe, expect, it } from 'vitest'
import { AtomicBitset, AtomicInt32, DisposedError, InvalidArgumentError, Region } from '../src/index.js'
import { randomFrom, testSeed } from './support.js'

const region = Region.create({ bytes: 1 << 22 })

/** Levels of one to four words of summary. */
const sizes = [1, 31, 32, 33, 1000, 1024, 1025, 32_768, 40_000, 1_048_576]

describe.each(sizes)('a bitset of %i', (size) => {
  it('finds its first, last and middle member, whichever is set', () => {
    const bitset = new AtomicBitset(size, { region })
    for (const member of [0, size - 1, size >> 1, (size * 7) >> 3]) {
      expect(bitset.test(member)).toBe(false)
      expect(bitset.set(member)).toBe(true)
      expect(bitset.set(member)).toBe(false)
      expect(bitset.test(member)).toBe(true)
      expect(bitset.count()).toBe(1)
      expect(bitset.claimFirst()).toBe(member)
      expect(bitset.test(member)).toBe(false)
      expect(bitset.claimFirst()).toBe(-1)
    }
    bitset.dispose()
  })

  it('leaves no hint behind when the last member goes', () => {
    const bitset = new AtomicBitset(size, { region })
    const levels = (): number =>
      region.words.subarray((bitset.at + 128) >> 2, (bitset.at + AtomicBitset.bytesFor(size)) >> 2).findIndex((word) => word !== 0)
    bitset.set(size - 1)
    expect(levels()).toBe(0)
    bitset.claimFirst()
    expect(levels()).toBe(-1)
    bitset.set(size >> 1)
    bitset.clear(size >> 1)
    expect(levels()).toBe(-1)
    bitset.dispose()
  })

  it('stays inside the bytes that bytesFor says', () => {
    const bytes = AtomicBitset.bytesFor(size)
    const at = region.alloc(bytes + 64, 64)
    const fence = (at + bytes) >> 2
    region.words.fill(0, at >> 2, fence)
    const bitset = AtomicBitset.init(region, at, size)
    bitset.set(size - 1)
    for (let i = 0; i < 16; i++) expect(region.words[fence + i]).toBe(0)
    expect(region.words[fence - 1]).toBe(1 << ((size - 1) & 31))
    expect(AtomicBitset.at(region, at).size).toBe(size)
    expect(AtomicBitset.at(region, at).claimFirst()).toBe(size - 1)
    bitset.dispose()
    region.free(at)
  })
})

describe('claimFirst', () => {
  it('goes round: every member has its turn before one comes again', () => {
    const bitset = new AtomicBitset(5000, { region })
    const members = [3, 40, 41, 999, 1024, 4999]
    for (const member of members) bitset.set(member)
    const order: number[] = []
    for (let i = 0; i < 3 * members.length; i++) {
      const member = bitset.claimFirst()
      order.push(member)
      bitset.set(member)
    }
    expect(order).toEqual([...members, ...members, ...members])
  })

  it('starts where it is told to, and leaves the cursor alone', () => {
    const bitset = new AtomicBitset(5000, { region })
    for (const member of [7, 8, 100, 4000]) bitset.set(member)
    expect(bitset.claimFirst(101)).toBe(4000)
    expect(bitset.claimFirst(101)).toBe(7)
    expect(bitset.claimFirst()).toBe(8)
    bitset.set(0)
    expect(bitset.claimFirst(0)).toBe(0)
    expect(bitset.claimFirst()).toBe(100)
  })

  it('finds members before the cursor in the word that the cursor is in', () => {
    const bitset = new AtomicBitset(2048, { region })
    bitset.set(70)
    expect(bitset.claimFirst()).toBe(70)
    bitset.set(65)
    expect(bitset.claimFirst()).toBe(65)
  })
})

describe('claimWord', () => {
  it('takes all members of a word, words in turn', () => {
    const bitset = new AtomicBitset(2000, { region })
    for (const member of [0, 31, 32, 1999]) bitset.set(member)
    expect(bitset.claimWord()).toEqual({ base: 0, bits: (1 << 31) | 1 })
    bitset.set(5)
    expect(bitset.claimWord()).toEqual({ base: 32, bits: 1 })
    expect(bitset.claimWord()).toEqual({ base: 1984, bits: 1 << 15 })
    expect(bitset.claimWord()).toEqual({ base: 0, bits: 1 << 5 })
    expect(bitset.claimWord()).toBeUndefined()
  })

  it('uses the object given', () => {
    const bitset = new AtomicBitset(64, { region })
    const into = { base: -1, bits: -1 }
    bitset.set(33)
    expect(bitset.claimWord(into)).toBe(into)
    expect(into).toEqual({ base: 32, bits: 2 })
    expect(bitset.claimWord(into)).toBeUndefined()
    expect(into).toEqual({ base: 32, bits: 2 })
  })
})

it('does what a Set does, through 20,000 random operations', () => {
  const random = randomFrom(testSeed())
  for (const size of [32, 700, 33_000]) {
    const bitset = new AtomicBitset(size, { region })
    const model = new Set<number>()
    for (let round = 0; round < 7000; round++) {
      // Half of the time close together, so that words fill and empty.
      const member = random(2) === 0 ? random(size) : random(Math.min(size, 40))
      switch (random(6)) {
        case 0:
        case 1:
          expect(bitset.set(member)).toBe(!model.has(member))
          model.add(member)
          break
        case 2:
          expect(bitset.clear(member)).toBe(model.delete(member))
          break
        case 3:
          expect(bitset.test(member)).toBe(model.has(member))
          break
        case 4: {
          const claimed = bitset.claimFirst()
          if (claimed < 0) expect(model.size).toBe(0)
          else expect(model.delete(claimed)).toBe(true)
          break
        }
        case 5: {
          if (random(4) > 0) break
          const word = bitset.claimWord()
          if (word === undefined) expect(model.size).toBe(0)
          for (let bits = word?.bits ?? 0; bits !== 0; bits &= bits - 1) expect(model.delete(word!.base + 31 - Math.clz32(bits & -bits))).toBe(true)
          break
        }
      }
    }
    const visited: number[] = []
    bitset.forEach((member) => visited.push(member))
    expect(visited).toEqual([...model].sort((a, b) => a - b))
    expect(bitset.count()).toBe(model.size)
    while (bitset.claimFirst() >= 0) model.delete(-1)
    expect(bitset.count()).toBe(0)
    bitset.dispose()
  }
})

it('counts full words', () => {
  const bitset = new AtomicBitset(100, { region })
  for (let member = 0; member < 100; member++) bitset.set(member)
  expect(bitset.count()).toBe(100)
})

describe('misuse', () => {
  it.each([0, -1, 1.5, NaN, 1_048_577, '8' as never])('refuses the size %s', (size) => {
    const { blocks } = region.stats()
    expect(() => new AtomicBitset(size, { region })).toThrow(InvalidArgumentError)
    expect(() => AtomicBitset.bytesFor(size)).toThrow(InvalidArgumentError)
    expect(() => AtomicBitset.init(region, 1 << 20, size)).toThrow(InvalidArgumentError)
    expect(region.stats().blocks).toBe(blocks)
  })

  it.each([-1, 40, 1.5, NaN, '3' as never])('refuses the member %s', (member) => {
    const bitset = new AtomicBitset(40, { region })
    expect(() => bitset.set(member)).toThrow(InvalidArgumentError)
    expect(() => bitset.clear(member)).toThrow(InvalidArgumentError)
    expect(() => bitset.test(member)).toThrow(InvalidArgumentError)
    expect(() => bitset.claimFirst(member)).toThrow(InvalidArgumentError)
  })

  it('refuses every use after dispose, and gives its memory back', () => {
    const { blocks } = region.stats()
    const bitset = new AtomicBitset(100, { region })
    const handle = bitset.toHandle()
    bitset.dispose()
    expect(region.stats().blocks).toBe(blocks)
    expect(() => bitset.set(1)).toThrow(DisposedError)
    expect(() => bitset.clear(1)).toThrow(DisposedError)
    expect(() => bitset.test(1)).toThrow(DisposedError)
    expect(() => bitset.claimFirst()).toThrow(DisposedError)
    expect(() => bitset.claimWord()).toThrow(DisposedError)
    expect(() => bitset.forEach(() => undefined)).toThrow(DisposedError)
    expect(() => bitset.count()).toThrow(DisposedError)
    expect(() => bitset.mend()).toThrow(DisposedError)
    expect(() => AtomicBitset.fromHandle(handle)).toThrow(DisposedError)
  })

  it('refuses a bad place and the handle of another kind', () => {
    expect(() => AtomicBitset.init(region, (1 << 20) + 32, 10)).toThrow(InvalidArgumentError)
    expect(() => AtomicBitset.init(region, region.buffer.byteLength - 192, 10_000)).toThrow(InvalidArgumentError)
    expect(() => AtomicBitset.fromHandle(new AtomicInt32({ region }).toHandle())).toThrow(InvalidArgumentError)
  })
})
