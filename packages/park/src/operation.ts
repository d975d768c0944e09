/**
 * A blocked operation as a state machine, and the three ways to drive it: a thread that sleeps, a promise, a fiber.
 *
 * A primitive describes the operation once (`begin`, `resume`, `abandon`); the drivers add time limits, signals and the sleep.
 * The core is synchronous and calls back, so that the model checker can replay it; promises are a shell.
 *
 *   step        record                        next
 *   begin       FREE → done, or WAITING       sleep
 *   woken       NOTIFIED or GRANTED           resume → done, or WAITING again (same ticket) → sleep
 *   time out    WAITING → CANCELLED           abandon, TimeoutError
 *   abort       WAITING → CANCELLED           abandon, the signal's reason
 *   lost race   claimed while giving up       resume once more: done → success (an abort undoes it where the primitive can);
 *                                             waiting again → give up again
 * Invariants O1 A record is acquired before anything is changed, and given back when the operation ends, however it ends (W2).
 *            O2 A claim is never dropped: whoever lost the race to give up resumes, and so consumes or passes on what it was given.
 *            O3 A token's link is in place before the flag is looked at, after every (re)entry into WAITING, also one by a waker that
 *               took its choice back: that waker has the owner look again.
 *            O4 A death that was counted between the decision to wait and WAITING makes it look again: the dead agent may have changed
 *               what the decision was about, and its reaper had no waiter to tell.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { canBlock, H_DEATHS } from '@heddle/atomics/internal'
import { effect, get, load, now, set, store, wait } from '@heddle/atomics/ops'
import type { Agent, Resumable } from './agent.js'
import { BlockingNotAllowedError, type ShutdownError, TimeoutError } from './errors.js'
import {
  CANCELLED,
  CASE_RECHECK,
  CASE_TOKEN,
  GRANTED,
  KIND_ASLEEP,
  KIND_FIBER,
  KIND_PROMISE,
  KIND_THREAD,
  NOTIFIED,
  W_KIND,
  W_MAIN,
  W_STATE,
  W_WANT,
  WAITING,
} from './layout.js'
import { type BlockingOptions, type CancelSignal, deadlineOf, isAbortSignal, type WaitOptions } from './options.js'
import { enqueueLink, lockQueue, settle, unlockQueue } from './queue.js'
import { cancel, claim, phaseOf } from './record.js'
import { cancelTimer, type Timer } from './timer-wheel.js'
import { deliver } from './wake.js'
import { BLOCKED, runningFiber, type Waker } from './waker.js'

/** One operation that may have to wait. Made for one use. */
export abstract class Operation<T> {
  /** Word index of its record, while it is driven. */
  record = 0
  /** What it gave, once it is done. */
  result!: T
  constructor(readonly agent: Agent) {}

  /** Tries to finish, or enqueues `record`. @returns whether it is done */
  abstract begin(): boolean
  /** The record was claimed (its state word is given): tries to finish, or enqueues it again. @returns whether it is done */
  abstract resume(state: number): boolean
  /** The record is CANCELLED: takes it out of its queue and mends what that leaves. */
  abandon(): void {
    settle(this.agent, this.record)
  }
  /**
   * Gives back what a finished operation got, because its caller aborted at the same moment. False, or absent: nobody can take it, and
   * the operation counts as finished first.
   */
  undo?(): boolean
  /** The time limit passed and nobody had claimed the record: true if that is a success with `result`. */
  timedOut?(): boolean
  /** The thread is about to block: offers a claim that this can't use meanwhile to another waiter. True: it waits again and is to look again after. */
  yieldClaim?(): boolean
}

/** Begins an operation; it may have decided to wait for what an agent that died meanwhile had done already (O4). */
function begin<T>(operation: Operation<T>): boolean {
  const deaths = load(operation.agent.words, H_DEATHS)
  return operation.begin() || lookAtDeaths(operation, deaths)
}

/** Resumes an operation, likewise. */
function resume<T>(operation: Operation<T>, state: number): boolean {
  const deaths = load(operation.agent.words, H_DEATHS)
  return operation.resume(state) || lookAtDeaths(operation, deaths)
}

/** The operation waits: has it to look again? @returns false */
function lookAtDeaths<T>({ agent, record }: Operation<T>, before: number): false {
  if (load(agent.words, H_DEATHS) !== before && claim(agent.words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
  return false
}

/** Whether a state word says that its record was claimed by a waker. */
function isClaimed(phase: number): boolean {
  return phase === NOTIFIED || phase === GRANTED
}

/** Takes a record that can be linked into a token's queue, 0 for a token that never fires; before anything is changed (O1). @throws InvalidArgumentError, RegionFullError */
function acquireLink(agent: Agent, token: CancelSignal): number {
  if (token.waiters === 0) return 0
  if (token.region !== agent.region)
    throw new InvalidArgumentError('the token lives in another region than what is waited for: make both in one region')
  return agent.acquire(KIND_THREAD)
}

/** Has `main` claimed when the token is cancelled; not when it was cancelled before. */
function linkToken(agent: Agent, token: CancelSignal, link: number, main: number): void {
  set(agent.words, link + W_MAIN, main)
  set(agent.words, link + W_WANT, CASE_TOKEN)
  lockQueue(agent, token.waiters)
  try {
    if (!token.isCancelled) enqueueLink(agent.words, token.waiters, link)
  } finally {
    unlockQueue(agent, token.waiters)
  }
}

function dropLink(agent: Agent, link: number): void {
  settle(agent, link)
  set(agent.words, link + W_MAIN, link)
  agent.slab.release(link)
}

/**
 * Runs an operation and blocks the thread until it is done.
 * @param instead names what to call where the agent may not block
 * @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError
 */
export function block<T>(operation: Operation<T>, options: BlockingOptions | undefined, instead: string): T {
  const { agent } = operation
  const deadline = deadlineOf(options)
  const token = options?.signal
  if (token !== undefined && isAbortSignal(token))
    throw new TypeError(`an AbortSignal can't fire while its thread is blocked: pass a CancelToken, or use ${instead}`)
  assertMayBlock(options, instead)
  if (hasFired(token)) throw token!.reason
  const until = Math.min(deadline, token?.deadline ?? Infinity)
  const record = (operation.record = agent.acquire(KIND_THREAD))
  let link = 0
  try {
    if (token !== undefined) link = acquireLink(agent, token)
    if (begin(operation)) return operation.result
    if (link !== 0) linkToken(agent, token!, link, record)
    for (;;) {
      if (hasFired(token) && cancel(agent.words, record)) {
        operation.abandon()
        throw token!.reason
      }
      const state = sleepThread(agent, record, until)
      const phase = phaseOf(state)
      if (isClaimed(phase)) {
        if (resume(operation, state)) return operation.result
      } else if (phase === CANCELLED) {
        operation.abandon()
        throw token!.reason
      } else if (until < deadline && now() < deadline) {
        token!.expire?.()
      } else if (cancel(agent.words, record)) {
        operation.abandon()
        if (operation.timedOut?.() === true) return operation.result
        throw new TimeoutError()
      }
    }
  } finally {
    if (!agent.isDead) {
      if (link !== 0) dropLink(agent, link)
      settle(agent, record)
      agent.slab.release(record)
    }
  }
}

function hasFired(token: CancelSignal | undefined): boolean {
  return token !== undefined && token.isCancelled
}

function assertMayBlock(options: BlockingOptions | undefined, instead: string): void {
  if (!canBlock()) throw new BlockingNotAllowedError(`this agent may not block (a browser's window, a service worker): use ${instead}`)
  if (runningFiber.get() !== undefined && options?.blockFiber !== true) {
    throw new BlockingNotAllowedError(
      `this would block the worker under a fiber, and every other fiber with it: use ${instead.replace('Async', 'Fiber')}, or pass { blockFiber: true }`,
    )
  }
}

/** Sleeps while the record is WAITING, at most until the deadline; returns the state word. */
function sleepThread(agent: Agent, record: number, deadline: number): number {
  const { words } = agent
  const index = record + W_STATE
  const waiting = load(words, index)
  if (phaseOf(waiting) !== WAITING || now() >= deadline) return waiting
  if (agent.spin.until(() => load(words, index) !== waiting)) return load(words, index)
  agent.enterBlocked()
  const kind = get(words, record + W_KIND)
  store(words, record + W_KIND, kind | KIND_ASLEEP)
  while (load(words, index) === waiting) {
    const left = deadline === Infinity ? Infinity : deadline - now()
    if (left <= 0) break
    wait(words, index, waiting, left)
  }
  // The fence of an agent that was declared dead comes first: the record may be another's.
  agent.exitBlocked()
  store(words, record + W_KIND, kind)
  return load(words, index)
}

/** What became of an operation that is driven by callbacks: exactly one of the two is called, once. */
export interface Settle<T> {
  done(value: T): void
  failed(error: unknown): void
}

/** An operation under way whose agent does not block: the record's bit, the timer and the signal all end up here. */
export class Pending<T> implements Resumable {
  private timer: Timer | undefined
  private onAbort: (() => void) | undefined
  private settled = false
  private ownFailure = false

  private constructor(
    private readonly operation: Operation<T>,
    private readonly signal: AbortSignal | CancelSignal | undefined,
    private readonly settle: Settle<T>,
    private readonly held: boolean,
    /** What stands for its record in a token's queue; 0 for none. */
    private readonly link: number,
  ) {}

  /**
   * Starts an operation. `settle` is called from here when it is done at once, else from the agent's turn.
   * @param held whether the wait keeps the process alive
   */
  static start<T>(operation: Operation<T>, kind: number, options: WaitOptions | undefined, held: boolean, settle: Settle<T>): Pending<T> {
    const deadline = deadlineOf(options)
    const signal = options?.signal
    const { agent } = operation
    const link = signal === undefined || isAbortSignal(signal) ? 0 : acquireLink(agent, signal)
    const pending = new Pending(operation, signal, settle, held, link)
    let waits = false
    try {
      operation.record = agent.acquire(kind)
      waits = !begin(operation)
    } finally {
      // Also when it throws: nothing waits, and nobody knows of its records.
      if (!waits) pending.giveBack()
    }
    if (!waits) {
      settle.done(operation.result)
      return pending
    }
    agent.register(operation.record, pending)
    if (held) agent.hold()
    pending.listen(deadline)
    return pending
  }

  get isSettled(): boolean {
    return this.settled
  }

  /** Whether it ended with an error of the operation's own, such as a poisoned lock: not its time, its signal or its caller. */
  get hasFailed(): boolean {
    return this.ownFailure
  }

  /** Part of `Resumable`: the record may have been claimed. */
  ready(): void {
    if (this.settled) return
    const { operation } = this
    const state = load(operation.agent.words, operation.record + W_STATE)
    const phase = phaseOf(state)
    if (phase === CANCELLED) {
      // Only a token cancels a record that its owner has not settled.
      operation.abandon()
      this.fail(this.signal!.reason)
    } else if (!isClaimed(phase) || !this.attempt(state)) this.lookAtToken()
  }

  yieldClaim(): boolean {
    return !this.settled && this.operation.yieldClaim?.() === true
  }

  shutDown(error: ShutdownError): void {
    if (!this.settled) this.fail(error)
  }

  /** Ends the wait with `error`, unless it is done first: a time limit then counts as met, and an abort gives back what was got where that is possible. */
  giveUp(error: unknown, aborted: boolean): void {
    const { operation } = this
    const { words } = operation.agent
    while (!this.settled) {
      if (cancel(words, operation.record)) {
        operation.abandon()
        if (!aborted && operation.timedOut?.() === true) this.finish()
        else this.fail(error)
        return
      }
      const state = load(words, operation.record + W_STATE)
      if (phaseOf(state) === CANCELLED) this.ready()
      else if (!aborted || operation.undo === undefined) this.attempt(state)
      else if (this.resumeOperation(state) && !this.settled) {
        if (operation.undo()) this.fail(error)
        else this.finish()
      }
    }
  }

  private listen(deadline: number): void {
    const { operation, signal } = this
    const { agent } = operation
    if (signal !== undefined && 'expire' in signal && (signal.deadline ?? Infinity) < deadline)
      this.timer = agent.after(signal.deadline!, () => signal.expire!())
    else if (deadline !== Infinity) this.timer = agent.after(deadline, () => this.expire())
    if (signal === undefined) return
    if (isAbortSignal(signal)) {
      const onAbort = (this.onAbort = (): void => void this.giveUp(signal.reason, true))
      effect(() => signal.addEventListener('abort', onAbort, { once: true }))
      if (signal.aborted) onAbort()
    } else if (this.link !== 0) {
      linkToken(agent, signal, this.link, operation.record)
      this.lookAtToken()
    }
  }

  private expire(): void {
    this.giveUp(new TimeoutError(), false)
  }

  /** After every entry into WAITING (O3). */
  private lookAtToken(): void {
    const { operation, signal } = this
    if (this.link === 0 || this.settled || !(signal as CancelSignal).isCancelled) return
    if (phaseOf(load(operation.agent.words, operation.record + W_STATE)) === WAITING) this.giveUp((signal as CancelSignal).reason, true)
  }

  private attempt(state: number): boolean {
    if (!this.resumeOperation(state)) return false
    if (!this.settled) this.finish()
    return true
  }

  /** Whether the operation is over; one that throws is settled with its error. */
  private resumeOperation(state: number): boolean {
    try {
      return resume(this.operation, state)
    } catch (error) {
      this.ownFailure = true
      this.fail(error)
      return true
    }
  }

  private finish(): void {
    const { result } = this.operation
    this.end()
    this.settle.done(result)
  }

  private fail(error: unknown): void {
    this.end()
    this.settle.failed(error)
  }

  private end(): void {
    const { operation, signal, onAbort } = this
    const { agent, record } = operation
    if (this.timer !== undefined) cancelTimer(this.timer)
    if (onAbort !== undefined) effect(() => (signal as AbortSignal).removeEventListener('abort', onAbort))
    agent.unregister(record)
    if (this.held) agent.unhold()
    this.giveBack()
  }

  /** Its records are the agent's again, unless the agent was declared dead: then they are somebody else's. */
  private giveBack(): void {
    const { agent, record } = this.operation
    this.settled = true
    if (agent.isDead) return
    if (this.link !== 0) dropLink(agent, this.link)
    if (record === 0) return
    settle(agent, record)
    agent.slab.release(record)
  }
}

/** Options of a promise wait. */
export interface AsyncOptions extends WaitOptions {
  /** False: the pending wait does not keep the process alive. Default true. */
  ref?: boolean
}

/** Runs an operation as a promise. Rejects with what the blocking verb throws; never throws itself. */
export function promise<T>(make: () => Operation<T>, options: AsyncOptions | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = options?.signal
    if (signal !== undefined && (isAbortSignal(signal) ? signal.aborted : signal.isCancelled)) reject(signal.reason as Error)
    else {
      // Once, not in every replay. A fiber's wake is no such effect: the scheduler that it belongs to is replayed with it.
      Pending.start(make(), KIND_PROMISE, options, options?.ref !== false, {
        done: (value) => effect(() => resolve(value)),
        failed: (error) => effect(() => reject(error as Error)),
      })
    }
  })
}

/** What `xFiber()` verbs return: to be used once, with `yield*`. */
export interface FiberOperation<T> {
  [Symbol.iterator](): Iterator<typeof BLOCKED, T, unknown>
}

/** A fiber's operation that is done: costs one object. */
export class DoneFiber<T> implements FiberOperation<T>, Iterator<typeof BLOCKED, T, unknown>, IteratorReturnResult<T> {
  readonly done = true
  constructor(readonly value: T) {}
  [Symbol.iterator](): this {
    return this
  }
  next(): IteratorReturnResult<T> {
    return this
  }
}

/** Runs an operation in a fiber: its own iterator, which yields BLOCKED until it is done. */
export class FiberWait<T> implements FiberOperation<T>, Iterator<typeof BLOCKED, T, unknown>, Settle<T> {
  private pending: Pending<T> | undefined
  private outcome: 0 | 1 | 2 = 0
  private value: T | undefined
  private error: unknown
  private waker: Waker | undefined

  constructor(
    private readonly operation: Operation<T>,
    private readonly options: WaitOptions | undefined,
    private readonly verb: string,
  ) {}

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED, T> {
    if (this.pending === undefined) this.start()
    if (this.outcome === 0) return { done: false, value: BLOCKED }
    if (this.outcome === 2) throw this.error
    return { done: true, value: this.value as T }
  }

  /** The fiber was cancelled: its wait ends without consuming anything. */
  throw(error: unknown): never {
    this.end(error)
    throw error
  }

  return(value?: unknown): IteratorReturnResult<T> {
    this.end(undefined)
    return { done: true, value: value as T }
  }

  done(value: T): void {
    this.outcome = 1
    this.value = value
    this.waker?.wake()
  }

  failed(error: unknown): void {
    this.outcome = 2
    this.error = error
    this.waker?.wake()
  }

  private end(error: unknown): void {
    this.pending?.giveUp(error, true)
    // What it ended with may be all that holds something, as a PoisonedError holds its lock: not lost.
    if (this.pending?.hasFailed === true) throw this.error
    if (this.outcome === 1) this.operation.undo?.()
  }

  private start(): void {
    const waker = runningFiber.get()
    if (waker === undefined) throw new InvalidArgumentError(`${this.verb} works inside a fiber only: yield* it in a generator that a Scheduler runs`)
    const signal = this.options?.signal
    if (signal !== undefined && (isAbortSignal(signal) ? signal.aborted : signal.isCancelled)) throw signal.reason
    // Not before `start` returns: a wake during it would be taken for one of the yield before.
    this.pending = Pending.start(this.operation, KIND_FIBER, this.options, false, this)
    this.waker = waker
  }
}
