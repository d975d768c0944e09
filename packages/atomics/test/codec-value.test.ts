import { describe, expect, test } from 'vitest'
import {
  AtomicInt32,
  DisposedError,
  HeddleError,
  InvalidArgumentError,
  NotShareableError,
  Region,
  registerCloneable,
  registerErrorClass,
  SeqLock,
  SharedBox,
  u32,
  value,
  ValueTooLargeError,
} from '../src/index.js'
import { decodeValue, encodeValue, loadEncoded, storeEncoded, take } from '../src/internal.js'
import { randomValue } from './random-value.js'
import { randomFrom, testSeed } from './support.js'

const region = Region.create({ bytes: 1 << 22, agents: 4 })

function trip(given: unknown): unknown {
  const encoded = encodeValue(given, { region })
  encoded.commit()
  return decodeValue(encoded.bytes.slice(0, encoded.length), region)
}

describe('round trips', () => {
  test('of random values equal the original, in private memory and in the region', () => {
    const below = randomFrom(testSeed())
    const codec = value(1 << 20)
    const at = region.alloc(codec.bytes)
    const { blocks } = region.stats()
    for (let i = 0; i < 400; i++) {
      const given = randomValue(below)
      expect(trip(given)).toEqual(given)
      codec.write(region, at, given)
      expect(codec.read(region, at)).toEqual(given)
      codec.free!(region, at)
    }
    expect(region.stats().blocks).toBe(blocks)
    region.free(at)
  })

  test('keep -0, NaN, lone surrogates, byte order marks and strings of every length', () => {
    expect(Object.is(trip(-0), -0)).toBe(true)
    expect(trip(NaN)).toBeNaN()
    for (const text of ['\uFEFF', '\uFEFFa'.repeat(20), '\uD800', 'x\uDC00'.repeat(100), 'é', 'é'.repeat(40)]) expect(trip(text)).toBe(text)
    for (let length = 0; length < 600; length++) {
      expect(trip('a'.repeat(length))).toBe('a'.repeat(length))
      expect(trip(`${'a'.repeat(length)}ü`)).toBe(`${'a'.repeat(length)}ü`)
    }
    expect(trip('z'.repeat(100_000))).toBe('z'.repeat(100_000))
  })

  test('keep cycles and identity', () => {
    const part = { n: 1 }
    const given: Record<string, unknown> = { a: part, b: [part], m: new Map([[part, part]]), s: new Set([part]) }
    given.self = given
    for (let i = 0; i < 20; i++) given[`o${i}`] = { i }
    given.late = part
    const result = trip(given) as Record<string, unknown> & { m: Map<unknown, unknown>; s: Set<unknown>; b: unknown[] }
    expect(result.self).toBe(result)
    for (const one of [result.b[0], [...result.m.keys()][0], [...result.m.values()][0], [...result.s][0], result.late]) expect(one).toBe(result.a)
    expect(result).toEqual(given)
    const failure = new Error('outer')
    failure.cause = failure
    const revived = trip(failure) as Error
    expect(revived.cause).toBe(revived)
  })

  test('keep holes, also many, and what was numbered before them', () => {
    const few = [1, , 3, ,]
    const back = trip(few) as unknown[]
    expect([back.length, 1 in back, 3 in back]).toEqual([4, false, false])
    const shared = {}
    const many: unknown[] = [shared, shared]
    many[1_000_000_000] = shared
    const sparse = trip({ shared, many, again: shared }) as { shared: unknown; many: unknown[]; again: unknown }
    expect(sparse.many.length).toBe(1_000_000_001)
    expect(Object.keys(sparse.many)).toEqual(['0', '1', '1000000000'])
    for (const one of [sparse.many[0], sparse.many[1], sparse.many[1_000_000_000], sparse.again]) expect(one).toBe(sparse.shared)
    expect((trip(new Array(500)) as unknown[]).length).toBe(500)
  })

  test('keep every kind of view, with its own window only', () => {
    for (const Type of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array]) {
      const given = new Type([0, 1, 2, 3, 4, 5]).subarray(1, 4)
      const result = trip(given) as typeof given
      expect(result).toEqual(given)
      expect(result.buffer.byteLength).toBe(given.byteLength)
    }
    expect(trip(new BigUint64Array([1n, 2n ** 64n - 1n]))).toEqual(new BigUint64Array([1n, 2n ** 64n - 1n]))
    expect(trip(Buffer.from('hello'))).toEqual(new Uint8Array([104, 101, 108, 108, 111]))
    const large = new Uint8Array(3_000_000).map((_, i) => i)
    expect(Buffer.compare(trip(large) as Uint8Array, large)).toBe(0)
  })

  test('keep property names of every kind, and __proto__ as an own property', () => {
    const given = JSON.parse('{"__proto__": {"x": 1}, "": 2, "ünder": 3, "a b": 4, "0": 5}') as Record<string, unknown>
    given['k'.repeat(200)] = 6
    const result = trip(given) as Record<string, unknown>
    expect(Object.keys(result)).toEqual(Object.keys(given))
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
    expect(Object.getOwnPropertyDescriptor(result, '__proto__')?.value).toEqual({ x: 1 })
    expect(trip(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
  })

  test('of deep values up to the stated depth', () => {
    const nest = (levels: number): unknown => {
      let inner: unknown = 1
      for (let i = 0; i < levels; i++) inner = [inner]
      return inner
    }
    let result = trip(nest(2000))
    let depth = 0
    for (; Array.isArray(result); depth++) result = result[0]
    expect(depth).toBe(2000)
    expect(() => trip(nest(2002))).toThrow(NotShareableError)
  })
})

describe('errors', () => {
  class AppError extends Error {
    constructor(
      readonly code: string,
      readonly status: number,
    ) {
      super(`app: ${code}`)
      this.name = 'AppError'
    }
  }

  test('keep class, message, stack, cause, code and own fields', () => {
    const given = Object.assign(new RangeError('far', { cause: new TypeError('why') }), { code: 'E_FAR', by: [1] })
    const result = trip(given) as typeof given
    expect(result).toBeInstanceOf(RangeError)
    expect(result.cause).toBeInstanceOf(TypeError)
    expect([result.name, result.message, result.stack, result.code, result.by]).toEqual(['RangeError', 'far', given.stack, 'E_FAR', [1]])
    expect(Object.keys(result)).toEqual(['code', 'by'])
    const many = trip(new AggregateError([new Error('one')], 'all')) as AggregateError
    expect(many).toBeInstanceOf(AggregateError)
    expect((many.errors as Error[])[0]!.message).toBe('one')
    expect(Object.hasOwn(trip(new Error()) as Error, 'message')).toBe(false)
  })

  test("arrive as the package's own class, as a registered class, or as the nearest one with the name kept", () => {
    const own = trip(new ValueTooLargeError('big')) as ValueTooLargeError
    expect(own).toBeInstanceOf(ValueTooLargeError)
    expect(own).toBeInstanceOf(HeddleError)
    expect(own.code).toBe('ERR_VALUE_TOO_LARGE')
    const before = trip(new AppError('X', 404)) as AppError
    expect(before).not.toBeInstanceOf(AppError)
    expect([before.name, before.code, before.status, String(before)]).toEqual(['AppError', 'X', 404, 'AppError: app: X'])
    registerErrorClass(AppError)
    expect(trip(new AppError('X', 404))).toBeInstanceOf(AppError)
    expect(() => registerErrorClass(class extends Error {}, 'AppError')).toThrow(InvalidArgumentError)
  })

  test('leave out fields that can not travel', () => {
    const part = {}
    const given = Object.assign(new Error('x'), { before: part, request: { deep: [part, { send: () => 1 }] }, after: part })
    const result = trip(given) as typeof given
    expect(Object.keys(result)).toEqual(['before', 'after'])
    expect(result.after).toBe(result.before)
  })
})

describe('what can not travel', () => {
  test.each<[string, unknown, string]>([
    ['a function', { user: { socket: () => 1 } }, 'value.user.socket: function'],
    ['a symbol', [1, [Symbol('x')]], 'value[1][0]: symbol'],
    ['a WeakMap', { 'a b': new WeakMap() }, 'value["a b"]: an instance of WeakMap'],
    ['a promise in a map', new Map([['k', Promise.resolve()]]), 'value.values()[0]: an instance of Promise'],
    ['a key of a map', { m: new Map([[() => 1, 1]]) }, 'value.m.keys()[0]: function'],
    ['a member of a set', new Set([1, () => 1]), 'value.values()[1]: function'],
    ['shared memory', [new Int32Array(new SharedArrayBuffer(4))], 'value[0]: a Int32Array of shared memory'],
    ['an instance', { u: new URL('http://x.y') }, 'value.u: an instance of URL'],
    ['a port', { p: new MessageChannel().port1 }, 'value.p: an instance of MessagePort'],
    ['an odd prototype', [Object.create({ x: 1 })], 'value[0]: an object with a prototype of its own'],
  ])('%s is named with its path', (_, given, message) => {
    expect(() => trip(given)).toThrow(NotShareableError)
    expect(() => trip(given)).toThrow(message)
    expect(trip({ after: [1] })).toEqual({ after: [1] })
  })

  test('the root of the path is the name given', () => {
    expect(() => encodeValue([{ f() {} }], { root: 'args[0]' })).toThrow('args[0][0].f: function')
  })

  test('a value over its maximum throws before anything is written', () => {
    const codec = value(1000)
    const at = region.alloc(codec.bytes)
    codec.write(region, at, 'kept')
    const { blocks } = region.stats()
    for (const given of ['x'.repeat(1001), 'é'.repeat(600), new Uint8Array(1000), Array.from({ length: 2000 }, (_, i) => i)]) {
      expect(() => codec.write(region, at, given)).toThrow(ValueTooLargeError)
    }
    expect(codec.read(region, at)).toBe('kept')
    codec.write(region, at, new Uint8Array(990))
    expect(codec.read(region, at)).toEqual(new Uint8Array(990))
    codec.free!(region, at)
    expect(region.stats().blocks).toBe(blocks)
    region.free(at)
  })
})

describe('classes and shared objects', () => {
  class Point {
    constructor(
      readonly x: number,
      readonly y: number,
    ) {}
  }
  class Node {
    next: unknown
  }

  test('instances of registered classes travel; a form that leads back to its instance is refused', () => {
    expect(() => trip({ p: new Point(1, 2) })).toThrow('value.p: an instance of Point')
    registerCloneable('Point', Point, { encode: (p) => [p.x, p.y] as const, decode: ([x, y]) => new Point(x, y) })
    const p = new Point(1, 2)
    const result = trip({ p, again: p, list: [new Point(3, 4)] }) as { p: Point; again: Point; list: Point[] }
    expect(result.p).toBeInstanceOf(Point)
    expect(result.again).toBe(result.p)
    expect(result.list).toEqual([new Point(3, 4)])
    expect(() => registerCloneable('Point', Node, { encode: () => 1, decode: () => new Node() })).toThrow(InvalidArgumentError)
    registerCloneable('Node', Node, { encode: (node) => ({ next: node.next }), decode: ({ next }) => Object.assign(new Node(), { next }) })
    const loop = new Node()
    loop.next = [loop]
    expect(() => trip(loop)).toThrow('leads back')
  })

  test('foreign code that encodes and decodes in the middle of it does no harm', () => {
    class Nested {
      constructor(readonly inner: unknown) {}
    }
    const codec = value(1 << 16)
    const at = region.alloc(codec.bytes)
    registerCloneable('Nested', Nested, {
      encode: ({ inner }) => {
        codec.write(region, at, inner)
        return Array.from(new Uint8Array(encodeValue(inner).bytes.slice(0, 64)))
      },
      decode: () => {
        const inner = codec.read(region, at)
        codec.free!(region, at)
        return new Nested(inner)
      },
    })
    const given = { a: 'before', n: new Nested({ text: 'n'.repeat(500) }), get g() { return trip(['getter', 'x'.repeat(100)]) }, z: 'after' } // prettier-ignore
    const slot = region.alloc(codec.bytes)
    codec.write(region, slot, given)
    expect(codec.read(region, slot)).toEqual({ a: 'before', n: new Nested({ text: 'n'.repeat(500) }), g: ['getter', 'x'.repeat(100)], z: 'after' })
    codec.free!(region, slot)
  })

  test('shared objects of the region are opened again; of another, or without one, refused', () => {
    const cell = new AtomicInt32({ region, value: 5 })
    const result = trip({ cell, same: cell }) as { cell: AtomicInt32; same: AtomicInt32 }
    expect(result.cell).toBeInstanceOf(AtomicInt32)
    expect(result.same).toBe(result.cell)
    result.cell.add(1)
    expect(cell.load()).toBe(6)
    expect(() => encodeValue({ cell })).toThrow('value.cell: a AtomicInt32')
    const other = Region.create({ bytes: 1 << 20, agents: 4 })
    expect(() => encodeValue({ cell }, { region: other })).toThrow('of another region')
    const encoded = encodeValue([cell], { region })
    const bytes = encoded.bytes.slice(0, encoded.length)
    expect(() => decodeValue(bytes)).toThrow(NotShareableError)
    cell.dispose()
    expect(() => decodeValue(bytes, region)).toThrow('stale')
    expect(() => trip([cell])).toThrow('disposed')
  })

  test('a slot owns one reference to a box in its value, from write to free; each read is a new one', () => {
    const { blocks } = region.stats()
    const box = new SharedBox({ codec: u32, region }, 7)
    for (const codec of [value(64), value(10_000)]) {
      const at = region.alloc(codec.bytes)
      expect(() => codec.write(region, at, [box, 'x'.repeat(10_000)])).toThrow(ValueTooLargeError)
      expect(() => codec.write(region, at, [box, () => 1])).toThrow(NotShareableError)
      expect(box.count).toBe(1)
      codec.write(region, at, [box, box, 'x'.repeat(codec.bytes > 100 ? 500 : 4)])
      expect(box.count).toBe(2)
      const [first, second] = codec.read(region, at) as SharedBox<number>[]
      const [third] = take(codec, region, at) as SharedBox<number>[]
      expect(second).toBe(first)
      expect(third!.value).toBe(7)
      expect(box.count).toBe(3)
      first!.release()
      third!.release()
      codec.write(region, at, { never: ['read', box] })
      expect(box.count).toBe(2)
      codec.free!(region, at)
      expect(box.count).toBe(1)
      region.free(at)
    }
    box.release()
    expect(() => trip([box])).toThrow(DisposedError)
    expect(region.stats().blocks).toBe(blocks)
  })

  test('a box in a box lives as long as that, and a place of fixed size refuses one', () => {
    const { blocks } = region.stats()
    const inner = new SharedBox({ codec: u32, region }, 7)
    expect(() => new SeqLock(value(100), { region, value: { inner } })).toThrow(
      "value.inner: a SharedBox, whose reference a value of fixed size can't own",
    )
    const outer = new SharedBox({ codec: value<SharedBox<number>[]>(100), region }, [inner])
    inner.release()
    for (let i = 0; i < 2; i++) {
      const again = outer.value[0]!
      expect([again.value, again.count]).toEqual([7, 2])
      again.release()
    }
    outer.release()
    expect(region.stats().blocks).toBe(blocks)
  })

  test('an error whose field is refused gives up the boxes in that field only', () => {
    const box = new SharedBox({ codec: u32, region }, 7)
    const codec = value(1000)
    const at = region.alloc(codec.bytes)
    codec.write(region, at, Object.assign(new Error('x', { cause: null }), { stack: '', bad: [box, () => 1] }))
    expect(box.count).toBe(1)
    codec.free!(region, at)
    region.free(at)
    box.release()
  })

  test('storeEncoded and loadEncoded move large values', () => {
    const given = { list: Array.from({ length: 5000 }, (_, i) => ({ i, name: `n${i}` })) }
    const encoded = encodeValue(given)
    const at = region.alloc(encoded.length)
    storeEncoded(region, at, encoded)
    expect(loadEncoded(region, at, encoded.length)).toEqual(given)
    region.free(at)
  })
})
