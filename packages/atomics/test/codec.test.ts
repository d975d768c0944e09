import { describe, expect, test } from 'vitest'
import {
  array,
  AtomicInt32,
  bigint64,
  bool,
  bytes,
  type Codec,
  DisposedError,
  f64,
  handle,
  i32,
  InvalidArgumentError,
  json,
  NotShareableError,
  Region,
  RegionFullError,
  registerCodec,
  SharedBox,
  struct,
  u32,
  utf8,
  value,
  ValueTooLargeError,
} from '../src/index.js'
import { codecOfKind, fixedCodec, kindBytes, readKind, take, writeKind } from '../src/internal.js'

const region = Region.create({ bytes: 1 << 22, agents: 4 })

function trip<T>(codec: Codec<T>, given: T): T {
  const at = region.alloc(codec.bytes)
  codec.write(region, at, given)
  const result = take(codec, region, at)
  region.free(at)
  return result
}

describe('scalars', () => {
  test.each<[Codec<never>, unknown[], unknown[]]>([
    [i32 as Codec<never>, [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)], [1.5, 2 ** 31, NaN, '1', null]],
    [u32 as Codec<never>, [0, 1, 2 ** 32 - 1], [-1, 2 ** 32, 0.5, '1', undefined]],
    [f64 as Codec<never>, [0, -0, 0.1, NaN, -Infinity, 5e-324], ['1', 1n, null]],
    [bool as Codec<never>, [true, false], [0, 1, 'true', undefined]],
    [bigint64 as Codec<never>, [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)], [2n ** 63n, 1, '1', Symbol('x')]],
  ])('%o', (codec, good, bad) => {
    for (const one of good) expect(Object.is(trip(codec, one as never), one)).toBe(true)
    const at = region.alloc(codec.bytes)
    codec.write(region, at, good[1] as never)
    for (const one of bad) expect(() => codec.write(region, at, one as never)).toThrow(InvalidArgumentError)
    expect(codec.read(region, at)).toBe(good[1])
    region.free(at)
  })
})

describe('bytes, utf8, json, value', () => {
  const sizes = [0, 1, 2, 3, 4, 31, 32, 33, 95, 96, 97, 119, 120, 121, 124, 1000, 70_000]

  test('values of every size come back, inside the slot or in a block, which is freed on receipt', () => {
    const { blocks } = region.stats()
    for (const size of sizes) {
      for (const max of [size, 100_000]) {
        if (max < 1) continue
        const data = new Uint8Array(size).map((_, i) => i + 1)
        const text = 'abcdefg'.repeat(size).slice(0, size)
        expect(trip(bytes(max), data)).toEqual(data)
        expect(trip(utf8(max), text)).toBe(text)
        expect(trip(json(max + 2), text)).toBe(text)
        expect(trip(value(max + 16), text)).toBe(text)
      }
    }
    expect(trip(utf8(1000), 'größer 日本 👍'.repeat(20))).toBe('größer 日本 👍'.repeat(20))
    expect(trip(bytes(8), new Uint8Array([9, 1, 2, 9]).subarray(1, 3))).toEqual(new Uint8Array([1, 2]))
    expect(trip(json<{ a: number[] }>(100), { a: [1] })).toEqual({ a: [1] })
    expect(region.stats().blocks).toBe(blocks)
  })

  test('only what does not fit into the slot takes a block', () => {
    const codec = utf8(1000)
    expect([codec.fixed, codec.bytes, utf8(120).fixed, utf8(120).bytes, utf8(5).bytes]).toEqual([false, 124, true, 124, 12])
    const at = region.alloc(codec.bytes)
    const { blocks } = region.stats()
    codec.write(region, at, 'x'.repeat(120))
    expect(region.stats().blocks).toBe(blocks)
    codec.write(region, at, 'x'.repeat(121))
    expect(region.stats().blocks).toBe(blocks + 1)
    codec.free!(region, at)
    codec.free!(region, at)
    expect(region.stats().blocks).toBe(blocks)
    const whole = fixedCodec(codec, 'test')
    expect([whole.fixed, whole.bytes, whole.kind]).toEqual([true, 1004, codec.kind])
    region.free(at)
  })

  test('what is over the maximum, or of another type, throws before anything is written', () => {
    const cases: [Codec<never>, unknown, unknown, new (...args: never[]) => Error][] = [
      [bytes(4) as Codec<never>, new Uint8Array([1, 2, 3, 4]), new Uint8Array(5), ValueTooLargeError],
      [bytes(4) as Codec<never>, new Uint8Array([1, 2, 3, 4]), 'text', InvalidArgumentError],
      [utf8(4) as Codec<never>, 'abcd', 'abcde', ValueTooLargeError],
      [utf8(4) as Codec<never>, 'abcd', 'äöü', ValueTooLargeError],
      [utf8(4) as Codec<never>, 'abcd', 5, InvalidArgumentError],
      [json(6) as Codec<never>, 'abcd', 'abcde', ValueTooLargeError],
      [json(6) as Codec<never>, 'abcd', undefined, NotShareableError],
      [value(6) as Codec<never>, 'abcd', 'abcdef', ValueTooLargeError],
      [value(6) as Codec<never>, 'abcd', () => 1, NotShareableError],
    ]
    for (const [codec, good, bad, error] of cases) {
      const at = region.alloc(codec.bytes)
      codec.write(region, at, good as never)
      expect(() => codec.write(region, at, bad as never), `${codec.kind} of ${String(bad)}`).toThrow(error)
      expect(codec.read(region, at)).toEqual(good)
      region.free(at)
    }
    for (const make of [bytes, utf8, json, value]) for (const max of [0, -1, 1.5, NaN, 2 ** 31]) expect(() => make(max)).toThrow(InvalidArgumentError)
  })

  test('a region that is full leaves the slot as it was', () => {
    const small = Region.create({ bytes: 16_384, agents: 4 })
    for (const codec of [bytes(100_000), utf8(100_000), value(100_000)] as Codec<unknown>[]) {
      const at = small.alloc(codec.bytes)
      const former = codec.kind.startsWith('bytes') ? new Uint8Array([1]) : 'former'
      codec.write(small, at, former)
      const { used } = small.stats()
      expect(() => codec.write(small, at, codec.kind.startsWith('bytes') ? new Uint8Array(90_000) : 'x'.repeat(90_000))).toThrow(RegionFullError)
      expect(codec.read(small, at)).toEqual(former)
      expect(small.stats().used).toBe(used)
    }
  })

  test('a slot of zeros reads as nothing', () => {
    const at = region.alloc(64)
    expect([bytes(9).read(region, at).length, utf8(9).read(region, at), json(9).read(region, at), value(9).read(region, at)]).toEqual([
      0,
      '',
      undefined,
      undefined,
    ])
    region.free(at)
  })
})

describe('handle', () => {
  test('refers to an object of the same region', () => {
    const cell = new AtomicInt32({ region, value: 3 })
    const codec = handle(AtomicInt32)
    const at = region.alloc(codec.bytes)
    expect(() => codec.read(region, at)).toThrow('no object was ever written')
    codec.write(region, at, cell)
    expect(codec.read(region, at).load()).toBe(3)
    const elsewhere = new AtomicInt32({ region: Region.create({ bytes: 1 << 20, agents: 4 }) })
    expect(() => codec.write(region, at, elsewhere)).toThrow(NotShareableError)
    expect(() => codec.write(region, at, new SharedBox({ codec: i32, region }, 1) as never)).toThrow(InvalidArgumentError)
    expect(() => codec.write(region, at, {} as never)).toThrow(InvalidArgumentError)
    cell.dispose()
    expect(() => codec.read(region, at)).toThrow('stale')
    region.free(at)
  })
})

describe('handle of a box', () => {
  test('owns a reference, and so is not fixed', () => {
    const { blocks } = region.stats()
    const box = new SharedBox({ codec: i32, region }, 4)
    const codec = handle(SharedBox)
    expect(codec.fixed).toBe(false)
    expect(() => struct({ box: codec })).toThrow(InvalidArgumentError)
    const at = region.alloc(codec.bytes)
    codec.free!(region, at)
    codec.write(region, at, box)
    box.release()
    expect(() => codec.write(region, at, box)).toThrow(DisposedError)
    const one = codec.read(region, at)
    const two = take(codec, region, at)
    expect([one.value, two.count]).toEqual([4, 2])
    one.release()
    two.release()
    region.free(at)
    expect(region.stats().blocks).toBe(blocks)
  })
})

describe('array', () => {
  test('holds exactly n values in a row', () => {
    const codec = array(bigint64, 3)
    expect([codec.bytes, codec.align, codec.fixed, codec.kind]).toEqual([24, 8, true, 'array(bigint64,3)'])
    expect(trip(codec, [1n, 2n, 3n])).toEqual([1n, 2n, 3n])
    expect(trip(array(f64, 2), new Float64Array([1, 2]) as unknown as number[])).toEqual([1, 2])
    expect(trip(array(array(utf8(3), 2), 2), [['a', 'b'], ['c', 'd']])).toEqual([['a', 'b'], ['c', 'd']]) // prettier-ignore
    for (const bad of [[1n, 2n], [1n, 2n, 3n, 4n], null]) expect(() => trip(codec, bad as never)).toThrow(InvalidArgumentError)
    for (const n of [0, -1, 1.5]) expect(() => array(i32, n)).toThrow(InvalidArgumentError)
    expect(array(utf8(1000), 2).bytes).toBe(2008)
  })

  test('is read and written in place by its view', () => {
    const codec = array(i32, 3)
    const at = region.alloc(codec.bytes)
    const view = codec.view(region, at)
    view.set(1, 7)
    expect([view.get(1), view.length, view.toArray(), [...view]]).toEqual([7, 3, [0, 7, 0], [0, 7, 0]])
    for (const index of [-1, 3, 0.5, NaN]) expect(() => view.get(index)).toThrow(InvalidArgumentError)
    expect(() => view.set(3, 1)).toThrow(InvalidArgumentError)
    region.free(at)
  })
})

describe('kinds', () => {
  test('every codec is found again by its kind, also from region memory', () => {
    const all = [i32, u32, f64, bool, bigint64, bytes(3), utf8(300), json(4), value(5), handle(AtomicInt32), array(array(i32, 2), 3), struct({ a: i32, größe: utf8(9), in: struct({ b: array(f64, 2) }) })] // prettier-ignore
    for (const codec of all as Codec<unknown>[]) {
      const again = codecOfKind(codec.kind)
      expect([again.kind, again.bytes, again.align, again.fixed]).toEqual([codec.kind, codec.bytes, codec.align, codec.fixed])
      const at = region.alloc(kindBytes(codec))
      writeKind(region, at, codec)
      expect(readKind(region, at)).toBe(again)
      region.free(at)
    }
  })

  test('a codec of the user is found when it is registered', () => {
    const date: Codec<Date> = {
      kind: 'my.date',
      bytes: 8,
      align: 8,
      fixed: true,
      write: (to, at, given) => f64.write(to, at, given.getTime()),
      read: (from, at) => new Date(f64.read(from, at)),
    }
    expect(() => codecOfKind('my.date')).toThrow('registerCodec')
    registerCodec(date)
    registerCodec(date)
    expect(codecOfKind('array(my.date,2)').bytes).toBe(16)
    expect(trip(array(date, 1), [new Date(5)])).toEqual([new Date(5)])
    expect(() => registerCodec({ ...date })).toThrow(InvalidArgumentError)
    expect(() => registerCodec({ ...date, kind: 'a(b)' })).toThrow(InvalidArgumentError)
    const outside = { ...date, kind: 'outside', fixed: false }
    expect(() => array(outside, 2)).toThrow(InvalidArgumentError)
  })

  test.each(['', 'i33', 'utf8', 'utf8(', 'utf8(x)', 'utf8(5', 'i32)', 'array(i32)', 'struct()', 'struct(a)', 'handle(Nobody)', 'what(1)'])(
    '%s is none',
    (kind) => {
      expect(() => codecOfKind(kind)).toThrow(NotShareableError)
    },
  )
})
