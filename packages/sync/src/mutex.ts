/**
 * Mutual exclusion for threads, promises and fibers.
 *
 * Source     Drepper, "Futexes Are Tricky"; WTF::Lock and parking_lot's RawMutex for barging with eventual fairness.
 * Layout     +0 header · +4 state (park's lock-word.ts: LOCKED, PARKED, POISONED, owner and its generation) · +8 queue · +24 options
 * Invariants lock-operation.ts; acquired and released by one compare-exchange each while nobody waits.
 * Pairs      Release's compare-exchange of the state publishes the section to the next acquire.
 * Progress   A running thread may barge; a waiter that lost two retries or waited 1 ms is handed the lock. A dead owner leaves it
 *            poisoned, to whoever comes next.
 */
import { type Handle, InvalidArgumentError, Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place } from '@heddle/atomics/internal'
import { and, compareExchange, get, load, or, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, LOCKED_BIT, ownerOf, POISONED_BIT, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { NotOwnerError, PoisonedError } from './errors.js'
import { LockOperation, release, tryAcquire } from './lock-operation.js'

/** What holds a lock until it is released. */
export interface Guard {
  /** Whether it still holds. */
  readonly held: boolean
  /** Gives the lock back. @throws NotOwnerError when it was given back already */
  release(): void
  [Symbol.dispose](): void
}

/** Settings of a new mutex. */
export interface MutexOptions {
  /** Default: `Region.default`. */
  region?: Region
  /** Whether a section that throws inside `withLock` poisons the mutex. An owner that dies always does. Default false. */
  poison?: boolean
}

const POISON_OPTION = 1
const OPTIONS_OFFSET = (8 + QUEUE_BYTES) >> 2

/** One holding of a mutex. */
export class MutexGuard implements Guard {
  /** Whether it still holds the mutex. */
  held = true
  constructor(
    private readonly mutex: Mutex,
    private readonly agent: Agent,
  ) {}

  /** Gives the mutex back; one compare-exchange while nobody waits. Never blocks. @throws NotOwnerError when it was given back already */
  release(): void {
    if (!this.held) throw new NotOwnerError('this guard was released already: the mutex may be somebody else\'s by now')
    this.held = false
    this.mutex.releaseBy(this.agent)
  }

  [Symbol.dispose](): void {
    if (this.held) this.release()
  }
}

/**
 * A lock that threads, promises and fibers of any agent may take.
 *
 * Uncontended it costs one compare-exchange each way. Whoever waits is woken in order of arrival; a running thread may barge in front
 * of a woken waiter twice or for 1 ms, then ownership is handed over. @example
 * const mutex = new Mutex()
 * const guard = await mutex.lockAsync()
 * try { counter.store(counter.load() + 1) } finally { guard.release() }
 */
export class Mutex extends SharedObject {
  static readonly kind = 'Mutex'
  static readonly BYTES = 12 + QUEUE_BYTES
  static readonly ALIGN = 4
  /** Word index of the state. */
  private readonly state: number

  /** Allocates an unlocked mutex. @throws RegionFullError */
  constructor(options: MutexOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(options.region ?? Region.default, Mutex))
    this.state = (this.at >> 2) + 1
    if (!(options instanceof Place) && options.poison === true) this.setOption()
  }

  /** Makes a mutex in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, options: Pick<MutexOptions, 'poison'> = {}): Mutex {
    const mutex = new Mutex(Place.format(region, at, Mutex))
    if (options.poison === true) mutex.setOption()
    return mutex
  }

  /** Opens the mutex at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Mutex {
    return new Mutex(Place.open(region, at, Mutex))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Mutex {
    return new Mutex(Place.openHandle(handle, Mutex))
  }

  /**
   * Takes the mutex; blocks the thread until it can. Spins briefly first while another core can make progress.
   * @throws PoisonedError (which holds the mutex), DeadlockError when this agent holds it, BlockingNotAllowedError, TimeoutError,
   * the token's reason, RegionFullError, DisposedError
   */
  lock(options?: BlockingOptions): MutexGuard {
    this.assertLive()
    const agent = Agent.of(this.region)
    if (compareExchange(agent.words, this.state, 0, agent.tag) === 0) return new MutexGuard(this, agent)
    return block(this.operation(agent), options, 'lockAsync()')
  }

  /** As `lock`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  lockAsync(options?: AsyncOptions): Promise<MutexGuard> {
    return promise(() => this.operation(Agent.of(this.region)), options)
  }

  /** As `lock`, in a fiber: `const guard = yield* mutex.lockFiber()`. */
  lockFiber(options?: WaitOptions): FiberOperation<MutexGuard> {
    this.assertLive()
    const agent = Agent.of(this.region)
    if (compareExchange(agent.words, this.state, 0, agent.tag) === 0) return new DoneFiber(new MutexGuard(this, agent))
    return new FiberWait(this.operation(agent), options, 'lockFiber()')
  }

  /** Takes the mutex if nobody holds it; never waits. @throws PoisonedError, DisposedError */
  tryLock(): MutexGuard | undefined {
    this.assertLive()
    const agent = Agent.of(this.region)
    const flags = tryAcquire(agent, this.state)
    return flags < 0 ? undefined : this.guard(agent, flags)
  }

  /** Runs `section` with the mutex held, and releases it however the section ends. Blocks as `lock`. */
  withLock<T>(section: () => T, options?: BlockingOptions): T {
    const guard = this.lock(options)
    try {
      return section()
    } catch (error) {
      this.poisonIfWanted()
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withLock`, for a section that may be asynchronous; the mutex is held until its promise settles. */
  async withLockAsync<T>(section: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    const guard = await this.lockAsync(options)
    try {
      return await section()
    } catch (error) {
      this.poisonIfWanted()
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withLock`, in a fiber; the section is a generator: `yield* mutex.withLockFiber(function* () { … })`. */
  *withLockFiber<T>(section: () => Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    const guard = yield* this.lockFiber(options)
    try {
      return yield* section()
    } catch (error) {
      this.poisonIfWanted()
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** Whether somebody alive holds it now: a hint, unless it is this agent. */
  get isLocked(): boolean {
    const word = load(this.region.words, this.state)
    return (word & LOCKED_BIT) !== 0 && !isOwnerGone(this.region.words, word)
  }

  /** Whether the next lock will throw `PoisonedError`. */
  get isPoisoned(): boolean {
    const word = load(this.region.words, this.state)
    return (word & POISONED_BIT) !== 0 || isOwnerGone(this.region.words, word)
  }

  /** Ends the poisoning, once the data are mended. @throws NotOwnerError unless this agent holds the mutex */
  clearPoison(): void {
    if (ownerOf(load(this.region.words, this.state)) !== Agent.of(this.region).tag) throw new NotOwnerError('clear the poison while you hold the mutex: PoisonedError.guard does')
    and(this.region.words, this.state, ~POISONED_BIT)
  }

  /** What a guard calls; not for others. */
  releaseBy(agent: Agent): void {
    if (agent.isDead) return
    release(agent, this.state, this.state + 1, agent.tag)
  }

  /** Refuses while it is held or waited for. */
  protected override onDispose(): void {
    const word = load(this.region.words, this.state)
    if ((word & ~POISONED_BIT) !== 0 && !isOwnerGone(this.region.words, word)) throw new InvalidArgumentError('the mutex is held or waited for: release it before disposing of it')
  }

  private operation(agent: Agent): LockOperation<MutexGuard> {
    this.assertLive()
    return new LockOperation(agent, this.state, this.state + 1, (owner, flags) => this.guard(owner, flags))
  }

  private guard(agent: Agent, flags: number): MutexGuard {
    const guard = new MutexGuard(this, agent)
    if ((flags & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }

  private setOption(): void {
    store(this.region.words, (this.at >> 2) + OPTIONS_OFFSET, POISON_OPTION)
  }

  private poisonIfWanted(): void {
    // Written before the mutex was published.
    if (get(this.region.words, (this.at >> 2) + OPTIONS_OFFSET) === POISON_OPTION) or(this.region.words, this.state, POISONED_BIT)
  }
}
