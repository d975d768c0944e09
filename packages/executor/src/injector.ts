/**
 * A queue of the pool: first in, first out, any number of givers and takers, of slot numbers.
 *
 * Source     An array queue in which the cell is the truth and head and tail are hints that anybody may move: Tsigas and Zhang,
 *            "A simple, fast and scalable non-blocking concurrent FIFO queue" (SPAA 2001), with the lap in each cell as in
 *            Vyukov's bounded MPMC queue.
 * Layout     R_HEAD, R_TAIL hints · R_CELLS  lap bits 16–31 · slot + 1 bits 0–15
 *   cell          meaning
 *   lap n, 0      empty, to be filled by the giver of lap n
 *   lap n, s + 1  holds slot s, to be taken by the taker of lap n, who leaves `lap n + 1, 0`
 * Invariants I1 A cell changes by compare-exchange only, and its lap never goes back, so that a late giver or taker fails.
 *            I2 Every cell before a position that a giver passed was filled in its lap: no holes, whoever dies where.
 *            I3 An entry is a hint: whether the call is still to run is decided by the slot's state. Repeated entries are harmless.
 * Pairs      The giver's compare-exchange publishes the slot's words to the taker whose compare-exchange sees its entry.
 * Progress   Lock-free. A giver or taker that was suspended for 65,536 laps exactly could fill or take a cell of the wrong lap;
 *            by I3 nothing breaks.
 * Rejected   Vyukov's sequence ring: a giver that dies between moving the tail and publishing its cell blocks the queue for good.
 *            A bitmap of queued slots: it forgets their order.
 */
import { compareExchange, load, store } from '@heddle/atomics/ops'
import { R_CELLS, R_HEAD, R_TAIL, RING_BITS } from './layout.js'

const LAP_SHIFT = 16
/** How many steps an agent takes before it tells the others where it is. */
const HINT_STEPS = 16

/** How far `cell` is ahead of `lap`: 0 the same lap, positive later, negative earlier. */
function ahead(cell: number, lap: number): number {
  return (cell - (lap << LAP_SHIFT)) >> LAP_SHIFT
}

/** One agent's access to a ring. The positions in it are this agent's hints: each agent makes its own. */
export class Injector {
  private head = 0
  private tail = 0
  private readonly cells: number
  private readonly mask: number

  constructor(
    private readonly words: Int32Array,
    /** Word index of the ring. */
    private readonly ring: number,
    /** Logarithm of the number of cells; the checker takes fewer. */
    private readonly bits: number = RING_BITS,
  ) {
    this.cells = ring + R_CELLS
    this.mask = (1 << bits) - 1
    this.head = load(words, ring + R_HEAD)
    this.tail = load(words, ring + R_TAIL)
  }

  /** Adds a slot at the end; false when the queue is full. */
  push(slot: number): boolean {
    const { words } = this
    let at = this.tail
    for (;;) {
      const lap = (at >>> this.bits) & 0xffff
      const index = this.cells + (at & this.mask)
      const empty = lap << LAP_SHIFT
      const seen = compareExchange(words, index, empty, empty | (slot + 1))
      if (seen === empty) break
      if (ahead(seen, lap) < 0) return false
      at = this.later(at, R_TAIL)
    }
    this.tail = (at + 1) | 0
    if ((at & (HINT_STEPS - 1)) === 0) store(words, this.ring + R_TAIL, at)
    return true
  }

  /** Takes the slot at the front; -1 when there is none. */
  pop(): number {
    const { words } = this
    let at = this.head
    for (;;) {
      const lap = (at >>> this.bits) & 0xffff
      const index = this.cells + (at & this.mask)
      const seen = load(words, index)
      const distance = ahead(seen, lap)
      if (distance > 0) {
        at = this.later(at, R_HEAD)
        continue
      }
      const slot = seen & 0xffff
      if (slot === 0 || distance < 0) {
        this.head = at
        return -1
      }
      if (compareExchange(words, index, seen, (lap + 1) << LAP_SHIFT) !== seen) continue
      this.head = (at + 1) | 0
      if ((at & (HINT_STEPS - 1)) === 0) store(words, this.ring + R_HEAD, at)
      return slot - 1
    }
  }

  /** Whether a `pop` would find something. One load when this agent was the last to take. */
  hasWork(): boolean {
    const { words } = this
    for (let at = this.head; ;) {
      const lap = (at >>> this.bits) & 0xffff
      const seen = load(words, this.cells + (at & this.mask))
      const distance = ahead(seen, lap)
      if (distance <= 0) {
        this.head = at
        return distance === 0 && (seen & 0xffff) !== 0
      }
      at = this.later(at, R_HEAD)
    }
  }

  /** The next position worth looking at: the following one, or the shared hint when that is further. */
  private later(at: number, hint: typeof R_HEAD | typeof R_TAIL): number {
    const next = (at + 1) | 0
    const shared = load(this.words, this.ring + hint)
    return ((shared - next) | 0) > 0 ? shared : next
  }
}
