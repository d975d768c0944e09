/**
 * The ring of broadcast: senders overwrite the oldest message, receivers only read, each at a position of its own.
 *
 * Source     tokio's broadcast channel (slots with positions, a receiver that lags is told); that messages are copied as a seqlock's value:
 *            Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?" (2012). Claims in the slots as in ring.ts.
 * Layout     layout.ts, then: state words (slot-state.ts), a power of 2 of them and at least 16 · slots · the codec's kind.
 *            A position counts all messages, modulo 2^32: lap << bits | index. TAIL: positions before it were claimed.
 *   state (at position p of lap l)    the message is                                 next
 *   FREE 0, FULL or HOLE of l - 1     not sent yet; the old one may be read          SENDING l
 *   SENDING l owner                   being written                                  FULL l; HOLE l when its owner is dead
 *   FULL l                            there                                          SENDING l + 1
 *   HOLE l                            passed over by receivers                       SENDING l + 1
 *   END l                             nothing comes from here on: closed             –
 * Invariants R1 A slot is claimed at position TAIL only, and TAIL goes on to p + 1 only after p was claimed, by anybody: claims have no gaps.
 *            R2 A slot's data are only accessed by atomic 32-bit operations; codecs work on private memory. A receiver that finds FULL l before
 *               and after it copied has a whole message: who writes there claimed it before.
 *            R3 A state that was read while TAIL was p is of p's lap or the one before; so the short laps of claims (slot-state.ts) are told apart.
 *            R4 At most `capacity` messages are kept, although there are more slots: so END is put into a slot that no receiver needs any more.
 * Pairs      FULL's store with a receiver's load of it.
 * Progress   Receivers: lock-free, each goes on whatever others do; but for a message that a live sender is in the middle of, behind which it waits.
 *            Senders never wait for receivers; one does for a sender that is in the middle of a message a whole lap behind.
 *            A receiver that sleeps while 2^32 messages are sent may be told of too few missed ones.
 * Cost       A send: two compare-exchanges, a store for each word of the codec's size. A receive: three loads, and one for each word.
 */
import type { Codec, Region } from '@heddle/atomics'
import { type Draft, isOwnerAlive } from '@heddle/atomics/internal'
import { add, compareExchange, load, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { isScalar } from './bulk.js'
import { beginDraft, endDraft, scalarDraft } from './draft.js'
import { LaggedError } from './errors.js'
import type { SharedBuffer } from './fan-out.js'
import { BUSY, DONE, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { CLOSED_BIT, HEAD_BYTES, LOST, SIGNALS, SKIPS, TAIL } from './layout.js'
import { claimed, end, full, hole, isClaim, lapsAhead, SENDING, tagOf } from './slot-state.js'
import type { Standing, Standings } from './subscription.js'
import { EMPTY } from './symbols.js'

const MIN_SLOTS = 16

function slotBits(capacity: number): number {
  return 32 - Math.clz32(Math.max(MIN_SLOTS, capacity + 1) - 1)
}

/** Bytes of a ring for `capacity` messages of a codec of fixed size, from the channel's start to the codec's kind. */
export function broadcastBytes(codec: Codec<unknown>, capacity: number): number {
  return HEAD_BYTES + (1 + ((codec.bytes + 3) >> 2)) * 4 * (1 << slotBits(capacity))
}

/** The ring, as one end of it uses it. */
export class BroadcastRing<T> implements SharedBuffer<T> {
  private readonly words: Int32Array
  private readonly tail: number
  private readonly states: number
  private readonly slots: number
  private readonly slotWords: number
  private readonly bits: number
  private readonly mask: number
  private readonly lapMask: number
  private readonly isScalar: boolean

  constructor(
    readonly region: Region,
    private readonly base: number,
    readonly capacity: number,
    private readonly codec: Codec<T>,
    private readonly standings: Standings,
  ) {
    this.words = region.words
    this.isScalar = isScalar(codec as Codec<never>)
    this.tail = base + TAIL
    this.bits = slotBits(capacity)
    this.mask = (1 << this.bits) - 1
    this.lapMask = -1 >>> this.bits
    this.states = base + (HEAD_BYTES >> 2)
    this.slots = this.states + (1 << this.bits)
    this.slotWords = (codec.bytes + 3) >> 2
  }

  get now(): number {
    return load(this.words, this.tail)
  }
  get position(): number {
    return this.standings.get().position
  }
  get missed(): number {
    return this.standings.get().missed
  }

  /** For a receiver: messages that it may still receive; for a sender: messages kept. */
  get length(): number {
    return Math.min(this.capacity, (this.now - this.position) >>> 0)
  }

  /** @returns DONE, UNDERWAY when a slow sender is in the way, or SPENT. When the codec throws nothing has changed. */
  push(value: T): number {
    const { region, codec } = this
    const { tag } = Agent.of(region)
    if (this.isScalar) {
      const only = scalarDraft(region, codec.bytes)
      codec.write(only.region, 0, value)
      return this.publish(only.words, tag)
    }
    const draft = beginDraft(region, codec.bytes)
    try {
      codec.write(draft.region, 0, value)
      return this.publish(draft.words, tag)
    } finally {
      endDraft()
    }
  }

  private publish(message: Int32Array<ArrayBuffer>, tag: number): number {
    const { words, tail, mask } = this
    for (;;) {
      const position = load(words, tail)
      const lap = position >>> this.bits
      const state = this.states + (position & mask)
      const found = this.claimAt(position, claimed(tag, SENDING, lap))
      if (found === UNDERWAY || found === SPENT) return found
      compareExchange(words, tail, position, (position + 1) | 0)
      // The position was another's.
      if (found === NOTHING) continue
      const slot = this.slots + (position & mask) * this.slotWords
      for (let i = 0; i < this.slotWords; i++) store(words, slot + i, message[i]!)
      store(words, state, full(lap))
      return DONE
    }
  }

  /** A copy of the next message. @throws LaggedError when this receiver has missed some, unless the channel skips */
  pop(): T | typeof EMPTY | typeof BUSY {
    const { codec, region } = this
    if (this.isScalar) return this.readNext(scalarDraft(region, codec.bytes))
    const draft = beginDraft(region, codec.bytes)
    try {
      return this.readNext(draft)
    } finally {
      endDraft()
    }
  }

  private readNext(draft: Draft): T | typeof EMPTY | typeof BUSY {
    const found = this.copy(draft.words)
    return found === DONE ? this.codec.read(draft.region, 0) : found === UNDERWAY ? BUSY : EMPTY
  }

  /** Copies the next message, and goes on: DONE, NOTHING or UNDERWAY. @throws LaggedError */
  private copy(to: Int32Array<ArrayBuffer>): number {
    const { words } = this
    const standing = this.standings.get()
    for (;;) {
      const found = this.find(standing)
      if (found !== DONE) return found
      const { position } = standing
      const lap = position >>> this.bits
      const state = this.states + (position & this.mask)
      const slot = this.slots + (position & this.mask) * this.slotWords
      for (let i = 0; i < this.slotWords; i++) to[i] = load(words, slot + i)
      // R2
      if (load(words, state) !== full(lap)) continue
      this.standings.moveTo(standing, (position + 1) | 0)
      return DONE
    }
  }

  canPush(): boolean {
    const { words } = this
    const position = load(words, this.tail)
    const state = load(words, this.states + (position & this.mask))
    return !isClaim(state) || this.ahead(state, position) >= 0 || !isOwnerAlive(words, tagOf(state))
  }

  look(): number {
    const { words } = this
    const { position } = this.standings.get()
    const tail = load(words, this.tail)
    const behind = (tail - position) | 0
    if (behind < 0 || behind > this.capacity) return DONE
    const lap = position >>> this.bits
    const state = load(words, this.states + (position & this.mask))
    if (state === full(lap) || state === hole(lap)) return DONE
    if (!isClaim(state)) return behind === 0 ? NOTHING : DONE
    if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
    return behind === 0 && this.ahead(state, position) < 0 ? NOTHING : DONE
  }

  /** A closed channel is found empty only when its end is in place. */
  seal(): number {
    return DONE
  }

  isOwn(): boolean {
    return false
  }

  drop(): void {}

  /** Goes on to the next message: DONE, NOTHING or UNDERWAY. @throws LaggedError */
  private find(standing: Standing): number {
    const { words } = this
    for (;;) {
      const tail = load(words, this.tail)
      const { position } = standing
      const behind = (tail - position) | 0
      if (behind < 0 || behind > this.capacity) {
        this.fallBack(standing, tail)
        continue
      }
      const lap = position >>> this.bits
      const index = this.states + (position & this.mask)
      const state = load(words, index)
      if (state === full(lap)) return DONE
      if (state === end(lap)) return NOTHING
      if (state === hole(lap)) {
        // Its sender may have died before it moved TAIL on (R1); nobody may stand behind TAIL.
        if (behind === 0) compareExchange(words, this.tail, position, (position + 1) | 0)
        this.standings.moveTo(standing, (position + 1) | 0)
      } else if (isClaim(state) && this.ahead(state, position) === 0) {
        if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
        // R3: nobody has come round since.
        if (((load(words, this.tail) - position) | 0) > this.capacity) continue
        if (compareExchange(words, index, state, hole(lap)) === state) add(words, this.base + LOST, 1)
      } else if (behind === 0) {
        if ((load(words, this.base + SIGNALS) & CLOSED_BIT) === 0) return NOTHING
        const found = this.claimAt(position, end(lap))
        if (found !== NOTHING) return found === UNDERWAY ? UNDERWAY : NOTHING
      }
    }
  }

  /** This receiver goes on with the oldest message that is kept. @throws LaggedError */
  private fallBack(standing: Standing, tail: number): void {
    const oldest = (tail - this.capacity) | 0
    const missed = (oldest - standing.position) >>> 0
    this.standings.moveTo(standing, oldest)
    standing.missed = (standing.missed + missed) >>> 0
    if (load(this.words, this.base + SKIPS) === 0) throw new LaggedError(missed)
  }

  /**
   * Puts a claim, or the end, into the slot of the position that TAIL was.
   * @returns DONE; NOTHING when it was claimed already; UNDERWAY when a live sender is still in it, a lap behind; SPENT at the end
   */
  private claimAt(position: number, mine: number): number {
    const { words } = this
    const lap = position >>> this.bits
    const before = (lap - 1) & this.lapMask
    const index = this.states + (position & this.mask)
    for (;;) {
      const state = load(words, index)
      if (state === end(lap)) return SPENT
      const isLeft = isClaim(state) && this.ahead(state, position) < 0
      if (isLeft) {
        // R3
        if (load(words, this.tail) !== position) return NOTHING
        if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
      } else if (state !== full(before) && state !== hole(before) && (state !== 0 || lap !== 0)) return NOTHING
      if (compareExchange(words, index, state, mine) !== state) continue
      if (isLeft) add(words, this.base + LOST, 1)
      return DONE
    }
  }

  /** Laps that a state is ahead of a position's. */
  private ahead(state: number, position: number): number {
    return lapsAhead(state, position >>> this.bits, this.bits)
  }
}
