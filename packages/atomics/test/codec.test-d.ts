/** Types that codecs infer. Checked by the compiler; nothing here runs. */
import { expectTypeOf } from 'vitest'
import {
  array,
  type ArrayView,
  AtomicInt32,
  type bigint64,
  type bool,
  bytes,
  type Codec,
  type CodecValue,
  f64,
  handle,
  i32,
  json,
  SeqLock,
  SharedBox,
  struct,
  type StructValue,
  type StructView,
  u32,
  utf8,
  value,
} from '../src/index.js'

const Point = struct({ x: f64, y: f64 })
const Ship = struct({
  id: u32,
  name: utf8(16),
  place: Point,
  cargo: array(i32, 3),
  crew: array(Point, 2),
  lock: handle(AtomicInt32),
  meta: json<{ a: number }>(20),
})

expectTypeOf<CodecValue<typeof i32>>().toEqualTypeOf<number>()
expectTypeOf<CodecValue<typeof bool>>().toEqualTypeOf<boolean>()
expectTypeOf<CodecValue<typeof bigint64>>().toEqualTypeOf<bigint>()
expectTypeOf(bytes(4)).toEqualTypeOf<Codec<Uint8Array>>()
expectTypeOf(value(4)).toEqualTypeOf<Codec<unknown>>()
expectTypeOf(value<{ a: 1 }>(4)).toEqualTypeOf<Codec<{ a: 1 }>>()
expectTypeOf(handle(AtomicInt32)).toEqualTypeOf<Codec<AtomicInt32>>()
expectTypeOf<CodecValue<ReturnType<typeof array<typeof f64>>>>().toEqualTypeOf<number[]>()
export const grid = array(array(Point, 2), 3)
expectTypeOf<CodecValue<typeof grid>>().toEqualTypeOf<{ x: number; y: number }[][]>()
expectTypeOf<CodecValue<typeof Point>>().toEqualTypeOf<{ x: number; y: number }>()

declare const ship: InstanceType<typeof Ship>
expectTypeOf(ship.id).toEqualTypeOf<number>()
expectTypeOf(ship.name).toEqualTypeOf<string>()
expectTypeOf(ship.place.x).toEqualTypeOf<number>()
expectTypeOf(ship.cargo).toEqualTypeOf<ArrayView<number, number>>()
expectTypeOf(ship.crew.get(0).x).toEqualTypeOf<number>()
expectTypeOf(ship.lock).toEqualTypeOf<AtomicInt32>()
expectTypeOf(ship.meta).toEqualTypeOf<{ a: number }>()
expectTypeOf(ship.get().crew).toEqualTypeOf<{ x: number; y: number }[]>()
expectTypeOf(Ship.offsets.cargo).toEqualTypeOf<number>()
ship.id = 4
// @ts-expect-error a field of its own type only
ship.id = 'x'
// @ts-expect-error a nested struct is a view: write its fields, or use set
ship.place = { x: 1, y: 2 }
// @ts-expect-error no such field
ship.set({ nope: 1 })
ship.set({ place: { x: 1, y: 2 } })

export type Value = StructValue<{ a: typeof i32; b: typeof Point }>
expectTypeOf<Value>().toEqualTypeOf<{ a: number; b: { x: number; y: number } }>()
export type View = StructView<{ a: typeof i32 }>
expectTypeOf<View['a']>().toEqualTypeOf<number>()

const lock = new SeqLock(Point)
expectTypeOf(lock.read()).toEqualTypeOf<{ x: number; y: number }>()
// @ts-expect-error another type
lock.write({ x: 1 })
const box = new SharedBox({ codec: utf8(4) }, 'x')
expectTypeOf(box.value).toEqualTypeOf<string>()
expectTypeOf(SharedBox.fromHandle<number>).returns.toEqualTypeOf<SharedBox<number>>()
