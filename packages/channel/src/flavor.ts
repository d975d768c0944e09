/**
 * Waiting at a channel: who sleeps until there is room or a message, who is woken, and what `close` does. Common to all flavours that
 * keep messages; how a message goes in and out is the flavour's own (`Buffer`).
 *
 * Source     Mesa's monitors: a woken waiter looks again. The two condition queues of Hoare's bounded buffer.
 * Invariants C1 Before it sleeps a receiver sets RECEIVERS_WAIT and then looks once more; a sender publishes and then reads the signals:
 *               one of the two sees the other. The same for senders and room. The flag is only changed under the queue's lock, and
 *               cleared when nobody is in the queue; one that stays behind costs one look at the queue.
 *            C2 Every message wakes one receiver, and a receiver that took one wakes the next while there is more and somebody waits: so a
 *               wake that found the message before its own still under way is made up for by whoever takes that one. The same for room.
 *               A chosen waiter is out of the queue before it looks, so that nobody chooses it a second time for nothing.
 *            C3 `close` sets CLOSED and then wakes everybody. A sender reads the signals after it published: when it finds CLOSED it takes
 *               its message back, unless somebody has received it, and wakes everybody who receives. A receiver that finds CLOSED looks
 *               once more, and only an empty buffer in which nothing is under way is the end.
 *            C4 A waiter looks again after it became WAITING: the agent whose slot was in its way may have died and been reaped since it
 *               looked before, when it could not be told yet (park's reap.ts, D2).
 * Progress   A running agent may barge in front of a woken waiter, which keeps its place in the queue.
 */
import { type Region, value as valueCodec } from '@heddle/atomics'
import { and, compareExchange, limits, load, or, pause, peek } from '@heddle/atomics/ops'
import { Agent, CASE_RECHECK, claim, claimMany, claimOne, deliver, enqueue, enqueueAgain, firstOf, lockQueue, NOTIFIED, takeTicket, unlockQueue } from '@heddle/park/internal'
import { ClosedError } from './errors.js'
import { CLOSED_BIT, LOST, REASON_AT, RECEIVE_QUEUE, RECEIVERS_WAIT, SEND_QUEUE, SENDERS_WAIT, SIGNALS } from './layout.js'
import { BUSY, DONE, NOTHING, UNDERWAY } from './ring.js'
import { CLOSED, EMPTY } from './symbols.js'

/** How often a try looks again at a message or a slot that is under way. */
const TRY_ROUNDS = 1000
const MAX_REASON_BYTES = 1 << 20
const REASON_ALIGN = 8

/** Where messages are kept. Never waits, wakes nobody. */
export interface Buffer<T> {
  readonly region: Region
  readonly capacity: number
  readonly length: number
  /** DONE, NOTHING (no room) or UNDERWAY (no room for a moment). When it throws, receivers are to be told as of a message. */
  push(value: T): number
  pop(): T | typeof EMPTY | typeof BUSY
  /** Whether a push would get anywhere. */
  canPush(): boolean
  /** What a pop would find: DONE, NOTHING or UNDERWAY. */
  look(): number
  /** Takes back what this agent pushed last; false when somebody has received it. */
  retract(): boolean
  /** Frees what messages have outside their slots, when nobody uses the channel any more. */
  drop(): void
}

/** A channel's end for sending and receiving in one: what its Sender and its Receiver do. */
export class Flavor<T> {
  readonly region: Region
  readonly words: Int32Array
  readonly sendQueue: number
  readonly receiveQueue: number
  private readonly signals: number

  constructor(
    readonly buffer: Buffer<T>,
    /** Word index of the channel. */
    private readonly base: number,
  ) {
    this.region = buffer.region
    this.words = this.region.words
    this.signals = base + SIGNALS
    this.sendQueue = base + SEND_QUEUE
    this.receiveQueue = base + RECEIVE_QUEUE
  }

  /** Sends if there is room. @returns DONE, NOTHING or UNDERWAY. @throws ClosedError, and what the codec throws */
  offer(value: T): number {
    // A hint is enough: who closed it before this call happens before it, and whoever closes it now is seen below.
    if ((peek(this.words, this.signals) & CLOSED_BIT) !== 0) throw this.closed(value)
    let found: number
    try {
      found = this.buffer.push(value)
    } catch (error) {
      this.wakeForHole()
      throw error
    }
    if (found !== DONE) return found
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.afterSend(signals, value)
    return DONE
  }

  /** Receives if there is a message. BUSY: one is under way, and nothing can be said yet. */
  poll(): T | typeof EMPTY | typeof CLOSED | typeof BUSY {
    const found = this.take()
    if (found !== EMPTY) return found
    if ((load(this.words, this.signals) & CLOSED_BIT) === 0) return EMPTY
    const last = this.take()
    return last === EMPTY ? CLOSED : last
  }

  /** Sends if there is room; looks again for a moment at a slot that is under way. @throws as `offer` */
  tryOffer(value: T): boolean {
    for (;;) {
      const found = this.offer(value)
      if (found !== UNDERWAY) return found === DONE
      if (!this.brieflyUntil(() => this.buffer.canPush())) return false
    }
  }

  /** Receives if there is a message; looks again for a moment at one that is under way. */
  tryPoll(): T | typeof EMPTY | typeof CLOSED {
    for (;;) {
      const found = this.poll()
      if (found !== BUSY) return found
      if (!this.brieflyUntil(() => this.buffer.look() !== UNDERWAY)) return EMPTY
    }
  }

  /** Whether an `offer` would get anywhere, or throw. */
  canOffer(): boolean {
    return this.buffer.canPush() || this.isClosed
  }

  /** Whether a `poll` would get anywhere. */
  canPoll(): boolean {
    const found = this.buffer.look()
    return found === DONE || (found === NOTHING && this.isClosed)
  }

  get isClosed(): boolean {
    return (load(this.words, this.signals) & CLOSED_BIT) !== 0
  }

  /** Messages lost with agents that died in the middle of sending or receiving them. */
  get lost(): number {
    return load(this.words, this.base + LOST)
  }

  /** What `close` was given. */
  get reason(): unknown {
    const at = load(this.words, this.base + REASON_AT)
    return at === 0 ? undefined : valueCodec(MAX_REASON_BYTES).read(this.region, at)
  }

  /** The error of an operation on a closed channel. */
  closed(value: T | undefined): ClosedError<T> {
    return new ClosedError(value, this.reason)
  }

  /** Nothing more is accepted; everybody who waits is woken. The first reason counts. */
  close(agent: Agent, reason: unknown): void {
    if (reason !== undefined && !this.isClosed) this.keepReason(reason)
    or(this.words, this.signals, CLOSED_BIT)
    this.wakeAll(agent, this.sendQueue, SENDERS_WAIT)
    this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
  }

  /** Enqueues a sender's record, unless an offer would get anywhere. @returns whether it waits */
  enterSend(agent: Agent, record: number, again: boolean): boolean {
    return this.enter(agent, this.sendQueue, SENDERS_WAIT, record, again, () => this.canOffer())
  }

  /** Enqueues a receiver's record, unless a poll would get anywhere. @returns whether it waits */
  enterReceive(agent: Agent, record: number, again: boolean): boolean {
    return this.enter(agent, this.receiveQueue, RECEIVERS_WAIT, record, again, () => this.canPoll())
  }

  /** Wakes a receiver, if one waits and would get anywhere. */
  wakeReceiver(agent: Agent): void {
    if (this.canPoll()) this.wakeOne(agent, this.receiveQueue, RECEIVERS_WAIT)
  }

  /** Whether somebody sleeps in one of the queues. */
  get hasWaiters(): boolean {
    return firstOf(this.words, this.sendQueue) !== 0 || firstOf(this.words, this.receiveQueue) !== 0
  }

  /** Frees what is left, when nobody uses the channel any more. */
  drop(): void {
    this.buffer.drop()
    const at = load(this.words, this.base + REASON_AT)
    if (at !== 0) this.freeReason(at)
  }

  private take(): T | typeof EMPTY | typeof BUSY {
    let found: T | typeof EMPTY | typeof BUSY
    try {
      found = this.buffer.pop()
    } catch (error) {
      // The message is gone, and its room is there.
      this.afterReceive(load(this.words, this.signals))
      throw error
    }
    if (found === EMPTY || found === BUSY) return found
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.afterReceive(signals)
    return found
  }

  private afterSend(signals: number, value: T): void {
    const agent = Agent.of(this.region)
    if ((signals & CLOSED_BIT) !== 0) {
      const back = this.buffer.retract()
      this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
      if (back) throw this.closed(value)
      return
    }
    if ((signals & RECEIVERS_WAIT) !== 0) this.wakeOne(agent, this.receiveQueue, RECEIVERS_WAIT)
    if ((signals & SENDERS_WAIT) !== 0 && this.buffer.canPush()) this.wakeOne(agent, this.sendQueue, SENDERS_WAIT)
  }

  private afterReceive(signals: number): void {
    const agent = Agent.of(this.region)
    if ((signals & SENDERS_WAIT) !== 0) this.wakeOne(agent, this.sendQueue, SENDERS_WAIT)
    if ((signals & RECEIVERS_WAIT) !== 0 && this.canPoll()) this.wakeOne(agent, this.receiveQueue, RECEIVERS_WAIT)
  }

  /** A slot without a message stands in the way of those behind it. */
  private wakeForHole(): void {
    if ((load(this.words, this.signals) & RECEIVERS_WAIT) !== 0) this.wakeAll(Agent.of(this.region), this.receiveQueue, RECEIVERS_WAIT)
  }

  private wakeOne(agent: Agent, q: number, flag: number): void {
    lockQueue(agent, q)
    const main = claimOne(agent, q, 0)
    if (firstOf(agent.words, q) === 0) and(agent.words, this.signals, ~flag)
    unlockQueue(agent, q)
    if (main !== 0) deliver(agent, main)
  }

  private wakeAll(agent: Agent, q: number, flag: number): void {
    const claimed: number[] = []
    lockQueue(agent, q)
    claimMany(agent, q, 0, Infinity, claimed)
    if (firstOf(agent.words, q) === 0) and(agent.words, this.signals, ~flag)
    unlockQueue(agent, q)
    for (const main of claimed) deliver(agent, main)
  }

  private enter(agent: Agent, q: number, flag: number, record: number, again: boolean, ready: () => boolean): boolean {
    const { words } = agent
    lockQueue(agent, q)
    or(words, this.signals, flag)
    const wait = !ready()
    if (!wait) {
      if (firstOf(words, q) === 0) and(words, this.signals, ~flag)
    } else if (again) enqueueAgain(words, q, record)
    else enqueue(words, q, record, takeTicket(words, q))
    unlockQueue(agent, q)
    // C4
    if (wait && ready() && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    return wait
  }

  private brieflyUntil(seen: () => boolean): boolean {
    for (let round = Math.min(TRY_ROUNDS, limits.spin); round > 0; round--) {
      if (seen()) return true
      pause()
    }
    return false
  }

  private keepReason(reason: unknown): void {
    const { region, words, base } = this
    const codec = valueCodec(MAX_REASON_BYTES)
    let at = 0
    try {
      at = region.alloc(codec.bytes, REASON_ALIGN)
      try {
        codec.write(region, at, reason)
      } catch {
        // What can't travel is told as text.
        codec.write(region, at, String(reason))
      }
    } catch {
      // No memory for it, or no text: the channel closes without a reason.
      if (at !== 0) region.free(at)
      return
    }
    if (compareExchange(words, base + REASON_AT, 0, at) !== 0) this.freeReason(at)
  }

  private freeReason(at: number): void {
    valueCodec(MAX_REASON_BYTES).free?.(this.region, at)
    this.region.free(at)
  }
}
