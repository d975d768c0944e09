/**
 * What every shared flavour of channel has: signals, closing, and the two queues of those who wait. How a message goes in and out, and
 * what is waited for, is the flavour's own (buffered.ts, rendezvous.ts).
 *
 * Invariants C1 SENDERS_WAIT and RECEIVERS_WAIT are only changed under the lock of their queue, and cleared when nobody is in it; one that
 *               stays behind costs one look at the queue.
 *            C2 CLOSED is never cleared, but by `reopen` (internal.ts); who sets it wakes everybody after.
 *            C3 CLOSED is set under the lock of the senders' queue, after the reason. So a reason without CLOSED is of one that died while it closed;
 *               its block belongs to REASON_AT at every instant (allocator.ts, I3, of atomics).
 *            C4 As soon as a message is published, a slot freed or CLOSED set, whoever sees that may dispose of the channel: what was to be
 *               said with it was said. From then on an agent reads its memory, which may have another use, and no more than that: it locks,
 *               wakes and writes only inside of `whileThere`.
 * Pairs      C4: A_PIN, then the look at LIFE, with the clearing of LIFE, then `awaitPins` (atomics/agents.ts): one of them sees the other.
 */
import { DisposedError, InvalidArgumentError, type Region, RegionFullError } from '@heddle/atomics'
import { A_PIN, awaitPins, type EncodedValue, encodeValue, loadEncoded, storeEncoded } from '@heddle/atomics/internal'
import { agentLocal, and, compareExchange, get, limits, load, or, pause, set, store } from '@heddle/atomics/ops'
import type { FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, claimMany, claimOne, deliver, firstOf, isInUse, lockQueue, type Operation, unlockQueue } from '@heddle/park/internal'
import { ClosedError } from './errors.js'
import { CLOSED_BIT, HEAD_BYTES, LIFE, LOST, REASON_AT, RECEIVE_QUEUE, RECEIVERS_WAIT, SEND_QUEUE, SENDERS_WAIT, SIGNALS } from './layout.js'
import { type CLOSED, EMPTY } from './symbols.js'

const MAX_REASON_BYTES = 1 << 20
const MAX_REASON_TEXT = 1000
/** Bytes before the encoded reason: its length. */
const REASON_BYTES = 8
/** How often a try looks again at a message or a slot that is under way. */
const TRY_ROUNDS = 1000

/** What an offer, a push or a claim found. */
export const DONE = 0
/** No room (for a pop: no message). */
export const NOTHING = 1
/** The next position is another agent's, in the middle of it. */
export const UNDERWAY = 2
/** Nothing will ever be accepted again. */
export const SPENT = 3
/** What a pop finds when it is UNDERWAY. */
export const BUSY: unique symbol = Symbol('heddle.busy')

/** What many messages go to or come from: moves on by as many as can be had at once. */
export interface Batch {
  /** Moves messages until it is done or nothing moves. @returns whether it is done. @throws ClosedError when closed with none moved */
  move(): boolean
  /** Messages moved. */
  readonly moved: number
}

/** What a receive of many took from the channel and could not hand over: a message, or what its codec threw. */
export type Owed<T> = { readonly value: T; readonly error?: never } | { readonly error: unknown; readonly value?: never }

/** A channel of one flavour, as its Sender and its Receiver use it. */
export abstract class Flavor<T> {
  readonly words: Int32Array
  readonly sendQueue: number
  readonly receiveQueue: number
  protected readonly signals: number
  /** The Sender's header, while the channel lives. */
  private readonly header: number
  private readonly owed = agentLocal<{ what: Owed<T> | undefined }>(() => ({ what: undefined }))

  constructor(
    readonly region: Region,
    /** Word index of the channel. */
    protected readonly base: number,
    queues: { send: number; receive: number } = { send: SEND_QUEUE, receive: RECEIVE_QUEUE },
  ) {
    this.words = this.region.words
    this.header = load(this.words, base)
    this.signals = base + SIGNALS
    this.sendQueue = base + queues.send
    this.receiveQueue = base + queues.receive
  }

  abstract readonly capacity: number
  abstract readonly length: number

  /**
   * Sends if that needs no waiting. @returns DONE, NOTHING or UNDERWAY. @throws ClosedError, and what the codec throws
   * @param waits whether the caller waits with it otherwise
   */
  abstract offer(value: T, waits?: boolean): number
  /** Receives if there is a message. BUSY: one is under way, and nothing can be said yet. */
  abstract poll(): T | typeof EMPTY | typeof CLOSED | typeof BUSY
  /** As `offer`, and looks again for a moment at what is under way. */
  abstract tryOffer(value: T): boolean
  /** As `poll`, and looks again for a moment at what is under way. */
  abstract tryPoll(): T | typeof EMPTY | typeof CLOSED

  /** For a thread whose `offer` got nowhere and that may block: again after a moment, where that is worth it. @throws as `offer` */
  offerSoon(_value: T): number {
    return NOTHING
  }
  /** The same for `poll`. */
  pollSoon(): T | typeof EMPTY | typeof CLOSED | typeof BUSY {
    return EMPTY
  }

  /** For a thread that may block: looks again and again for a moment, where that is worth it. @returns whether an offer (a poll) got worth a try */
  awaitSoon(_sends: boolean): boolean {
    return false
  }

  /** The next receive of this receiver in this agent gets that first. Nothing is owed already: a receive of many takes that before anything else. */
  owe(what: Owed<T>): void {
    this.owed.get().what = what
  }
  protected get isOwed(): boolean {
    return this.owed.get().what !== undefined
  }
  /** What is owed, which then is not. @throws what is to be thrown */
  protected payOwed(): T {
    const own = this.owed.get()
    const { what } = own
    own.what = undefined
    if ('error' in what!) throw what.error
    return what!.value
  }

  abstract sendOperation(agent: Agent, value: T): Operation<void>
  abstract receiveOperation(agent: Agent): Operation<T>
  /** A `sendMany` whose first part needs no waiting; undefined where there is no such thing. */
  sendBatch?(values: ArrayLike<T>): Batch
  /** The same of a `recvMany`. */
  receiveBatch?(into: { [index: number]: T }, max: number): Batch
  /** @param begun by `sendBatch`: goes on with it */
  abstract sendManyOperation(agent: Agent, values: ArrayLike<T>, begun?: Batch): Operation<number>
  /** Receives into a list, from its start; at least one and at most `max`. */
  abstract receiveManyOperation(agent: Agent, into: { [index: number]: T }, max: number, begun?: Batch): Operation<number>
  abstract receiveFiber(agent: Agent, options: WaitOptions | undefined): FiberOperation<T>
  abstract receiveManyFiber(agent: Agent, into: { [index: number]: T }, max: number, options: WaitOptions | undefined): FiberOperation<number>
  /** Frees what messages have outside their slots, when nobody uses the channel any more. */
  protected abstract dropMessages(): void

  get isClosed(): boolean {
    return (load(this.words, this.signals) & CLOSED_BIT) !== 0
  }

  /** Messages lost with agents that died in the middle of sending or receiving them. */
  get lost(): number {
    return load(this.words, this.base + LOST)
  }

  /** The error of an operation on a closed channel. */
  closed(value: T | undefined): ClosedError<T> {
    const { region, words, base } = this
    let reason: unknown
    // Whoever closed it may dispose of it at any moment.
    this.whileThere(Agent.of(region), () => {
      // C3
      const at = this.isClosed ? get(words, base + REASON_AT) : 0
      if (at !== 0) reason = loadEncoded(region, at + REASON_BYTES, get(words, at >> 2))
    })
    return new ClosedError(value, reason)
  }

  /** Nothing more is accepted; everybody who waits is woken. The first reason counts. */
  close(agent: Agent, reason: unknown): void {
    const { region, words, base } = this
    const encoded = encodeReason(region, reason)
    lockQueue(agent, this.sendQueue)
    try {
      if ((load(words, this.signals) & CLOSED_BIT) === 0) {
        if (get(words, base + REASON_AT) !== 0) {
          region.adopt(base + REASON_AT)
          region.freeFrom(base + REASON_AT)
        }
        if (encoded !== undefined) this.keepReason(encoded)
        or(words, this.signals, CLOSED_BIT)
      }
    } finally {
      unlockQueue(agent, this.sendQueue)
    }
    this.whileThere(agent, () => {
      this.wakeAll(agent, this.sendQueue, SENDERS_WAIT)
      this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
    })
  }

  /** Whether the channel lives. */
  get isThere(): boolean {
    return load(this.words, this.base + LIFE) === this.header
  }

  /** Does something in the channel's memory, unless it was disposed of; it is not while this goes on (C4). The caller's pin, if it has one, is kept. */
  whileThere(agent: Agent, act: () => void): void {
    const { words } = this
    const pin = agent.record + A_PIN
    const former = load(words, pin)
    store(words, pin, this.sendQueue)
    if (this.isThere) act()
    store(words, pin, former)
  }

  /** Whether somebody sleeps in one of the queues. */
  get hasWaiters(): boolean {
    const agent = (): Agent => Agent.of(this.region)
    // Also waits for whoever is still inside a queue's lock.
    return isInUse(agent, this.words, this.sendQueue) || isInUse(agent, this.words, this.receiveQueue)
  }

  /** Ends the channel and frees what is left. @throws InvalidArgumentError while somebody waits; DisposedError when another agent was first; then nothing has changed */
  end(): void {
    if (this.hasWaiters) this.refuse()
    const { words, base, header } = this
    if (compareExchange(words, base + LIFE, header, 0) !== header) throw new DisposedError('this channel was disposed of')
    awaitPins(words, base * 4, HEAD_BYTES)
    if (this.hasWaiters) {
      // One that was chosen by an agent that died, and waits again.
      store(words, base + LIFE, header)
      this.refuse()
    }
    this.dropMessages()
    const reason = base + REASON_AT
    if (get(words, reason) === 0) return
    this.region.adopt(reason)
    this.region.freeFrom(reason)
  }

  private refuse(): never {
    throw new InvalidArgumentError('somebody waits at this channel: close it before disposing of it')
  }

  protected wakeOne(agent: Agent, q: number, flag: number): void {
    lockQueue(agent, q)
    const main = claimOne(agent, q, 0)
    if (firstOf(agent.words, q) === 0) and(agent.words, this.signals, ~flag)
    unlockQueue(agent, q)
    if (main !== 0) deliver(agent, main)
  }

  protected wakeAll(agent: Agent, q: number, flag: number): void {
    this.wakeSome(agent, q, flag, Infinity)
  }

  /** Wakes the first so many; an agent that sleeps is rung once for all of them. */
  protected wakeSome(agent: Agent, q: number, flag: number, count: number): void {
    if (count === 1) {
      this.wakeOne(agent, q, flag)
      return
    }
    const claimed: number[] = []
    lockQueue(agent, q)
    claimMany(agent, q, 0, count, claimed)
    if (firstOf(agent.words, q) === 0) and(agent.words, this.signals, ~flag)
    unlockQueue(agent, q)
    for (const main of claimed) deliver(agent, main)
  }

  /** Looks again and again for a moment; never waits. */
  protected brieflyUntil(seen: () => boolean): boolean {
    for (let round = Math.min(TRY_ROUNDS, limits.spin); round > 0; round--) {
      if (seen()) return true
      pause()
    }
    return false
  }

  /** Under the lock of the senders' queue (C3). */
  private keepReason(encoded: EncodedValue): void {
    const { region, words, base } = this
    try {
      const at = region.allocInto(base + REASON_AT, REASON_BYTES + ((encoded.length + 7) & -8))
      set(words, at >> 2, encoded.length)
      storeEncoded(region, at + REASON_BYTES, encoded)
    } catch (error) {
      // No memory for it: the channel closes without a reason.
      if (!(error instanceof RegionFullError)) throw error
    }
  }
}

/** What can't travel is told as text. Encoded before any lock is taken: this may run the caller's code. */
function encodeReason(region: Region, reason: unknown): EncodedValue | undefined {
  if (reason === undefined) return undefined
  const options = { region, max: MAX_REASON_BYTES, root: 'reason', counted: false }
  try {
    return encodeValue(reason, options)
  } catch {
    return encodeValue(textOf(reason), options)
  }
}

function textOf(reason: unknown): string {
  try {
    return String(reason).slice(0, MAX_REASON_TEXT)
  } catch {
    return 'a reason without a text'
  }
}
