/**
 * The bounded ring of many senders and one receiver: senders claim slots as in ring.ts, the receiver loads and stores.
 *
 * Source     ring.ts for the senders' end; FastForward's receiver (Giacomoni et al., PPoPP 2008), who looks at the slot's own flag.
 * Layout     As ring.ts; the owner of the receiving end is named in RECEIVER_OWNER.
 *   state      meaning for the receiver at it                 next
 *   FREE lap   nothing was sent                               END, when the channel is closed
 *   SENDING    being written                                  waits; FREEING when its owner is dead
 *   FULL lap   a message                                      FREE lap + 1, by a store; FREEING first for codecs with memory outside the slot
 *   HOLE lap   nothing was written                            FREE lap + 1
 *   END lap    closed: whoever sends is refused here for ever
 * Invariants M1 Only the agent named as owner receives; who finds a dead one there takes the end over, as P1 of spsc-ring.ts. So nobody else
 *               changes a FULL slot, and a store is enough. Others may free a HOLE or a dead agent's claim when they come round to it
 *               (ring.ts): those the receiver frees, or claims as FREEING, by compare-exchange.
 *            M2 What was claimed before the END is received (N6 of ring.ts).
 * Pairs      FULL's store with the receiver's load of it; FREE's store with SENDING's compare-exchange.
 * Progress   Senders as ring.ts. The receiver is wait-free but where a sender is in the middle of the next message. A message whose receiver
 *            dies while it reads is received by the next one, unless it was being freed.
 * Cost       To receive: one load, one store, one plain load; no compare-exchange.
 */
import { type Codec, InvalidArgumentError } from '@heddle/atomics'
import { isOwnerAlive } from '@heddle/atomics/internal'
import { add, agentLocal, compareExchange, load, peek, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { beginWork, type End, endWork, isAtWork } from './at-work.js'
import { isScalar } from './bulk.js'
import { ReentrantError } from './errors.js'
import { BUSY, DONE, NOTHING, UNDERWAY } from './flavor.js'
import { HEAD, LOST, RECEIVER_EPOCH, RECEIVER_OWNER } from './layout.js'
import { entersLine, Pace } from './pace.js'
import { Ring } from './ring.js'
import { claimed, free, FREEING, full, hole, isClaim, lapsAhead, phaseOfClaim, SENDING, tagOf } from './slot-state.js'
import { EMPTY } from './symbols.js'

/** Where the receiving agent is. */
class Receiving implements End {
  index = 0
  lap = 0
  readonly pace = new Pace()
  /** The end's epoch when this took it over. */
  epoch = -1
  constructor(
    readonly agent: Agent,
    readonly words: Int32Array,
    /** Index of the word that names the end's owner. */
    readonly owner: number,
  ) {}
}

export class MpscRing<T> extends Ring<T> {
  private readonly receiving = agentLocal(() => new Receiving(Agent.of(this.region), this.words, this.base + RECEIVER_OWNER))
  private readonly isScalar = isScalar(this.codec as Codec<never>)

  override pop(): T | typeof EMPTY | typeof BUSY {
    const { words, codec, region } = this
    const cursor = this.receiver()
    if (cursor.pace.isDue) cursor.pace.slip(words, this.states, this.capacity, cursor.index, false)
    if (load(words, this.states + cursor.index) !== full(cursor.lap)) {
      const found = this.next(cursor)
      if (found !== DONE) return found === NOTHING ? EMPTY : BUSY
    }
    const { index, lap } = cursor
    const state = this.states + index
    const at = this.slotsAt + index * this.stride
    // Moved on before the codec runs: what it calls may receive here, too.
    this.step(cursor)
    const next = free((lap + 1) & this.lapMask)
    if (!this.isScalar) return this.readAtWork(cursor, state, at, lap)
    const value = codec.read(region, at)
    store(words, state, next)
    return value
  }

  /** By another opening it may not: that would find this message again (M1). */
  private readAtWork(cursor: Receiving, state: number, at: number, lap: number): T {
    const { words, region, codec } = this
    const next = free((lap + 1) & this.lapMask)
    beginWork(cursor)
    try {
      if (!codec.fixed) return this.readOwning(claimed(cursor.agent.tag, FREEING, lap), state, at, next)
      try {
        return codec.read(region, at)
      } finally {
        store(words, state, next)
      }
    } finally {
      endWork()
    }
  }

  override look(): number {
    return this.next(this.receiver())
  }

  /** M2 */
  override seal(): number {
    const { index, lap } = this.receiver()
    return this.sealAt(index, lap)
  }

  override isOwn(sends: boolean): boolean {
    const { words, base } = this
    if (isAtWork(words, base + RECEIVER_OWNER)) return true
    return sends ? super.isOwn(true) : this.isClaimOf(this.receiver().agent, this.receiver().index)
  }

  override drop(): void {
    // Whoever disposes of it does so for both ends.
    store(this.words, this.base + RECEIVER_OWNER, 0)
    add(this.words, this.base + RECEIVER_EPOCH, 1)
    super.drop()
  }

  /** Goes on to the next message, if there is one: DONE, NOTHING or UNDERWAY. */
  private next(cursor: Receiving): number {
    const { words } = this
    for (;;) {
      const { lap } = cursor
      const index = this.states + cursor.index
      const state = load(words, index)
      if (state === full(lap)) return DONE
      const ahead = lapsAhead(state, lap, this.lapShift)
      // A sender that came round has passed over what was left here.
      if (ahead > 0) this.step(cursor)
      else if (state === hole(lap)) this.passOver(cursor, index, state)
      // It is in the middle of the message before, in the same slot; or a sender is that frees the slot.
      else if (ahead < 0) return isClaim(state) && !isOwnerAlive(words, tagOf(state)) ? NOTHING : UNDERWAY
      else if (!isClaim(state)) return NOTHING
      else if (!isOwnerAlive(words, tagOf(state))) this.passLost(cursor, index, state)
      else if (phaseOfClaim(state) === SENDING) return UNDERWAY
      // Somebody else is passing over it.
      else this.step(cursor)
    }
  }

  /** Frees a slot without a message, and goes on; a sender may be faster (M1). */
  private passOver(cursor: Receiving, index: number, state: number): void {
    if (compareExchange(this.words, index, state, free((cursor.lap + 1) & this.lapMask)) === state) this.step(cursor)
  }

  /** The same for what a dead agent had claimed, and all that it owns (N5). */
  private passLost(cursor: Receiving, index: number, state: number): void {
    const { words } = this
    const mine = claimed(cursor.agent.tag, FREEING, cursor.lap)
    if (compareExchange(words, index, state, mine) !== state) return
    add(words, this.base + LOST, 1)
    this.recoverAt(cursor.index, state)
    this.passOver(cursor, index, mine)
  }

  private step(cursor: Receiving): void {
    if (++cursor.index === this.capacity) {
      cursor.index = 0
      cursor.lap = (cursor.lap + 1) & this.lapMask
    }
    if (!entersLine(cursor.index)) return
    cursor.pace.isDue = true
    // For whoever takes over, and walks from there. Nobody else writes it (M1).
    store(this.words, this.base + HEAD, (cursor.lap << this.bits) | cursor.index)
  }

  private receiver(): Receiving {
    const cursor = this.receiving.get()
    if (peek(this.words, this.base + RECEIVER_EPOCH) !== cursor.epoch) this.takeOver(cursor)
    return cursor
  }

  /** M1 */
  private takeOver(cursor: Receiving): void {
    const { words, base } = this
    const { tag } = cursor.agent
    const former = load(words, base + RECEIVER_OWNER)
    if (former === tag && isAtWork(words, base + RECEIVER_OWNER))
      throw new ReentrantError('a codec may not receive through another opening of the mpsc channel for whose receive it is at work')
    if (former !== tag && (isOwnerAlive(words, former) || compareExchange(words, base + RECEIVER_OWNER, former, tag) !== former))
      throw new InvalidArgumentError('another agent receives from this channel: mpsc() is for one, channel() for many')
    cursor.epoch = (add(words, base + RECEIVER_EPOCH, 1) + 1) | 0
    this.mend()
    const { index, lap } = former === tag ? this.walked(HEAD) : this.unread()
    cursor.index = index
    cursor.lap = lap
  }

  /** The former receiver may have died while it freed the last message that it took. */
  private mend(): void {
    const { words } = this
    const { index: before, lap: beforeLap } = this.before(this.walked(HEAD))
    const state = load(words, this.states + before)
    if (!isClaim(state) || phaseOfClaim(state) !== FREEING || isOwnerAlive(words, tagOf(state))) return
    const mine = claimed(this.receiving.get().agent.tag, FREEING, beforeLap)
    if (compareExchange(words, this.states + before, state, mine) !== state) return
    add(words, this.base + LOST, 1)
    this.recoverAt(before, state)
    store(words, this.states + before, free((beforeLap + 1) & this.lapMask))
  }
}
