/**
 * Waiting at a channel that keeps messages: who sleeps until there is room or a message, and who is woken.
 *
 * Source     Mesa's monitors: a woken waiter looks again. The two condition queues of Hoare's bounded buffer.
 * Invariants B1 Before it sleeps a receiver sets RECEIVERS_WAIT and then looks once more; a sender publishes and then reads the signals:
 *               one of the two sees the other. The same for senders and room.
 *            B2 Every message wakes one receiver, and a receiver that took one wakes the next while there is more and somebody waits: so a
 *               wake that found the message before its own still under way is made up for by whoever takes that one. The same for room.
 *               A chosen waiter is out of the queue before it looks, so that nobody chooses it a second time for nothing.
 *            B3 A receiver that finds CLOSED looks once more, and only a buffer that it has sealed, empty and with nothing under way, is the end:
 *               a message is in the buffer before that, and received, or it is given back. So after one receiver was told CLOSED no other
 *               gets a message. Who publishes in a closed channel wakes everybody who receives; so does who frees a slot there: that may be what
 *               stood in the way of the seal.
 *            B4 A waiter looks again after it became WAITING: the agent whose slot was in its way may have died and been reaped since it
 *               looked before, when it could not be told yet (park's reap.ts, D2).
 * Progress   A running agent may barge in front of a woken waiter, which keeps its place in the queue.
 */
import type { Region } from '@heddle/atomics'
import { and, load, or, peek } from '@heddle/atomics/ops'
import type { FiberOperation, WaitOptions } from '@heddle/park'
import {
  Agent,
  CASE_RECHECK,
  claim,
  deliver,
  enqueue,
  enqueueAgain,
  enqueueLink,
  firstOf,
  lockQueue,
  NOTIFIED,
  type Operation,
  takeTicket,
  unlockQueue,
} from '@heddle/park/internal'
import { type Batch, BUSY, DONE, Flavor, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { CLOSED_BIT, RECEIVERS_WAIT, SENDERS_WAIT } from './layout.js'
import { BatchOperation, ReceiveBatch, ReceiveFiber, ReceiveManyFiber, ReceiveOperation, SendBatch, SendOperation } from './operations.js'
import { soon } from './pace.js'
import { CLOSED, EMPTY } from './symbols.js'

/** Where messages are kept. Never waits, wakes nobody. */
export interface Buffer<T> {
  readonly region: Region
  readonly capacity: number
  readonly length: number
  /** DONE, NOTHING (no room), UNDERWAY (no room for a moment) or SPENT. When it throws, receivers are to be told as of a message. */
  push(value: T): number
  pop(): T | typeof EMPTY | typeof BUSY
  /** Pushes values of a list at once, from an index on. @returns how many; 0: not now, or one by one only */
  pushMany?(values: ArrayLike<T>, from: number): number
  /** Pops at most `max` at once into a list, from an index on. @returns how many; 0: not now, or one by one only */
  popMany?(into: { [index: number]: T }, to: number, max: number): number
  /** Whether a push would get anywhere. */
  canPush(): boolean
  /** What a pop would find: DONE, NOTHING or UNDERWAY. */
  look(): number
  /** Closed and found empty: makes sure that no message comes any more. DONE, NOTHING (one came) or UNDERWAY (not for a moment: somebody stands where the end goes). */
  seal(): number
  /** Takes `seal` back, where the channel may be used again. */
  unseal?(): void
  /** Whether what stands in the way of a push, or of a pop, is this agent's own call further out: its codec has called the channel. */
  isOwn(sends: boolean): boolean
  /** Frees what messages have outside their slots, when nobody uses the channel any more. */
  drop(): void
}

/** A channel that keeps messages in a buffer. */
export class Buffered<T> extends Flavor<T> {
  /** Whether everybody who waits is woken for each message, so that nobody passes a wake on. */
  readonly wakesAll: boolean = false

  constructor(
    protected readonly buffer: Buffer<T>,
    base: number,
  ) {
    super(buffer.region, base)
  }

  get capacity(): number {
    return this.buffer.capacity
  }
  get length(): number {
    return this.buffer.length
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
    if (found === SPENT) {
      const agent = Agent.of(this.region)
      this.whileThere(agent, () => this.wakeAll(agent, this.sendQueue, SENDERS_WAIT))
      throw this.closed(value)
    }
    if (found !== DONE) return found
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.sent(signals, 1)
    return DONE
  }

  /** Sends values of a list, from an index on: as many as go at once. @returns how many; 0 when there is no room. @throws as `offer` */
  offerMany(values: ArrayLike<T>, from: number): number {
    if ((peek(this.words, this.signals) & CLOSED_BIT) !== 0) throw this.closed(values[from])
    const count = this.buffer.pushMany === undefined ? 0 : this.buffer.pushMany(values, from)
    if (count === 0) return this.offer(values[from]!) === DONE ? 1 : 0
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.sent(signals, count)
    return count
  }

  /** Receives at most `max` messages that can be had at once into a list. @returns how many; 0: `poll` says why */
  pollMany(into: { [index: number]: T }, to: number, max: number): number {
    const { buffer } = this
    if (buffer.popMany === undefined || this.isOwed) return 0
    let count = 0
    try {
      count = buffer.popMany(into, to, max)
    } catch (error) {
      // Nothing was taken; who looked meanwhile found it under way.
      this.wakeReceiver(Agent.of(this.region))
      throw error
    }
    if (count === 0) return 0
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.received(signals, count)
    return count
  }

  /** Receives if there is a message. BUSY: one is under way, and nothing can be said yet. */
  poll(): T | typeof EMPTY | typeof CLOSED | typeof BUSY {
    if (this.isOwed) return this.payOwed()
    for (;;) {
      const found = this.take()
      if (found !== EMPTY || !this.isClosed) return found
      const last = this.take()
      if (last !== EMPTY) return last
      const sealed = this.buffer.seal()
      if (sealed === UNDERWAY) return BUSY
      if (sealed !== DONE) continue
      if (this.isClosed) return CLOSED
      // Opened again since: whoever did that may have looked for the end before it was there.
      this.reopen()
      return EMPTY
    }
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

  override awaitSoon(sends: boolean): boolean {
    return soon(() => (sends ? this.canOffer() : this.canPoll()))
  }
  override offerSoon(value: T): number {
    return this.awaitSoon(true) ? this.offer(value) : NOTHING
  }
  override pollSoon(): T | typeof EMPTY | typeof CLOSED | typeof BUSY {
    return this.awaitSoon(false) ? this.poll() : EMPTY
  }

  sendOperation(agent: Agent, value: T): Operation<void> {
    return new SendOperation(agent, this, value)
  }
  receiveOperation(agent: Agent): Operation<T> {
    return new ReceiveOperation(agent, this)
  }
  override sendBatch(values: ArrayLike<T>): Batch {
    return new SendBatch(this, values)
  }
  override receiveBatch(into: { [index: number]: T }, max: number): Batch {
    return new ReceiveBatch(this, into, max)
  }
  sendManyOperation(agent: Agent, values: ArrayLike<T>, begun?: Batch): Operation<number> {
    return new BatchOperation(agent, this, begun ?? new SendBatch(this, values), true)
  }
  receiveManyOperation(agent: Agent, into: { [index: number]: T }, max: number, begun?: Batch): Operation<number> {
    return new BatchOperation(agent, this, begun ?? this.receiveBatch(into, max), false)
  }
  receiveFiber(agent: Agent, options: WaitOptions | undefined): FiberOperation<T> {
    return new ReceiveFiber<T>(agent, this, options)
  }
  receiveManyFiber(agent: Agent, into: { [index: number]: T }, max: number, options: WaitOptions | undefined): FiberOperation<number> {
    return new ReceiveManyFiber(agent, this, this.receiveBatch(into, max), options)
  }

  /** Whether a wait at one end would be one for this agent's own call further out, whose codec it is in. */
  isOwn(sends: boolean): boolean {
    return this.buffer.isOwn(sends)
  }

  /** Enqueues a sender's record, unless an offer would get anywhere. @returns whether it waits */
  enterSend(agent: Agent, record: number, again: boolean): boolean {
    return this.enter(agent, this.sendQueue, SENDERS_WAIT, record, again, () => this.canOffer())
  }

  /** Enqueues a receiver's record, unless a poll would get anywhere. @returns whether it waits */
  enterReceive(agent: Agent, record: number, again: boolean): boolean {
    return this.enter(agent, this.receiveQueue, RECEIVERS_WAIT, record, again, () => this.canPoll())
  }

  /** Wakes a receiver, if one waits and would get anywhere: who was chosen and does not receive passes that on. */
  wakeReceiver(agent: Agent): void {
    if ((load(this.words, this.signals) & RECEIVERS_WAIT) === 0) return
    this.whileThere(agent, () => {
      if (this.canPoll()) this.wakeOne(agent, this.receiveQueue, RECEIVERS_WAIT)
    })
  }

  /** The same for a sender. */
  wakeSender(agent: Agent): void {
    if ((load(this.words, this.signals) & SENDERS_WAIT) === 0) return
    this.whileThere(agent, () => {
      if (this.canOffer()) this.wakeOne(agent, this.sendQueue, SENDERS_WAIT)
    })
  }

  /** Puts a link (its W_MAIN and W_WANT are set) into the queue of one end, at its former place if it had one; the caller looks once more after. */
  link(agent: Agent, sends: boolean, link: number, ticket: number | undefined): void {
    const q = sends ? this.sendQueue : this.receiveQueue
    lockQueue(agent, q)
    or(agent.words, this.signals, sends ? SENDERS_WAIT : RECEIVERS_WAIT)
    enqueueLink(agent.words, q, link, ticket)
    unlockQueue(agent, q)
  }

  /** CLOSED was taken back: so is the end. */
  reopen(): void {
    this.buffer.unseal?.()
  }

  protected dropMessages(): void {
    this.buffer.drop()
  }

  private take(): T | typeof EMPTY | typeof BUSY {
    let found: T | typeof EMPTY | typeof BUSY
    try {
      found = this.buffer.pop()
    } catch (error) {
      // The message is gone, and its room is there.
      this.received(load(this.words, this.signals), 1)
      throw error
    }
    if (found === EMPTY || found === BUSY) return found
    const signals = load(this.words, this.signals)
    if (signals !== 0) this.received(signals, 1)
    return found
  }

  /** C4 */
  private sent(signals: number, count: number): void {
    const agent = Agent.of(this.region)
    this.whileThere(agent, () => this.afterSend(agent, signals, count))
  }
  private received(signals: number, count: number): void {
    const agent = Agent.of(this.region)
    this.whileThere(agent, () => this.afterReceive(agent, signals, count))
  }

  protected afterSend(agent: Agent, signals: number, count: number): void {
    if ((signals & CLOSED_BIT) !== 0) {
      this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
      return
    }
    if ((signals & RECEIVERS_WAIT) !== 0) this.wakeSome(agent, this.receiveQueue, RECEIVERS_WAIT, count)
    if ((signals & SENDERS_WAIT) !== 0 && this.buffer.canPush()) this.wakeOne(agent, this.sendQueue, SENDERS_WAIT)
  }

  protected afterReceive(agent: Agent, signals: number, count: number): void {
    if ((signals & SENDERS_WAIT) !== 0) this.wakeSome(agent, this.sendQueue, SENDERS_WAIT, count)
    if ((signals & RECEIVERS_WAIT) === 0) return
    if ((signals & CLOSED_BIT) !== 0) this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
    else if (this.canPoll()) this.wakeOne(agent, this.receiveQueue, RECEIVERS_WAIT)
  }

  /** A slot without a message stands in the way of those behind it; and who came meanwhile may have found it under way. */
  private wakeForHole(): void {
    const agent = Agent.of(this.region)
    this.wakeSender(agent)
    if ((load(this.words, this.signals) & RECEIVERS_WAIT) !== 0) this.whileThere(agent, () => this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT))
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
    // B4
    if (wait && ready() && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    return wait
  }
}
