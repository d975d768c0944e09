/**
 * A worker's own queue: the worker adds and takes at one end, last in, first out; others steal at the other end, first in, first out.
 *
 * Source     Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), of fixed size: what does not fit goes into the pool's queue.
 *            All `Atomics` are sequentially consistent, so the fences of Lê et al. (PPoPP 2013) are there by themselves.
 * Layout     D_TOP  next entry to be stolen · D_BOTTOM  where the next one is added · D_CELLS  slot numbers. Top and bottom count on and wrap at 2^32.
 * Invariants I1 Only the owner writes D_BOTTOM and cells; D_TOP grows by compare-exchange alone, by one. After the owner's death its reaper may `reset`.
 *            I2 bottom - top <= the number of cells: a cell in use is not written again before top has passed it, so a thief's
 *               compare-exchange on top confirms what it read from the cell.
 *            I3 An entry is a hint, as in injector.ts: an owner that dies between two operations may leave an entry that is out of reach,
 *               or one that somebody has, too. Its reaper enters all queued calls again.
 * Pairs      push's store of bottom publishes the slot's words to the thief that loads bottom. `take` stores bottom and then loads top, `steal` loads top and then bottom:
 *            for the last entry one of them sees the other, and both go for it by compare-exchange on top.
 * Progress   The owner is wait-free, a thief lock-free. Top never goes back: only a thief that sleeps for 2^32 steals exactly could take the wrong entry.
 * Rejected   A bounded FIFO with an owner that competes for the head (Go, tokio): calls that call others would be run breadth first, with all of
 *            them open at once. Stealing several entries by one compare-exchange: not sound while the owner takes at the other end without one.
 */
import { compareExchange, load, store } from '@heddle/atomics/ops'
import { D_BOTTOM, D_CELLS, D_TOP, DEQUE_BITS } from './layout.js'

/** Nothing there. */
export const EMPTY = -1
/** Somebody else was faster. */
export const LOST = -2

/** One agent's access to a deque. */
export class Deque {
  private readonly mask: number

  constructor(
    private readonly words: Int32Array,
    /** Word index of the deque. */
    private readonly at: number,
    /** Logarithm of the number of cells; the checker takes fewer. */
    bits: number = DEQUE_BITS,
  ) {
    this.mask = (1 << bits) - 1
  }

  /** Adds a slot at the owner's end; false when it is full. By the owner. */
  push(slot: number): boolean {
    const { words, at, mask } = this
    const bottom = load(words, at + D_BOTTOM)
    if (((bottom - load(words, at + D_TOP)) | 0) > mask) return false
    store(words, at + D_CELLS + (bottom & mask), slot)
    store(words, at + D_BOTTOM, (bottom + 1) | 0)
    return true
  }

  /** Takes the slot that was added last, or EMPTY. By the owner. */
  take(): number {
    const { words, at, mask } = this
    const former = load(words, at + D_BOTTOM)
    // Nothing there: an owner that sees so is right, since only it adds.
    if (((former - load(words, at + D_TOP)) | 0) <= 0) return EMPTY
    const bottom = (former - 1) | 0
    store(words, at + D_BOTTOM, bottom)
    const top = load(words, at + D_TOP)
    const left = (bottom - top) | 0
    if (left > 0) return load(words, at + D_CELLS + (bottom & mask))
    // The last one, or none: thieves see it, too.
    const slot = left === 0 && compareExchange(words, at + D_TOP, top, (top + 1) | 0) === top ? load(words, at + D_CELLS + (bottom & mask)) : EMPTY
    store(words, at + D_BOTTOM, former)
    return slot
  }

  /** Takes the oldest slot, EMPTY, or LOST when it is worth another try. By anybody. */
  steal(): number {
    const { words, at, mask } = this
    const top = load(words, at + D_TOP)
    if (((load(words, at + D_BOTTOM) - top) | 0) <= 0) return EMPTY
    const slot = load(words, at + D_CELLS + (top & mask))
    return compareExchange(words, at + D_TOP, top, (top + 1) | 0) === top ? slot : LOST
  }

  /** How many entries there are. A hint, for everybody but the owner, for whom it is at most too large. */
  get length(): number {
    const { words, at } = this
    const top = load(words, at + D_TOP)
    return Math.max(0, (load(words, at + D_BOTTOM) - top) | 0)
  }

  /**
   * Empties it after its owner's death, so that another can own it. Top goes past all that was there: a thief that had looked before
   * would otherwise take a new entry for an old one.
   */
  reset(): void {
    const { words, at } = this
    for (;;) {
      const top = load(words, at + D_TOP)
      const bottom = load(words, at + D_BOTTOM)
      const next = (((bottom - top) | 0) > 0 ? bottom + 1 : top + 1) | 0
      if (compareExchange(words, at + D_TOP, top, next) !== top) continue
      // Until here bottom is at or below top: there is nothing to steal.
      store(words, at + D_BOTTOM, next)
      return
    }
  }
}
