/** Codecs of one number or flag, and of references to shared objects. Layout and invariants: codec.ts. */
import { get, getBig, getByte, getFloat, set, setBig, setByte, setFloat } from '#ops'
import { checkClass } from './arguments.js'
import type { Codec } from './codec.js'
import { isCountedClass, isCountedObject } from './counted.js'
import { DisposedError, InvalidArgumentError, NotShareableError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, registerShareable, type SharedClass, SharedObject } from './shared-object.js'

function refuse(kind: string, wanted: string, value: unknown): never {
  throw new InvalidArgumentError(
    `${kind} takes ${wanted}, got ${typeof value === 'bigint' ? `${value}n` : typeof value === 'symbol' ? 'a symbol' : String(value)}`,
  )
}

/** Refuses what is not an integer from -2^31 to 2^31 - 1. */
export function checkI32(value: number): number {
  return (value | 0) === value ? value : refuse('i32', 'an integer from -2147483648 to 2147483647', value)
}
/** Refuses what is not an integer from 0 to 2^32 - 1; gives the word that represents it. */
export function checkU32(value: number): number {
  return value >>> 0 === value ? value | 0 : refuse('u32', 'an integer from 0 to 4294967295', value)
}
/** Refuses what is not a number. */
export function checkF64(value: number): number {
  return typeof value === 'number' ? value : refuse('f64', 'a number', value)
}

/** A signed 32-bit integer: 4 bytes. @throws InvalidArgumentError when written a fraction or an integer out of range. */
export const i32: Codec<number> = {
  kind: 'i32',
  bytes: 4,
  align: 4,
  fixed: true,
  write(region, at, value) {
    set(region.words, at >> 2, checkI32(value))
  },
  read(region, at) {
    return get(region.words, at >> 2)
  },
}

/** An unsigned 32-bit integer: 4 bytes. @throws InvalidArgumentError when written a fraction or an integer out of range. */
export const u32: Codec<number> = {
  kind: 'u32',
  bytes: 4,
  align: 4,
  fixed: true,
  write(region, at, value) {
    set(region.words, at >> 2, checkU32(value))
  },
  read(region, at) {
    return get(region.words, at >> 2) >>> 0
  },
}

/** A number, as a 64-bit float: 8 bytes at a multiple of 8. @throws InvalidArgumentError when written anything else. */
export const f64: Codec<number> = {
  kind: 'f64',
  bytes: 8,
  align: 8,
  fixed: true,
  write(region, at, value) {
    setFloat(region.floats, at / 8, checkF64(value))
  },
  read(region, at) {
    return getFloat(region.floats, at / 8)
  },
}

/** A boolean: one byte, 0 or 1. @throws InvalidArgumentError when written anything else. */
export const bool: Codec<boolean> = {
  kind: 'bool',
  bytes: 1,
  align: 1,
  fixed: true,
  write(region, at, value) {
    if (typeof value !== 'boolean') refuse('bool', 'true or false', value)
    setByte(region.bytes, at, value ? 1 : 0)
  },
  read(region, at) {
    return getByte(region.bytes, at) !== 0
  },
}

/** A bigint from -2^63 to 2^63 - 1: 8 bytes at a multiple of 8. @throws InvalidArgumentError when written anything else. */
export const bigint64: Codec<bigint> = {
  kind: 'bigint64',
  bytes: 8,
  align: 8,
  fixed: true,
  write(region, at, value) {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) refuse('bigint64', 'a bigint from -2^63 to 2^63 - 1', value)
    setBig(region.words64, at / 8, value)
  },
  read(region, at) {
    return getBig(region.words64, at / 8)
  },
}

class HandleCodec<T extends SharedObject> implements Codec<T> {
  readonly kind: string
  readonly bytes = 8
  readonly align = 4
  readonly fixed: boolean
  constructor(private readonly type: SharedClass<T>) {
    this.kind = `handle(${type.kind})`
    this.fixed = !isCountedClass(type)
  }
  write(region: Region, at: number, value: T): void {
    if (!(value instanceof SharedObject) || (value.constructor as unknown as SharedClass).kind !== this.type.kind)
      refuse(this.kind, `a ${this.type.kind}`, value)
    if (value.region !== region && value.region.id !== region.id) {
      throw new NotShareableError(`${this.kind}: the object lives in another region; a reference of 8 bytes only reaches objects of its own region`)
    }
    if (value.isDisposed) throw new DisposedError(`this ${this.type.kind} was disposed of`)
    if (isCountedObject(value)) value.retain()
    set(region.words, at >> 2, value.at)
    set(region.words, (at >> 2) + 1, value.header)
  }
  read(region: Region, at: number): T {
    const handle = this.handle(region, at)
    if (handle.at === 0) throw new DisposedError(`${this.kind}: no object was ever written here`)
    return isCountedClass(this.type) ? (this.type.reopen(handle) as SharedObject as T) : this.type.fromHandle(handle)
  }
  free(region: Region, at: number): void {
    const handle = this.handle(region, at)
    set(region.words, at >> 2, 0)
    if (handle.at !== 0 && isCountedClass(this.type)) this.type.adopt(handle).release()
  }
  private handle(region: Region, at: number): Handle {
    return { heddle: this.type.kind, buffer: region.buffer, at: get(region.words, at >> 2), header: get(region.words, (at >> 2) + 1) }
  }
}

/**
 * A reference to a shared object of one class, in the same region: 8 bytes. Reading opens the object; a stale reference throws
 * `DisposedError` then. The slot owns a reference to a `SharedBox`, and so isn't fixed: no fields of structs; each read is a new reference.
 * @throws NotShareableError when written an object of another region.
 */
export function handle<T extends SharedObject>(type: SharedClass<T>): Codec<T> {
  registerShareable(checkClass(type).kind, type)
  return new HandleCodec(type)
}
