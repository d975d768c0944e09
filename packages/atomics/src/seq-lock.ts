/**
 * A value that many read and few write: readers write nothing, take no lock and never wait for a writer that is stopped or dead.
 *
 * Source     Lamport, "Concurrent Reading and Writing" (1977), and Linux's seqcount_latch: two copies, of which one is always whole.
 *            That the data is accessed atomically: Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?" (2012).
 * Layout     +0 header · +4 version · +8 writer: 0 or the tag of the agent that writes · +12 bytes from the object to its codec's kind
 *            +16 slot 0 · slot 1 · kind (codec-kind.ts). A slot is the codec's, rounded up to 8 bytes.
 * Invariants I1 Slot `version & 1` is whole and holds the value. The holder of `writer` writes only the other one, then adds 1 to
 *               `version`. So a slot is only written while `version` names the other.
 *            I2 `version` and `writer` are only changed by the holder of `writer`, or by who takes it over from a dead one.
 *            I3 Slots are accessed by atomic 32-bit operations only; codecs work on private memory (staging.ts).
 * Pairs      The writer's store of `version` is seen by the reader's first load of it, after which the slot's words are the new ones.
 *            A reader whose second load gives the same version: all writes to its slot come before the first load, since those of the
 *            version after next come after a change of `version` (I1). All of them are in one order, being atomic.
 * Progress   read: lock-free; it goes again only when a whole write ended meanwhile. write: waits for the writer before it, spinning;
 *            a writer that died is found by its tag, and its lock taken over: what it had written is in the slot that nobody reads.
 *            An exact multiple of 2^32 writes during one read would go unnoticed.
 * Rejected   One slot with an odd version while it is written: a dead writer wedges every reader. Plain reads of the data, checked
 *            after: in the memory model they may see later writes than the check does.
 */
import { compareExchange, get, load, pause, set, store } from '#ops'
import { regionOf } from './arguments.js'
import { isOwnerAlive } from './agents.js'
import { type Codec, fixedCodec } from './codec.js'
import { kindBytes, readKind, writeKind } from './codec-kind.js'
import { roundUp } from './codec-scratch.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'
import { Staging } from './staging.js'

const VERSION = 1
const WRITER = 2
const KIND = 3
const SLOTS_AT = 16

const staging = /* @__PURE__ */ new Staging()

/** Settings of a new SeqLock. */
export interface SeqLockOptions<T> {
  /** Default: `Region.default`. */
  region?: Region
  /** What it holds before the first write; without it all bytes are 0: 0, false, '', no bytes, undefined. */
  value?: T
}

/**
 * A value of fixed size that is read far more often than written.
 *
 * Readers get a whole value, the latest whose `write` ended before their `read` began or a later one, and disturb nobody. Neither
 * blocks in the engine's sense, so both may be used anywhere; writers spin while another writes. A read costs about 6 ns a word.
 *
 * @example
 * const position = new SeqLock(struct({ x: f64, y: f64 }), { value: { x: 0, y: 0 } })
 * position.write({ x: 1, y: 2 })
 * position.read() // { x: 1, y: 2 }, in any agent that opened position.toHandle()
 */
export class SeqLock<T> extends SharedObject {
  static readonly kind = 'SeqLock'
  /** Of the fixed part; `SeqLock.bytes(codec)` is the whole. */
  static readonly BYTES = SLOTS_AT
  static readonly ALIGN = 8
  /** The codec, in its fixed form. */
  readonly codec: Codec<T>
  private readonly slotWords: number

  /**
   * @param codec of fixed size; a text, bytes, json or value codec has room for its maximum
   * @throws InvalidArgumentError for a codec without a fixed size, RegionFullError, and what the codec throws for `value`.
   */
  constructor(codec: Codec<T> | Place, options: SeqLockOptions<T> = {}) {
    const fixed = codec instanceof Place ? undefined : fixedCodec(codec, 'SeqLock')
    super(codec instanceof Place ? codec : Place.allocate(regionOf(options), SeqLock, SeqLock.bytes(codec)))
    // Written before the object was published, and never again.
    this.codec = fixed ?? fixedCodec(readKind(this.region, this.at + get(this.region.words, (this.at >> 2) + KIND)) as Codec<T>, 'SeqLock')
    this.slotWords = roundUp(this.codec.bytes, 8) >> 2
    if (fixed === undefined) return
    format(this.region, this.at, fixed)
    if (options.value === undefined) return
    try {
      this.write(options.value)
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Bytes that a SeqLock of this codec takes. */
  static bytes(codec: Codec<unknown>): number {
    return SLOTS_AT + 2 * roundUp(fixedCodec(codec, 'SeqLock').bytes, 8) + kindBytes(codec)
  }

  /** Makes one in `SeqLock.bytes(codec)` zeroed bytes that the caller owns, aligned to 8. Throws as the constructor. */
  static init<T>(region: Region, at: number, codec: Codec<T>, value?: T): SeqLock<T> {
    const place = Place.format(region, at, SeqLock, SeqLock.bytes(codec))
    format(region, at, fixedCodec(codec, 'SeqLock'))
    const made = new SeqLock<T>(place)
    if (value !== undefined) made.write(value)
    return made
  }

  /** Opens the one at a byte offset. @throws DisposedError when none lives there, NotShareableError when its codec is not known here. */
  static at<T = unknown>(region: Region, at: number): SeqLock<T> {
    return new SeqLock<T>(Place.open(region, at, SeqLock))
  }

  /** Opens what a handle names. Throws as `at`. */
  static fromHandle<T = unknown>(handle: Handle): SeqLock<T> {
    return new SeqLock<T>(Place.openHandle(handle, SeqLock))
  }

  /**
   * The value, as a copy.
   * @throws DisposedError
   */
  read(): T {
    this.assertLive()
    const { words } = this.region
    const { slotWords, codec } = this
    const first = this.at >> 2
    const draft = staging.of(this.region, codec.bytes)
    const count = (codec.bytes + 3) >> 2
    for (;;) {
      const version = load(words, first + VERSION)
      const slot = first + (SLOTS_AT >> 2) + (version & 1) * slotWords
      for (let i = 0; i < count; i++) draft.words[i] = load(words, slot + i)
      if (load(words, first + VERSION) === version) return codec.read(draft.region, 0)
    }
  }

  /**
   * Replaces the value. Spins while another agent writes.
   * @throws DisposedError, and what the codec throws, before anything changes.
   */
  write(value: T): void {
    this.assertLive()
    const { words } = this.region
    const { slotWords, codec } = this
    const first = this.at >> 2
    const draft = staging.of(this.region, codec.bytes)
    codec.write(draft.region, 0, value)
    const count = (codec.bytes + 3) >> 2
    const { tag } = this.region.self.get()
    if (compareExchange(words, first + WRITER, 0, tag) !== 0) this.lockSlow(tag)
    const next = (load(words, first + VERSION) + 1) | 0
    const slot = first + (SLOTS_AT >> 2) + (next & 1) * slotWords
    for (let i = 0; i < count; i++) store(words, slot + i, draft.words[i]!)
    store(words, first + VERSION, next)
    // Not a plain store: an agent that was declared dead while it wrote doesn't free the lock of the one that took over.
    compareExchange(words, first + WRITER, tag, 0)
  }

  private lockSlow(tag: number): void {
    const { words } = this.region
    const writer = (this.at >> 2) + WRITER
    for (;;) {
      const holder = load(words, writer)
      // `holder === tag`: this agent was stopped inside `write` by an error that is not ours.
      const mine = holder === 0 || holder === tag || !isOwnerAlive(words, holder)
      if (mine && compareExchange(words, writer, holder, tag) === holder) return
      pause()
    }
  }
}

/** Names the codec. Before the place is published: plain writes. */
function format(region: Region, at: number, codec: Codec<unknown>): void {
  const kindAt = SLOTS_AT + 2 * roundUp(codec.bytes, 8)
  writeKind(region, at + kindAt, codec)
  set(region.words, (at >> 2) + KIND, kindAt)
}
