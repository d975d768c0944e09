/**
 * Structured values to bytes, in private memory.
 *
 * Source     The tags are in the manner of MessagePack; objects are numbered in order of appearance and referred to by number, as
 *            in V8's and the structured-clone serializers.
 * Invariants I1 The encoder numbers an object before it looks into it, the decoder when it has made it and before it fills it:
 *               both count in the same order.
 *            I2 Nothing shared is written: a failed encode leaves nothing behind.
 *            I3 While an encoder walks a value, foreign code (a getter, a class's `encode`) may encode another: it gets an encoder of
 *               its own.
 * Cost       No work for paths unless an error needs one: the keys on the way are one array store each.
 */
import { agentLocal } from '#ops'
import { cloneableByPrototype, errorClassName } from './codec-class.js'
import {
  ARRAY, ASCII_32, ASCII_8, BIGINT_64, BIGINT_NEGATIVE, BIGINT_POSITIVE, BUFFER, CLASS, DATE, END, ERROR, FALSE, FIELD, FIELD_ENUMERABLE, FLOAT, GENERAL_KEY, HOLE, INTEGER,
  MAP, NULL, OBJECT, REFERENCE, REGEXP, SET, SHARED, SMALL_ARRAY, SMALL_ARRAY_LIMIT, SMALL_INTEGER, SMALL_INTEGER_LIMIT, SMALL_OBJECT, SMALL_OBJECT_LIMIT, SMALL_STRING,
  SMALL_STRING_LIMIT, SPARSE_ARRAY, TRUE, UNDEFINED, UTF16, UTF16_LOOSE, VIEW, VIEW_TYPES,
} from './codec-format.js' // prettier-ignore
import { copyWordsIn } from './codec-scratch.js'
import { encodeAscii, encodeUtf8, startsAscii } from './codec-text.js'
import { type CountedObject, isCountedObject } from './counted.js'
import { DisposedError, NotShareableError, ValueTooLargeError } from './errors.js'
import type { Region } from './region.js'
import { type SharedClass, SharedObject } from './shared-object.js'

/** How to encode. */
export interface EncodeOptions {
  /** What the value is called in errors: `args[0]`. Default `value`. */
  root?: string
  /** Where the value goes: shared objects of this region may be part of it. */
  region?: Region
  /** Most bytes that the encoded form may take. */
  max?: number
  /** Whether reference-counted objects may be part of it. Default true. */
  counted?: boolean
}

/** An encoded value: the first `length` of `bytes` (and of `words`, the same memory). Valid until this agent encodes the next one. */
export interface EncodedValue {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly words: Int32Array<ArrayBuffer>
  readonly length: number
  /** Whether reference-counted objects are part of it: then whoever keeps the bytes owns a reference to each, from `commit` to `dropEncoded`. */
  readonly isCounted: boolean
  /** Takes those references. Called once, when the bytes are where they will be kept. */
  commit(): void
}

const MAX_DEPTH = 2000
const KEPT_BYTES = 1 << 20
/** Up to this many objects are found again by looking at all of them. */
const LINEAR = 8
/** A run of holes this long makes an array sparse. */
const SPARSE_RUN = 64
/** Strings up to this length are tried as ASCII in a loop. */
const LOOP_CHARACTERS = 16

class Encoder implements EncodedValue {
  bytes = new Uint8Array(4096)
  words = new Int32Array(this.bytes.buffer)
  view: DataView<ArrayBuffer> = new DataView(this.bytes.buffer)
  length = 0
  busy = false

  private root = 'value'
  private region: Region | undefined = undefined
  private max = Infinity
  private mayCount = true
  private depth = 0
  private readonly path: (string | number)[] = []
  private count = 0
  private readonly seen: object[] = []
  private index: Map<object, number> | undefined = undefined
  /** Reference-counted objects in the value. */
  private readonly counted: CountedObject[] = []
  /** Numbers of the class instances that are being encoded. */
  private readonly open: number[] = []

  encode(value: unknown, options: EncodeOptions): this {
    this.busy = true
    try {
      this.length = 0
      if (this.bytes.length > KEPT_BYTES) this.resize(KEPT_BYTES)
      this.depth = 0
      this.root = options.root ?? 'value'
      this.region = options.region
      this.max = options.max ?? Infinity
      this.mayCount = options.counted ?? true
      this.counted.length = 0
      this.write(value)
      if (this.length > this.max) this.tooLarge(this.length)
      return this
    } catch (error) {
      this.counted.length = 0
      throw error
    } finally {
      this.open.length = 0
      this.forget(0)
      this.region = undefined
      this.busy = false
    }
  }

  get isCounted(): boolean {
    return this.counted.length > 0
  }

  commit(): void {
    if (this.counted.length > 0) for (const object of this.counted.splice(0)) object.retain()
  }

  private write(value: unknown): void {
    if (this.length + 16 > this.bytes.length) this.grow(16)
    switch (typeof value) {
      case 'number':
        return this.number(value)
      case 'string':
        return this.string(value)
      case 'object':
        return value === null ? this.tag(NULL) : this.object(value)
      case 'boolean':
        return this.tag(value ? TRUE : FALSE)
      case 'undefined':
        return this.tag(UNDEFINED)
      case 'bigint':
        return this.bigint(value)
      default:
        return this.refuse(typeof value)
    }
  }

  private tag(tag: number): void {
    this.bytes[this.length++] = tag
  }

  private varint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.length++] = rest
  }

  private number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0 && value < SMALL_INTEGER_LIMIT) return this.tag(SMALL_INTEGER | value)
      this.tag(INTEGER)
      return this.varint(((value << 1) ^ (value >> 31)) >>> 0)
    }
    this.tag(FLOAT)
    this.float(value)
  }

  private float(value: number): void {
    this.view.setFloat64(this.length, value, true)
    this.length += 8
  }

  private bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.tag(BIGINT_64)
      this.view.setBigInt64(this.length, value, true)
      this.length += 8
      return
    }
    this.tag(value < 0n ? BIGINT_NEGATIVE : BIGINT_POSITIVE)
    this.string((value < 0n ? -value : value).toString(16))
  }

  private string(text: string): void {
    const { length } = text
    if (length > this.max) this.tooLarge(length)
    if (this.length + length * 3 + 5 > this.bytes.length) this.grow(length * 3 + 5)
    const at = this.length
    if (length <= LOOP_CHARACTERS && encodeAscii(this.bytes, at + 1, text)) {
      this.bytes[at] = SMALL_STRING | length
      this.length = at + 1 + length
      return
    }
    const header = length < SMALL_STRING_LIMIT ? 1 : length < 0x100 ? 2 : 5
    // Each character that is not ASCII needs more bytes than it has units.
    if (!startsAscii(text) || encodeUtf8(this.bytes, at + header, text) !== length) return this.utf16(text)
    if (header === 1) this.bytes[at] = SMALL_STRING | length
    else if (header === 2) {
      this.bytes[at] = ASCII_8
      this.bytes[at + 1] = length
    } else {
      this.bytes[at] = ASCII_32
      this.view.setUint32(at + 1, length, true)
    }
    this.length = at + header + length
  }

  private utf16(text: string): void {
    const { bytes, view } = this
    const { length } = text
    bytes[this.length] = text.isWellFormed() ? UTF16 : UTF16_LOOSE
    view.setUint32(this.length + 1, length, true)
    let at = this.length + 5
    for (let i = 0; i < length; i++, at += 2) view.setUint16(at, text.charCodeAt(i), true)
    this.length = at
  }

  private key(name: string): void {
    const { length } = name
    if (this.length + length + 1 > this.bytes.length) this.grow(length + 1)
    if (length < GENERAL_KEY && encodeAscii(this.bytes, this.length + 1, name)) {
      this.bytes[this.length] = length
      this.length += 1 + length
    } else {
      this.tag(GENERAL_KEY)
      this.string(name)
    }
  }

  private object(value: object): void {
    const known = this.find(value)
    if (known !== -1) {
      if (this.open.includes(known)) this.refuse('an instance whose encoded form leads back to it')
      this.tag(REFERENCE)
      return this.varint(known)
    }
    if (this.depth > MAX_DEPTH) this.refuse(`nested deeper than ${MAX_DEPTH} levels`)
    if (Array.isArray(value)) return this.array(value as readonly unknown[])
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype === Object.prototype) return this.plain(value as Record<string, unknown>)
    return this.special(value, prototype)
  }

  private find(value: object): number {
    const { seen } = this
    const count = this.count++
    if (count < LINEAR) {
      for (let i = 0; i < count; i++) if (seen[i] === value) return this.found(i)
      seen[count] = value
      return -1
    }
    let { index } = this
    if (index === undefined) {
      index = this.index = new Map()
      for (let i = 0; i < count; i++) index.set(seen[i]!, i)
    }
    const known = index.get(value)
    if (known !== undefined) return this.found(known)
    index.set(value, count)
    seen[count] = value
    return -1
  }

  private found(number: number): number {
    this.count--
    return number
  }

  /** Forgets the objects from a number on. */
  private forget(count: number): void {
    if (count < LINEAR) this.index = undefined
    else if (this.index !== undefined) for (let i = count; i < this.count; i++) this.index.delete(this.seen[i]!)
    this.seen.length = count
    this.count = count
  }

  private plain(value: Record<string, unknown>): void {
    const names = Object.keys(value)
    const { length } = names
    if (length < SMALL_OBJECT_LIMIT) this.tag(SMALL_OBJECT | length)
    else {
      this.tag(OBJECT)
      this.varint(length)
    }
    const { depth } = this
    this.depth = depth + 1
    for (let i = 0; i < length; i++) {
      const name = names[i]!
      this.path[depth] = name
      this.key(name)
      this.write(value[name])
    }
    this.depth = depth
  }

  private array(value: readonly unknown[]): void {
    const { length } = value
    const start = this.length
    const shared = this.counted.length
    if (length < SMALL_ARRAY_LIMIT) this.tag(SMALL_ARRAY | length)
    else {
      this.tag(ARRAY)
      this.varint(length)
    }
    const { depth } = this
    this.depth = depth + 1
    let holes = 0
    for (let i = 0; i < length; i++) {
      const item = value[i]
      this.path[depth] = i
      if (item === undefined && !(i in value)) {
        if (++holes > SPARSE_RUN) {
          this.length = start
          this.counted.length = shared
          return this.sparse(value, depth)
        }
        if (this.length + 1 > this.bytes.length) this.grow(1)
        this.tag(HOLE)
      } else {
        holes = 0
        this.write(item)
      }
    }
    this.depth = depth
  }

  /** Starts the array again; what it numbered so far is forgotten. */
  private sparse(value: readonly unknown[], depth: number): void {
    this.forget((this.index?.get(value) ?? this.seen.indexOf(value)) + 1)
    const names = Object.keys(value).filter((name) => Number(name) < value.length && String(Number(name) >>> 0) === name)
    this.tag(SPARSE_ARRAY)
    this.varint(value.length)
    this.varint(names.length)
    for (const name of names) {
      const i = Number(name)
      this.path[depth] = i
      this.write(i)
      this.write(value[i])
    }
    this.depth = depth
  }

  private special(value: object, prototype: object | null): void {
    if (value instanceof SharedObject) return this.shared(value)
    if (ArrayBuffer.isView(value)) return this.typed(value)
    const cloneable = prototype === null ? undefined : cloneableByPrototype(prototype)
    if (cloneable !== undefined) {
      const number = this.count - 1
      this.open.push(number)
      this.tag(CLASS)
      this.string(cloneable.name)
      this.write(cloneable.cloning.encode(value))
      this.open.pop()
    } else if (value instanceof Error) this.error(value)
    else if (value instanceof Date) {
      this.tag(DATE)
      this.float(value.getTime())
    } else if (value instanceof Map) this.map(value)
    else if (value instanceof Set) this.set(value)
    else if (value instanceof RegExp) {
      this.tag(REGEXP)
      this.string(value.source)
      this.string(value.flags)
    } else if (value instanceof ArrayBuffer) {
      this.tag(BUFFER)
      this.raw(new Uint8Array(value))
    } else if (prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))) {
      // Without a prototype, or another realm's plain object.
      this.plain(value as Record<string, unknown>)
    } else this.refuse(describe(value))
  }

  private map(value: ReadonlyMap<unknown, unknown>): void {
    this.tag(MAP)
    this.varint(value.size)
    const { depth } = this
    this.depth = depth + 2
    let i = 0
    for (const [key, item] of value) {
      this.path[depth + 1] = i++
      this.path[depth] = 'keys()'
      this.write(key)
      this.path[depth] = 'values()'
      this.write(item)
    }
    this.depth = depth
  }

  private set(value: ReadonlySet<unknown>): void {
    this.tag(SET)
    this.varint(value.size)
    const { depth } = this
    this.depth = depth + 2
    let i = 0
    for (const item of value) {
      this.path[depth] = 'values()'
      this.path[depth + 1] = i++
      this.write(item)
    }
    this.depth = depth
  }

  private typed(value: ArrayBufferView): void {
    const name = (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag]
    const type = VIEW_TYPES.findIndex((one) => one.name === name)
    if (type === -1) this.refuse(describe(value))
    // A copy would no longer be shared; the caller says so by making one.
    if (!(value.buffer instanceof ArrayBuffer)) this.refuse(`a ${name} of shared memory; pass a copy (slice()), or the buffer itself by message`)
    this.tag(VIEW)
    this.tag(type)
    this.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  }

  private raw(source: Uint8Array<ArrayBuffer>): void {
    const { length } = source
    if (length > this.max) this.tooLarge(length)
    if (this.length + length + 8 > this.bytes.length) this.grow(length + 8)
    this.varint(length)
    this.bytes.set(source, this.length)
    this.length += length
  }

  private shared(value: SharedObject): void {
    const { kind } = value.constructor as unknown as SharedClass
    if (this.region === undefined) this.refuse(`a ${kind}, which only travels within its region`)
    if (value.region.id !== this.region.id) this.refuse(`a ${kind} of another region`)
    const { at, header } = value
    if (value.isDisposed) throw new DisposedError(`this ${kind} was disposed of`)
    if (isCountedObject(value)) {
      if (!this.mayCount) this.refuse(`a ${kind}, whose reference a value of fixed size can't own`)
      this.counted.push(value)
    }
    this.tag(SHARED)
    this.string(kind)
    if (this.length + 16 > this.bytes.length) this.grow(16)
    this.number(at)
    this.number(header)
  }

  /**
   * Class, message, stack, then own fields, whether enumerable or not (`cause`, `code`, `errors`, the user's), with their names.
   * A field that can't travel is left out, so that it does not hide the error that it belongs to.
   */
  private error(value: Error): void {
    const type = errorClassName(value)
    this.tag(ERROR)
    this.string(type)
    this.field(Object.hasOwn(value, 'message') ? value.message : undefined)
    this.field(value.stack)
    const names = new Set(Object.getOwnPropertyNames(value))
    names.delete('message')
    names.delete('stack')
    if (value.name !== type) names.add('name')
    const { depth } = this
    this.depth = depth + 1
    for (const name of names) {
      const { length, count } = this
      const shared = this.counted.length
      this.path[depth] = name
      if (this.length + 1 > this.bytes.length) this.grow(1)
      this.tag(FIELD | (Object.prototype.propertyIsEnumerable.call(value, name) ? FIELD_ENUMERABLE : 0))
      this.key(name)
      try {
        this.write((value as unknown as Record<string, unknown>)[name])
      } catch (error) {
        if (!(error instanceof NotShareableError)) throw error
        this.length = length
        this.forget(count)
        this.counted.length = shared
        this.depth = depth + 1
      }
    }
    this.depth = depth
    if (this.length + 1 > this.bytes.length) this.grow(1)
    this.tag(END)
  }

  private field(text: unknown): void {
    if (typeof text === 'string') this.string(text)
    else this.write(undefined)
  }

  /** Makes room for `more` bytes; stops a value that is over its limit already. */
  private grow(more: number): void {
    if (this.length > this.max) this.tooLarge(this.length)
    this.resize(Math.max(this.bytes.length * 2, (this.length + more + 7) & -8))
  }

  private resize(size: number): void {
    const { bytes, length } = this
    this.bytes = new Uint8Array(size)
    this.words = new Int32Array(this.bytes.buffer)
    this.view = new DataView(this.bytes.buffer)
    this.bytes.set(bytes.subarray(0, Math.min(length, size)))
  }

  private tooLarge(bytes: number): never {
    throw new ValueTooLargeError(`${this.root} takes ${bytes} bytes or more, over the limit of ${this.max}: give its codec a larger maximum`)
  }

  private refuse(what: string): never {
    let path = this.root
    for (const step of this.path.slice(0, this.depth)) {
      if (typeof step === 'number') path += `[${step}]`
      else path += /^[\p{ID_Start}$_][\p{ID_Continue}$]*(\(\))?$/u.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
    }
    throw new NotShareableError(`${path}: ${what}`)
  }
}

function describe(value: object): string {
  const type = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof type === 'string' && type !== '' && type !== 'Object'
    ? `an instance of ${type}; registerCloneable lets one travel`
    : 'an object with a prototype of its own'
}

/** Copies an encoded value to region memory at `at`, a multiple of 4 (of 8, better), with room for its length rounded up to 4. The caller owns that memory. */
export function storeEncoded(region: Region, at: number, encoded: EncodedValue): void {
  copyWordsIn(region, at, encoded.words, encoded.length)
}

const encoders = /* @__PURE__ */ agentLocal(() => new Encoder())

/**
 * Encodes a value into private memory: undefined, null, booleans, numbers, bigints, strings, plain objects and arrays (cycles and holes
 * kept), Date, RegExp, Map, Set, ArrayBuffer and its views, errors, shared objects of the region, and instances of registered classes.
 * As with structured clone, symbol keys, property attributes and a RegExp's `lastIndex` don't travel; nor do properties added to arrays.
 * A view travels with its own window of bytes only.
 * @throws NotShareableError naming the path to anything else: `value.user.socket: function`. ValueTooLargeError over `options.max`.
 */
export function encodeValue(value: unknown, options: EncodeOptions = {}): EncodedValue {
  const mine = encoders.get()
  return (mine.busy ? new Encoder() : mine).encode(value, options)
}
