import { describe, expect, it } from 'vitest'
import { AtomicInt32, DisposedError, InvalidArgumentError, Region, SlotAllocator } from '../src/index.js'

const region = Region.create({ bytes: 1 << 22 })

describe('SlotAllocator', () => {
  it('hands out each slot once, then -1', () => {
    const slots = new SlotAllocator(100, { region })
    expect(Array.from({ length: 101 }, () => slots.acquire())).toEqual([...Array.from({ length: 100 }, (_, slot) => slot), -1])
  })

  it('hands out the slot released last', () => {
    const slots = new SlotAllocator(4, { region })
    for (let i = 0; i < 4; i++) slots.acquire()
    slots.release(2)
    slots.release(0)
    slots.release(3)
    expect([slots.acquire(), slots.acquire(), slots.acquire(), slots.acquire()]).toEqual([3, 0, 2, -1])
  })

  it('counts a generation at each release, and says who is held', () => {
    const slots = new SlotAllocator(2, { region })
    expect([slots.generation(0), slots.isHeld(0)]).toEqual([0, false])
    for (let generation = 0; generation < 3; generation++) {
      expect(slots.acquire()).toBe(0)
      expect([slots.generation(0), slots.isHeld(0)]).toEqual([generation, true])
      slots.release(0)
    }
    expect([slots.generation(0), slots.generation(1)]).toEqual([3, 0])
  })

  it('wraps the generation at 2^31', () => {
    const slots = new SlotAllocator(1, { region })
    slots.acquire()
    const state = (slots.at + 128) >> 2
    expect(region.words[state]).toBe(1)
    region.words[state] = -1
    expect([slots.generation(0), slots.isHeld(0)]).toEqual([2 ** 31 - 1, true])
    slots.release(0, 2 ** 31 - 1)
    expect([slots.generation(0), slots.isHeld(0)]).toEqual([0, false])
    expect(slots.acquire()).toBe(0)
  })

  it('refuses to release a free slot, and a hold that is over', () => {
    const slots = new SlotAllocator(3, { region })
    expect(() => slots.release(0)).toThrow(InvalidArgumentError)
    const slot = slots.acquire()
    const generation = slots.generation(slot)
    slots.release(slot)
    expect(() => slots.release(slot)).toThrow(/released already/)
    expect(slots.acquire()).toBe(slot)
    expect(() => slots.release(slot, generation)).toThrow(InvalidArgumentError)
    expect(slots.isHeld(slot)).toBe(true)
    slots.release(slot, generation + 1)
    expect([slots.acquire(), slots.acquire(), slots.acquire(), slots.acquire()]).toEqual([0, 1, 2, -1])
  })

  it.each([-1, 3, 0.5, NaN, '1' as never])('refuses the slot %s', (slot) => {
    const slots = new SlotAllocator(3, { region })
    expect(() => slots.release(slot)).toThrow(InvalidArgumentError)
    expect(() => slots.generation(slot)).toThrow(InvalidArgumentError)
    expect(() => slots.isHeld(slot)).toThrow(InvalidArgumentError)
  })

  it.each([0, -1, 1.5, NaN, 2 ** 24 + 1])('refuses the size %s', (size) => {
    const { blocks } = region.stats()
    expect(() => new SlotAllocator(size, { region })).toThrow(InvalidArgumentError)
    expect(() => SlotAllocator.init(region, 1 << 20, size)).toThrow(InvalidArgumentError)
    expect(region.stats().blocks).toBe(blocks)
  })

  it('lives in memory that the caller owns, inside the bytes that bytesFor says', () => {
    const bytes = SlotAllocator.bytesFor(10)
    const at = region.alloc(bytes + 64, 64)
    const slots = SlotAllocator.init(region, at, 10)
    slots.acquire()
    const other = SlotAllocator.at(region, at)
    expect(other.size).toBe(10)
    expect(Array.from({ length: 10 }, () => other.acquire())).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, -1])
    other.release(0)
    expect(SlotAllocator.fromHandle(structuredClone(slots.toHandle())).acquire()).toBe(0)
    for (let i = 0; i < 16; i++) expect(region.words[((at + bytes) >> 2) + i]).toBe(0)
    slots.dispose()
    region.free(at)
  })

  it('refuses every use after dispose, and gives its memory back', () => {
    const { blocks } = region.stats()
    const slots = new SlotAllocator(10, { region })
    const handle = slots.toHandle()
    slots.dispose()
    expect(region.stats().blocks).toBe(blocks)
    expect(() => slots.acquire()).toThrow(DisposedError)
    expect(() => slots.release(0)).toThrow(DisposedError)
    expect(() => slots.generation(0)).toThrow(DisposedError)
    expect(() => slots.isHeld(0)).toThrow(DisposedError)
    expect(() => SlotAllocator.fromHandle(handle)).toThrow(DisposedError)
    expect(() => SlotAllocator.fromHandle(new AtomicInt32({ region }).toHandle())).toThrow(InvalidArgumentError)
  })
})
