/**
 * A value with an owner count, freed when the last reference is released ("Arc").
 *
 * Source     Rust's std::sync::Arc.
 * Layout     +0 header · +4 count: references, those in handles included · +8 in handles: references that no agent has opened yet
 *            +12 bytes from the object to its codec's kind · +16 slot · kind (codec-kind.ts)
 * Invariants I1 count >= 1 while anybody may use the box. Who holds a reference may take another; from 0 nobody may.
 *            I2 A reference belongs to one JS object, to one slot whose value names the box (counted.ts), or to one handle until
 *               `fromHandle` moves it to a JS object: in handles <= count.
 *            I3 The value is written before the box is published and never changes: plain reads are race-free.
 * Pairs      `release` subtracts; whoever brings the count to 0 sees everything that others did before they released, and frees.
 * Progress   Wait-free, but for compare-exchange loops of `at` and `fromHandle`. References of an agent that died, or of a handle that
 *            was lost, are never released: the box then lives as long as its region.
 * Rejected   Handles without a reference: the sender would have to keep its own until the receiver says that it has opened its.
 */
import { add, agentLocal, compareExchange, get, load, set, store, sub } from '#ops'
import { checkCodec, regionOf } from './arguments.js'
import type { Codec } from './codec.js'
import { kindBytes, readKind, writeKind } from './codec-kind.js'
import { roundUp } from './codec-scratch.js'
import { DisposedError, InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

const COUNT = 1
const IN_HANDLES = 2
const KIND = 3
const SLOT_AT = 16

/** Settings of a new box. */
export interface SharedBoxOptions<T> {
  codec: Codec<T>
  /** Default: `Region.default`. */
  region?: Region
}

/**
 * An immutable value in shared memory that lives as long as anybody has a reference to it.
 *
 * Each JS object is one reference: `clone` makes another, `release` gives one up, the last frees value and memory. A handle carries
 * one, too: `toHandle` takes it, the one `fromHandle` that opens the handle adopts it. So each receiver needs a handle of its own,
 * and a handle that nobody opens keeps the box alive. Inside a value (a channel's element, another box) the slot owns a reference, and
 * each read gives the reader one of its own to release. Nothing blocks.
 *
 * @example
 * const box = new SharedBox({ codec: utf8(1000) }, 'hello')
 * const message = box.toHandle()      // postMessage carries it; there:
 * const there = SharedBox.fromHandle(message)
 * there.value                         // 'hello'
 * there.release()
 * box.release()
 */
export class SharedBox<T> extends SharedObject {
  static readonly kind = 'SharedBox'
  /** Of the fixed part; `SharedBox.bytes(codec)` is the whole. */
  static readonly BYTES = SLOT_AT
  static readonly ALIGN = 8
  readonly codec: Codec<T>
  /** Whether this reference was given up: the agent's own knowledge, since the box lives on. */
  private readonly released = agentLocal(() => false)

  /** Makes a box with one reference. @throws RegionFullError, and what the codec throws for the value. */
  constructor(options: SharedBoxOptions<T> | Place, value?: T) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), SharedBox, SharedBox.bytes(options.codec)))
    if (options instanceof Place) this.codec = readKind(this.region, this.at + get(this.region.words, (this.at >> 2) + KIND)) as Codec<T>
    else {
      this.codec = options.codec
      try {
        format(this.region, this.at, this.codec, value as T)
      } catch (error) {
        store(this.region.words, this.at >> 2, 0)
        this.region.free(this.at)
        throw error
      }
    }
  }

  /** Bytes that a box of this codec takes, without what its value has outside its slot. */
  static bytes(codec: Codec<unknown>): number {
    return SLOT_AT + roundUp(checkCodec(codec).bytes, 4) + kindBytes(codec)
  }

  /** Makes one in `SharedBox.bytes(codec)` zeroed bytes that the caller owns, aligned to 8. The last release leaves them to the caller. */
  static init<T>(region: Region, at: number, codec: Codec<T>, value: T): SharedBox<T> {
    const place = Place.format(region, at, SharedBox, SharedBox.bytes(codec))
    try {
      format(region, at, codec, value)
    } catch (error) {
      store(region.words, at >> 2, 0)
      throw error
    }
    return new SharedBox<T>(place)
  }

  /** A new reference to the box at a byte offset. @throws DisposedError when none lives there. */
  static at<T = unknown>(region: Region, at: number): SharedBox<T> {
    return reference<T>(Place.open(region, at, SharedBox))
  }

  /**
   * A new reference, from a slot that owns one: see counted.ts.
   * @internal
   */
  static reopen(handle: Handle): SharedBox<unknown> {
    return reference(Place.openHandle(handle, SharedBox))
  }

  /**
   * A slot's own reference, taken from it.
   * @internal
   */
  static adopt(handle: Handle): SharedBox<unknown> {
    return new SharedBox(Place.openHandle(handle, SharedBox))
  }

  /**
   * Opens a handle and adopts the reference that it carries.
   * @throws DisposedError for a stale handle, InvalidArgumentError for one whose reference was adopted already, NotShareableError when
   *   its codec is not known in this agent.
   */
  static fromHandle<T = unknown>(handle: Handle): SharedBox<T> {
    const place = Place.openHandle(handle, SharedBox)
    const box = new SharedBox<T>(place)
    const index = (place.at >> 2) + IN_HANDLES
    for (;;) {
      const open = load(place.region.words, index)
      if (open <= 0)
        throw new InvalidArgumentError(
          'this handle of a SharedBox was opened already: a handle carries one reference; call toHandle() for each receiver',
        )
      if (compareExchange(place.region.words, index, open, open - 1) === open) return box
    }
  }

  /** The value, as a copy. @throws DisposedError after this reference was released. */
  get value(): T {
    this.assertLive()
    return this.codec.read(this.region, this.at + SLOT_AT)
  }

  /** How many references there are now, in all agents and handles. */
  get count(): number {
    this.assertLive()
    return load(this.region.words, (this.at >> 2) + COUNT)
  }

  /** Another reference. @throws DisposedError after this one was released. */
  clone(): SharedBox<T> {
    this.assertLive()
    // This reference keeps the count above 0.
    add(this.region.words, (this.at >> 2) + COUNT, 1)
    return new SharedBox<T>(Place.open(this.region, this.at, SharedBox, this.header))
  }

  /**
   * Adds a reference for a slot to own.
   * @internal
   */
  retain(): void {
    this.assertLive()
    add(this.region.words, (this.at >> 2) + COUNT, 1)
  }

  /** Gives this reference up; the last one frees the box. @throws DisposedError when it was given up before. */
  release(): void {
    this.assertLive()
    if (sub(this.region.words, (this.at >> 2) + COUNT, 1) === 1) super.dispose()
    this.released.set(true)
  }

  /** The same as `release`. */
  override dispose(): void {
    this.release()
  }

  /** A handle that carries a reference of its own, to be opened once. @throws DisposedError after this reference was released. */
  override toHandle(): Handle {
    const handle = super.toHandle()
    const first = this.at >> 2
    add(this.region.words, first + COUNT, 1)
    add(this.region.words, first + IN_HANDLES, 1)
    return handle
  }

  /** Whether this reference was given up. */
  override get isDisposed(): boolean {
    return this.released.get() || super.isDisposed
  }

  protected override assertLive(): void {
    if (this.released.get()) throw new DisposedError('this reference to a SharedBox was released')
    super.assertLive()
  }

  protected override onDispose(): void {
    this.codec.free?.(this.region, this.at + SLOT_AT)
  }
}

/** Adds a reference, unless the last one was released. */
function reference<T>(place: Place): SharedBox<T> {
  const { words } = place.region
  const index = (place.at >> 2) + COUNT
  for (;;) {
    const count = load(words, index)
    if (count <= 0) throw new DisposedError(`the SharedBox at byte ${place.at} of this region was released by everyone`)
    if (compareExchange(words, index, count, count + 1) === count) return new SharedBox<T>(place)
  }
}

function format<T>(region: Region, at: number, codec: Codec<T>, value: T): void {
  const kindAt = SLOT_AT + roundUp(codec.bytes, 4)
  codec.write(region, at + SLOT_AT, value)
  writeKind(region, at + kindAt, codec)
  set(region.words, (at >> 2) + KIND, kindAt)
  store(region.words, (at >> 2) + COUNT, 1)
}
