/**
 * Waiting, with a mutex held, until somebody says that something changed.
 *
 * Source     Hansen and Hoare's monitors with Mesa's semantics; requeueing after Linux's FUTEX_CMP_REQUEUE and parking_lot's Condvar:
 *            a notify moves waiters to the mutex's queue, where each is woken when it can have the mutex.
 * Layout     +0 header · +4 queue · +20 mutex: word index of the state of the mutex that its waiters use (0: none yet)
 *   a waiter's record      meaning
 *   in the condvar's queue waits to be notified
 *   in the mutex's queue   notified; waits for the mutex as any other (lock-operation.ts); its W_LOCK, W_TRIES and W_WANT are the notifier's
 * Invariants C1 A waiter is in the condvar's queue before it releases the mutex, so whoever changes the data after sees it.
 *            C2 A notify holds both queues' locks, taken in the order of their addresses. It only moves records that can be chosen, and
 *               wakes one when the mutex is free; so each notify reaches exactly one waiter, and a notified one is never lost: one that
 *               gives up after it was moved counts as notified.
 *            C3 Whoever waits has the mutex again when the wait ends, however it ends.
 *            C4 After a death a waiter that was not notified goes on by itself, once: the dead may have changed the data and not said so.
 * Progress   Notified waiters get the mutex in order of arrival, behind those who wait for it already.
 * Rejected   Waking the notified: all but one would only go to sleep again on the mutex.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place, regionOf } from '@heddle/atomics/internal'
import { load, now, or, store } from '@heddle/atomics/ops'
import { type AsyncOptions, type BlockingOptions, type FiberOperation, TimeoutError, type WaitOptions } from '@heddle/park'
import {
  Agent,
  appendRequeued,
  block,
  type BLOCKED,
  canRun,
  claimOne,
  deliver,
  enqueue,
  FiberWait,
  firstOf,
  isClaimable,
  LOCKED_BIT,
  lockQueue,
  mayHaveWaiters,
  nextOf,
  PARKED_BIT,
  promise,
  QUEUE_BYTES,
  takeTicket,
  unlink,
  unlockQueue,
  W_LOCK,
  W_QUEUE,
  W_STATE,
  W_TRIES,
  W_WANT,
  waitingSince,
} from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { NotOwnerError } from './errors.js'
import { type Mutex, type MutexGuard, MutexOperation } from './mutex.js'

const MUTEX_OFFSET = (4 + QUEUE_BYTES) >> 2

/** Waits to be notified, then for the mutex. */
class CondvarOperation extends MutexOperation {
  /** Whether it was notified. */
  notified = false

  constructor(
    agent: Agent,
    private readonly held: MutexGuard,
    private readonly condvar: Condvar,
    mutex: Mutex,
  ) {
    super(agent, mutex, held)
  }

  override begin(): boolean {
    const { agent, condvar, record, held } = this
    const { words } = agent
    // Before this waits for anything: another wait may have given the guard away since it was checked.
    if (!held.held) throw new NotOwnerError('a Condvar waits with a guard that holds its mutex')
    store(words, record + W_LOCK, 0)
    lockQueue(agent, condvar.q)
    const bound = load(words, condvar.bound)
    if (bound !== this.lock && firstOf(words, condvar.q) !== 0) {
      unlockQueue(agent, condvar.q)
      throw new InvalidArgumentError('others wait on this Condvar with another mutex: all waiters of one time use one mutex')
    }
    if (bound !== this.lock) store(words, condvar.bound, this.lock)
    enqueue(words, condvar.q, record, takeTicket(words, condvar.q))
    unlockQueue(agent, condvar.q)
    held.release()
    return false
  }

  override resume(state: number): boolean {
    const { agent, condvar, record } = this
    const { words } = agent
    while (load(words, record + W_QUEUE) === condvar.q) {
      lockQueue(agent, condvar.q)
      const here = load(words, record + W_QUEUE) === condvar.q
      if (here) unlink(words, condvar.q, record)
      unlockQueue(agent, condvar.q)
      if (!here) break
      // Nobody notified it: somebody died (C4).
      this.notified = true
      const flags = this.attempt()
      if (flags >= 0) return this.acquired(flags)
      this.describe()
      return this.enter(false)
    }
    this.notified = true
    return super.resume(state)
  }

  override abandon(): void {
    const { agent, condvar, record } = this
    const { words } = agent
    while (load(words, record + W_QUEUE) === condvar.q) {
      lockQueue(agent, condvar.q)
      const here = load(words, record + W_QUEUE) === condvar.q
      if (here) unlink(words, condvar.q, record)
      unlockQueue(agent, condvar.q)
      if (here) return
    }
    this.notified = true
    super.abandon()
  }

  /** The caller aborts and has the mutex: another waiter gets the notify. */
  override undo(): boolean {
    this.condvar.notify(1)
    return true
  }

  override yieldClaim(): boolean {
    return load(this.agent.words, this.record + W_QUEUE) !== this.condvar.q && super.yieldClaim()
  }
}

/**
 * A condition that the holders of a mutex wait for.
 *
 * `wait` releases the mutex, sleeps until it is notified, and has the mutex again when it returns or throws: after `TimeoutError`, too, the
 * same guard holds it. Look at the condition again after every wait, or use `waitWhile`: others may have been faster, and after the
 * death of an agent everybody looks again. @example
 * import { AtomicBool } from '@heddle/atomics'
 * const mutex = new Mutex()
 * const ready = new AtomicBool()
 * const changed = new Condvar()
 * const waiting = mutex.lockAsync().then(async (guard) => {
 *   await changed.waitWhileAsync(guard, () => !ready.load())
 *   guard.release()
 * })
 * await mutex.withLockAsync(() => ready.store(true))
 * changed.notifyAll()
 * await waiting
 */
export class Condvar extends SharedObject {
  static readonly kind = 'Condvar'
  static readonly BYTES = 8 + QUEUE_BYTES
  static readonly ALIGN = 4
  /**
   * Word index of the queue.
   * @internal
   */
  readonly q: number
  /**
   * Word index of the word that names the mutex.
   * @internal
   */
  readonly bound: number

  /** Allocates a condvar. @throws RegionFullError */
  constructor(options: { region?: Region } | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), Condvar))
    this.q = (this.at >> 2) + 1
    this.bound = (this.at >> 2) + MUTEX_OFFSET
  }

  /** Makes a condvar in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): Condvar {
    return new Condvar(Place.format(region, at, Condvar))
  }

  /** Opens the condvar at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Condvar {
    return new Condvar(Place.open(region, at, Condvar))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Condvar {
    return new Condvar(Place.openHandle(handle, Condvar))
  }

  /**
   * Releases the guard's mutex, blocks the thread until it is notified, and takes the mutex again.
   *
   * The time limit and the token bound the wait for the notify; the mutex is waited for without limit, also before an error is thrown.
   * @throws TimeoutError, the token's reason: the guard holds the mutex again. PoisonedError when the mutex was poisoned meanwhile: the guard
   * holds it, too. NotOwnerError for a guard that was released, InvalidArgumentError when others wait with another mutex;
   * BlockingNotAllowedError, RegionFullError, DisposedError: the mutex was not released.
   */
  wait(guard: MutexGuard, options?: BlockingOptions): void {
    const operation = this.operation(guard)
    try {
      block(operation, options, 'waitAsync()')
    } catch (error) {
      if (guard.held || operation.agent.isDead) throw error
      block(relock(operation, guard), { blockFiber: true }, 'waitAsync()')
      if (!goesOn(operation, error)) throw error
    }
  }

  /** As `wait`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  async waitAsync(guard: MutexGuard, options?: AsyncOptions): Promise<void> {
    const operation = this.operation(guard)
    try {
      await promise(() => operation, options)
    } catch (error) {
      if (guard.held || operation.agent.isDead) throw error
      await promise(() => relock(operation, guard), options?.ref === false ? { ref: false } : undefined)
      if (!goesOn(operation, error)) throw error
    }
  }

  /** As `wait`, in a fiber: `yield* condvar.waitFiber(guard)`. A fiber that is cancelled has the mutex again before it ends. */
  waitFiber(guard: MutexGuard, options?: WaitOptions): FiberOperation<void> {
    return waitInFiber(this.operation(guard), guard, options)
  }

  /** Waits while `predicate()` is true. It is called with the mutex held. Throws as `wait`; the time limit is one for all waits. */
  waitWhile(guard: MutexGuard, predicate: () => boolean, options?: BlockingOptions): void {
    const remaining = limit(options)
    while (predicate()) this.wait(guard, remaining())
  }

  /** As `waitWhile`, as a promise. */
  async waitWhileAsync(guard: MutexGuard, predicate: () => boolean, options?: AsyncOptions): Promise<void> {
    const remaining = limit(options)
    while (predicate()) await this.waitAsync(guard, remaining())
  }

  /** As `waitWhile`, in a fiber. */
  *waitWhileFiber(guard: MutexGuard, predicate: () => boolean, options?: WaitOptions): Generator<unknown, void, unknown> {
    const remaining = limit(options)
    while (predicate()) yield* this.waitFiber(guard, remaining())
  }

  /** Notifies the first who waits. @returns how many were notified: 0 or 1 */
  notifyOne(): number {
    return this.notify(1)
  }

  /** Notifies everybody who waits: each goes on as it gets the mutex. @returns how many there were */
  notifyAll(): number {
    return this.notify(Infinity)
  }

  /**
   * Notifies the first `n` who wait; those that can run before those whose agent is blocked. Call it with the mutex held or after. Never
   * blocks, never allocates; two loads when nobody waits.
   * @returns how many were notified
   * @throws InvalidArgumentError for a negative `n` or what is no number
   */
  notify(n: number): number {
    this.assertLive()
    if (!(n >= 0)) throw new InvalidArgumentError(`notify takes a number of waiters, 0 or more, got ${String(n)}`)
    const { words } = this.region
    if (!mayHaveWaiters(words, this.q)) return 0
    const agent = Agent.of(this.region)
    for (;;) {
      const lock = load(words, this.bound)
      if (lock === 0) return 0
      const [first, second] = this.q < lock + 1 ? [this.q, lock + 1] : [lock + 1, this.q]
      lockQueue(agent, first)
      lockQueue(agent, second)
      const bound = load(words, this.bound) === lock
      let moved = 0
      let woken = 0
      if (bound) {
        moved = this.move(agent, lock, n, true)
        if (moved < n) moved += this.move(agent, lock, n - moved, false)
        const word = load(words, lock)
        if (moved > 0 && ((word & LOCKED_BIT) === 0 || isOwnerGone(words, word))) woken = claimOne(agent, lock + 1, 0)
      }
      unlockQueue(agent, second)
      unlockQueue(agent, first)
      if (woken !== 0) deliver(agent, woken)
      if (bound) return moved
    }
  }

  /** Refuses while somebody waits. */
  protected override onDispose(): void {
    refuseWhileWaited(this.region, this.q, 'somebody waits on this condvar: notify them before disposing of it')
  }

  /** Moves waiters to the mutex's queue: those that can run, or any. Under both queues' locks. */
  private move(agent: Agent, lock: number, n: number, runnable: boolean): number {
    const { words } = agent
    let moved = 0
    for (let r = firstOf(words, this.q), next = 0; r !== 0 && moved < n; r = next) {
      next = nextOf(words, r)
      if (!isClaimable(load(words, r + W_STATE)) || (runnable && !canRun(agent, r))) continue
      or(words, lock, PARKED_BIT)
      store(words, r + W_LOCK, lock)
      store(words, r + W_TRIES, 0)
      store(words, r + W_WANT, waitingSince())
      appendRequeued(words, this.q, lock + 1, r)
      moved++
    }
    return moved
  }

  private operation(guard: MutexGuard): CondvarOperation {
    this.assertLive()
    const { mutex } = guard
    if (mutex === undefined) throw new NotOwnerError('a Condvar waits with a guard that holds its mutex')
    if (mutex.region !== this.region) throw new InvalidArgumentError('a Condvar and its mutex live in one region')
    return new CondvarOperation(Agent.of(this.region), guard, this, mutex)
  }
}

/** Takes the mutex again for a guard. */
function relock({ agent, mutex }: CondvarOperation, guard: MutexGuard): MutexOperation {
  return new MutexOperation(agent, mutex, guard)
}

/** The mutex is held again after an error: whether the wait was notified all the same, and so succeeded. An abort passes the notify on. */
function goesOn(operation: CondvarOperation, error: unknown): boolean {
  if (!operation.notified) return false
  if (error instanceof TimeoutError) return true
  operation.undo()
  return false
}

function inFiber(operation: MutexOperation, options?: WaitOptions): FiberOperation<MutexGuard> {
  return new FiberWait(operation, options, 'waitFiber()')
}

function* waitInFiber(operation: CondvarOperation, guard: MutexGuard, options: WaitOptions | undefined): Generator<typeof BLOCKED, void, unknown> {
  let finished = false
  try {
    yield* inFiber(operation, options)
    finished = true
  } catch (error) {
    finished = true
    if (guard.held || operation.agent.isDead) throw error
    yield* inFiber(relock(operation, guard))
    if (!goesOn(operation, error)) throw error
  } finally {
    // The fiber's generator was ended from outside.
    if (!finished && !guard.held && !operation.agent.isDead) yield* inFiber(relock(operation, guard))
  }
}

/** The options with what is left of their time limit, each time it is asked. */
function limit<O extends WaitOptions>(options: O | undefined): () => O | undefined {
  const timeout = options?.timeout
  if (options === undefined || timeout === undefined || timeout === Infinity) return () => options
  const deadline = now() + timeout
  return () => ({ ...options, timeout: Math.max(0, Math.min(timeout, deadline - now())) })
}
