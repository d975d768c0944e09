/**
 * Mutual exclusion for threads, promises and fibers.
 *
 * Source     Drepper, "Futexes Are Tricky"; WTF::Lock and parking_lot's RawMutex for barging with eventual fairness.
 * Layout     +0 header · +4 state (park's lock-word.ts: LOCKED, PARKED, POISONED, owner and its generation) · +8 queue · +24 options: bit 0
 *            POISON · bits 4–31 byte offset of the block of metrics, in a region that keeps them
 * Invariants lock-operation.ts; acquired and released by one compare-exchange each while nobody waits.
 * Pairs      Release's compare-exchange of the state publishes the section to the next acquire.
 * Progress   A running thread may barge; a waiter that lost two retries or waited 1 ms is handed the lock. A dead owner leaves it
 *            poisoned, to whoever comes next.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place, regionOf } from '@heddle/atomics/internal'
import { type AgentLocal, agentLocal, and, compareExchange, get, load, peek, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, LOCKED_BIT, OBSERVED_BIT, ownerOf, POISONED_BIT, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { NotOwnerError, PoisonedError } from './errors.js'
import { type Guard, type Lockable } from './guard.js'
import { LockOperation, release, tryAcquire } from './lock-operation.js'
import { countReleased, countTaken, type LockMetrics, METRICS_BYTES, readMetrics, type Waited } from './metrics.js'

/** Settings of a new mutex. */
export interface MutexOptions {
  /** Default: `Region.default`. */
  region?: Region
  /** Whether a section that throws inside `withLock` poisons the mutex. An owner that dies always does. Default false. */
  poison?: boolean
}

const POISON_OPTION = 1
const METRICS_MASK = ~15
const OPTIONS_OFFSET = (8 + QUEUE_BYTES) >> 2

/** A mutex as one agent uses it: all that its fast paths read, one step away from the object. */
class MutexSide {
  // `declare`, here and below: a field that is first defined and then assigned is a slower field for ever in V8.
  declare readonly mutex: Mutex
  declare readonly agent: Agent
  declare readonly words: Int32Array
  /** Word index of the state. */
  declare readonly state: number
  /** Word index of the header, and what it is while the mutex lives. */
  declare readonly at: number
  declare readonly header: number
  declare readonly tag: number

  constructor(mutex: Mutex, agent: Agent, header: number) {
    this.mutex = mutex
    this.agent = agent
    this.words = agent.words
    this.state = mutex.state
    this.at = mutex.state - 1
    this.header = header
    this.tag = agent.tag
  }
}

/** One holding of a mutex. One field: every lock makes one of these, and what it costs is its memory. */
export class MutexGuard implements Guard {
  declare private side: MutexSide | undefined

  /** @internal */
  constructor(side: MutexSide) {
    this.side = side
  }

  /** Whether it still holds the mutex. */
  get held(): boolean {
    return this.side !== undefined
  }

  /** What it holds; undefined once it was released. */
  get mutex(): Mutex | undefined {
    return this.side?.mutex
  }

  /** Gives the mutex back; one compare-exchange while nobody waits. Never blocks. @throws NotOwnerError when it was given back already */
  release(): void {
    const { side } = this
    if (side === undefined) refuseRelease()
    // A constant, not another object: that would need a write barrier.
    this.side = undefined
    if (compareExchange(side.words, side.state, side.tag, 0) !== side.tag) side.mutex.releaseBy(side.agent)
  }

  [Symbol.dispose](): void {
    if (this.held) this.release()
  }

  /**
   * It holds the mutex again: a Condvar gave it up and took it back.
   * @internal
   */
  revive(side: MutexSide): void {
    this.side = side
  }
}

function refuseRelease(): never {
  throw new NotOwnerError("this guard was released already: the mutex may be somebody else's by now")
}

/** Waiting for a mutex; `guard` is one to be used again, by a Condvar. */
export class MutexOperation extends LockOperation<MutexGuard> {
  constructor(
    agent: Agent,
    readonly mutex: Mutex,
    private readonly guard?: MutexGuard,
  ) {
    super(agent, mutex.state)
  }

  protected acquired(flags: number): boolean {
    this.result = this.mutex.taken(this.agent, flags, this, this.guard)
    return true
  }

  override undo(): boolean {
    this.result.release()
    return true
  }
}

/**
 * A lock that threads, promises and fibers of any agent may take.
 *
 * Uncontended it costs one compare-exchange each way. Whoever waits is woken in order of arrival; a running thread may barge in front
 * of a woken waiter twice or for 1 ms, then ownership is handed over. @example
 * import { AtomicInt32 } from '@heddle/atomics'
 * const mutex = new Mutex()
 * const counter = new AtomicInt32()
 * const guard = await mutex.lockAsync()
 * try { counter.store(counter.load() + 1) } finally { guard.release() }
 */
export class Mutex extends SharedObject implements Lockable {
  static readonly kind = 'Mutex'
  static readonly BYTES = 12 + QUEUE_BYTES
  static readonly ALIGN = 4
  /**
   * Word index of the state; its queue follows.
   * @internal
   */
  declare readonly state: number
  declare private readonly side: AgentLocal<MutexSide>

  /** Allocates an unlocked mutex. @throws RegionFullError */
  constructor(options: MutexOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), Mutex))
    this.state = (this.at >> 2) + 1
    this.side = agentLocal(() => new MutexSide(this, Agent.of(this.region), this.header))
    if (!(options instanceof Place)) this.format(options)
  }

  /** Makes a mutex in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, options: Pick<MutexOptions, 'poison'> = {}): Mutex {
    const mutex = new Mutex(Place.format(region, at, Mutex))
    mutex.format(options)
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
   * @throws PoisonedError (which holds the mutex), DeadlockError when this agent holds it, or, in a region with `diagnostics`, when its owner
   * waits for this thread; BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError, DisposedError
   */
  lock(options?: BlockingOptions): MutexGuard {
    const side = this.side.get()
    if (!this.take(side)) this.lockSlow(options)
    return new MutexGuard(side)
  }

  /** As `lock`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  lockAsync(options?: AsyncOptions): Promise<MutexGuard> {
    // What throws here would throw inside the promise, too: nobody catches what is misuse.
    if (options?.signal === undefined && !this.isDisposed) {
      const side = this.side.get()
      if (this.take(side)) return Promise.resolve(new MutexGuard(side))
    }
    return promise(() => this.operation(), options)
  }

  /** As `lock`, in a fiber: `const guard = yield* mutex.lockFiber()`. */
  lockFiber(options?: WaitOptions): FiberOperation<MutexGuard> {
    const side = this.side.get()
    if (this.take(side)) return new DoneFiber(new MutexGuard(side))
    return new FiberWait(this.operation(), options, 'lockFiber()')
  }

  /** Takes the mutex if nobody holds it; never waits. @throws PoisonedError, DisposedError */
  tryLock(): MutexGuard | undefined {
    const side = this.side.get()
    if (this.take(side)) return new MutexGuard(side)
    this.assertLive()
    const agent = Agent.of(this.region)
    const flags = tryAcquire(agent, this.state)
    return flags < 0 ? undefined : this.taken(agent, flags)
  }

  /** Runs `section` with the mutex held, and releases it however the section ends. Blocks as `lock`. */
  withLock<T>(section: () => T, options?: BlockingOptions): T {
    const side = this.side.get()
    if (!this.take(side)) this.lockSlow(options)
    // No guard: nobody could see it.
    try {
      return section()
    } catch (error) {
      this.poisonIfWanted()
      throw error
    } finally {
      if (compareExchange(side.words, side.state, side.tag, 0) !== side.tag) this.releaseBy(side.agent)
    }
  }

  /** As `withLock`, for a section that may be asynchronous; the mutex is held until its promise settles. */
  async withLockAsync<T>(section: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    const guard = await this.lockAsync(options)
    try {
      return await section()
    } catch (error) {
      if (guard.held) this.poisonIfWanted()
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
      if (guard.held) this.poisonIfWanted()
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
    this.assertLive()
    if (ownerOf(load(this.region.words, this.state)) !== Agent.of(this.region).tag)
      throw new NotOwnerError('clear the poison while you hold the mutex: PoisonedError.guard does')
    and(this.region.words, this.state, ~POISONED_BIT)
  }

  /** What happened to it, in a region with metrics. @throws InvalidArgumentError in one without */
  metrics(): LockMetrics {
    this.assertLive()
    return readMetrics(this.region, this.options & METRICS_MASK)
  }

  /**
   * The agent has the word: counts, and makes or revives its guard.
   * @internal
   */
  taken(agent: Agent, flags: number, waited?: Waited, former?: MutexGuard): MutexGuard {
    const own = this.side.get()
    const side = own.agent === agent ? own : new MutexSide(this, agent, this.header)
    const guard = former ?? new MutexGuard(side)
    guard.revive(side)
    if ((flags & OBSERVED_BIT) !== 0) countTaken(this.region, this.options & METRICS_MASK, waited)
    if ((flags & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }

  /**
   * Takes it if that needs one compare-exchange: for whoever needs no guard.
   * @internal
   */
  takeFree(): boolean {
    return this.take(this.side.get())
  }

  /**
   * Gives it back where a guard's compare-exchange did not do; what a ReentrantMutex calls at its last release.
   * @internal
   */
  releaseBy(agent: Agent): void {
    if (agent.isDead || compareExchange(agent.words, this.state, agent.tag, 0) === agent.tag) return
    const word = load(agent.words, this.state)
    // Declared dead and taken over meanwhile: nothing to give back.
    if (ownerOf(word) !== agent.tag) return
    if ((word & OBSERVED_BIT) !== 0) countReleased(this.region, this.options & METRICS_MASK)
    if (word !== (agent.tag | OBSERVED_BIT) || compareExchange(agent.words, this.state, word, OBSERVED_BIT) !== word)
      release(agent, this.state, agent.tag)
  }

  /** Refuses while it is held or waited for. */
  protected override onDispose(): void {
    const word = load(this.region.words, this.state)
    const message = 'the mutex is held or waited for: release it before disposing of it'
    if ((word & ~(POISONED_BIT | OBSERVED_BIT)) !== 0 && !isOwnerGone(this.region.words, word)) throw new InvalidArgumentError(message)
    refuseWhileWaited(this.region, this.state + 1, message)
    const metrics = this.options & METRICS_MASK
    if (metrics !== 0) this.region.free(metrics)
  }

  /** Written before the mutex was published: a plain read. */
  private get options(): number {
    return get(this.region.words, (this.at >> 2) + OPTIONS_OFFSET)
  }

  /** The fast path: false also for a mutex that was disposed of, and in an agent that was declared dead. */
  private take(side: MutexSide): boolean {
    // Plain: a header changes once, when the mutex is disposed of, and whoever does that makes sure that nobody uses it.
    return peek(side.words, side.at) === side.header && !side.agent.isDead && compareExchange(side.words, side.state, 0, side.tag) === 0
  }

  private lockSlow(options: BlockingOptions | undefined): void {
    block(this.operation(), options, 'lockAsync()')
  }

  private operation(): MutexOperation {
    this.assertLive()
    return new MutexOperation(Agent.of(this.region), this)
  }

  private format({ poison }: Pick<MutexOptions, 'poison'>): void {
    const { region } = this
    const options = (poison === true ? POISON_OPTION : 0) | (region.metrics ? region.alloc(METRICS_BYTES, 16) : 0)
    if (options !== 0) store(region.words, (this.at >> 2) + OPTIONS_OFFSET, options)
    if (region.metrics) store(region.words, this.state, OBSERVED_BIT)
  }

  private poisonIfWanted(): void {
    if ((this.options & POISON_OPTION) === 0) return
    const { words } = this.region
    const { tag } = this.side.get()
    // An agent that was declared dead inside its section may own it no more: the one that took it over is not to find it poisoned by that.
    for (let word = load(words, this.state); ownerOf(word) === tag; word = load(words, this.state))
      if (compareExchange(words, this.state, word, word | POISONED_BIT) === word) return
  }
}
