/** Sends and receives that may have to wait, as park drives them: blocking, as promises, in fibers. */
import { get, load, now, store } from '@heddle/atomics/ops'
import { ShutdownError, type WaitOptions } from '@heddle/park'
import {
  type Agent,
  type BLOCKED,
  caseOf,
  CASE_RECHECK,
  claimOne,
  deadlineOf,
  deliver,
  enqueueAgain,
  KIND_THREAD,
  lockQueue,
  NOTIFIED,
  Operation,
  phaseOf,
  unlink,
  unlockQueue,
  W_KIND,
  W_STATE,
  W_TICKET,
} from '@heddle/park/internal'
import type { Buffered } from './buffered.js'
import { ClosedError, PartlySentError, ReentrantError, UnboundedFullError } from './errors.js'
import { type Batch, BUSY, DONE, type Flavor } from './flavor.js'
import { CLOSED, EMPTY } from './symbols.js'

/** An operation that looks, and waits in one queue until it is to look again. */
abstract class LookOperation<T, R> extends Operation<R> {
  /** Its place in the queue, once it had one. */
  ticket: number | undefined
  constructor(
    agent: Agent,
    protected readonly flavor: Buffered<T>,
  ) {
    super(agent)
  }

  /** Whether it waits with those who send. */
  protected abstract readonly sends: boolean
  /** Tries to finish. */
  protected abstract attempt(): boolean
  protected abstract canAttempt(): boolean
  /** Enqueues the record, unless `canAttempt`. */
  protected abstract enter(again: boolean): boolean

  begin(): boolean {
    if (this.attempt()) return true
    this.assertNotOwn()
    // Spinning is for threads: others have something else to do.
    if (this.isThread && this.agent.spin.until(() => this.canAttempt()) && this.attempt()) return true
    if (this.ticket === undefined) return this.wait(false)
    store(this.agent.words, this.record + W_TICKET, this.ticket)
    return this.wait(true)
  }

  resume(state: number): boolean {
    const { agent, flavor, record } = this
    this.ticket = load(agent.words, record + W_TICKET)
    if (!flavor.isThere) throw flavor.closed(this.back())
    if (caseOf(state) === CASE_RECHECK) {
      // Out of the queue before it looks: nobody may choose it for a message that it then leaves (C2).
      const { queue } = this
      lockQueue(agent, queue)
      unlink(agent.words, queue, record)
      unlockQueue(agent, queue)
    }
    if (this.attempt()) return true
    this.assertNotOwn()
    return this.wait(true)
  }

  override undo(): boolean {
    // Sent, or received, before the abort: nobody can take that back.
    return false
  }

  override yieldClaim(): boolean {
    const { agent, queue, record } = this
    if (this.flavor.wakesAll) return false
    const { words } = agent
    let next = 0
    // It was chosen, and keeps nobody from disposing of the channel.
    this.flavor.whileThere(agent, () => {
      lockQueue(agent, queue)
      const state = load(words, record + W_STATE)
      if (phaseOf(state) === NOTIFIED && caseOf(state) !== CASE_RECHECK) {
        next = claimOne(agent, queue, 0)
        if (next !== 0) enqueueAgain(words, queue, record)
      }
      unlockQueue(agent, queue)
    })
    if (next !== 0) deliver(agent, next)
    return false
  }

  /** What was to be sent. */
  protected back(): T | undefined {
    return undefined
  }

  /** Derived, no field: a hundred thousand may wait. */
  private get queue(): number {
    return this.sends ? this.flavor.sendQueue : this.flavor.receiveQueue
  }

  private get isThread(): boolean {
    return get(this.agent.words, this.record + W_KIND) === KIND_THREAD
  }

  /** A thread that is about to wait for what only its own call further out can do, whose codec it is in, waits for ever. */
  private assertNotOwn(): void {
    const { sends } = this
    if (!this.isThread || !this.flavor.isOwn(sends)) return
    const verb = sends ? 'send' : 'receive'
    throw new ReentrantError(
      `this ${verb} would wait for the call of the same channel whose codec it is in, for ever: ${verb} after that, or use another channel`,
    )
  }

  private wait(again: boolean): boolean {
    while (!this.enter(again)) if (this.attempt()) return true
    return false
  }
}

/** Sends one message. */
export class SendOperation<T> extends LookOperation<T, void> {
  constructor(
    agent: Agent,
    flavor: Buffered<T>,
    private readonly value: T,
  ) {
    super(agent, flavor)
  }
  protected get sends(): boolean {
    return true
  }
  protected override back(): T {
    return this.value
  }
  protected attempt(): boolean {
    return this.flavor.offer(this.value) === DONE
  }
  protected canAttempt(): boolean {
    return this.flavor.canOffer()
  }
  protected enter(again: boolean): boolean {
    return this.flavor.enterSend(this.agent, this.record, again)
  }
}

/** Receives one message. */
export class ReceiveOperation<T> extends LookOperation<T, T> {
  protected get sends(): boolean {
    return false
  }
  protected attempt(): boolean {
    const found = this.flavor.poll()
    if (found === EMPTY || found === BUSY) return false
    if (found === CLOSED) throw this.flavor.closed(undefined)
    this.result = found
    return true
  }
  protected canAttempt(): boolean {
    return this.flavor.canPoll()
  }
  protected enter(again: boolean): boolean {
    return this.flavor.enterReceive(this.agent, this.record, again)
  }
}

/** Waits until a receive would get anywhere, and receives nothing. */
export class ReadableOperation<R = void> extends LookOperation<unknown, R> {
  protected get sends(): boolean {
    return false
  }
  /** Whoever was told and does not receive tells the next. */
  override undo(): boolean {
    this.flavor.wakeReceiver(this.agent)
    return true
  }
  protected attempt(): boolean {
    return this.flavor.canPoll()
  }
  protected canAttempt(): boolean {
    return this.attempt()
  }
  protected enter(again: boolean): boolean {
    return this.flavor.enterReceive(this.agent, this.record, again)
  }
}

/** The error of a list of which one value was refused after others were sent. */
export function partlySent<T>(flavor: Flavor<T>, sent: number, error: unknown): PartlySentError {
  rethrowIfStopped(flavor, error)
  return new PartlySentError(sent, error)
}

/** Nobody else's business: an agent was declared dead, or a checker stops its thread, which every further access then does as well. */
export function rethrowIfStopped<T>(flavor: Flavor<T>, error: unknown): void {
  if (error instanceof ShutdownError || !flavor.isThere) throw error
}

/** Sends what a list holds, in order. */
export class SendBatch<T> implements Batch {
  moved = 0
  constructor(
    private readonly flavor: Buffered<T>,
    private readonly values: ArrayLike<T>,
  ) {}
  move(): boolean {
    const { flavor, values } = this
    try {
      for (let count = 1; count > 0 && this.moved < values.length; this.moved += count) count = flavor.offerMany(values, this.moved)
    } catch (error) {
      if (this.moved === 0) throw error instanceof ClosedError ? new ClosedError(values, error.reason) : error
      // What was sent before counts; the next call gets the error.
      if (error instanceof ClosedError || error instanceof UnboundedFullError) return true
      throw partlySent(flavor, this.moved, error)
    }
    return this.moved === values.length
  }
}

/**
 * Puts a message that was taken into the caller's list; where it can't be stored there, the next receive of this receiver gets it.
 * @throws TypeError
 */
export function put<T>(flavor: Flavor<T>, value: T, into: { [index: number]: T }, at: number): void {
  try {
    into[at] = value
  } catch (error) {
    flavor.owe({ value })
    throw error
  }
}

/** The next message of several; when one was received already, what this one throws is for the next receive. */
export function pollAfter<T>(flavor: Flavor<T>, received: number): T | typeof EMPTY | typeof CLOSED | typeof BUSY {
  try {
    return flavor.poll()
  } catch (error) {
    if (received === 0) throw error
    rethrowIfStopped(flavor, error)
    flavor.owe({ error })
    return EMPTY
  }
}

/** Receives into a list, from its start. */
export class ReceiveBatch<T> implements Batch {
  moved = 0
  constructor(
    private readonly flavor: Buffered<T>,
    private readonly into: { [index: number]: T },
    private readonly max: number,
  ) {}
  move(): boolean {
    try {
      while (this.moved < this.max && this.moveSome());
    } catch (error) {
      // What was received before counts; the next call meets the rest.
      if (this.moved === 0) throw error
      rethrowIfStopped(this.flavor, error)
    }
    return this.moved > 0
  }

  private moveSome(): boolean {
    const { flavor, into } = this
    const count = flavor.pollMany(into, this.moved, this.max - this.moved)
    this.moved += count
    if (count > 0) return true
    const found = pollAfter(flavor, this.moved)
    if (found === EMPTY || found === BUSY) return false
    if (found === CLOSED) {
      if (this.moved === 0) throw flavor.closed(undefined)
      return false
    }
    put(flavor, found, into, this.moved)
    this.moved++
    return true
  }
}

/** Moves many messages; ends early with what was moved when the time is over. */
export class BatchOperation<T> extends LookOperation<T, number> {
  constructor(
    agent: Agent,
    flavor: Buffered<T>,
    private readonly batch: Batch,
    protected readonly sends: boolean,
  ) {
    super(agent, flavor)
  }
  override timedOut(): boolean {
    this.result = this.batch.moved
    return this.result > 0
  }
  protected attempt(): boolean {
    const done = this.batch.move()
    this.result = this.batch.moved
    return done
  }
  protected canAttempt(): boolean {
    return this.sends ? this.flavor.canOffer() : this.flavor.canPoll()
  }
  protected enter(again: boolean): boolean {
    return this.sends ? this.flavor.enterSend(this.agent, this.record, again) : this.flavor.enterReceive(this.agent, this.record, again)
  }
}

/**
 * A receive in a fiber. It takes the message in the fiber's own step, never before: a fiber that is cancelled after it was woken has
 * taken none, and its wake goes to the next waiter. Its operation only waits, and begins again, at its former place, when another was faster.
 */
abstract class TakeFiber<R> extends ReadableOperation<R> {
  /** What limits it, from the moment when it was asked for; absent, as it nearly always is, it takes no memory. */
  declare private readonly limits: { options: WaitOptions; deadline: number } | undefined

  constructor(agent: Agent, flavor: Buffered<unknown>, options: WaitOptions | undefined) {
    super(agent, flavor)
    if (options !== undefined) this.limits = { options, deadline: deadlineOf(options) }
  }

  protected abstract readonly verb: string
  /** Takes what is there; EMPTY: nothing. */
  protected abstract take(): R | typeof EMPTY

  override next(): IteratorResult<typeof BLOCKED, R> {
    for (;;) {
      // It ends at once when there is something by now.
      if (!this.hasBegun) this.beginInFiber(this.rest(), this.verb)
      const step = super.next()
      if (step.done !== true) return step
      this.rewind()
      const found = this.take()
      if (found !== EMPTY) return { done: true, value: found }
    }
  }

  private rest(): WaitOptions | undefined {
    const { limits } = this
    if (limits === undefined || limits.deadline === Infinity) return limits?.options
    return { ...limits.options, timeout: Math.max(0, limits.deadline - now()) }
  }
}

/** Receives one message, for a caller that has just found none. */
export class ReceiveFiber<T> extends TakeFiber<T> {
  protected get verb(): string {
    return 'recvFiber()'
  }
  protected take(): T | typeof EMPTY {
    const found = this.flavor.poll() as T | typeof EMPTY | typeof CLOSED | typeof BUSY
    if (found === BUSY) return EMPTY
    if (found === CLOSED) throw this.flavor.closed(undefined)
    return found
  }
}

/** Receives many. */
export class ReceiveManyFiber extends TakeFiber<number> {
  constructor(
    agent: Agent,
    flavor: Buffered<unknown>,
    private readonly batch: Batch,
    options: WaitOptions | undefined,
  ) {
    super(agent, flavor, options)
  }
  override next(): IteratorResult<typeof BLOCKED, number> {
    // The first look, which needs no record.
    const found = this.hasBegun ? EMPTY : this.take()
    return found === EMPTY ? super.next() : { done: true, value: found }
  }
  protected get verb(): string {
    return 'recvManyFiber()'
  }
  protected take(): number | typeof EMPTY {
    return this.batch.move() ? this.batch.moved : EMPTY
  }
}
