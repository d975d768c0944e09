/**
 * The ring of ring.ts with ranges: many messages of a scalar codec are claimed by one compare-exchange and published by one store.
 *
 * Source     Our own, on ring.ts. LMAX's Disruptor claims and publishes ranges, too, by a counter that all share.
 * Layout     As ring.ts. A range lies within one turn of the ring. The first slot's state is that of the whole range while it is written (RESERVING)
 *            or read (GATHERING); the other states are plain words meanwhile.
 *   state          meaning                                                  next
 *   RESERVING      first of a range being written: no sender passes it      FULL; FREE or VACANT again when a value was refused
 *   INNER lap      behind its first: sent                                   TAKING or GATHERING of a receiver that came past all before
 *   GATHERING      first of a range being read: no receiver passes it       FREE lap + 1; FULL or INNER again when a value could not be stored
 *   VACANT lap     behind its first: free                                   SENDING or RESERVING of a sender that came past all before
 * Invariants R1 While the first slot is RESERVING, no sender looks at those behind it (N1: positions are claimed one after the other), and no
 *               receiver: plain writes. They become INNER before the first becomes FULL.
 *            R2 Who sees INNER(lap) in its turn came past the first slot, whose FULL was seen, and so sees the messages: by the compare-exchange
 *               that took the first, and those that followed. Likewise GATHERING, VACANT and FREE for senders.
 *            R3 Agents that stand at an older lap may read these words at any time; whatever they see there is ahead of them.
 *            R4 A sender that counts free slots behind its first trusts VACANT only (R2: it belongs to a FREE before it), and looks at FREE with
 *               an atomic load: that is a store of its own.
 *            R5 The hint moves on before a range, to where that begins: before it is published, others may not skip it (N1); after that the channel may
 *               be gone (C4 of flavor.ts).
 *            R6 A range's length is noted where it begins, and where the rest of it does that a shorter one leaves (range-length.ts); one that single
 *               messages go on with has none, and its states are looked at one by one.
 * Pairs      FULL's store with the compare-exchange that takes the first; FREE's with the one that claims it.
 * Progress   As ring.ts; who finds the first of a range claimed by an agent that lives finds the ring full or empty for that moment, which
 *            is the time of one copy of at most 256 values. A sender that dies in a range has sent nothing of it, and a receiver has received
 *            nothing: whoever comes next puts the states back. So nothing is lost.
 * Cost       For each end and range: one compare-exchange, one store, two bulk copies.
 * Rejected   One state for each value, by atomic stores: 7 ns a value in V8, more than twice the target. A counter for the whole ring:
 *            single messages would pay for it, and a death behind it wedges the ring.
 */
import type { Codec, Region } from '@heddle/atomics'
import { compareExchange, fill, load, peek, set, store } from '@heddle/atomics/ops'
import { Bulk } from './bulk.js'
import { HEAD, TAIL } from './layout.js'
import { longestRange, RangeLengths } from './range-length.js'
import { type Cursor, Ring } from './ring.js'
import { claimed, free, full, GATHERING, inner, RESERVING, vacant } from './slot-state.js'

/** Up to so many words a loop beats a bulk fill. */
const LOOP_WORDS = 16

/** Writes a row of states. Who calls has them for itself: plain writes (R1). */
export function fillStates(words: Int32Array, from: number, count: number, state: number): void {
  if (count <= LOOP_WORDS) for (let i = 0; i < count; i++) set(words, from + i, state)
  else fill(words, from, count, state)
}

export class RangeRing<T> extends Ring<T> {
  private readonly bulk: Bulk<T> | undefined
  private readonly longest: number
  private readonly lengths: RangeLengths

  constructor(region: Region, base: number, capacity: number, codec: Codec<T>) {
    super(region, base, capacity, codec)
    this.bulk = Bulk.of(region, codec)
    this.longest = longestRange(capacity)
    this.lengths = new RangeLengths(region.words, this.states, this.lengthsAt, capacity)
  }

  /** Sends a range of a list's values, from `from` on. @returns how many; 0: not now, or not as a range */
  pushMany(values: ArrayLike<T>, from: number): number {
    const { bulk, words, base } = this
    if (bulk === undefined) return 0
    const cursor = this.tail.get()
    if (peek(words, base + TAIL) !== cursor.seen) this.follow(cursor, base + TAIL)
    // R5
    this.tell(cursor, base + TAIL)
    const { index, lap, agent } = cursor
    const most = Math.min(values.length - from, this.longest, this.capacity - index)
    if (most < 2) return 0
    const state = this.states + index
    const before = peek(words, state)
    if (before !== free(lap) && before !== vacant(lap)) return 0
    if (compareExchange(words, state, before, claimed(agent.tag, RESERVING, lap)) !== before) return 0
    const count = this.freeInTurn(index, lap, most)
    try {
      bulk.write(this.slotsAt + index * this.stride, values, from, count)
    } catch {
      // One by one: those before the value that is refused are sent.
      store(words, state, before)
      return 0
    }
    fillStates(words, state + 1, count - 1, inner(lap))
    this.lengths.note(index, lap, true, count)
    store(words, state, full(lap))
    this.moveOn(cursor, count)
    return count
  }

  /** Receives a range of at most `max` messages into a list, from `to` on. @returns how many; 0: not now, or not as a range */
  popMany(into: { [index: number]: T }, to: number, max: number): number {
    const { bulk, words, base } = this
    if (bulk === undefined) return 0
    const cursor = this.head.get()
    if (peek(words, base + HEAD) !== cursor.seen) this.follow(cursor, base + HEAD)
    this.tell(cursor, base + HEAD)
    const { index, lap, agent } = cursor
    const most = Math.min(max, this.capacity - index)
    const state = this.states + index
    const before = peek(words, state)
    // A hint, checked again below: whether it is a range at all.
    if (most < 2 || (before !== full(lap) && before !== inner(lap)) || peek(words, state + 1) !== inner(lap)) return 0
    if (compareExchange(words, state, before, claimed(agent.tag, GATHERING, lap)) !== before) return 0
    const count = this.fullInTurn(index, lap, most)
    try {
      bulk.read(this.slotsAt + index * this.stride, into, to, count)
    } catch (error) {
      store(words, state, before)
      throw error
    }
    const next = (lap + 1) & this.lapMask
    fillStates(words, state + 1, count - 1, vacant(next))
    this.lengths.note(index, next, false, count)
    store(words, state, free(next))
    this.moveOn(cursor, count)
    return count
  }

  /** How many slots from there on are free, at most `most`; the first is (R4). */
  private freeInTurn(first: number, lap: number, most: number): number {
    const { words, states } = this
    const outer = free(lap)
    const inside = vacant(lap)
    let count = 0
    for (let index = first; count < most; index = first + count) {
      if (count > 0) {
        const seen = peek(words, states + index)
        if (seen !== inside && (seen !== outer || load(words, states + index) !== outer)) break
      }
      count += this.lengths.from(index, lap, false)
    }
    return this.lengths.cut(first, lap, false, count, most)
  }

  /** How many messages of one range there are from there on, at most `most`; the first is one. */
  private fullInTurn(first: number, lap: number, most: number): number {
    const { words, states } = this
    const inside = inner(lap)
    let count = this.lengths.from(first, lap, true)
    while (count < most && peek(words, states + first + count) === inside) count++
    return this.lengths.cut(first, lap, true, count, most)
  }

  private moveOn(cursor: Cursor, count: number): void {
    cursor.index += count
    if (cursor.index === this.capacity) {
      cursor.index = 0
      cursor.lap = (cursor.lap + 1) & this.lapMask
    }
  }
}
