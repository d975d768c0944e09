/**
 * The bounded ring of one sender and one receiver: a flag in each slot, no claims.
 *
 * Source     FastForward (Giacomoni et al., PPoPP 2008): the slot itself says whether it is full, so that the two ends share no counter;
 *            looking several slots ahead after B-Queue (Wang et al., 2013).
 * Layout     As ring.ts; the owner of each end is named in SENDER_OWNER and RECEIVER_OWNER.
 *   state      meaning                                      next
 *   FREE lap   the sender's                                 FULL, by compare-exchange; or HOLE, by the receiver
 *   FULL lap   the receiver's                               FREE lap + 1; FREEING first for codecs with memory outside the slot
 *   INNER lap  in a range, behind its first: as FULL            as FULL
 *   VACANT lap in a range that was freed, likewise: as FREE     as FREE
 *   HOLE lap   the end: closed, and the receiver is through
 * Invariants P1 Only the agent named as an end's owner uses that end; who finds a dead one there takes the end over, and finds its
 *               position by the states. A live one is an error of the caller. Of several openings in one agent the one that was used last
 *               has the end: the epoch, which only the owner can change, tells the others that their position is old.
 *            P2 The receiver frees in order and the sender fills in order: a free slot some way ahead means that all before it are free, a
 *               full one that all before it are full. So one look serves several operations, and nothing is held back.
 *            P3 The sender publishes by compare-exchange, so that a receiver which found the closed channel empty can make that final (HOLE):
 *               a message is in the ring before that, and received, or it is given back.
 *            P4 A range is written as a whole, its inner states (plain words) as well, and then its first slot FULL; freed likewise. Who comes to an
 *               INNER or VACANT state in its turn has seen the first; who looks ahead believes FULL and FREE only. A dead owner's inner
 *               states behind a slot that is still FREE, or still FULL, are put back by the next.
 *               How long a range is stands beside its first state (range-length.ts); where that is not known, each state is looked at.
 *            P5 What a message has outside its slot belongs to the slot at every instant (N5 of ring.ts). What a dead sender had begun to write is in the
 *               free slot at its position, or in the HOLE that this became: the next sender, or whoever disposes of the channel, recovers it.
 *            P6 Each end is in one call at a time (P2): a codec that runs inside of one, and calls the same end, is refused. `busy` says so; scalar codecs
 *               call nothing.
 * Pairs      FULL's compare-exchange with the receiver's load of it, or of a later one (P2); FREE's store with the sender's load likewise.
 * Progress   Wait-free. A sender that dies while it writes has sent nothing; a message whose receiver dies while it reads is received by
 *            the next one, unless it was being freed.
 */
import { type Codec, InvalidArgumentError, type Region } from '@heddle/atomics'
import { isOwnerAlive, recover } from '@heddle/atomics/internal'
import { add, agentLocal, compareExchange, load, peek, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { beginWork, type End, endWork, isAtWork } from './at-work.js'
import { Bulk } from './bulk.js'
import { ReentrantError } from './errors.js'
import { type BUSY, DONE, NOTHING, UNDERWAY } from './flavor.js'
import { HEAD, LOST, RECEIVER_EPOCH, RECEIVER_OWNER, SENDER_EPOCH, SENDER_OWNER, TAIL } from './layout.js'
import { entersLine } from './pace.js'
import { Cursor, HINT_EVERY, Ring } from './ring.js'
import { longestRange, RangeLengths } from './range-length.js'
import { fillStates } from './ring-range.js'
import { claimed, free, FREEING, full, hole, inner, isClaim, isFree, isHole, vacant } from './slot-state.js'
import { EMPTY } from './symbols.js'

/** How far a look goes, in slots. */
const LOOK_AHEAD = 16

/** P6 */
function refuse(verb: string): never {
  throw new ReentrantError(`a codec may not ${verb} at the spsc channel for whose ${verb} it is at work: use another channel, or mpsc()`)
}

/** One agent's position, and for how many slots from there it knows that they are its own. */
class OwnCursor extends Cursor implements End {
  sure = 0
  /** A codec is at work for a call of this end (P6). */
  busy = false
  /** The end's epoch when this took it over. */
  epoch = -1
  constructor(
    agent: Agent,
    readonly words: Int32Array,
    /** Index of the word that names the end's owner. */
    readonly owner: number,
  ) {
    super(agent)
  }
}

export class SpscRing<T> extends Ring<T> {
  private readonly sending = agentLocal(() => new OwnCursor(Agent.of(this.region), this.words, this.base + SENDER_OWNER))
  private readonly receiving = agentLocal(() => new OwnCursor(Agent.of(this.region), this.words, this.base + RECEIVER_OWNER))
  private readonly bulk: Bulk<T> | undefined
  private readonly longest: number
  private readonly lengths: RangeLengths

  constructor(region: Region, base: number, capacity: number, codec: Codec<T>) {
    super(region, base, capacity, codec)
    this.bulk = Bulk.of(region, codec)
    this.longest = longestRange(capacity)
    this.lengths = new RangeLengths(region.words, this.states, this.lengthsAt, capacity)
  }

  override push(value: T): number {
    const { words, codec } = this
    const cursor = this.sender()
    if (cursor.busy) refuse('send')
    if (cursor.pace.isDue) cursor.pace.slip(words, this.states, this.capacity, cursor.index, true)
    if (cursor.sure === 0 && !this.lookAhead(cursor, free, vacant)) return NOTHING
    const { index, lap } = cursor
    // Before the message is published: after that the channel may be gone (C4 of flavor.ts).
    if ((index & (HINT_EVERY - 1)) === 0) this.tell(cursor, this.base + TAIL)
    if (this.bulk === undefined) this.writeBusy(cursor, value)
    else codec.write(this.region, this.slotsAt + index * this.stride, value)
    const before = peek(words, this.states + index)
    if (!isFree(before) || compareExchange(words, this.states + index, before, full(lap)) !== before) {
      if (!codec.fixed) codec.free?.(this.region, this.slotsAt + index * this.stride)
      return NOTHING
    }
    this.moveOn(cursor, 1)
    return DONE
  }

  override pop(): T | typeof EMPTY | typeof BUSY {
    const { words, codec, region } = this
    const cursor = this.receiver()
    if (cursor.busy) refuse('receive')
    if (cursor.pace.isDue) cursor.pace.slip(words, this.states, this.capacity, cursor.index, false)
    if (cursor.sure === 0 && !this.lookAhead(cursor, full, inner)) return EMPTY
    const state = this.states + cursor.index
    const at = this.slotsAt + cursor.index * this.stride
    const { lap } = cursor
    cursor.sure--
    this.advance(cursor, this.base + HEAD)
    if (this.bulk === undefined) return this.readBusy(cursor, state, at, lap)
    const value = codec.read(region, at)
    store(words, state, free((lap + 1) & this.lapMask))
    return value
  }

  /** As a range of ring-range.ts, without its claims: the first slot's compare-exchange publishes it (P3, P4). */
  pushMany(values: ArrayLike<T>, from: number): number {
    const { bulk, words } = this
    if (bulk === undefined) return 0
    const cursor = this.sender()
    if (cursor.busy) refuse('send')
    const { index, lap } = cursor
    const count = this.sureOf(cursor, Math.min(values.length - from, this.longest, this.capacity - index), true)
    if (count < 2) return 0
    this.tell(cursor, this.base + TAIL)
    this.begin(cursor)
    try {
      bulk.write(this.slotsAt + index * this.stride, values, from, count)
    } catch {
      // One by one: those before the value that is refused are sent.
      return 0
    } finally {
      this.end(cursor)
    }
    const state = this.states + index
    const before = peek(words, state)
    fillStates(words, state + 1, count - 1, inner(lap))
    this.lengths.note(index, lap, true, count)
    if (!isFree(before) || compareExchange(words, state, before, full(lap)) !== before) {
      fillStates(words, state + 1, count - 1, vacant(lap))
      return 0
    }
    this.moveOn(cursor, count)
    return count
  }

  popMany(into: { [index: number]: T }, to: number, max: number): number {
    const { bulk, words } = this
    if (bulk === undefined) return 0
    const cursor = this.receiver()
    const { index, lap } = cursor
    const count = this.sureOf(cursor, Math.min(max, this.longest, this.capacity - index), false)
    if (count < 2) return 0
    this.tell(cursor, this.base + HEAD)
    bulk.read(this.slotsAt + index * this.stride, into, to, count)
    const state = this.states + index
    const next = (lap + 1) & this.lapMask
    fillStates(words, state + 1, count - 1, vacant(next))
    this.lengths.note(index, next, false, count)
    store(words, state, free(next))
    this.moveOn(cursor, count)
    return count
  }

  override canPush(): boolean {
    const { index, lap } = this.sender()
    const state = load(this.words, this.states + index)
    return state === free(lap) || state === vacant(lap)
  }

  override look(): number {
    const { index, lap } = this.receiver()
    const state = load(this.words, this.states + index)
    return state === full(lap) || state === inner(lap) ? DONE : isClaim(state) ? UNDERWAY : NOTHING
  }

  /** P3 */
  override seal(): number {
    const { index, lap } = this.receiver()
    for (const before of [free(lap), vacant(lap)]) {
      const found = compareExchange(this.words, this.states + index, before, hole(lap))
      if (found === before || found === hole(lap)) return DONE
    }
    return NOTHING
  }

  /** Who is in the middle of the one end is all that the other end could wait for. */
  override isOwn(sends: boolean): boolean {
    return isAtWork(this.words, this.base + (sends ? RECEIVER_OWNER : SENDER_OWNER))
  }

  override drop(): void {
    // Whoever disposes of it does so for both ends.
    store(this.words, this.base + RECEIVER_OWNER, 0)
    add(this.words, this.base + RECEIVER_EPOCH, 1)
    super.drop()
    this.recoverUnsent()
  }

  /** Whether the cursor's slot has the state that this end waits for, and how many behind it have (P2). */
  private lookAhead(cursor: OwnCursor, stamp: (lap: number) => number, inside: (lap: number) => number): boolean {
    const { words, capacity } = this
    const { index, lap } = cursor
    const outer = stamp(lap)
    const here = load(words, this.states + index)
    if (here !== outer && here !== inside(lap)) return false
    const ahead = Math.min(LOOK_AHEAD, capacity - index) - 1
    // The cheap look first: most often nothing is that far ahead when this end is the faster one.
    const far = this.states + index + ahead
    cursor.sure = ahead > 0 && peek(words, far) === outer && load(words, far) === outer ? ahead + 1 : 1
    return true
  }

  /** For how many slots, at most `most`, the cursor knows that they are its own, after a look (P2, P4). */
  private sureOf(cursor: OwnCursor, most: number, sends: boolean): number {
    const { words } = this
    const { lap } = cursor
    const state = this.states + cursor.index
    const outer = sends ? free(lap) : full(lap)
    const inside = sends ? vacant(lap) : inner(lap)
    let { sure } = cursor
    if (sure < most && load(words, state + most - 1) === outer) sure = most
    while (sure < most) {
      const seen = peek(words, state + sure)
      if (seen !== inside && (seen !== outer || load(words, state + sure) !== outer)) break
      sure += this.lengths.from(cursor.index + sure, lap, !sends)
    }
    cursor.sure = sure
    return Math.min(sure, most)
  }

  private moveOn(cursor: OwnCursor, count: number): void {
    cursor.sure -= count
    cursor.index += count
    if (entersLine(cursor.index)) cursor.pace.isDue = true
    if (cursor.index === this.capacity) {
      cursor.index = 0
      cursor.lap = (cursor.lap + 1) & this.lapMask
    }
  }

  /** P6 */
  private writeBusy(cursor: OwnCursor, value: T): void {
    this.begin(cursor)
    try {
      this.codec.write(this.region, this.slotsAt + cursor.index * this.stride, value)
    } finally {
      this.end(cursor)
    }
  }

  /** P6. The cursor has moved on. */
  private readBusy(cursor: OwnCursor, state: number, at: number, lap: number): T {
    this.begin(cursor)
    try {
      try {
        return this.codec.read(this.region, at)
      } finally {
        this.giveUp(state, at, lap, cursor.agent.tag)
      }
    } finally {
      this.end(cursor)
    }
  }

  private begin(cursor: OwnCursor): void {
    cursor.busy = true
    beginWork(cursor)
  }

  private end(cursor: OwnCursor): void {
    cursor.busy = false
    endWork()
  }

  /** Frees the slot and what its value owns. */
  private giveUp(state: number, at: number, lap: number, tag: number): void {
    if (!this.codec.fixed) {
      store(this.words, state, claimed(tag, FREEING, lap))
      this.codec.free?.(this.region, at)
    }
    store(this.words, state, free((lap + 1) & this.lapMask))
  }

  private sender(): OwnCursor {
    const cursor = this.sending.get()
    if (peek(this.words, this.base + SENDER_EPOCH) !== cursor.epoch) this.takeOver(cursor, SENDER_EPOCH, TAIL)
    return cursor
  }

  private receiver(): OwnCursor {
    const cursor = this.receiving.get()
    if (peek(this.words, this.base + RECEIVER_EPOCH) !== cursor.epoch) this.takeOver(cursor, RECEIVER_EPOCH, HEAD)
    return cursor
  }

  /** P1 */
  private takeOver(cursor: OwnCursor, epoch: number, end: typeof HEAD | typeof TAIL): void {
    const { words, base } = this
    const { agent, owner } = cursor
    const { tag } = agent
    const former = load(words, owner)
    if (former === tag && isAtWork(words, owner)) refuse(end === TAIL ? 'send' : 'receive')
    if (former !== tag && (isOwnerAlive(words, former) || compareExchange(words, owner, former, tag) !== former)) {
      throw new InvalidArgumentError(
        `another agent ${end === TAIL ? 'sends to' : 'receives from'} this channel: spsc() is for one of each, channel() for many`,
      )
    }
    cursor.epoch = (add(words, base + epoch, 1) + 1) | 0
    if (former !== 0 && former !== tag) this.mend(end)
    const { index, lap } = end === TAIL ? this.unsent() : former === tag ? this.walked(HEAD) : this.unread()
    cursor.index = index
    cursor.lap = lap
    cursor.sure = 0
  }

  /** Where the sender is: not past the HOLE, the end (P3). */
  private unsent(): { index: number; lap: number } {
    const walked = this.walked(TAIL)
    const last = this.before(walked)
    return load(this.words, this.states + last.index) === hole(last.lap) ? last : walked
  }

  /** P5 */
  private recoverUnsent(): void {
    const { words, codec, region } = this
    if (codec.fixed) return
    const walked = this.walked(TAIL)
    for (const i of [walked.index, this.before(walked).index]) {
      const state = load(words, this.states + i)
      if (isFree(state) || isHole(state)) recover(codec, region, this.slotsAt + i * this.stride, false)
    }
  }

  /** The former owner of the end may have died in the middle of a range, or the receiver while it freed the first message. */
  private mend(end: typeof HEAD | typeof TAIL): void {
    const { words } = this
    const { index, lap } = this.walked(end)
    if (end === TAIL) {
      this.dropReserved(index, lap)
      this.recoverUnsent()
      return
    }
    this.keepGathered(index, lap)
    const { index: before, lap: beforeLap } = this.before({ index, lap })
    const state = load(words, this.states + before)
    if (!isClaim(state)) return
    add(words, this.base + LOST, 1)
    this.recoverAt(before, state)
    store(words, this.states + before, free((beforeLap + 1) & this.lapMask))
  }
}
