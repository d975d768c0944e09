/**
 * Codecs: the one vocabulary of types for fields of structs, elements of channels, values of boxes and cells.
 *
 * Layout     A codec describes a *slot*: `bytes` bytes at a multiple of `align`, little-endian, laid out as a C compiler would.
 *   codec            slot                                          C
 *   i32 u32          4 bytes, aligned to 4                         int32_t, uint32_t
 *   f64 bigint64     8 bytes, aligned to 8                         double, int64_t
 *   bool             1 byte                                        _Bool
 *   handle(Class)    8 bytes, aligned to 4                         struct { uint32_t at, header; }
 *   bytes(m) utf8(m) 4 + m bytes rounded up to 4, aligned to 4     struct { uint32_t length; uint8_t data[m]; }
 *   json(m) value(m) the same: m bounds the encoded form
 *   array(c, n)      n times c                                     c name[n]
 *   struct({…})      fields in order, each aligned, padded         struct { … }
 *            A slot of bytes, utf8, json or value whose `m` is above INLINE_BYTES has room for INLINE_BYTES; what is longer goes to
 *            a block of the region's memory, whose byte offset takes the place of the first word of data. In a struct and in an
 *            array the room is always `m`, so that nothing is outside (`inline`).
 * Invariants I1 Who may write a slot owns it alone until it hands it over, and who may read it was handed it: plain accesses.
 *            I2 A block has one owner, the slot that names it, until `free`. So has a reference to a SharedBox (counted.ts).
 *            I4 Of a codec with `recover`, a slot owns what its words say at every instant, also in the middle of `write` and `free`: the block's word is
               the owner from before the block is allocated until it is free (allocator.ts, I3). A slot of zeros owns nothing.
            I3 A `write` that throws has allocated nothing, and has changed nothing where the codec is not a compound one. A compound
 *               one's slot may be half written: who keeps a former value there writes to private memory first (staging.ts).
 */
import { checkCodec } from './arguments.js'
import { agentLocal } from '#ops'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'

/**
 * How values of one type lie in shared memory. Implement it for a type of your own, register it with `registerCodec` so that other
 * agents find it by its `kind`, and use it wherever a codec goes.
 */
export interface Codec<T> {
  /** Names the type and its parameters; the same text in every agent: `i32`, `utf8(16)`, `struct(x:i32,y:f64)`. */
  readonly kind: string
  /** Bytes of a slot. */
  readonly bytes: number
  /** Alignment of a slot: 1, 2, 4 or 8. */
  readonly align: number
  /** Whether a value is all in its slot: no memory outside, no references to reference-counted objects. */
  readonly fixed: boolean
  /** The same type with its largest value inside the slot, where this one isn't `fixed`. */
  readonly inline?: Codec<T>
  /**
   * Puts a value into a slot that holds none (or whose former value was freed). The caller owns the slot.
   * A write that throws has allocated nothing: InvalidArgumentError, ValueTooLargeError, NotShareableError, RegionFullError.
   */
  write(region: Region, at: number, value: T): void
  /** The value in a slot, as a copy of its own. The caller was handed the slot. */
  read(region: Region, at: number): T
  /** Gives back what the slot owns outside itself; only where not `fixed`. Each slot that was written is freed once, read or not. */
  free?(region: Region, at: number): void
  /**
   * As `free`, for a slot whose owner may have died in the middle of `write`, `read` or `free`. The slot is the caller's now, and was zero, or freed, when that
   * `write` began. Without it, what such a slot owned stays allocated. `Region.allocInto`, `freeFrom` and `adopt` make it possible.
   */
  recover?(region: Region, at: number): void
}

/** A codec whose slot can also be used in place: a field of its type in a struct is a view, not a copy. */
export interface ViewCodec<T, V> extends Codec<T> {
  /** The slot at `at`, to be read and written in place. */
  view(region: Region, at: number): V
}

/** The type of a codec's values: `CodecValue<typeof i32>` is `number`. */
export type CodecValue<C> = C extends Codec<infer T> ? T : never

/** Room in a slot of a codec without a fixed size: with its length word and a channel's sequence word it fills two cache lines. */
export const INLINE_BYTES = 120

/** Reads a value that was received and frees what it held outside its slot, also when reading throws. */
export function take<T>(codec: Codec<T>, region: Region, at: number): T {
  if (codec.fixed) return codec.read(region, at)
  try {
    return codec.read(region, at)
  } finally {
    codec.free?.(region, at)
  }
}

/**
 * Frees what a slot held outside itself whose owner died; the slot is the caller's now, and zero or in use again from here on.
 * @param isWhole whether the value was written to the end, and its freeing had not begun: all that a codec without `recover` can deal with
 */
export function recover(codec: Codec<unknown>, region: Region, at: number, isWhole: boolean): void {
  if (codec.fixed) return
  if (codec.recover !== undefined) codec.recover(region, at)
  else if (isWhole) codec.free?.(region, at)
}

/**
 * The codec with all of its values inside the slot: itself, or its `inline` form.
 * @throws InvalidArgumentError for a codec that has none.
 */
export function fixedCodec<T>(codec: Codec<T>, use: string): Codec<T> {
  const fixed = checkCodec(codec).fixed ? codec : codec.inline
  if (fixed?.fixed !== true)
    throw new InvalidArgumentError(`${use} takes codecs of fixed size; ${codec.kind} owns memory or references outside its slot`)
  return fixed
}

const registered = /* @__PURE__ */ agentLocal(() => new Map<string, Codec<unknown>>())

/**
 * Makes a codec of your own known to this agent, so that shared objects that use it can be opened here. Do it in each agent, before.
 * @throws InvalidArgumentError when another codec has its kind, or the kind is not a plain name.
 */
export function registerCodec<T>(codec: Codec<T>): void {
  checkCodec(codec)
  if (!/^[A-Za-z_$][\w$.-]*$/.test(codec.kind)) throw new InvalidArgumentError(`a codec's kind is a plain name, got '${codec.kind}'`)
  const former = registered.get().get(codec.kind)
  if (former !== undefined && former !== codec) throw new InvalidArgumentError(`the codec kind '${codec.kind}' is registered for another codec`)
  registered.get().set(codec.kind, codec)
}

/** The user's codec registered under a kind, if any. */
export function registeredCodec(kind: string): Codec<unknown> | undefined {
  return registered.get().get(kind)
}

/** Checks the `max` of a codec. */
export function checkMax(name: string, max: number): void {
  if (!Number.isInteger(max) || max < 1 || max > MAX_BYTES) {
    throw new InvalidArgumentError(`${name}(max): max is a number of bytes, an integer from 1 to ${MAX_BYTES}, got ${String(max)}`)
  }
}
const MAX_BYTES = 2 ** 30 - 1
