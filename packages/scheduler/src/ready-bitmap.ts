/**
 * A ready set in shared memory: any agent makes a slot ready, one agent (or several) runs what is ready.
 *
 * Source     Priority bitmaps as in Linux's O(1) scheduler; the bitmaps are `AtomicBitset`s (lock-free, hierarchical, 32-way).
 * Layout     +0 header · +4 size in slots · +8 hint, a bit for each priority that may not be empty · +64 four bitsets of `size`, the most urgent first, each on whole cache lines
 * Invariants B1 A slot is taken by exactly one agent for each time that it was set (bitset.ts, I1); setting it twice before is once.
 *            B2 `take` says "empty" only when no slot was set during the whole call, so whoever announces that it sleeps, and then asks, misses none.
 *            B3 The hint saves looks at empty bitsets. Who sets a slot then sets the bit, unless it sees it set; who clears the bit then looks again.
 *               A hint that is missing for a moment only makes `take` slower: it says "empty" after looking at all four.
 * Progress   As bitset.ts: lock-free; nothing blocks or allocates. Shares between priorities as in priority.ts, counted in each agent.
 */
import { AtomicBitset, type Handle, Region, SharedObject } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import { agentLocal, and, load, or, set } from '@heddle/atomics/ops'
import { LEVELS, levelOf, type Priority, SHARE_MASK, SHARES } from './priority.js'

/** Where a new bitmap lives. */
export interface ReadyBitmapOptions {
  /** Default: `Region.default`. */
  region?: Region
}

const SIZE_AT = 4
const HINT_AT = 8
const BITSETS_AT = 64

function bitsetBytes(size: number): number {
  return Math.ceil(AtomicBitset.bytesFor(size) / AtomicBitset.ALIGN) * AtomicBitset.ALIGN
}

/**
 * Which of `size` slots are ready, at four priorities, in shared memory: the queue of a scheduler that other threads feed.
 *
 * Methods throw `DisposedError` once it was disposed of, and `InvalidArgumentError` for a slot that is out of range or an unknown priority.
 * Cost: `set` about 20 ns, `take` about 40.
 *
 * @example
 * const ready = new ReadyBitmap(1000)
 * ready.set(17, 'high')   // any agent
 * ready.set(3)            // normal
 * ready.take()            // 17
 * ready.take()            // 3
 * ready.take()            // -1
 */
export class ReadyBitmap extends SharedObject {
  static readonly kind = 'ReadyBitmap'
  /** Bytes of the smallest; `bytesFor(size)` has those of others. */
  static readonly BYTES = 832 // a plain number, so that bundlers may drop the class
  static readonly ALIGN = 64
  /** The slots are 0 … `size - 1`. */
  readonly size: number
  private readonly levels: readonly AtomicBitset[]
  /** Word index of the hint. */
  private readonly hint: number
  private readonly turn = agentLocal(() => ({ next: 0 }))

  /**
   * Allocates an empty bitmap.
   * @param size how many slots: 1 to 1,048,576
   * @throws InvalidArgumentError, RegionFullError
   */
  constructor(size: number, options: ReadyBitmapOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(options.region ?? Region.default, ReadyBitmap, ReadyBitmap.bytesFor(size)))
    this.size = size
    this.hint = (this.at + HINT_AT) >> 2
    const isNew = !(options instanceof Place) || options.isNew
    // Plain: nobody else has a place that is new.
    if (isNew) set(this.region.words, (this.at + SIZE_AT) >> 2, size)
    const bytes = bitsetBytes(size)
    this.levels = Array.from({ length: LEVELS }, (_, level) => {
      const at = this.at + BITSETS_AT + level * bytes
      return isNew ? AtomicBitset.init(this.region, at, size) : AtomicBitset.at(this.region, at)
    })
  }

  /** Bytes that a bitmap of `size` slots takes. */
  static bytesFor(size: number): number {
    return BITSETS_AT + LEVELS * bitsetBytes(size)
  }

  /** Makes an empty one in `bytesFor(size)` zeroed bytes that the caller owns. @throws InvalidArgumentError */
  static init(region: Region, at: number, size: number): ReadyBitmap {
    return new ReadyBitmap(size, Place.format(region, at, ReadyBitmap, ReadyBitmap.bytesFor(size)))
  }

  /** Opens the one at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): ReadyBitmap {
    return ReadyBitmap.open(Place.open(region, at, ReadyBitmap))
  }

  /** Opens the one that a handle names. @throws InvalidArgumentError, DisposedError */
  static fromHandle(handle: Handle): ReadyBitmap {
    return ReadyBitmap.open(Place.openHandle(handle, ReadyBitmap))
  }

  private static open(place: Place): ReadyBitmap {
    // The size was written before the place was handed on, and never changes.
    return new ReadyBitmap(load(place.region.words, (place.at + SIZE_AT) >> 2), place)
  }

  /** Makes a slot ready; returns whether it was not. Any agent. */
  set(slot: number, priority?: Priority): boolean {
    const level = levelOf(priority)
    const wasClear = this.levels[level]!.set(slot)
    if ((load(this.region.words, this.hint) & (1 << level)) === 0) or(this.region.words, this.hint, 1 << level)
    return wasClear
  }

  /** Takes a slot out without running it; returns whether it was ready at that priority. */
  clear(slot: number, priority?: Priority): boolean {
    return this.levels[levelOf(priority)]!.clear(slot)
  }

  /** Whether a slot is ready at that priority at this moment. */
  test(slot: number, priority?: Priority): boolean {
    return this.levels[levelOf(priority)]!.test(slot)
  }

  /**
   * Takes the next ready slot: of the most urgent priority, but for the others' shares (see `Priority`), in rotation. -1 when nothing is ready.
   */
  take(): number {
    this.assertLive()
    const turn = this.turn.get()
    const favoured = SHARES[(turn.next = (turn.next + 1) & SHARE_MASK)]!
    let hint = load(this.region.words, this.hint)
    let level = (hint & (1 << favoured)) === 0 ? 31 - Math.clz32(hint & -hint) : favoured
    while (hint !== 0) {
      const slot = this.takeAt(level)
      if (slot >= 0) return slot
      hint &= ~(1 << level)
      level = 31 - Math.clz32(hint & -hint)
    }
    for (const bitset of this.levels) {
      const slot = bitset.claimFirst()
      if (slot >= 0) return slot
    }
    return -1
  }

  /** Takes a slot of one priority, and mends the hint when there is none. */
  private takeAt(level: number): number {
    const bitset = this.levels[level]!
    const slot = bitset.claimFirst()
    if (slot >= 0) return slot
    and(this.region.words, this.hint, ~(1 << level))
    const late = bitset.claimFirst()
    if (late >= 0) or(this.region.words, this.hint, 1 << level)
    return late
  }

  protected override onDispose(): void {
    for (const level of this.levels) level.dispose()
  }
}
