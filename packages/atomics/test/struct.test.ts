import { describe, expect, test } from 'vitest'
import { array, AtomicInt32, bigint64, bool, bytes, f64, handle, i32, InvalidArgumentError, json, Region, revive, share, struct, u32, utf8, value, ValueTooLargeError } from '../src/index.js' // prettier-ignore

// Part of every runtime, of no library that the tests are compiled with.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (o: { initial: number; maximum: number; shared: boolean }) => { buffer: SharedArrayBuffer }
    Module: new (code: Uint8Array) => object
    Instance: new (module: object, imports: object) => { exports: Record<string, unknown> }
  }
}

const region = Region.create({ bytes: 1 << 20, agents: 4 })

const Point = struct({ x: f64, y: f64 })
const Ship = struct({ id: i32, alive: bool, name: utf8(16), place: Point, cargo: array(i32, 3), mass: u32, range: bigint64 })

describe('layout', () => {
  // offsetof and sizeof as a C compiler gives them on every 64-bit ABI, written by hand:
  //   struct text5 { uint32_t length; uint8_t data[5]; };                        4, 12
  //   struct A { _Bool a; int32_t b; _Bool c; double d; _Bool e; };              0 4 8 16 24, 32
  //   struct B { _Bool a; _Bool b; _Bool c; int32_t d; };                        0 1 2 4, 8
  //   struct C { int32_t a; struct text5 b; _Bool c; _Bool d; double e; };       0 4 16 17 24, 32
  //   struct D { _Bool a; struct B b[3]; _Bool c; struct A d; };                 0 4 28 32, 64
  //   struct E { int64_t a; uint32_t b; };                                       0 8, 16
  //   struct F { _Bool a[5]; uint32_t b; };                                      0 8, 12
  //   struct G { struct { uint32_t at, header; } a; _Bool b; };                  0 8, 12
  const A = struct({ a: bool, b: i32, c: bool, d: f64, e: bool })
  const B = struct({ a: bool, b: bool, c: bool, d: i32 })
  test.each([
    ['A', A, [0, 4, 8, 16, 24], 32, 8],
    ['B', B, [0, 1, 2, 4], 8, 4],
    ['C', struct({ a: i32, b: utf8(5), c: bool, d: bool, e: f64 }), [0, 4, 16, 17, 24], 32, 8],
    ['D', struct({ a: bool, b: array(B, 3), c: bool, d: A }), [0, 4, 28, 32], 64, 8],
    ['E', struct({ a: bigint64, b: u32 }), [0, 8], 16, 8],
    ['F', struct({ a: array(bool, 5), b: u32 }), [0, 8], 12, 4],
    ['G', struct({ a: handle(AtomicInt32), b: bool }), [0, 8], 12, 4],
    ['one flag', struct({ a: bool }), [0], 1, 1],
    ['text is inside, however long', struct({ a: utf8(1000), b: bytes(1), c: json(1000), d: value(7) }), [0, 1004, 1012, 2016], 2028, 4],
  ] as const)('%s', (_, type, offsets, size, align) => {
    expect(Object.values(type.offsets)).toEqual(offsets)
    expect([type.BYTES, type.ALIGN, type.bytes, type.align, type.fixed]).toEqual([size, align, size, align, true])
  })

  test('names that are no identifiers, or taken, and codecs without a fixed size are refused', () => {
    expect(() => struct({})).toThrow(InvalidArgumentError)
    for (const name of ['a b', '', '1a', 'at', 'region', 'get', 'set', 'dispose', 'constructor'])
      expect(() => struct({ [name]: i32 }), name).toThrow(InvalidArgumentError)
    expect(() => struct({ a: { ...i32, kind: 'odd', fixed: false } })).toThrow(InvalidArgumentError)
  })
})

describe('a struct in place', () => {
  test('reads and writes its fields', () => {
    const ship = new Ship({ region })
    expect(ship.get()).toEqual({ id: 0, alive: false, name: '', place: { x: 0, y: 0 }, cargo: [0, 0, 0], mass: 0, range: 0n })
    ship.id = -5
    ship.alive = true
    ship.name = 'Argo'
    ship.place.x += 1.5
    ship.cargo.set(2, 9)
    ship.mass = 2 ** 32 - 1
    ship.range = -(2n ** 63n)
    const again = Ship.at(region, ship.at)
    expect(again.get()).toEqual({
      id: -5,
      alive: true,
      name: 'Argo',
      place: { x: 1.5, y: 0 },
      cargo: [0, 0, 9],
      mass: 2 ** 32 - 1,
      range: -(2n ** 63n),
    })
    expect([again.id, again.alive, again.name, again.place.x, again.cargo.get(2), again.mass]).toEqual([-5, true, 'Argo', 1.5, 9, 2 ** 32 - 1])
    again.set({ name: 'Nautilus', place: { x: 1, y: 2 } })
    expect([ship.name, ship.place.get(), ship.id]).toEqual(['Nautilus', { x: 1, y: 2 }, -5])
    expect(region.words[(ship.at + Ship.offsets.id) >> 2]).toBe(-5)
    expect(region.floats[(ship.at + Ship.offsets.place) / 8 + 1]).toBe(2)
    ship.dispose()
    expect(() => ship.dispose()).toThrow(InvalidArgumentError)
  })

  test('a write that throws changes nothing', () => {
    const ship = new Ship({ region, value: { id: 1, alive: true, name: 'Argo', place: { x: 1, y: 2 }, cargo: [1, 2, 3], mass: 4, range: 5n } })
    const before = ship.get()
    expect(() => (ship.name = 'a name of more than sixteen bytes')).toThrow(ValueTooLargeError)
    expect(() => (ship.id = 1.5)).toThrow(InvalidArgumentError)
    expect(() => (ship.mass = -1)).toThrow(InvalidArgumentError)
    expect(() => (ship.place.x = 'x' as never)).toThrow(InvalidArgumentError)
    expect(() => ship.set({ id: 7, place: { x: 8, y: 9 }, name: 'x'.repeat(17) })).toThrow(ValueTooLargeError)
    expect(() => ship.set({ id: 7, cargo: [1] })).toThrow(InvalidArgumentError)
    expect(() => ((ship as { place: unknown }).place = { x: 1, y: 1 })).toThrow(TypeError)
    expect(ship.get()).toEqual(before)
    ship.dispose()
    const { blocks } = region.stats()
    expect(() => new Ship({ region, value: { ...before, name: 'x'.repeat(17) } })).toThrow(ValueTooLargeError)
    expect(region.stats().blocks).toBe(blocks)
  })

  test('uses memory of the caller, and refuses what is misaligned or outside', () => {
    const at = region.alloc(Ship.BYTES, Ship.ALIGN)
    region.bytes.fill(0xff, at, at + Ship.BYTES)
    expect(Ship.init(region, at).get().id).toBe(0)
    expect(Ship.init(region, at, { ...Ship.at(region, at).get(), id: 3 }).id).toBe(3)
    for (const bad of [at + 4, region.buffer.byteLength, -8, 0.5]) expect(() => Ship.at(region, bad)).toThrow(InvalidArgumentError)
    region.free(at)
  })

  test('is itself a codec, and a struct of many parts keeps arrays of structs', () => {
    const Fleet = struct({ ships: array(Ship, 2), flag: utf8(4) })
    const fleet = new Fleet({ region })
    const { ships } = fleet
    ships.get(1).name = 'two'
    ships.get(1).place.y = 4
    ships.set(0, { ...ships.get(0).get(), id: 9 })
    expect(fleet.get().ships.map(({ id, name, place }) => [id, name, place.y])).toEqual([[9, '', 0], [0, 'two', 4]]) // prettier-ignore
    fleet.dispose()
    const at = region.alloc(Point.bytes)
    Point.write(region, at, { x: 1, y: 2 })
    expect(Point.read(region, at)).toEqual({ x: 1, y: 2 })
    region.free(at)
  })

  test('travels as a handle, to an agent that never saw its class, too', () => {
    const Local = struct({ only: i32, here: utf8(4) })
    const local = new Local({ region, value: { only: 4, here: 'x' } })
    const there = revive(structuredClone(share([local]))) as [typeof local]
    expect(there[0].get()).toEqual({ only: 4, here: 'x' })
    expect(Local.fromHandle(local.toHandle()).only).toBe(4)
    expect(() => Ship.fromHandle(local.toHandle())).toThrow(InvalidArgumentError)
    local.dispose()
  })
})

describe('WebAssembly', () => {
  test('a module reads and writes the same fields through a shared memory', () => {
    // struct { _Bool on; int32_t n; double d; } at p: bump(p) adds 1 to n, doubles d, stores !on, and returns n.
    const Shared = struct({ on: bool, n: i32, d: f64 })
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true })
    const code = new Uint8Array([
      0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
      1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, // type 0: (i32) -> i32
      2, 9, 1, 1, 0x65, 1, 0x6d, 2, 3, 16, 16, // import e.m: a shared memory of 16 pages
      3, 2, 1, 0, // function 0 has type 0
      7, 5, 1, 1, 0x62, 0, 0, // export it as b
      10, 49, 1, 47, 0, // code: one body, no locals
      0x20, 0, 0x20, 0, 0x28, 2, 4, 0x41, 1, 0x6a, 0x36, 2, 4, // p.n = p.n + 1            at offset 4
      0x20, 0, 0x20, 0, 0x2b, 3, 8, 0x20, 0, 0x2b, 3, 8, 0xa0, 0x39, 3, 8, // p.d += p.d   at offset 8
      0x20, 0, 0x20, 0, 0x2d, 0, 0, 0x45, 0x3a, 0, 0, // p.on = !p.on                      at offset 0
      0x20, 0, 0x28, 2, 4, // p.n
      0x0b,
    ]) // prettier-ignore
    const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { e: { m: memory } })
    const bump = instance.exports.b as (p: number) => number
    const inside = Region.create({ buffer: memory.buffer, agents: 4 })
    const one = new Shared({ region: inside, value: { on: false, n: 41, d: 1.25 } })
    expect(bump(one.at)).toBe(42)
    expect(one.get()).toEqual({ on: true, n: 42, d: 2.5 })
    one.n = -1
    expect(bump(one.at)).toBe(0)
    expect(one.get()).toEqual({ on: false, n: 0, d: 5 })
  })
})
