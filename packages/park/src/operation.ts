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
import type { Agent, Resumable, Sleeper } from './agent.js'
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

/** What ends a wait early; most waits have none. */
class Limits {
  timer: Timer | undefined = undefined
  onAbort: (() => void) | undefined = undefined
  constructor(
    readonly signal: AbortSignal | CancelSignal | undefined,
    /** What stands for its record in a token's queue; 0 for none. */
    readonly link: number,
    /** As `Operation.audience`, which it is in the place of. */
    public audience: unknown,
  ) {}
}

/** What a fiber's operation is to begin with, where that is more than the verb. */
class Asked {
  constructor(
    readonly options: WaitOptions,
    readonly verb: string,
  ) {}
}

// An operation's `progress`, where its agent does not block.
/** A fiber's: it has begun. */
const BEGUN = 1
/** `audience` is a `Settle`, and no waker. */
const CALLS_BACK = 2
/** It keeps the process alive. */
const HELD = 4
/** It has ended, one way or the other. */
const SETTLED = 8
/** With an error of the operation's own. */
const OWN_FAILURE = 16
/** A fiber's: it ended with a value; with an error. */
const DONE = 32
const FAILED = 64
/** `audience` is its `Limits`, which have the audience. */
const LIMITED = 128

/** What a wait yields: one object for all, to which nobody writes. */
export const BLOCKED_RESULT: IteratorYieldResult<typeof BLOCKED> = { done: false, value: BLOCKED }

/**
 * One operation that may have to wait. Made for one use.
 *
 * It is itself what a fiber iterates and what its agent tells: a hundred thousand fibers may be parked, and objects of their own for that
 * would be 56 bytes each.
 */
export abstract class Operation<T> implements Resumable, Sleeper, FiberOperation<T>, Iterator<typeof BLOCKED, T, unknown> {
  /** Word index of its record, while it is driven. */
  record = 0
  /** What it gave, once it is done. */
  result!: T
  /** @internal Bits, see above. */
  progress = 0
  /**
   * @internal Whom to tell, or `Limits` that have that. In a fiber: the verb (or `Asked`) until it has begun, the waker while it waits, then the
   * value or the error.
   */
  audience: unknown = undefined
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

  /** Part of `Resumable`: the record may have been claimed. */
  ready(): void {
    look(this)
  }

  /** Part of `Resumable` and `Sleeper`. */
  shutDown(error: ShutdownError): void {
    if ((this.progress & SETTLED) === 0) fail(this, error)
  }

  /** Part of `Sleeper`: its time is over. */
  due(): void {
    giveUp(this, new TimeoutError(), false)
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED, T> {
    if ((this.progress & BEGUN) === 0) {
      const { audience } = this
      if (audience instanceof Asked) this.beginInFiber(audience.options, audience.verb)
      else this.beginInFiber(undefined, audience as string)
    }
    if ((this.progress & (DONE | FAILED)) === 0) return BLOCKED_RESULT
    if ((this.progress & FAILED) !== 0) throw this.audience
    return { done: true, value: this.audience as T }
  }

  /** The fiber was cancelled: its wait ends without consuming anything. */
  throw(error: unknown): never {
    endInFiber(this, error)
    throw error
  }

  return(value?: unknown): IteratorReturnResult<T> {
    endInFiber(this, undefined)
    return { done: true, value: value as T }
  }

  /** Begins it in the running fiber: for one whose own `next` says when. */
  protected beginInFiber(options: WaitOptions | undefined, verb: string): void {
    beginInFiber(this, options, verb)
  }

  /** Whether it was begun in a fiber, and not rewound since. */
  protected get hasBegun(): boolean {
    return (this.progress & BEGUN) !== 0
  }

  /** A fiber's operation that is over may be begun once more. */
  protected rewind(): void {
    this.record = this.progress = 0
    this.audience = undefined
  }
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
  const since = now()
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
  const state = load(words, index)
  if (state !== waiting) agent.spin.slept(since)
  return state
}

/** What became of an operation that is driven by callbacks: exactly one of the two is called, once. */
export interface Settle<T> {
  done(value: T): void
  failed(error: unknown): void
}

/** An operation under way, driven by callbacks. */
export class Pending<T> {
  private constructor(private readonly operation: Operation<T>) {}

  /**
   * Starts an operation. `settle` is called from here when it is done at once, else from the agent's turn.
   * @param held whether the wait keeps the process alive
   */
  static start<T>(operation: Operation<T>, kind: number, options: WaitOptions | undefined, held: boolean, settle: Settle<T>): Pending<T> {
    operation.progress = CALLS_BACK
    operation.audience = settle
    drive(operation, kind, options, held)
    return new Pending(operation)
  }

  get isSettled(): boolean {
    return (this.operation.progress & SETTLED) !== 0
  }

  /** As `Operation.ready`. */
  ready(): void {
    look(this.operation)
  }

  /** Ends the wait with `error`, unless it is done first: a time limit then counts as met, and an abort gives back what was got where that is possible. */
  giveUp(error: unknown, aborted: boolean): void {
    giveUp(this.operation, error, aborted)
  }
}

/** Begins an operation whose record's bit, timer and signal then go on with it. */
function drive<T>(operation: Operation<T>, kind: number, options: WaitOptions | undefined, held: boolean): void {
  const deadline = deadlineOf(options)
  const signal = options?.signal
  const { agent } = operation
  const link = signal === undefined || isAbortSignal(signal) ? 0 : acquireLink(agent, signal)
  const limits = signal === undefined && deadline === Infinity ? undefined : new Limits(signal, link, operation.audience)
  if (limits !== undefined) {
    operation.audience = limits
    operation.progress |= LIMITED
  }
  let waits = false
  try {
    operation.record = agent.acquire(kind)
    waits = !begin(operation)
  } finally {
    // Also when it throws: nothing waits, and nobody knows of its records.
    if (!waits) giveBack(operation)
  }
  if (!waits) {
    tell(operation, DONE, operation.result)
    return
  }
  agent.register(operation.record, operation)
  if (held) {
    operation.progress |= HELD
    agent.hold()
  }
  if (limits !== undefined) listen(operation, limits, deadline)
}

function limitsOf<T>(operation: Operation<T>): Limits | undefined {
  return (operation.progress & LIMITED) === 0 ? undefined : (operation.audience as Limits)
}

function listen<T>(operation: Operation<T>, limits: Limits, deadline: number): void {
  const { agent } = operation
  const { signal } = limits
  if (signal !== undefined && 'expire' in signal && (signal.deadline ?? Infinity) < deadline)
    limits.timer = agent.after(signal.deadline!, () => signal.expire!())
  else if (deadline !== Infinity) limits.timer = agent.after(deadline, operation)
  if (signal === undefined) return
  if (isAbortSignal(signal)) {
    const onAbort = (limits.onAbort = (): void => void giveUp(operation, signal.reason, true))
    effect(() => signal.addEventListener('abort', onAbort, { once: true }))
    if (signal.aborted) onAbort()
  } else if (limits.link !== 0) {
    linkToken(agent, signal, limits.link, operation.record)
    lookAtToken(operation)
  }
}

/** The record may have been claimed. */
function look<T>(operation: Operation<T>): void {
  if ((operation.progress & SETTLED) !== 0) return
  const state = load(operation.agent.words, operation.record + W_STATE)
  const phase = phaseOf(state)
  if (phase === CANCELLED) {
    // Only a token cancels a record that its owner has not settled.
    operation.abandon()
    fail(operation, limitsOf(operation)!.signal!.reason)
  } else if (!isClaimed(phase) || !attempt(operation, state)) lookAtToken(operation)
}

/** After every entry into WAITING (O3). */
function lookAtToken<T>(operation: Operation<T>): void {
  const limits = limitsOf(operation)
  if (limits === undefined || limits.link === 0 || (operation.progress & SETTLED) !== 0 || !(limits.signal as CancelSignal).isCancelled) return
  if (phaseOf(load(operation.agent.words, operation.record + W_STATE)) === WAITING) giveUp(operation, (limits.signal as CancelSignal).reason, true)
}

/** See `Pending.giveUp`. */
function giveUp<T>(operation: Operation<T>, error: unknown, aborted: boolean): void {
  const { words } = operation.agent
  while ((operation.progress & SETTLED) === 0) {
    if (cancel(words, operation.record)) {
      operation.abandon()
      if (!aborted && operation.timedOut?.() === true) finish(operation)
      else fail(operation, error)
      return
    }
    const state = load(words, operation.record + W_STATE)
    if (phaseOf(state) === CANCELLED) look(operation)
    else if (!aborted || operation.undo === undefined) attempt(operation, state)
    else if (resumeOrFail(operation, state) && (operation.progress & SETTLED) === 0) {
      if (operation.undo()) fail(operation, error)
      else finish(operation)
    }
  }
}

function attempt<T>(operation: Operation<T>, state: number): boolean {
  if (!resumeOrFail(operation, state)) return false
  if ((operation.progress & SETTLED) === 0) finish(operation)
  return true
}

/** Whether the operation is over; one that throws is settled with its error. */
function resumeOrFail<T>(operation: Operation<T>, state: number): boolean {
  try {
    return resume(operation, state)
  } catch (error) {
    operation.progress |= OWN_FAILURE
    fail(operation, error)
    return true
  }
}

function finish<T>(operation: Operation<T>): void {
  const { result } = operation
  end(operation)
  tell(operation, DONE, result)
}

function fail<T>(operation: Operation<T>, error: unknown): void {
  end(operation)
  tell(operation, FAILED, error)
}

/** Once, after `giveBack`. */
function tell<T>(operation: Operation<T>, outcome: number, what: unknown): void {
  const { audience } = limitsOf(operation) ?? operation
  operation.progress = (operation.progress & ~LIMITED) | outcome
  if ((operation.progress & CALLS_BACK) === 0) {
    operation.audience = what
    ;(audience as Waker | undefined)?.wake()
  } else if (outcome === DONE) (audience as Settle<T>).done(what as T)
  else (audience as Settle<T>).failed(what)
}

function end<T>(operation: Operation<T>): void {
  const { agent, record } = operation
  const limits = limitsOf(operation)
  if (limits !== undefined) {
    const { timer, onAbort } = limits
    if (timer !== undefined) cancelTimer(timer)
    if (onAbort !== undefined) effect(() => (limits.signal as AbortSignal).removeEventListener('abort', onAbort))
  }
  agent.unregister(record)
  if ((operation.progress & HELD) !== 0) agent.unhold()
  giveBack(operation)
}

/** Its records are the agent's again, unless the agent was declared dead: then they are somebody else's. */
function giveBack<T>(operation: Operation<T>): void {
  const { agent, record } = operation
  const link = limitsOf(operation)?.link ?? 0
  operation.progress |= SETTLED
  if (agent.isDead) return
  if (link !== 0) dropLink(agent, link)
  if (record === 0) return
  settle(agent, record)
  agent.slab.release(record)
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

/** The waker of the running fiber. @throws InvalidArgumentError outside fibers */
export function wakerFor(verb: string): Waker {
  const waker = runningFiber.get()
  if (waker === undefined) throw new InvalidArgumentError(`${verb} works inside a fiber only: yield* it in a generator that a Scheduler runs`)
  return waker
}

function beginInFiber<T>(operation: Operation<T>, options: WaitOptions | undefined, verb: string): void {
  const waker = wakerFor(verb)
  const signal = options?.signal
  if (signal !== undefined && (isAbortSignal(signal) ? signal.aborted : signal.isCancelled)) throw signal.reason
  // No waker before `drive` returns: a wake during it would be taken for one of the yield before.
  operation.audience = undefined
  drive(operation, KIND_FIBER, options, false)
  operation.progress |= BEGUN
  if ((operation.progress & (DONE | FAILED)) === 0) (limitsOf(operation) ?? operation).audience = waker
}

function endInFiber<T>(operation: Operation<T>, error: unknown): void {
  if ((operation.progress & BEGUN) === 0) return
  giveUp(operation, error, true)
  // What it ended with may be all that holds something, as a PoisonedError holds its lock: not lost.
  if ((operation.progress & OWN_FAILURE) !== 0) throw operation.audience
  if ((operation.progress & DONE) !== 0) operation.undo?.()
}

/** What a fiber iterates until an operation is done. */
export interface FiberWait<T> extends FiberOperation<T>, Iterator<typeof BLOCKED, T, unknown> {
  throw(error: unknown): never
  return(value?: unknown): IteratorReturnResult<T>
}

/**
 * Runs an operation in a fiber: yields BLOCKED until it is done. It is the operation itself that `new` returns.
 * @param verb for the error outside of fibers
 */
export const FiberWait = class {
  constructor(operation: Operation<unknown>, options: WaitOptions | undefined, verb: string) {
    operation.audience = options === undefined ? verb : new Asked(options, verb)
    return operation
  }
} as new <T>(operation: Operation<T>, options: WaitOptions | undefined, verb: string) => FiberWait<T>
