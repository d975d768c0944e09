/**
 * A channel that keeps nothing: a send ends when a receiver has its message, hand to hand.
 *
 * Source     Go's unbuffered channels (`runtime/chan.go`: whoever comes second finds the first in the queue and copies directly);
 *            crossbeam-channel's `zero` flavour.
 * Layout     layout.ts, then +0 first of the list of all slots · +4 slot that is being made · +8 and +12 from which slot to which a message moves.
 *            A slot: a block of region memory, made when needed and kept until disposal: +0 next · +4 owner's tag, 0 for nobody · +8 state ·
 *            +12 its door (lane.ts) · +16 value. Senders and receivers wait in one queue, so that one lock covers look and enqueue; W_KEY says which they are, W_TRIES names their slot.
 *   state of a slot   meaning                                                              next
 *   VOID              owns nothing, whatever its words say                                 HALF; FULL, when a message was moved here
 *   HALF              being written, or freed: owns what its words say (codec.ts, I4)      FULL, VOID
 *   FULL              has a message, and all that this owns                                HALF; VOID, when it was moved on
 * Invariants Z1 Under the queue's lock, no two who could meet wait both: who comes looks for the other kind and enqueues in one go. A select
 *               (select-operation.ts) has a link of its record here; while it can't be claimed it looks itself before it waits again.
 *            Z2 FULL of a waiting sender's slot: its message is there and was not taken. FULL of a receiver's: it was given a message. Whoever
 *               claims a waiter moves the message and then changes FULL, under the lock; the waiter looks at FULL under the lock. So a claim
 *               whose maker died before that is a wake in vain, and the waiter waits again.
 *            Z3 A message is moved as the raw words of its slot; what it owns outside moves with them, at the moment when +8 names the slot that it
 *               comes from: whoever takes the lock from one that died after that makes the states follow (`mend`).
 *            Z4 A slot's value is only accessed by its owner, or under the lock by whoever claimed its waiter: plain accesses. Slots of the
 *               dead are taken over under the lock, and what they own goes back to the region.
 *            Z5 A slot that is not in the list yet is named by +4, from before it is allocated, and only while the lock is held.
 *            Z6 Who moved a message then says so in the record or link that it chose (W_TOKEN: MET), before it gives up the lock. From there on the channel
 *               may be disposed of (C4 of flavor.ts): a waiter that reads MET touches nothing but its own slot, a sender not even that. A waiter that
 *               was chosen and does not read it locks the queue only while it is pinned.
 *            Z7 The channel is not disposed of while a slot of an agent that lives is not VOID: somebody has been given a message and not read it yet, or
 *               is about to give up. VOID is the last that its owner writes there.
 *            Z8 While a record or link of one kind is in the queue its flag is set; both change under the lock. Who looks for a kind and sees that none
 *               is there clears the flag, so that the next who come, while many of the other kind wait, need not look at them all.
 *            Z9 A slot can be inherited only after a death that was counted (H_DEATHS) since this agent last looked at all of them in vain: its owner
 *               is REAPED before that count (park's reap.ts).
 * Progress   Blocking but for the first of the two; first come, first served among those in the queue whose agents can run; threads spin before they enter it. A message whose
 *            receiver died after it was given is lost with it. A dead agent's slot, and what it owns, is there until somebody needs a slot.
 * Cost       Two holds of the queue's lock, however many wait; no allocation but the first time. After a death: one look at all slots.
 */
import type { Codec, Region } from '@heddle/atomics'
import { H_DEATHS, isOwnerAlive, isOwnerGone, recover, take } from '@heddle/atomics/internal'
import { agentLocal, and, get, load, or, set, store } from '@heddle/atomics/ops'
import type { FiberOperation, WaitOptions } from '@heddle/park'
import {
  Agent,
  claimOne,
  deliver,
  enqueue,
  enqueueAgain,
  enqueueLink,
  FiberWait,
  firstOf,
  lockIfThere,
  lockQueue,
  type Operation,
  takeTicket,
  unlink,
  unlockPinned,
  unlockQueue,
  W_KEY,
  W_LINKED,
  W_TOKEN,
  W_TRIES,
} from '@heddle/park/internal'
import { isScalar } from './bulk.js'
import { DONE, Flavor, NOTHING } from './flavor.js'
import { CLOSED_BIT, HEAD_BYTES, RECEIVERS_WAIT, SEND_QUEUE, SENDERS_WAIT } from './layout.js'
import { isInLane, Lane, S_DOOR, shutDoor } from './lane.js'
import { Collect, CollectMany, HandOver, HandOverMany, NOBODY, RECEIVES, SENDS } from './meeting.js'
import { CLOSED, EMPTY } from './symbols.js'

/** First of all slots, from the channel's start. */
const SLOTS = HEAD_BYTES >> 2
/** Byte offset of a slot that is not in the list yet (Z5). */
const MADE = SLOTS + 1
/** Word indexes of the slot that a message is moved from, and to; 0: none (Z3). */
const MOVED_FROM = SLOTS + 2
const MOVED_TO = SLOTS + 3
const S_NEXT = 0
const S_OWNER = 1
const S_STATE = 2
const VOID = 0
const FULL = 1
const HALF = 2
const SLOT_AT = 16
/** Words of a slot before its value. */
const SLOT_VALUE = SLOT_AT >> 2

/** Value of W_TOKEN (Z6). */
const MET = 1

/** Bytes of the fixed part. */
export const RENDEZVOUS_BYTES = HEAD_BYTES + 16

/** What is set while somebody with that key is in the queue. */
function flagOf(key: number): number {
  return key === SENDS ? SENDERS_WAIT : RECEIVERS_WAIT
}

export class Rendezvous<T> extends Flavor<T> {
  readonly capacity = 0
  readonly length = 0
  private readonly q: number
  private readonly valueWords: number
  private readonly lane: Lane<T> | undefined
  private readonly isScalar: boolean
  /** Slots of this agent that are not in use. */
  private readonly spare = agentLocal<number[]>(() => [])
  /** Deaths that had been counted when this agent last found no slot to inherit. */
  private readonly inherited = agentLocal(() => ({ deaths: -1 }))
  /** The record or link, and the slot, of whoever this agent met last. */
  private readonly met = agentLocal(() => ({ slot: 0, record: 0 }))

  constructor(
    region: Region,
    base: number,
    readonly codec: Codec<T>,
  ) {
    super(region, base, { send: SEND_QUEUE, receive: SEND_QUEUE })
    this.q = this.sendQueue
    this.valueWords = (codec.bytes + 3) >> 2
    if (codec.fixed) this.lane = new Lane(region, base, this.signals, codec, SLOT_AT)
    this.isScalar = isScalar(codec as Codec<never>)
  }

  offer(value: T, waits = false): number {
    const signals = load(this.words, this.signals)
    if ((signals & CLOSED_BIT) !== 0) throw this.closed(value)
    // It is written once: by whoever is going to wait with it.
    if (waits && !this.isScalar) return NOTHING
    const agent = Agent.of(this.region)
    const { lane, isScalar } = this
    if (isScalar && lane!.give(agent, value)) return DONE
    const spins = !isScalar && lane?.isOpen === true
    // A flag that is not there: nobody waited when this began.
    if (!spins && (signals & RECEIVERS_WAIT) === 0) return NOTHING
    const slot = this.write(agent, value)
    if (spins && lane.move(agent, slot)) {
      this.release(slot)
      return DONE
    }
    lockQueue(agent, this.q)
    const main = this.give(agent, slot)
    unlockQueue(agent, this.q)
    if (main === NOBODY) this.dropValue(slot)
    else deliver(agent, main)
    this.release(slot)
    return main === NOBODY ? NOTHING : DONE
  }

  poll(): T | typeof EMPTY | typeof CLOSED {
    if (this.isOwed) return this.payOwed()
    const signals = load(this.words, this.signals)
    if ((signals & (SENDERS_WAIT | CLOSED_BIT)) === 0) return EMPTY
    const agent = Agent.of(this.region)
    const slot = this.acquire(agent)
    lockQueue(agent, this.q)
    const main = this.fetch(agent, slot)
    unlockQueue(agent, this.q)
    if (main === NOBODY) {
      this.release(slot)
      return (signals & CLOSED_BIT) === 0 ? EMPTY : CLOSED
    }
    deliver(agent, main)
    return this.read(slot)
  }

  override offerSoon(value: T): number {
    return this.isScalar && this.lane!.awaitOpen() ? this.offer(value) : NOTHING
  }

  override pollSoon(): T | typeof EMPTY | typeof CLOSED {
    const { lane, region } = this
    if (lane === undefined || load(this.words, this.signals) !== 0) return EMPTY
    const agent = Agent.of(region)
    const slot = this.acquire(agent)
    try {
      return lane.receive(agent, slot)
    } finally {
      this.release(slot)
    }
  }

  /** Also whether somebody was given a message that it has not read yet (Z7), or is in the lane. */
  override get hasWaiters(): boolean {
    const { words } = this
    if (super.hasWaiters) return true
    const first = load(words, this.base + SLOTS)
    if (first === 0) return false
    const agent = Agent.of(this.region)
    lockQueue(agent, this.q)
    this.mend()
    unlockQueue(agent, this.q)
    for (let slot = first; slot !== 0; slot = load(words, slot + S_NEXT))
      if (isInLane(words, slot) || (load(words, slot + S_STATE) !== VOID && isOwnerAlive(words, load(words, slot + S_OWNER)))) return true
    return false
  }

  tryOffer(value: T): boolean {
    return this.offer(value) === DONE
  }
  tryPoll(): T | typeof EMPTY | typeof CLOSED {
    return this.poll()
  }

  sendOperation(agent: Agent, value: T): Operation<void> {
    return new HandOver(agent, this, value)
  }
  receiveOperation(agent: Agent): Operation<T> {
    return new Collect(agent, this)
  }
  sendManyOperation(agent: Agent, values: ArrayLike<T>): Operation<number> {
    return new HandOverMany(agent, this, values)
  }
  receiveManyOperation(agent: Agent, into: { [index: number]: T }, max: number): Operation<number> {
    return new CollectMany(agent, this, into, max)
  }
  receiveFiber(agent: Agent, options: WaitOptions | undefined): FiberOperation<T> {
    return new FiberWait(this.receiveOperation(agent), options, 'recvFiber()')
  }
  receiveManyFiber(agent: Agent, into: { [index: number]: T }, max: number, options: WaitOptions | undefined): FiberOperation<number> {
    return new FiberWait(this.receiveManyOperation(agent, into, max), options, 'recvManyFiber()')
  }

  /** A slot with the value in it. @throws what the codec throws */
  write(agent: Agent, value: T): number {
    const { words, codec } = this
    const slot = this.acquire(agent)
    if (!codec.fixed) {
      for (let i = SLOT_VALUE; i < SLOT_VALUE + this.valueWords; i++) set(words, slot + i, 0)
      store(words, slot + S_STATE, HALF)
    }
    try {
      codec.write(this.region, slot * 4 + SLOT_AT, value)
    } catch (error) {
      store(words, slot + S_STATE, VOID)
      this.release(slot)
      throw error
    }
    return slot
  }

  /** The value in a slot that was given one; the slot is spare again. */
  read(slot: number): T {
    if (!this.codec.fixed) store(this.words, slot + S_STATE, HALF)
    try {
      return take(this.codec, this.region, slot * 4 + SLOT_AT)
    } finally {
      store(this.words, slot + S_STATE, VOID)
      this.release(slot)
    }
  }

  /** A message that was not taken, if there is one. */
  dropValue(slot: number): void {
    const { words, codec } = this
    // Z7
    if (load(words, slot + S_STATE) === VOID) return
    if (!codec.fixed) {
      store(words, slot + S_STATE, HALF)
      codec.free?.(this.region, slot * 4 + SLOT_AT)
    }
    store(words, slot + S_STATE, VOID)
  }

  /** Gives the message in `slot` to a receiver that spins, if there is one; a thread waits for one for a moment. */
  giveInLane(agent: Agent, slot: number, isThread: boolean): boolean {
    const { lane } = this
    return !this.isScalar && lane !== undefined && (lane.isOpen || (isThread && lane.awaitOpen())) && lane.move(agent, slot)
  }

  /** Gives the message in `slot` to the first receiver. Under the lock. @returns its record, to be told after; NOBODY */
  give(agent: Agent, slot: number): number {
    const main = this.claim(agent, RECEIVES)
    if (main === NOBODY) return NOBODY
    const met = this.met.get()
    this.move(slot, met.slot)
    // Z6
    store(this.words, met.record + W_TOKEN, MET)
    return main
  }

  /** Takes the first sender's message into `slot`. Under the lock. @returns its record, to be told after; NOBODY */
  fetch(agent: Agent, slot: number): number {
    const main = this.claim(agent, SENDS)
    if (main === NOBODY) return NOBODY
    const met = this.met.get()
    this.move(met.slot, slot)
    // Z6
    store(this.words, met.record + W_TOKEN, MET)
    return main
  }

  /** Enqueues a record with its slot. Under the lock. */
  enter(agent: Agent, record: number, key: number, slot: number, again: boolean): void {
    const { words } = agent
    this.offerSlot(record, key, slot)
    if (again) enqueueAgain(words, this.q, record)
    else enqueue(words, this.q, record, takeTicket(words, this.q))
  }

  /** Enqueues a select's link with its slot; its W_MAIN and W_WANT are set. Under the lock. */
  enterLink(agent: Agent, link: number, sends: boolean, slot: number, ticket: number | undefined): void {
    this.offerSlot(link, sends ? SENDS : RECEIVES, slot)
    enqueueLink(agent.words, this.q, link, ticket)
  }

  /**
   * After a choice: whether the waiter was met. If not, it is taken out of the queue and `again` decides, under the lock.
   * @returns false also where the channel is gone, without calling `again`
   */
  wasMet(agent: Agent, record: number, slot: number, sends: boolean, again: () => void): boolean {
    const { words } = agent
    const isTold = (): boolean => load(words, record + W_TOKEN) === MET
    let met = isTold()
    if (!met && lockIfThere(agent, this.q, () => !isTold() && this.isThere)) {
      this.mend()
      unlink(words, this.q, record)
      this.clearFlags(agent)
      // Whoever met it has changed FULL, under the lock (Z2).
      met = (load(words, slot + S_STATE) === FULL) !== sends
      if (!met) again()
      unlockPinned(agent, this.q)
    } else met = isTold()
    return met
  }

  /** Takes a record or a link out that was not chosen, and gives up its slot. */
  leave(agent: Agent, record: number, sends: boolean, slot: number): void {
    const { words } = agent
    // A rebuild may have taken it out, and then it keeps nobody from disposing of the channel.
    if (lockIfThere(agent, this.q, () => load(words, record + W_LINKED) === 1)) {
      this.mend()
      unlink(words, this.q, record)
      this.clearFlags(agent)
      unlockPinned(agent, this.q)
    }
    this.giveUp(slot, sends)
  }

  /** A slot of a waiter that nobody met. A receiver's has nothing in it, and is not looked at: the channel may be gone; a sender's keeps it (Z7). */
  giveUp(slot: number, sends: boolean): void {
    if (sends) this.dropValue(slot)
    this.release(slot)
  }

  /** Ends a receive with what is owed, if anything is. */
  pay(receive: { result: T }): boolean {
    if (!this.isOwed) return false
    receive.result = this.payOwed()
    return true
  }

  /** Whether an offer may get anywhere, or throw: somebody receives, or did a moment ago. */
  canOffer(): boolean {
    return (load(this.words, this.signals) & (RECEIVERS_WAIT | CLOSED_BIT)) !== 0
  }

  /** Whether a poll may get anywhere. */
  canPoll(): boolean {
    return (load(this.words, this.signals) & (SENDERS_WAIT | CLOSED_BIT)) !== 0
  }

  acquire(agent: Agent): number {
    return this.spare.get().pop() ?? this.inherit(agent) ?? this.make(agent)
  }

  release(slot: number): void {
    this.spare.get().push(slot)
  }

  protected dropMessages(): void {
    const { words, region } = this
    const agent = Agent.of(region)
    lockQueue(agent, this.q)
    this.mend()
    unlockQueue(agent, this.q)
    for (let slot = load(words, this.base + SLOTS), next = 0; slot !== 0; slot = next) {
      next = load(words, slot + S_NEXT)
      this.recover(slot)
      region.free(slot * 4)
    }
    store(words, this.base + SLOTS, 0)
  }

  /** Chooses the first who does what `key` says, and keeps its slot in `met`. */
  private claim(agent: Agent, key: number): number {
    const { words, signals } = this
    this.mend()
    const flag = flagOf(key)
    // Z8
    if ((load(words, signals) & flag) === 0) return NOBODY
    const met = this.met.get()
    let isThere = false
    // W_KEY and W_TRIES are written before a record or a link is linked: plain reads under the lock. The last that matches is the one.
    const main = claimOne(agent, this.q, 0, (r) => {
      if (get(words, r + W_KEY) !== key) return false
      isThere = true
      met.slot = get(words, r + W_TRIES)
      met.record = r
      return true
    })
    if (isThere) this.clearFlags(agent)
    else and(words, signals, ~flag)
    return main
  }

  private offerSlot(record: number, key: number, slot: number): void {
    const { words } = this
    store(words, slot + S_STATE, key === SENDS ? FULL : VOID)
    set(words, record + W_KEY, key)
    set(words, record + W_TRIES, slot)
    store(words, record + W_TOKEN, 0)
    or(words, this.signals, flagOf(key))
  }

  private clearFlags(agent: Agent): void {
    if (firstOf(agent.words, this.q) === 0) and(agent.words, this.signals, ~(SENDERS_WAIT | RECEIVERS_WAIT))
  }

  private move(from: number, to: number): void {
    const { words } = this
    for (let i = SLOT_VALUE; i < SLOT_VALUE + this.valueWords; i++) set(words, to + i, get(words, from + i))
    set(words, this.base + MOVED_TO, to)
    set(words, this.base + MOVED_FROM, from)
    this.finishMove(from, to)
  }

  private finishMove(from: number, to: number): void {
    const { words } = this
    store(words, to + S_STATE, FULL)
    store(words, from + S_STATE, VOID)
    set(words, this.base + MOVED_FROM, 0)
  }

  /** Finishes what a holder of the lock had begun when it died (Z3, Z5). Under the lock, before anything that a slot's state decides. */
  private mend(): void {
    const { words, base } = this
    const from = get(words, base + MOVED_FROM)
    if (from !== 0) this.finishMove(from, get(words, base + MOVED_TO))
    const made = get(words, base + MADE)
    if (made === 0) return
    this.region.adopt(base + MADE)
    if (load(words, base + SLOTS) * 4 === made) set(words, base + MADE, 0)
    else this.region.freeFrom(base + MADE)
  }

  /** What the slot of a dead agent owns. */
  private recover(slot: number): void {
    const state = load(this.words, slot + S_STATE)
    if (state !== VOID) recover(this.codec, this.region, slot * 4 + SLOT_AT, state === FULL)
    store(this.words, slot + S_STATE, VOID)
  }

  /** A slot of an agent that died. Its message, sent or given, died with it. The others that it left are spare by then. */
  private inherit(agent: Agent): number | undefined {
    const { words } = this
    if (load(words, this.base + SLOTS) === 0) return undefined
    const known = this.inherited.get()
    // Before the look (Z9).
    const deaths = load(words, H_DEATHS)
    if (known.deaths === deaths) return undefined
    const found: number[] = []
    let isLeft = false
    lockQueue(agent, this.q)
    this.mend()
    for (let slot = load(words, this.base + SLOTS); slot !== 0; slot = load(words, slot + S_NEXT)) {
      // Not before it is reaped: until then somebody may choose its record, and move a message here.
      if (!isOwnerGone(words, load(words, slot + S_OWNER))) continue
      if (shutDoor(words, slot)) {
        store(words, slot + S_OWNER, agent.tag)
        found.push(slot)
      } else isLeft = true
    }
    unlockQueue(agent, this.q)
    for (const slot of found) {
      this.recover(slot)
      this.release(slot)
    }
    if (!isLeft) known.deaths = deaths
    return this.spare.get().pop()
  }

  private make(agent: Agent): number {
    const { words, base } = this
    lockQueue(agent, this.q)
    try {
      this.mend()
      const slot = this.region.allocInto(base + MADE, SLOT_AT + this.valueWords * 4, 16) >> 2
      store(words, slot + S_OWNER, agent.tag)
      store(words, slot + S_DOOR, 0)
      store(words, slot + S_NEXT, load(words, base + SLOTS))
      store(words, base + SLOTS, slot)
      set(words, base + MADE, 0)
      return slot
    } finally {
      unlockQueue(agent, this.q)
    }
  }
}
