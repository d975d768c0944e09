/**
 * Structs: classes for records in shared memory, laid out as a C compiler lays them out, so that C, Rust and WebAssembly read the same bytes.
 *
 * Layout     Fields in the order given, each at the next multiple of its alignment; the struct's alignment is the largest of its
 *            fields', its size a multiple of it. Little-endian, no header word: a struct knows nothing about its life. Slots: codec.ts.
 * Invariants I1 Accesses are plain. What keeps two agents from racing for a struct is the user's: a lock, a channel, a SeqLock.
 *            I2 Writing a field, or several by `set`, throws before it changes any: several are first written to private memory. Writing
 *               a whole value into a fresh slot may stop in its middle; nothing is allocated by then, and nobody reads that slot.
 */
import { copy, fill, get, getFloat, set, setFloat } from '#ops'
import { regionOf } from './arguments.js'
import { type Codec, fixedCodec, type ViewCodec } from './codec.js'
import type { ArrayView, InPlace } from './codec-array.js'
import { checkF64, checkI32, checkU32 } from './codec-scalar.js'
import { roundUp } from './codec-scratch.js'
import { InvalidArgumentError } from './errors.js'
import { Region } from './region.js'
import { Staging } from './staging.js'

/** A struct's fields: names and codecs, in order. */
export type Fields = Readonly<Record<string, Codec<unknown>>>

/** A struct's value as a plain object. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Codec<infer T> ? T : never }

type ViewKeys<F extends Fields> = { [K in keyof F]: F[K] extends { view(region: Region, at: number): unknown } ? K : never }[keyof F]

/** A struct in place. Fields read and write shared memory; nested structs and arrays are views of their own. */
export type StructView<F extends Fields> = StructBase<F> & { [K in Exclude<keyof F, ViewKeys<F>>]: F[K] extends Codec<infer T> ? T : never } & {
  readonly [K in ViewKeys<F>]: InPlace<F[K]>
}

/** A reference to a struct for another agent. */
export interface StructHandle {
  readonly heddle: string
  readonly buffer: SharedArrayBuffer
  readonly at: number
  readonly header: 0
}

/** What every struct in place has beside its fields. */
export interface StructBase<F extends Fields> {
  readonly region: Region
  /** Byte offset in the region. */
  readonly at: number
  /** All fields, copied. */
  get(): StructValue<F>
  /** Writes the fields given. Throws before any is written. */
  set(fields: Partial<StructValue<F>>): void
  /** A structured-cloneable reference. It can't tell when the memory was freed: a struct has no header. */
  toHandle(): StructHandle
  /** Frees the memory of a struct that the class's constructor allocated. @throws InvalidArgumentError when it is no live allocation. */
  dispose(): void
  [Symbol.dispose](): void
}

/** A class of structs; also the codec of its values. */
export interface StructClass<F extends Fields> extends ViewCodec<StructValue<F>, StructView<F>> {
  /** Allocates a struct, zeroed or with a value. @throws RegionFullError */
  new (options?: { region?: Region; value?: StructValue<F> }): StructView<F>
  readonly BYTES: number
  readonly ALIGN: number
  readonly fields: F
  /** Byte offset of each field. */
  readonly offsets: { readonly [K in keyof F]: number }
  /** Uses memory that the caller owns: zeroes it, or writes a value. @throws InvalidArgumentError when it is misaligned or outside the region. */
  init(region: Region, at: number, value?: StructValue<F>): StructView<F>
  /** Opens a struct in place. @throws InvalidArgumentError when it is misaligned or outside the region. */
  at(region: Region, at: number): StructView<F>
  fromHandle(handle: StructHandle): StructView<F>
}

const RESERVED = new Set(['region', 'at', 'get', 'set', 'toHandle', 'dispose', 'constructor', '__proto__'])

/** A struct in place, without its fields. */
export abstract class StructObject {
  constructor(
    readonly region: Region,
    readonly at: number,
  ) {}
}

interface Field {
  readonly name: string
  readonly codec: Codec<unknown>
  readonly offset: number
}

/**
 * Defines a class of structs.
 * @throws InvalidArgumentError without fields, for a name that is not an identifier or is taken, for a codec without a fixed size.
 * @example
 * const Point = struct({ x: f64, y: f64 })
 * const Ship = struct({ id: i32, name: utf8(16), place: Point })
 * const ship = new Ship({ value: { id: 1, name: 'Argo', place: { x: 0, y: 0 } } })
 * ship.place.x += 1.5
 * Ship.offsets.place // 24
 */
export function struct<const F extends Fields>(fields: F): StructClass<F> {
  if (typeof fields !== 'object' || fields === null) throw new InvalidArgumentError('struct() takes an object of codecs by name')
  const layout: Field[] = []
  let size = 0
  let align = 1
  for (const [name, given] of Object.entries(fields)) {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) || RESERVED.has(name))
      throw new InvalidArgumentError(`'${name}' can't be the name of a struct's field`)
    const codec = fixedCodec(given, 'struct')
    size = roundUp(size, codec.align)
    layout.push({ name, codec, offset: size })
    size += codec.bytes
    align = Math.max(align, codec.align)
  }
  if (layout.length === 0) throw new InvalidArgumentError('a struct has at least one field')
  const total = roundUp(size, align)
  const kind = `struct(${layout.map(({ name, codec }) => `${name}:${codec.kind}`).join(',')})`
  const staging = new Staging()

  const writeAll = (region: Region, at: number, value: Record<string, unknown>): void => {
    for (const { name, codec, offset } of layout) codec.write(region, at + offset, value[name])
  }
  const readAll = (region: Region, at: number): Record<string, unknown> => {
    const value: Record<string, unknown> = {}
    for (const { name, codec, offset } of layout) value[name] = codec.read(region, at + offset)
    return value
  }
  const check = (region: Region, at: number): void => {
    if (!Number.isInteger(at) || at < 0 || at % align !== 0 || at + total > region.buffer.byteLength) {
      throw new InvalidArgumentError(`${kind} needs ${total} bytes aligned to ${align} inside the region, got byte offset ${at}`)
    }
  }

  class Struct extends StructObject {
    static readonly kind = kind
    static readonly bytes = total
    static readonly align = align
    static readonly fixed = true
    static readonly BYTES = total
    static readonly ALIGN = align
    static readonly fields = fields
    static readonly offsets = Object.fromEntries(layout.map(({ name, offset }) => [name, offset]))

    constructor(options: { region?: Region; value?: Record<string, unknown> } | Region = {}, at = -1) {
      if (options instanceof Region) super(options, at)
      else {
        const region = regionOf(options)
        super(region, region.alloc(total, Math.max(align, 8)))
        if (options.value !== undefined) {
          try {
            writeAll(region, this.at, options.value)
          } catch (error) {
            region.free(this.at)
            throw error
          }
        }
      }
    }
    static init(region: Region, at: number, value?: Record<string, unknown>): Struct {
      check(region, at)
      if (value === undefined) fill(region.bytes, at, total, 0)
      else Struct.write(region, at, value)
      return new Struct(region, at)
    }
    static at(region: Region, at: number): Struct {
      check(region, at)
      return new Struct(region, at)
    }
    static fromHandle(handle: StructHandle): Struct {
      if (handle.heddle !== kind) throw new InvalidArgumentError(`the handle is one of ${handle.heddle}, not of ${kind}`)
      return Struct.at(Region.attach(handle.buffer), handle.at)
    }
    static view(region: Region, at: number): Struct {
      return new Struct(region, at)
    }
    static read(region: Region, at: number): Record<string, unknown> {
      return readAll(region, at)
    }
    static write(region: Region, at: number, value: Record<string, unknown>): void {
      writeAll(region, at, value)
    }
    get(): Record<string, unknown> {
      return readAll(this.region, this.at)
    }
    set(given: Record<string, unknown>): void {
      const draft = staging.of(this.region, total)
      const chosen = layout.filter(({ name }) => Object.hasOwn(given, name))
      for (const { name, codec, offset } of chosen) codec.write(draft.region, offset, given[name])
      for (const { codec, offset } of chosen) copy(this.region.bytes, this.at + offset, draft.bytes, offset, codec.bytes)
    }
    toHandle(): StructHandle {
      return { heddle: kind, buffer: this.region.buffer, at: this.at, header: 0 }
    }
    dispose(): void {
      this.region.free(this.at)
    }
    [Symbol.dispose](): void {
      this.dispose()
    }
  }
  // A class's own `name` is its text in the debugger, not its layout.
  Object.defineProperty(Struct, 'name', { value: 'Struct' })
  for (const field of layout) Object.defineProperty(Struct.prototype, field.name, accessor(field))
  return Struct as unknown as StructClass<F>
}

/** Separate functions for the commonest types, so that the engine sees one type in each. */
function accessor({ codec, offset }: Field): PropertyDescriptor & ThisType<StructObject> {
  const shape = { enumerable: true, configurable: false }
  switch (codec.kind) {
    case 'i32':
      return {
        ...shape,
        get() {
          return get(this.region.words, (this.at + offset) >> 2)
        },
        set(value: number) {
          set(this.region.words, (this.at + offset) >> 2, checkI32(value))
        },
      }
    case 'u32':
      return {
        ...shape,
        get() {
          return get(this.region.words, (this.at + offset) >> 2) >>> 0
        },
        set(value: number) {
          set(this.region.words, (this.at + offset) >> 2, checkU32(value))
        },
      }
    case 'f64':
      return {
        ...shape,
        get() {
          return getFloat(this.region.floats, (this.at + offset) / 8)
        },
        set(value: number) {
          setFloat(this.region.floats, (this.at + offset) / 8, checkF64(value))
        },
      }
    default: {
      const inPlace = codec as Partial<ViewCodec<unknown, StructObject | ArrayView<unknown>>>
      if (inPlace.view !== undefined) {
        return {
          ...shape,
          get() {
            return inPlace.view!(this.region, this.at + offset)
          },
        }
      }
      return {
        ...shape,
        get() {
          return codec.read(this.region, this.at + offset)
        },
        set(value: unknown) {
          codec.write(this.region, this.at + offset, value)
        },
      }
    }
  }
}
