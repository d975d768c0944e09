/**
 * The bounded ring of many senders and many receivers: who gets which slot, in which order. It never waits and wakes nobody.
 *
 * Source     D. Vyukov's bounded MPMC queue (a sequence in each slot), with the claim in the slot itself instead of in a shared
 *            counter: a claim names its agent, so that a dead one can be told from a slow one, and an uncontended operation
 *            writes one line.
 * Layout     layout.ts, then: capacity state words (slot-state.ts) · slots, each the codec's, rounded up to its alignment
 *            · lengths of ranges (range-length.ts) · the codec's kind. TAIL and HEAD are hints: a position that was reached, lap << bits | index.
 *   A position is (index, lap). Every agent has a cursor for each end: a position before which everything was claimed.
 * Invariants N1 Position p + 1 is claimed only after p was: an agent moves its cursor past a position only when it claimed it or saw
 *               that it had been claimed. So the claimed positions of each end are one gapless run, and messages leave in the order
 *               in which their positions were claimed.
 *            N2 A slot's data are accessed only by the agent named in its claim (or by nobody): plain accesses, published by the
 *               store or compare-exchange that ends the claim, seen by the compare-exchange that begins the next.
 *            N3 A hint never names a position that was not reached. It is at most a few positions behind: every HINT_EVERY-th
 *               claim moves it forward; back, by one, only for a message that a dead only receiver had not read (`unread`).
 *            N4 A cursor is used only while the hint still is what it was when the cursor was last compared with it: a cursor of an agent
 *               that slept through whole turns of the numbers would pass for a new one. Exactly 2^32 positions in between would go
 *               unnoticed (below 16 slots: 2^28 laps).
 *            N5 What a message has outside its slot belongs to the slot at every instant, also while it is written and freed (codec.ts, I4, of atomics): a
 *               slot without a message, or whose message was freed, owns nothing. Who takes over a dead agent's claim names itself in it and
 *               recovers the slot before it goes on; dying there it is the dead agent.
 *            N6 Who finds the closed channel empty makes that final: END where it found FREE (`seal`). Positions are claimed without gaps, so nothing is
 *               sent at it or after it, and what was claimed before it is received. Where the slot still has its former message, which another
 *               receiver is in the middle of, the end has to wait for that one; a dead one's slot is freed as by a sender.
 * Pairs      FULL's store with TAKING's compare-exchange (the message); FREE's store with SENDING's (the slot).
 * Progress   Lock-free but for one case: who finds the next position claimed and not finished, by an agent that lives, finds the ring
 *            full or empty for that moment, although later positions may be finished. A dead owner's claim is taken over at once.
 *            A message whose sender or receiver died in the middle is lost and counted.
 * Cost       One compare-exchange and one store for each end.
 * Rejected   Claims by a compare-exchange of TAIL (Vyukov, crossbeam): between it and the slot's publication nobody can know whose
 *            the slot is, so a death there wedges the ring; noting it in the agent's record before costs one more store and load.
 */
import { type Codec, InvalidArgumentError, type Region } from '@heddle/atomics'
import { isOwnerAlive, recover } from '@heddle/atomics/internal'
import { add, agentLocal, compareExchange, load, peek, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { isScalar } from './bulk.js'
import { BUSY, DONE, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { HEAD, HEAD_BYTES, LOST, TAIL } from './layout.js'
import { entersLine, Pace } from './pace.js'
import { EMPTY } from './symbols.js'
import {
  claimed,
  end,
  free,
  FREEING,
  full,
  GATHERING,
  hole,
  inner,
  isClaim,
  isEnd,
  isFree,
  isHole,
  isPassedBySenders,
  isReserving,
  isTaken,
  LAP_BITS,
  lapsAhead,
  phaseOfClaim,
  RESERVING,
  SENDING,
  tagOf,
  TAKING,
  vacant,
} from './slot-state.js'

/** How often a claim moves the hint on, in slots; a power of 2. */
export const HINT_EVERY = 64
const MAX_CAPACITY = 1 << 24

/** One agent's position at one end. */
export class Cursor {
  index = 0
  lap = 0
  /** The hint when this was last compared with it. */
  seen = 0
  readonly pace = new Pace()
  constructor(readonly agent: Agent) {}
}

/** Checks a capacity. */
export function checkCapacity(capacity: number): void {
  if (!Number.isInteger(capacity) || capacity < 0 || capacity > MAX_CAPACITY)
    throw new InvalidArgumentError(`the capacity must be an integer from 0 to ${MAX_CAPACITY}, got ${String(capacity)}`)
}

/** Checks a capacity of a flavour that keeps messages. */
export function checkRing(capacity: number): void {
  if (capacity === 0) throw new InvalidArgumentError('the capacity must be 1 or more: channel({ capacity: 0 }) hands messages over')
  checkCapacity(capacity)
}

/** `unit` is a power of 2. In integers: V8 keeps a field that was once the result of a division in its slower form. */
function roundUp(value: number, unit: number): number {
  return (value + unit - 1) & -unit
}

/** The ring in a region, at the word index `base`. */
export class Ring<T> {
  readonly words: Int32Array
  protected readonly states: number
  protected readonly slotsAt: number
  protected readonly stride: number
  /** Word index of the lengths of ranges, where there is room for them. */
  protected readonly lengthsAt: number
  /** Bits of an index in a hint. */
  protected readonly bits: number
  protected readonly indexMask: number
  protected readonly lapMask: number
  protected readonly lapShift: number
  /** 32 less the bits of a whole position. */
  private readonly shift: number
  protected readonly tail = agentLocal(() => new Cursor(Agent.of(this.region)))
  protected readonly head = agentLocal(() => new Cursor(Agent.of(this.region)))

  constructor(
    readonly region: Region,
    protected readonly base: number,
    readonly capacity: number,
    readonly codec: Codec<T>,
  ) {
    this.words = region.words
    this.states = base + (HEAD_BYTES >> 2)
    this.slotsAt = Ring.slotsAt(base * 4, capacity)
    this.stride = Ring.stride(codec)
    this.lengthsAt = base + (Ring.bytes(codec, capacity, false) >> 2)
    this.bits = 32 - Math.clz32(capacity - 1)
    this.indexMask = (1 << this.bits) - 1
    const lapBits = Math.min(LAP_BITS, 32 - this.bits)
    this.lapMask = (1 << lapBits) - 1
    this.lapShift = 32 - lapBits
    this.shift = 32 - lapBits - this.bits
  }

  private static stride(codec: Codec<unknown>): number {
    return roundUp(codec.bytes, codec.align)
  }
  private static slotsAt(at: number, capacity: number): number {
    return roundUp(at + HEAD_BYTES + capacity * 4, 8)
  }
  /** Bytes of a ring, from the channel's start. `ranges`: whether its messages are sent in ranges, where the codec allows that. */
  static bytes(codec: Codec<unknown>, capacity: number, ranges: boolean): number {
    const lengths = ranges && isScalar(codec as Codec<never>) ? capacity * 4 : 0
    return roundUp(Ring.slotsAt(0, capacity) + capacity * Ring.stride(codec), 4) + lengths
  }

  /**
   * Sends, if there is room. When the codec throws it leaves a hole, and the receivers are to be told as of a message.
   * @returns DONE, NOTHING or UNDERWAY
   */
  push(value: T): number {
    const { words, region, codec } = this
    const cursor = this.tail.get()
    if (peek(words, this.base + TAIL) !== cursor.seen) this.follow(cursor, this.base + TAIL)
    if (cursor.pace.isDue) cursor.pace.slip(words, this.states, this.capacity, cursor.index, true)
    const expected = free(cursor.lap)
    let state = this.states + cursor.index
    if (compareExchange(words, state, expected, claimed(cursor.agent.tag, SENDING, cursor.lap)) !== expected) {
      const found = this.claimSlow(cursor)
      if (found !== DONE) return found
      state = this.states + cursor.index
    }
    const { index, lap } = cursor
    // Moved on before the codec runs: what it calls may send here, too.
    this.advance(cursor, this.base + TAIL)
    try {
      codec.write(region, this.slotsAt + index * this.stride, value)
    } catch (error) {
      store(words, state, hole(lap))
      throw error
    }
    store(words, state, full(lap))
    return DONE
  }

  /** Takes the next message, if there is one. */
  pop(): T | typeof EMPTY | typeof BUSY {
    const { words, region, codec } = this
    const cursor = this.head.get()
    if (peek(words, this.base + HEAD) !== cursor.seen) this.follow(cursor, this.base + HEAD)
    if (cursor.pace.isDue) cursor.pace.slip(words, this.states, this.capacity, cursor.index, false)
    const expected = full(cursor.lap)
    let state = this.states + cursor.index
    if (compareExchange(words, state, expected, claimed(cursor.agent.tag, TAKING, cursor.lap)) !== expected) {
      const found = this.takeSlow(cursor)
      if (found !== DONE) return found === NOTHING ? EMPTY : BUSY
      state = this.states + cursor.index
    }
    const { index, lap } = cursor
    this.advance(cursor, this.base + HEAD)
    const at = this.slotsAt + index * this.stride
    const next = free((lap + 1) & this.lapMask)
    if (!codec.fixed) return this.readOwning(claimed(cursor.agent.tag, FREEING, lap), state, at, next)
    let value: T
    try {
      value = codec.read(region, at)
    } catch (error) {
      store(words, state, next)
      throw error
    }
    store(words, state, next)
    return value
  }

  /** Whether a push would get anywhere now; one load. */
  canPush(): boolean {
    const { words } = this
    const cursor = this.tail.get()
    if (peek(words, this.base + TAIL) !== cursor.seen) this.follow(cursor, this.base + TAIL)
    const state = load(words, this.states + cursor.index)
    const ahead = lapsAhead(state, cursor.lap, this.lapShift)
    return ahead < 0 ? this.isLeft(state) : ahead > 0 || !isReserving(state) || !isOwnerAlive(words, tagOf(state))
  }

  /** What a pop would find now: DONE when it would get anywhere, NOTHING or UNDERWAY; one load. */
  look(): number {
    const { words } = this
    const cursor = this.head.get()
    if (peek(words, this.base + HEAD) !== cursor.seen) this.follow(cursor, this.base + HEAD)
    const state = load(words, this.states + cursor.index)
    const ahead = lapsAhead(state, cursor.lap, this.lapShift)
    if (ahead > 0) return DONE
    // Somebody is in the middle of the message before, in the same slot (N6).
    if (ahead < 0) return isClaim(state) && isOwnerAlive(words, tagOf(state)) ? UNDERWAY : NOTHING
    if (isFree(state) || isEnd(state)) return NOTHING
    if (!isClaim(state)) return DONE
    const phase = phaseOfClaim(state)
    if (phase === TAKING || phase === FREEING) return DONE
    if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
    return phase === RESERVING ? NOTHING : DONE
  }

  /** N6 */
  seal(): number {
    const { index, lap } = this.head.get()
    return this.sealAt(index, lap)
  }

  /** Makes the position the end, in place of FREE or VACANT; nobody has claimed it then, nor any after it. */
  protected sealAt(index: number, lap: number): number {
    const { words, lapShift } = this
    const at = this.states + index
    for (const before of [free(lap), vacant(lap)]) {
      const found = compareExchange(words, at, before, end(lap))
      if (found === before || found === end(lap)) return DONE
    }
    const state = load(words, at)
    if (!isClaim(state) || lapsAhead(state, lap, lapShift) >= 0) return NOTHING
    if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
    this.freeLeft(at, state, lap)
    return NOTHING
  }

  /** The channel is to be used again: the position that was made the end is free. Nobody finds it closed meanwhile. */
  unseal(): void {
    const { index, lap } = this.walked(TAIL)
    compareExchange(this.words, this.states + index, end(lap), free(lap))
  }

  isOwn(sends: boolean): boolean {
    const { agent, index } = (sends ? this.tail : this.head).get()
    return this.isClaimOf(agent, index)
  }

  protected isClaimOf(agent: Agent, index: number): boolean {
    const state = load(this.words, this.states + index)
    return isClaim(state) && tagOf(state) === agent.tag
  }

  /** Messages in the ring, those being sent and received included. Exact while nobody does. */
  get length(): number {
    const head = this.walked(HEAD)
    const tail = this.walked(TAIL)
    const laps = ((tail.lap - head.lap) << this.lapShift) >> this.lapShift
    return Math.min(this.capacity, Math.max(0, laps * this.capacity + tail.index - head.index))
  }

  /** Frees what messages have outside their slots; nobody uses the ring any more. */
  drop(): void {
    if (this.codec.fixed) return
    for (let found: unknown = this.pop(); found !== EMPTY && found !== BUSY; found = this.pop());
    for (let i = 0; i < this.capacity; i++) {
      const state = load(this.words, this.states + i)
      if (isClaim(state)) this.recoverAt(i, state)
    }
  }

  /** What a slot owned that a dead agent had claimed, and nobody else uses now, goes back to the region (N5). */
  protected recoverAt(index: number, state: number): void {
    recover(this.codec, this.region, this.slotsAt + index * this.stride, phaseOfClaim(state) === TAKING)
  }

  /** The claim when the first try failed. */
  private claimSlow(cursor: Cursor): number {
    const { words, lapShift } = this
    let fresh = false
    for (;;) {
      const index = this.states + cursor.index
      const state = load(words, index)
      const ahead = lapsAhead(state, cursor.lap, lapShift)
      if (ahead === 0 && isEnd(state)) return SPENT
      if (ahead > 0 || (ahead === 0 && !isFree(state) && !isReserving(state))) this.advance(cursor, this.base + TAIL)
      else if (ahead === 0 && isFree(state)) {
        if (compareExchange(words, index, state, claimed(cursor.agent.tag, SENDING, cursor.lap)) === state) return DONE
      } else if (ahead === 0) {
        if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
        if (compareExchange(words, index, state, claimed(cursor.agent.tag, RESERVING, cursor.lap)) === state) {
          this.dropReserved(cursor.index, cursor.lap)
          store(words, index, claimed(cursor.agent.tag, SENDING, cursor.lap))
          return DONE
        }
      } else if (!fresh) {
        // Laps in claims are short: what is to be believed was seen from a position that is not old.
        this.follow(cursor, this.base + TAIL)
        fresh = true
      } else if (this.isLeft(state)) this.freeLeft(index, state, cursor.lap)
      else return isClaim(state) && phaseOfClaim(state) !== SENDING ? UNDERWAY : NOTHING
    }
  }

  /** The same for the receivers' end. Passes over holes. */
  private takeSlow(cursor: Cursor): number {
    const { words, lapShift } = this
    let fresh = false
    for (;;) {
      const index = this.states + cursor.index
      const state = load(words, index)
      const ahead = lapsAhead(state, cursor.lap, lapShift)
      const mine = claimed(cursor.agent.tag, TAKING, cursor.lap)
      if (ahead > 0) this.advance(cursor, this.base + HEAD)
      else if (ahead < 0 || isFree(state) || isEnd(state)) {
        if (fresh) return NOTHING
        this.follow(cursor, this.base + HEAD)
        fresh = true
      } else if (isClaim(state)) {
        const phase = phaseOfClaim(state)
        if (phase === TAKING || phase === FREEING) this.advance(cursor, this.base + HEAD)
        else if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
        else if (phase === RESERVING) return NOTHING
        else if (phase === GATHERING) {
          if (compareExchange(words, index, state, claimed(cursor.agent.tag, GATHERING, cursor.lap)) !== state) continue
          this.keepGathered(cursor.index, cursor.lap)
          store(words, index, mine)
          return DONE
        } else if (compareExchange(words, index, state, mine) === state) {
          add(words, this.base + LOST, 1)
          this.recoverAt(cursor.index, state)
          this.pass(cursor, index)
        }
      } else if (state === hole(cursor.lap)) {
        if (compareExchange(words, index, state, mine) === state) this.pass(cursor, index)
      } else if (compareExchange(words, index, state, mine) === state) return DONE
    }
  }

  /** A slot without a message, which this agent has claimed, is free for the next lap. */
  private pass(cursor: Cursor, index: number): void {
    store(this.words, index, free((cursor.lap + 1) & this.lapMask))
    this.advance(cursor, this.base + HEAD)
  }

  /** Whether the slot at the far end of a full ring has no message and nobody who will free it. */
  private isLeft(state: number): boolean {
    if (!isClaim(state)) return isHole(state)
    // What was being gathered is still there, for the next receiver.
    return phaseOfClaim(state) !== GATHERING && !isOwnerAlive(this.words, tagOf(state))
  }

  /** A sender died in the middle of a range (ring-range.ts), whose first slot this agent has taken over: the others are free as before. */
  protected dropReserved(first: number, lap: number): void {
    const { words, states, capacity } = this
    for (let i = first + 1; i < capacity && load(words, states + i) === inner(lap); i++) store(words, states + i, free(lap))
  }

  /** A receiver died in the middle of a range, whose first slot this agent has taken over: the others are full as before. */
  protected keepGathered(first: number, lap: number): void {
    const { words, states, capacity } = this
    const freed = vacant((lap + 1) & this.lapMask)
    for (let i = first + 1; i < capacity && load(words, states + i) === freed; i++) store(words, states + i, inner(lap))
  }

  /**
   * Such a slot becomes free for `lap`. A sender that stands before it knows that receivers have claimed everything older, so that it is
   * the next for them: passing over it is claiming it in their place (N1).
   */
  private freeLeft(index: number, state: number, lap: number): void {
    const { words } = this
    const mine = claimed(this.tail.get().agent.tag, FREEING, (lap - 1) & this.lapMask)
    if (compareExchange(words, index, state, mine) !== state) return
    if (isClaim(state)) {
      add(words, this.base + LOST, 1)
      this.recoverAt(index - this.states, state)
    }
    store(words, index, free(lap))
  }

  /** Reads a value that may own memory outside its slot, and frees that. */
  protected readOwning(freeing: number, state: number, at: number, next: number): T {
    const { words, region, codec } = this
    try {
      return codec.read(region, at)
    } finally {
      store(words, state, freeing)
      codec.free?.(region, at)
      store(words, state, next)
    }
  }

  protected advance(cursor: Cursor, hint: number): void {
    if (++cursor.index === this.capacity) {
      cursor.index = 0
      cursor.lap = (cursor.lap + 1) & this.lapMask
    }
    if (!entersLine(cursor.index)) return
    cursor.pace.isDue = true
    if ((cursor.index & (HINT_EVERY - 1)) === 0) this.tell(cursor, hint)
  }

  /** Moves the hint on to the cursor, unless it is further already (N3). */
  protected tell(cursor: Cursor, hint: number): void {
    const mine = (cursor.lap << this.bits) | cursor.index
    const there = load(this.words, hint)
    if (this.isAfter(mine, there) && compareExchange(this.words, hint, there, mine) === there) cursor.seen = mine
  }

  /** The hint has changed: the cursor goes to whichever is further, or to the hint when that makes no sense (N4). */
  protected follow(cursor: Cursor, hint: number): void {
    const there = load(this.words, hint)
    cursor.seen = there
    const lap = (there >>> this.bits) & this.lapMask
    const ahead = ((cursor.lap - lap) << this.lapShift) >> this.lapShift
    if (ahead >= 0 && ahead <= 1 && !this.isAfter(there, (cursor.lap << this.bits) | cursor.index)) return
    cursor.lap = lap
    cursor.index = there & this.indexMask
  }

  private isAfter(a: number, b: number): boolean {
    return ((a - b) << this.shift) >> this.shift > 0
  }

  /**
   * Where the only receiver is that takes the end over from a dead one: that had moved on, and perhaps told so, before it read a message that it never
   * claimed. That one is still there.
   */
  protected unread(): { index: number; lap: number } {
    const { words, base } = this
    const told = load(words, base + HEAD)
    // Before the hint itself: behind it there may be holes, which the walk passes.
    const last = this.before({ index: told & this.indexMask, lap: (told >>> this.bits) & this.lapMask })
    const state = load(words, this.states + last.index)
    if (state !== full(last.lap) && state !== inner(last.lap)) return this.walked(HEAD)
    // Back, for another opening in this agent, which walks from there (N3).
    store(words, base + HEAD, (last.lap << this.bits) | last.index)
    return last
  }

  /** The position before another. */
  protected before({ index, lap }: { index: number; lap: number }): { index: number; lap: number } {
    return index === 0 ? { index: this.capacity - 1, lap: (lap - 1) & this.lapMask } : { index: index - 1, lap }
  }

  /** Where an end is: the hint, and the positions after it that were claimed. */
  protected walked(of: typeof HEAD | typeof TAIL): { index: number; lap: number } {
    const { words, lapShift, capacity } = this
    const there = load(words, this.base + of)
    let index = there & this.indexMask
    let lap = (there >>> this.bits) & this.lapMask
    // Bounded: who moves the end on meanwhile could keep this going.
    for (let steps = 0; steps < 2 * capacity; steps++) {
      const state = load(words, this.states + index)
      const ahead = lapsAhead(state, lap, lapShift)
      const passed = ahead > 0 || (ahead === 0 && (of === TAIL ? isPassedBySenders(state) : isTaken(state) || state === hole(lap)))
      if (!passed) break
      if (++index === capacity) {
        index = 0
        lap = (lap + 1) & this.lapMask
      }
    }
    return { index, lap }
  }
}
