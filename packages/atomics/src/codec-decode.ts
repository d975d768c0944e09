/** Bytes to structured values: the other half of codec-encode.ts, whose invariants it shares. */
import { cloneableByName, errorClassByName } from './codec-class.js'
import {
  ARRAY, ASCII_32, ASCII_8, BIGINT_64, BIGINT_NEGATIVE, BIGINT_POSITIVE, BUFFER, CLASS, DATE, END, ERROR, FALSE, FIELD_ENUMERABLE, FLOAT, GENERAL_KEY, HOLE, INTEGER, MAP, NULL,
  OBJECT, REFERENCE, REGEXP, SET, SHARED, SMALL_ARRAY, SMALL_INTEGER, SMALL_OBJECT, SMALL_STRING, SPARSE_ARRAY, TRUE, UNDEFINED, UTF16, UTF16_LOOSE, VIEW, VIEW_TYPES,
} from './codec-format.js' // prettier-ignore
import { copyWordsOut, Scratch, scratch } from './codec-scratch.js'
import { decodeAscii, decodeKey, decodeUtf16 } from './codec-text.js'
import { type CountedObject, isCountedClass } from './counted.js'
import { HeddleError, NotShareableError } from './errors.js'
import type { Region } from './region.js'
import { shareableClass } from './shared-object.js'

/** What a hole decodes to, inside this module. */
const EMPTY = Symbol('hole')

class Decoder {
  private at = 0
  private readonly objects: unknown[] = []
  private made: DataView<ArrayBuffer> | undefined = undefined

  constructor(
    private readonly bytes: Uint8Array<ArrayBuffer>,
    private readonly region: Region | undefined,
    private readonly borrowed: boolean,
    /** Where to collect the bytes' own references; without it each object becomes a new reference. */
    private readonly adopted?: CountedObject[],
  ) {}

  private get view(): DataView<ArrayBuffer> {
    return (this.made ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength))
  }

  read(): unknown {
    const tag = this.bytes[this.at++]!
    if (tag >= SMALL_INTEGER) return tag - SMALL_INTEGER
    if (tag >= SMALL_OBJECT) return this.plain(tag - SMALL_OBJECT)
    if (tag >= SMALL_STRING) return this.ascii(tag - SMALL_STRING)
    if (tag >= SMALL_ARRAY) return this.array(tag - SMALL_ARRAY)
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case TRUE:
        return true
      case FALSE:
        return false
      case INTEGER: {
        const zigzag = this.varint()
        return (zigzag >>> 1) ^ -(zigzag & 1)
      }
      case FLOAT:
        return this.float()
      case BIGINT_64:
        this.at += 8
        return this.view.getBigInt64(this.at - 8, true)
      case BIGINT_POSITIVE:
        return BigInt(`0x${this.read() as string}`)
      case BIGINT_NEGATIVE:
        return -BigInt(`0x${this.read() as string}`)
      case ASCII_8:
        return this.ascii(this.bytes[this.at++]!)
      case ASCII_32:
        return this.ascii(this.u32())
      case UTF16:
        return this.utf16(false)
      case UTF16_LOOSE:
        return this.utf16(true)
      case ARRAY:
        return this.array(this.varint())
      case OBJECT:
        return this.plain(this.varint())
      case REFERENCE:
        return this.objects[this.varint()]
      case HOLE:
        return EMPTY
      default:
        return this.special(tag)
    }
  }

  private special(tag: number): unknown {
    switch (tag) {
      case SPARSE_ARRAY:
        return this.sparse()
      case DATE:
        return this.keep(new Date(this.float()))
      case REGEXP: {
        const number = this.reserve()
        return (this.objects[number] = new RegExp(this.read() as string, this.read() as string))
      }
      case MAP: {
        const size = this.varint()
        const map = this.keep(new Map<unknown, unknown>())
        for (let i = 0; i < size; i++) map.set(this.read(), this.read())
        return map
      }
      case SET: {
        const size = this.varint()
        const set = this.keep(new Set())
        for (let i = 0; i < size; i++) set.add(this.read())
        return set
      }
      case ERROR:
        return this.error()
      case BUFFER:
        return this.keep(this.raw().buffer)
      case VIEW: {
        const type = VIEW_TYPES[this.bytes[this.at++]!]!
        return this.keep(type.make(this.raw().buffer))
      }
      case SHARED:
        return this.shared()
      case CLASS:
        return this.instance()
      default:
        throw new HeddleError('ERR_INVALID_ARGUMENT', `not an encoded value: byte ${tag} at ${this.at - 1}`)
    }
  }

  private varint(): number {
    const { bytes } = this
    let value = bytes[this.at++]!
    if (value < 0x80) return value
    value &= 0x7f
    for (let shift = 7; ; shift += 7) {
      const part = bytes[this.at++]!
      value |= (part & 0x7f) << shift
      if (part < 0x80) return value >>> 0
    }
  }

  private u32(): number {
    this.at += 4
    return this.view.getUint32(this.at - 4, true)
  }

  private float(): number {
    this.at += 8
    return this.view.getFloat64(this.at - 8, true)
  }

  private ascii(length: number): string {
    this.at += length
    return decodeAscii(this.bytes, this.at - length, length)
  }

  private utf16(loose: boolean): string {
    const length = this.u32()
    this.at += length * 2
    return decodeUtf16(this.bytes, this.at - length * 2, length, loose)
  }

  private key(): string {
    const length = this.bytes[this.at++]!
    if (length >= GENERAL_KEY) return this.read() as string
    this.at += length
    return decodeKey(this.bytes, this.at - length, length)
  }

  private raw(): Uint8Array<ArrayBuffer> {
    const length = this.varint()
    this.at += length
    return this.bytes.slice(this.at - length, this.at)
  }

  private keep<T>(object: T): T {
    this.objects.push(object)
    return object
  }
  /** Takes the number of an object that can only be made after its parts. */
  private reserve(): number {
    return this.objects.push(undefined) - 1
  }

  private plain(count: number): object {
    const object: Record<string, unknown> = {}
    this.objects.push(object)
    for (let i = 0; i < count; i++) {
      const key = this.key()
      if (key === '__proto__') define(object, key, this.read(), true)
      else object[key] = this.read()
    }
    return object
  }

  private array(length: number): unknown[] {
    const array: unknown[] = []
    this.objects.push(array)
    for (let i = 0; i < length; i++) {
      const item = this.read()
      if (item === EMPTY) array.length = i + 1
      else array[i] = item
    }
    return array
  }

  private sparse(): unknown[] {
    const array: unknown[] = []
    array.length = this.varint()
    this.objects.push(array)
    for (let count = this.varint(); count > 0; count--) {
      const i = this.read() as number
      array[i] = this.read()
    }
    return array
  }

  private error(): Error {
    const number = this.reserve()
    const type = errorClassByName(this.read() as string)
    const message = this.read() as string | undefined
    // Not the class's own constructor, whose parameters are unknown: the base's, with the class's prototype.
    const error = Reflect.construct(Error, message === undefined ? [] : [message], type) as Error
    this.objects[number] = error
    define(error, 'stack', this.read(), false)
    for (let flags = this.bytes[this.at++]!; flags !== END; flags = this.bytes[this.at++]!) {
      const key = this.key()
      define(error, key, this.read(), (flags & FIELD_ENUMERABLE) !== 0)
    }
    return error
  }

  private shared(): unknown {
    const number = this.reserve()
    const kind = this.read() as string
    const at = this.read() as number
    const header = this.read() as number
    if (this.region === undefined) throw new NotShareableError(`a ${kind} can't be opened from bytes alone: no region was given`)
    const type = shareableClass(kind)
    if (type === undefined)
      throw new NotShareableError(`no class is registered for the kind '${kind}' in this agent: call registerShareable('${kind}', Class) before`)
    this.release()
    const handle = { heddle: kind, buffer: this.region.buffer, at, header }
    if (!isCountedClass(type)) return (this.objects[number] = type.fromHandle(handle))
    const object = this.adopted === undefined ? type.reopen(handle) : type.adopt(handle)
    this.adopted?.push(object)
    return (this.objects[number] = object)
  }

  private instance(): unknown {
    const number = this.reserve()
    const name = this.read() as string
    const type = cloneableByName(name)
    if (type === undefined)
      throw new NotShareableError(`no class is registered as '${name}' in this agent: call registerCloneable('${name}', Class, …) before`)
    const representation = this.read()
    this.release()
    return (this.objects[number] = type.cloning.decode(representation))
  }

  /** Before foreign code runs: it may decode too, so the agent's scratch stays with this decoder and the agent gets another. */
  private release(): void {
    if (this.borrowed && scratch.get().bytes === this.bytes) scratch.set(new Scratch())
  }
}

function define(object: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true })
}

/**
 * The value that `encodeValue` encoded, from private bytes.
 * @param bytes private memory that starts with it
 * @param region where shared objects in the value live
 * @throws NotShareableError for a kind or a class that this agent has not registered, DisposedError for a stale shared object.
 */
export function decodeValue(bytes: Uint8Array<ArrayBuffer>, region?: Region): unknown {
  return new Decoder(bytes, region, false).read()
}

/** Releases the references that a counted encoded value of `length` bytes at `at` owns. What can't be decoded in this agent keeps its references. */
export function dropEncoded(region: Region, at: number, length: number): void {
  const own = scratch.get()
  copyWordsOut(region, at, own, length)
  const adopted: CountedObject[] = []
  try {
    new Decoder(own.bytes, region, true, adopted).read()
  } finally {
    for (const object of adopted) object.release()
  }
}

/** Decodes `length` bytes of region memory from `at`, a multiple of 4, which the caller was handed. Throws as `decodeValue`. */
export function loadEncoded(region: Region, at: number, length: number): unknown {
  const own = scratch.get()
  copyWordsOut(region, at, own, length)
  const result = new Decoder(own.bytes, region, true).read()
  own.trim()
  return result
}
