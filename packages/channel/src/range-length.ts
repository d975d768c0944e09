/**
 * How long the ranges of a ring are (ring-range.ts, spsc-ring.ts): a word for each slot, so that who comes to a range needs not look at each of its states,
 * which would bring a line for each 16 of them from the other end's core.
 *
 * Layout     (lap << 1 | whether of messages) << bits | length - 1, where a range of that lap begins, of messages or of free slots; anything else elsewhere.
 *            With `bits` two below those of an index there is room for a whole lap: a word of another lap is told from one of this, as surely as
 *            states are (N4 of ring.ts).
 * Invariants L1 Written, plain, by whoever has the range's first slot for itself, before that is published; read after the first slot was seen or
 *               claimed. So it does not race.
 *            L2 A word of this lap may still be wrong: its writer died before it published the range, or the range was given up, and a single message is there
 *               now. Then the state behind the first is not that of the inside of a range, so who believes a length has looked at that one before.
 */
import { get, peek, set } from '@heddle/atomics/ops'
import { inner, vacant } from './slot-state.js'

/** Most values of one range: long enough to make the fixed costs small, short enough that both ends work at the same time. */
const MAX_RANGE = 256

/** How long a range of a ring may be: a quarter of it, so that it can be written while another is read. */
export function longestRange(capacity: number): number {
  return Math.min(MAX_RANGE, capacity >> 2)
}

/** The lengths of one ring's ranges, by the slot where each begins. `sent`: of ranges of messages, not of free slots. */
export class RangeLengths {
  private readonly bits: number
  private readonly mask: number

  constructor(
    private readonly words: Int32Array,
    /** Word indexes of the first state, and of the first length. */
    private readonly states: number,
    private readonly lengths: number,
    private readonly capacity: number,
  ) {
    this.bits = 32 - Math.clz32(Math.max(1, longestRange(capacity) - 1))
    this.mask = (1 << this.bits) - 1
  }

  /** L1 */
  note(index: number, lap: number, sent: boolean, length: number): void {
    set(this.words, this.lengths + index, this.tag(lap, sent) | (length - 1))
  }

  /** Of the range of this lap that begins there; 1 where none is known. Whoever calls has seen the state of the first. */
  from(index: number, lap: number, sent: boolean): number {
    const { words, states, mask } = this
    // L2
    if (index + 1 >= this.capacity || peek(words, states + index + 1) !== (sent ? inner(lap) : vacant(lap))) return 1
    const word = get(words, this.lengths + index)
    return (word & ~mask) === this.tag(lap, sent) ? (word & mask) + 1 : 1
  }

  /** Of `count` slots in turn no more than `most`: notes how long the rest is. */
  cut(first: number, lap: number, sent: boolean, count: number, most: number): number {
    if (count > most + 1) this.note(first + most, lap, sent, count - most)
    return Math.min(count, most)
  }

  private tag(lap: number, sent: boolean): number {
    return ((lap << 1) | (sent ? 1 : 0)) << this.bits
  }
}
