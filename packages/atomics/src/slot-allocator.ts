/**
 * Hands out the numbers from 0 to `size - 1`: a lock-free stack of free slots, with a generation for each.
 *
 * Source     Treiber, "Systems Programming: Coping with Parallelism" (1986), with a tag beside the head against ABA.
 * Layout     +0 header · +4 size · +64 head, 64 bits: 0–31 the top free slot + 1 (0: none) · 32–63 tag · +128 for each slot 8 bytes:
 *            +0 state: bit 0 HELD · bits 1–31 generation · +4 next: the free slot below + 1 (0: none)
 *   HELD   on the stack   meaning
 *    0          1         free
 *    1          0         held
 *    0          0         for a moment only: on its way between the two, in the agent that acquires or releases it
 * Invariants I1 A slot comes off the stack in exactly one agent, by the head's compare-exchange; from then to its release it is that agent's.
 *            I2 HELD → free is a compare-exchange, so of several releases of one hold exactly one succeeds.
 *            I3 `next` is written by the slot's one releaser while the slot is not on the stack. It is read plainly, and may be read
 *               while another agent writes it: the value is used only if the head's compare-exchange succeeds, and that fails then (I4).
 *            I4 Every push makes the tag one greater, so a head that was seen before can't be seen again while a slot was popped and
 *               pushed back meanwhile. Wrap: an agent would have to be stopped between two steps of one `acquire` for exactly a
 *               multiple of 2³² releases (at 10 million a second, 7 minutes to the release) with the same slot on top.
 * Pairs      `release`'s compare-exchange of the head is seen by the `acquire` that takes the slot: what the last holder wrote, the next sees.
 * Progress   Lock-free. Last in, first out: the slot handed out is the one most likely still in a cache. An agent that dies in the
 *            middle of `acquire` or `release` loses that one slot; slots that a dead agent held stay held until somebody releases them.
 * Rejected   32 bits for head and tag: cheaper (no bigint), but with 2²⁰ slots the tag has 11 bits, and an agent that the system
 *            stops for a millisecond misses thousands of releases. A bitset: no ABA, but not last in, first out.
 */
import { compareExchange, compareExchange64, load, load64, or, peek, set, setBig } from '#ops'
import { regionOf } from './arguments.js'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

/** Where a new slot allocator lives. */
export interface SlotAllocatorOptions {
  /** Default: `Region.default`. */
  region?: Region
}

const MAX_SIZE = 2 ** 24
const SIZE_AT = 4
const HEAD_AT = 64
const SLOTS_AT = 128
const ONE_TAG = 2 ** 32

/**
 * Hands out slots, the numbers from 0 to `size - 1`, to any agent; each to one holder at a time.
 *
 * Nothing blocks. All methods throw `DisposedError` (`ERR_DISPOSED`) once it was disposed of in any agent. Memory: 8 bytes a slot and 128 more.
 *
 * @example
 * const slots = new SlotAllocator(1024)
 * const slot = slots.acquire()                    // -1 when all are held
 * const ticket = slots.generation(slot)           // changes when the slot is released: a stale reference is seen
 * slots.release(slot)
 */
export class SlotAllocator extends SharedObject {
  static readonly kind = 'SlotAllocator'
  /** Bytes without slots; `bytesFor(size)` has those of an allocator. */
  static readonly BYTES = SLOTS_AT
  static readonly ALIGN = 64
  /** The slots are 0 … `size - 1`. */
  declare readonly size: number
  declare private readonly words: Int32Array
  declare private readonly words64: BigInt64Array
  declare private readonly head: number
  declare private readonly slots: number

  /**
   * Allocates, with all slots free: the first to be handed out is 0, then 1, …
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `size` is no integer from 1 to 16,777,216, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(size: number, options: SlotAllocatorOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), SlotAllocator, SlotAllocator.bytesFor(size)))
    this.words = this.region.words
    this.words64 = this.region.words64
    this.size = size
    this.head = (this.at + HEAD_AT) >> 3
    this.slots = (this.at + SLOTS_AT) >> 2
    if (!(options instanceof Place) || options.isNew) this.format()
  }

  /** Bytes that an allocator of `size` slots takes. @throws InvalidArgumentError when `size` is out of range. */
  static bytesFor(size: number): number {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
      throw new InvalidArgumentError(`size must be an integer from 1 to ${MAX_SIZE}, got ${String(size)}`)
    return SLOTS_AT + 8 * size
  }

  /** Makes an allocator in `bytesFor(size)` zeroed bytes that the caller owns. @throws InvalidArgumentError for a bad size, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, size: number): SlotAllocator {
    return new SlotAllocator(size, Place.format(region, at, SlotAllocator, SlotAllocator.bytesFor(size)))
  }

  /** Opens the allocator at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): SlotAllocator {
    return SlotAllocator.open(Place.open(region, at, SlotAllocator))
  }

  /** Opens the allocator that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): SlotAllocator {
    return SlotAllocator.open(Place.openHandle(handle, SlotAllocator))
  }

  private static open(place: Place): SlotAllocator {
    // The size was written before the place was handed on, and never changes.
    return new SlotAllocator(load(place.region.words, (place.at + SIZE_AT) >> 2), place)
  }

  /** Takes a free slot, the one released last; -1 when all are held. About 60 ns, more only while other agents are faster. */
  acquire(): number {
    this.assertLive()
    for (;;) {
      const head = load64(this.words64, this.head)
      const top = Number(BigInt.asUintN(32, head))
      if (top === 0) return -1
      const slot = this.slots + (top - 1) * 2
      const next = peek(this.words, slot + 1)
      if (compareExchange64(this.words64, this.head, head, BigInt.asIntN(64, head + BigInt(next - top))) !== head) continue
      or(this.words, slot, 1)
      return top - 1
    }
  }

  /**
   * Gives a slot back; its generation becomes one greater. Any agent may.
   * @param slot what `acquire` returned
   * @param generation the one that `generation(slot)` gave while the slot was held: a second release of the same hold is then refused even when
   *   the slot has a new holder by now. Without it, only the release of a free slot is.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) for a slot that is free, held in another generation, or out of range.
   */
  release(slot: number, generation?: number): void {
    const index = this.check(slot)
    const state = generation === undefined ? load(this.words, index) : (generation << 1) | 1
    // The lowest bit carries into the generation: HELD is cleared and the generation counted in one step.
    if ((state & 1) === 0 || compareExchange(this.words, index, state, (state + 1) | 0) !== state) {
      throw new InvalidArgumentError(
        generation === undefined
          ? `slot ${slot} is free: it was released already, or never acquired`
          : `slot ${slot} is not held in generation ${generation}: it was released already`,
      )
    }
    for (;;) {
      const head = load64(this.words64, this.head)
      const top = Number(BigInt.asUintN(32, head))
      // Plain: I3.
      set(this.words, index + 1, top)
      if (compareExchange64(this.words64, this.head, head, BigInt.asIntN(64, head + BigInt(ONE_TAG + slot + 1 - top))) === head) return
    }
  }

  /**
   * How often the slot was released, modulo 2³¹: equal for as long as one holder has it, another for the next. One load.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) for a slot out of range.
   */
  generation(slot: number): number {
    return load(this.words, this.check(slot)) >>> 1
  }

  /** Whether somebody holds the slot at this moment. One load. @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) for a slot out of range. */
  isHeld(slot: number): boolean {
    return (load(this.words, this.check(slot)) & 1) !== 0
  }

  /** All slots free, 0 on top. Plain writes: nobody else has the place yet. */
  private format(): void {
    set(this.words, (this.at + SIZE_AT) >> 2, this.size)
    for (let slot = 0; slot < this.size - 1; slot++) set(this.words, this.slots + 2 * slot + 1, slot + 2)
    set(this.words, this.slots + 2 * this.size - 1, 0)
    setBig(this.words64, this.head, 1n)
  }

  /** The index of a slot's state. */
  private check(slot: number): number {
    this.assertLive()
    if (!(slot >= 0 && slot < this.size) || !Number.isInteger(slot)) {
      throw new InvalidArgumentError(`a slot is an integer from 0 to ${this.size - 1}, got ${String(slot)}`)
    }
    return this.slots + slot * 2
  }
}
