/** Codecs of variable size: bytes, text, JSON and structured values. Layout and invariants: codec.ts. */
import { copy, get, getByte, set, setByte } from '#ops'
import { checkMax, type Codec, INLINE_BYTES } from './codec.js'
import { dropEncoded, loadEncoded } from './codec-decode.js'
import { encodeValue, storeEncoded } from './codec-encode.js'
import { copyWordsIn, copyWordsOut, roundUp, scratch } from './codec-scratch.js'
import { decodeUtf8, encodeUtf8, utf8Bound } from './codec-text.js'
import { InvalidArgumentError, NotShareableError, ValueTooLargeError } from './errors.js'
import type { Region } from './region.js'

/** In the place of the length, while a value is written whose data go to a block: the next word names that, or is 0 (codec.ts, I4). */
const WRITING = -1

/**
 * A length word, then the data, or, when the data is longer than the slot's room, the byte offset of its block.
 * The length alone tells the two apart.
 */
abstract class BlockCodec<T> implements Codec<T> {
  readonly kind: string
  readonly bytes: number
  readonly align = 4
  readonly fixed: boolean
  /** Bytes of data that fit into the slot. */
  protected readonly room: number

  constructor(
    private readonly name: string,
    protected readonly max: number,
    whole: boolean,
    fixed?: boolean,
  ) {
    checkMax(name, max)
    this.kind = `${name}(${max})`
    this.room = whole ? max : Math.min(max, INLINE_BYTES)
    this.bytes = roundUp(4 + this.room, 4)
    this.fixed = fixed ?? (whole || max <= INLINE_BYTES)
  }

  abstract get inline(): Codec<T>
  abstract write(region: Region, at: number, value: T): void
  abstract read(region: Region, at: number): T

  free(region: Region, at: number): void {
    const first = at >> 2
    const length = get(region.words, first)
    if (length > this.room || length === WRITING) region.freeFrom(first + 1)
    set(region.words, first, 0)
  }

  recover(region: Region, at: number): void {
    region.adopt((at >> 2) + 1)
    this.free(region, at)
  }

  /** Where `length` bytes are to go: into the slot, or a new block that the slot then names. */
  protected place(region: Region, at: number, length: number): number {
    if (length <= this.room) return at + 4
    const { words } = region
    const first = at >> 2
    const formerLength = get(words, first)
    const former = get(words, first + 1)
    set(words, first + 1, 0)
    set(words, first, WRITING)
    try {
      return region.allocInto(first + 1, roundUp(length, 8))
    } catch (error) {
      set(words, first + 1, former)
      set(words, first, formerLength)
      throw error
    }
  }

  /** Where the data of a slot is. */
  protected data(region: Region, at: number, length: number): number {
    return length <= this.room ? at + 4 : get(region.words, (at >> 2) + 1)
  }

  protected tooLarge(needed: string): never {
    throw new ValueTooLargeError(`${this.name}(${this.max}): the value needs ${needed}`)
  }
}

class BytesCodec extends BlockCodec<Uint8Array> {
  constructor(max: number, whole = false) {
    super('bytes', max, whole)
  }
  get inline(): Codec<Uint8Array> {
    return new BytesCodec(this.max, true)
  }
  write(region: Region, at: number, value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw new InvalidArgumentError(`${this.kind} takes a Uint8Array, got ${typeof value}`)
    const { length } = value
    if (length > this.max) this.tooLarge(`${length} bytes`)
    const data = this.place(region, at, length)
    if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) setByte(region.bytes, data + i, getByte(value, i))
    else copy(region.bytes, data, value, 0, length)
    set(region.words, at >> 2, length)
  }
  read(region: Region, at: number): Uint8Array {
    const length = get(region.words, at >> 2)
    const data = this.data(region, at, length)
    const value = new Uint8Array(length)
    if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) setByte(value, i, getByte(region.bytes, data + i))
    else copy<Uint8Array>(value, 0, region.bytes, data, length)
    return value
  }
}
/** Up to this many bytes a loop beats a bulk copy's fixed cost. */
const LOOP_BYTES = 32

/** Data in the form of UTF-8. */
abstract class TextCodec<T> extends BlockCodec<T> {
  protected writeText(region: Region, at: number, text: string): void {
    if (text.length > this.max) this.tooLarge(`at least ${text.length} bytes`)
    const own = scratch.get()
    own.reserve(utf8Bound(text))
    const length = encodeUtf8(own.bytes, 0, text)
    if (length > this.max) {
      own.trim()
      this.tooLarge(`${length} bytes`)
    }
    copyWordsIn(region, this.place(region, at, length), own.words, length)
    set(region.words, at >> 2, length)
    own.trim()
  }
  protected readText(region: Region, at: number): string {
    const length = get(region.words, at >> 2)
    const own = scratch.get()
    copyWordsOut(region, this.data(region, at, length), own, length)
    const text = decodeUtf8(own.bytes, 0, length)
    own.trim()
    return text
  }
}

class Utf8Codec extends TextCodec<string> {
  constructor(max: number, whole = false) {
    super('utf8', max, whole)
  }
  get inline(): Codec<string> {
    return new Utf8Codec(this.max, true)
  }
  write(region: Region, at: number, value: string): void {
    if (typeof value !== 'string') throw new InvalidArgumentError(`${this.kind} takes a string, got ${typeof value}`)
    this.writeText(region, at, value)
  }
  read(region: Region, at: number): string {
    return this.readText(region, at)
  }
}

class JsonCodec<T> extends TextCodec<T> {
  constructor(max: number, whole = false) {
    super('json', max, whole)
  }
  get inline(): Codec<T> {
    return new JsonCodec<T>(this.max, true)
  }
  write(region: Region, at: number, value: T): void {
    const text = JSON.stringify(value) as string | undefined
    if (text === undefined) throw new NotShareableError(`${this.kind}: JSON has no form for ${typeof value}`)
    this.writeText(region, at, text)
  }
  read(region: Region, at: number): T {
    const text = this.readText(region, at)
    // A slot that was never written.
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
}

/** In the length word of a value: references to counted objects belong to the slot. */
const COUNTED_BIT = 1 << 30

class ValueCodec<T> extends BlockCodec<T> {
  /** Not fixed unless whole, also where everything fits into the slot: the slot may own references. */
  constructor(
    max: number,
    private readonly whole = false,
  ) {
    super('value', max, whole, whole)
  }
  get inline(): Codec<T> {
    return new ValueCodec<T>(this.max, true)
  }
  write(region: Region, at: number, value: T): void {
    const encoded = encodeValue(value, { region, max: this.max, counted: !this.whole })
    const { length } = encoded
    const word = encoded.isCounted ? length | COUNTED_BIT : length
    storeEncoded(region, this.place(region, at, length), encoded)
    // References first: an agent that dies in between leaves a count too high, never one too low.
    try {
      encoded.commit()
    } catch (error) {
      super.free(region, at)
      throw error
    }
    set(region.words, at >> 2, word)
  }
  read(region: Region, at: number): T {
    const length = get(region.words, at >> 2) & ~COUNTED_BIT
    return (length === 0 ? undefined : loadEncoded(region, this.data(region, at, length), length)) as T
  }
  override free(region: Region, at: number): void {
    const word = get(region.words, at >> 2)
    if (word === WRITING) {
      super.free(region, at)
      return
    }
    const length = word & ~COUNTED_BIT
    set(region.words, at >> 2, length)
    try {
      if (word !== length) dropEncoded(region, this.data(region, at, length), length)
    } finally {
      super.free(region, at)
    }
  }
}

/**
 * Bytes, at most `max` of them (1 to 2^30 - 1). Written from any Uint8Array, read as a new one.
 * @throws ValueTooLargeError when written more than `max`.
 */
export function bytes(max: number): Codec<Uint8Array> {
  return new BytesCodec(max)
}

/**
 * A string of at most `max` bytes of UTF-8. A lone surrogate is written as U+FFFD, as TextEncoder does; `value` keeps them.
 * @throws ValueTooLargeError when written a longer one.
 */
export function utf8(max: number): Codec<string> {
  return new Utf8Codec(max)
}

/**
 * What `JSON.stringify` and `JSON.parse` make of a value; `max` bounds the text in bytes. `value` is faster and keeps more.
 * @throws ValueTooLargeError when written a longer text, NotShareableError when JSON has no form for the value.
 */
export function json<T = unknown>(max: number): Codec<T> {
  return new JsonCodec<T>(max)
}

/**
 * Any structured value (see `encodeValue`); `max` bounds the encoded form in bytes.
 * @throws ValueTooLargeError when it is longer, NotShareableError, with the path to the part, for what can't travel.
 */
export function value<T = unknown>(max: number): Codec<T> {
  return new ValueCodec<T>(max)
}
