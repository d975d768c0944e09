import { describe, expect, it } from 'vitest'
import {
  AtomicBigInt64,
  AtomicBitset,
  AtomicBool,
  AtomicCounter,
  AtomicInt32,
  AtomicUint32,
  type Capabilities,
  DisposedError,
  InvalidArgumentError,
  Region,
  SlotAllocator,
} from '../src/index.js'
import { inWorkers } from './primitives.js'

const region = Region.create({ bytes: 1 << 20 })

describe('AtomicInt32', () => {
  it('returns the value before from every operation that changes it', () => {
    const cell = new AtomicInt32({ region, value: 12 })
    expect([cell.add(3), cell.sub(5), cell.and(0b1011), cell.or(0b100), cell.xor(0b1111), cell.exchange(-7)]).toEqual([12, 15, 10, 10, 14, 1])
    expect(cell.load()).toBe(-7)
    cell.store(8)
    expect(cell.load()).toBe(8)
  })

  it('wraps around as Int32Array does', () => {
    const cell = new AtomicInt32({ region, value: 0x7fff_ffff })
    expect(cell.add(1)).toBe(0x7fff_ffff)
    expect(cell.load()).toBe(-0x8000_0000)
    cell.store(2 ** 32 + 5.9)
    expect(cell.load()).toBe(5)
  })

  it('swaps only what is expected, modulo 2^32', () => {
    const cell = new AtomicInt32({ region, value: -1 })
    expect(cell.compareExchange(0, 1)).toBe(false)
    expect(cell.load()).toBe(-1)
    expect(cell.compareExchange(0xffff_ffff, 2 ** 32 + 1)).toBe(true)
    expect(cell.load()).toBe(1)
  })

  it('update gives the new value, wrapped, and leaves the cell alone when the function throws', () => {
    const cell = new AtomicInt32({ region, value: 20 })
    expect(cell.update((value) => value * 2)).toBe(40)
    expect(cell.update((value) => value + 2 ** 31)).toBe(40 - 2 ** 31)
    expect(() =>
      cell.update(() => {
        throw new RangeError('no')
      }),
    ).toThrow(RangeError)
    expect(cell.load()).toBe(40 - 2 ** 31)
  })

  it('update runs again with the new value when the cell changed meanwhile', () => {
    const cell = new AtomicInt32({ region })
    const seen: number[] = []
    const result = cell.update((value) => {
      seen.push(value)
      if (seen.length === 1) cell.store(100)
      return value + 1
    })
    expect(seen).toEqual([0, 100])
    expect(result).toBe(101)
  })

  it.each([0.5, NaN, 2 ** 31, -(2 ** 31) - 1, '1' as never, 1n as never])('refuses %s as first value', (value) => {
    const { blocks } = region.stats()
    expect(() => new AtomicInt32({ region, value })).toThrow(InvalidArgumentError)
    expect(region.stats().blocks).toBe(blocks)
  })
})

describe('AtomicUint32', () => {
  it('is unsigned in every result', () => {
    const cell = new AtomicUint32({ region, value: 0xffff_fff0 })
    expect([cell.add(0x0f), cell.sub(0), cell.and(0xf000_000f), cell.or(0xff), cell.xor(0xff), cell.exchange(3_000_000_000)]).toEqual([
      0xffff_fff0, 0xffff_ffff, 0xffff_ffff, 0xf000_000f, 0xf000_00ff, 0xf000_0000,
    ])
    expect(cell.load()).toBe(3_000_000_000)
  })

  it('wraps around, and swaps and updates above 2^31', () => {
    const cell = new AtomicUint32({ region, value: 0xffff_ffff })
    expect(cell.add(1)).toBe(0xffff_ffff)
    expect(cell.sub(1)).toBe(0)
    expect(cell.load()).toBe(0xffff_ffff)
    expect(cell.compareExchange(0xffff_ffff, 0xffff_fffe)).toBe(true)
    expect(cell.compareExchange(0xffff_ffff, 0)).toBe(false)
    expect(cell.update((value) => value + 1)).toBe(0xffff_ffff)
    expect(cell.update((value) => value + 1)).toBe(0)
  })

  it.each([-1, 0.5, 2 ** 32, NaN])('refuses %s as first value', (value) => {
    expect(() => new AtomicUint32({ region, value })).toThrow(InvalidArgumentError)
  })
})

describe('AtomicBool', () => {
  it('has the operations of a boolean', () => {
    const cell = new AtomicBool({ region, value: true })
    expect([cell.and(true), cell.and(false), cell.or(false), cell.or(true), cell.xor(false), cell.xor(true)]).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
    ])
    expect(cell.load()).toBe(false)
    expect(cell.exchange(true)).toBe(false)
    expect(cell.compareExchange(false, true)).toBe(false)
    expect(cell.compareExchange(true, false)).toBe(true)
    expect(cell.update((value) => !value)).toBe(true)
    cell.store(false)
    expect(cell.load()).toBe(false)
    expect(region.words[cell.valueAt >> 2]).toBe(0)
  })

  it('refuses a first value that is no boolean', () => {
    expect(() => new AtomicBool({ region, value: 1 as never })).toThrow(InvalidArgumentError)
  })
})

describe('AtomicBigInt64', () => {
  it('returns the value before from every operation that changes it', () => {
    const cell = new AtomicBigInt64({ region, value: 2n ** 40n })
    expect([cell.add(3n), cell.sub(1n), cell.and(0b11n), cell.or(0b100n), cell.xor(0b111n), cell.exchange(-9n)]).toEqual([
      2n ** 40n,
      2n ** 40n + 3n,
      2n ** 40n + 2n,
      0b10n,
      0b110n,
      0b1n,
    ])
    expect(cell.load()).toBe(-9n)
    cell.store(7n)
    expect(cell.load()).toBe(7n)
  })

  it('wraps around, and swaps modulo 2^64', () => {
    const cell = new AtomicBigInt64({ region, value: 2n ** 63n - 1n })
    cell.add(1n)
    expect(cell.load()).toBe(-(2n ** 63n))
    expect(cell.compareExchange(2n ** 63n, 5n)).toBe(true)
    expect(cell.compareExchange(4n, 6n)).toBe(false)
    expect(cell.update((value) => value + 2n ** 64n + 1n)).toBe(6n)
  })

  it('refuses numbers and bigints out of range', () => {
    expect(() => new AtomicBigInt64({ region, value: 1 as never })).toThrow(InvalidArgumentError)
    expect(() => new AtomicBigInt64({ region, value: 2n ** 63n })).toThrow(InvalidArgumentError)
    expect(() => new AtomicBigInt64({ region }).add(1 as never)).toThrow(TypeError)
  })
})

const kinds = [
  { type: AtomicInt32, value: -5 },
  { type: AtomicUint32, value: 4_000_000_000 },
  { type: AtomicBool, value: true },
  { type: AtomicBigInt64, value: -(2n ** 50n) },
] as const

describe.each(kinds)('$type.kind as a shared object', ({ type, value }) => {
  // The four classes have one shape; a union of their types can't be called.
  const Cell = type as unknown as typeof AtomicInt32
  const first = value as number

  it('starts at zero, or at its value', () => {
    expect(Number(new Cell({ region }).load())).toBe(0)
    expect(new Cell({ region, value: first }).load()).toBe(value)
    expect(new Cell().region).toBe(Region.default)
  })

  it('lives in memory that the caller owns, and is opened by place and by handle', () => {
    const at = region.alloc(Cell.BYTES, Cell.ALIGN)
    const { blocks } = region.stats()
    const cell = Cell.init(region, at, first)
    expect(cell.valueAt).toBeGreaterThan(at)
    expect(cell.valueAt).toBeLessThan(at + Cell.BYTES)
    expect(Cell.at(region, at).load()).toBe(value)
    expect(Cell.fromHandle(structuredClone(cell.toHandle())).load()).toBe(value)
    cell.dispose()
    expect(region.stats().blocks).toBe(blocks)
    region.free(at)
  })

  it('keeps its value where valueAt says', () => {
    const cell = new Cell({ region, value: first })
    const stored = (Cell.BYTES as number) === 16 ? region.words64[cell.valueAt >> 3] : region.words[cell.valueAt >> 2]
    expect(BigInt(stored!)).toBe(BigInt.asIntN((Cell.BYTES as number) === 16 ? 64 : 32, BigInt(value)))
  })

  it('refuses every use after dispose, through every object, and gives its memory back once', () => {
    const { blocks } = region.stats()
    const cell = new Cell({ region, value: first })
    const other = Cell.at(region, cell.at)
    const handle = cell.toHandle()
    cell.dispose()
    expect(region.stats().blocks).toBe(blocks)
    for (const open of [cell, other]) {
      expect(() => open.load()).toThrow(DisposedError)
      expect(() => open.store(first)).toThrow(DisposedError)
      expect(() => open.exchange(first)).toThrow(DisposedError)
      expect(() => open.and(first)).toThrow(DisposedError)
      expect(() => open.or(first)).toThrow(DisposedError)
      expect(() => open.xor(first)).toThrow(DisposedError)
      expect(() => open.compareExchange(first, first)).toThrow(DisposedError)
      expect(() => open.update((seen) => seen)).toThrow(DisposedError)
      expect(() => open.dispose()).toThrow(DisposedError)
      if (type !== AtomicBool) {
        expect(() => open.add(first)).toThrow(DisposedError)
        expect(() => open.sub(first)).toThrow(DisposedError)
      }
    }
    const successor = new Cell({ region })
    expect(() => cell.load()).toThrow(DisposedError)
    expect(() => Cell.fromHandle(handle)).toThrow(DisposedError)
    successor.dispose()
  })

  it('refuses a bad place and the handle of another kind', () => {
    expect(() => Cell.init(region, 1002)).toThrow(InvalidArgumentError)
    expect(() => Cell.init(region, region.buffer.byteLength - 4)).toThrow(InvalidArgumentError)
    expect(() => Cell.fromHandle(new AtomicCounter({ region }).toHandle())).toThrow(InvalidArgumentError)
    expect(() => Cell.at(region, region.alloc(64, 64))).toThrow(DisposedError)
  })
})

it('every kind can be opened and used in another thread', async () => {
  const int = new AtomicInt32({ region, value: 7 })
  const uint = new AtomicUint32({ region, value: 0 })
  const bool = new AtomicBool({ region })
  const big = new AtomicBigInt64({ region, value: 2n ** 60n })
  const bitset = new AtomicBitset(2000, { region })
  const slots = new SlotAllocator(5, { region })
  const counter = new AtomicCounter({ region })
  const stale = new AtomicInt32({ region })
  const handles = {
    int: int.toHandle(),
    uint: uint.toHandle(),
    bool: bool.toHandle(),
    big: big.toHandle(),
    bitset: bitset.toHandle(),
    slots: slots.toHandle(),
    counter: counter.toHandle(),
    stale: stale.toHandle(),
  }
  stale.dispose()
  bitset.set(1999)
  counter.add(2)
  const [result] = await inWorkers<Record<string, unknown>>(1, { role: 'roundTrip', handles })
  expect(result).toMatchObject({
    int: 7,
    uint: 0,
    bool: false,
    big: 2n ** 60n,
    bitset: [2000, 1999],
    slots: [5, 0],
    canBlock: true,
    stale: 'ERR_DISPOSED',
  })
  expect((result!.capabilities as Capabilities).canBlock).toBe(true)
  expect([int.load(), uint.load(), bool.load(), big.load()]).toEqual([8, 0xffff_ffff, true, 2n ** 60n + 1n])
  expect([bitset.claimFirst(), bitset.claimFirst()]).toEqual([3, -1])
  expect([slots.isHeld(0), slots.acquire()]).toEqual([true, 1])
  expect(counter.sum()).toBe(42)
})
