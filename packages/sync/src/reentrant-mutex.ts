/**
 * A mutex that its owner may take again: the thread, or a fiber.
 *
 * Source     java.util.concurrent.locks.ReentrantLock; Python's threading.RLock.
 * Layout     +0 header · +4 mutex (mutex.ts, with a header of its own) · then depth · then the owner: 0 the thread itself, or a number that
 *            the agent gave to its fiber · then the agent that these two are of: its tag, 0 for none
 * Invariants M1 Depth, owner and agent are written by the agent that holds the mutex: plain words. What a dead one left there names it, and
 *               nobody else; whoever takes the mutex over writes them anew.
 *            M2 The agent's tag is there from the moment that one of its owners has the mutex, and gone before the mutex is free. While the
 *               mutex is one of its fibers' that was not run yet, nobody owns it.
 */
import { type Handle, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { agentLocal, get, load, peek, set } from '@heddle/atomics/ops'
import type { BlockingOptions, FiberOperation, WaitOptions, Waker } from '@heddle/park'
import { Agent, DoneFiber, ownerOf, runningFiber } from '@heddle/park/internal'
import { NotOwnerError, PoisonedError } from './errors.js'
import type { Guard, Lockable } from './guard.js'
import type { LockMetrics } from './metrics.js'
import { Mutex, MutexGuard, type MutexOptions } from './mutex.js'

const MUTEX_AT = 4
/** Behind the mutex: (MUTEX_AT + Mutex.BYTES) / 4; a plain number, so that bundlers can drop what is not used. */
export const DEPTH = 8
const OWNER = DEPTH + 1
const AGENT = OWNER + 1

/** Numbers of this agent's fibers, given when they first ask. */
const fibers = /* @__PURE__ */ agentLocal(() => ({ numbers: new WeakMap<Waker, number>(), last: 0 }))

/** Who asks: 0 for the thread outside fibers. */
function currentOwner(): number {
  const fiber = runningFiber.get()
  if (fiber === undefined) return 0
  const own = fibers.get()
  let number = own.numbers.get(fiber)
  if (number === undefined) own.numbers.set(fiber, (number = ++own.last))
  return number
}

/** One of the owner's holdings. */
export class ReentrantGuard implements Guard {
  /** Whether it still holds. */
  held = true
  constructor(
    private readonly mutex: ReentrantMutex,
    private readonly agent: Agent,
  ) {}

  /** Ends this holding; the last one gives the mutex back. @throws NotOwnerError when it was ended already */
  release(): void {
    if (!this.held) throw new NotOwnerError("this guard was released already: the mutex may be somebody else's by now")
    this.held = false
    this.mutex.releaseBy(this.agent)
  }

  [Symbol.dispose](): void {
    if (this.held) this.release()
  }
}

/**
 * A mutex that counts how deep its owner is in. The owner is a thread or a fiber, so there is no promise verb: which of an agent's promise
 * chains asks can't be told. @example
 * const mutex = new ReentrantMutex()
 * mutex.withLock(() => mutex.withLock(() => mutex.depth)) // 2
 */
export class ReentrantMutex extends SharedObject implements Lockable {
  static readonly kind = 'ReentrantMutex'
  static readonly BYTES = (AGENT + 1) * 4
  static readonly ALIGN = 4
  private readonly mutex: Mutex

  /** Allocates an unlocked mutex. @throws RegionFullError */
  constructor(options: MutexOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), ReentrantMutex))
    const isNew = !(options instanceof Place) || options.isNew
    const inner = this.at + MUTEX_AT
    this.mutex = isNew ? Mutex.init(this.region, inner, options instanceof Place ? {} : options) : Mutex.at(this.region, inner)
  }

  /** Makes a mutex in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): ReentrantMutex {
    return new ReentrantMutex(Place.format(region, at, ReentrantMutex))
  }

  /** Opens the mutex at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): ReentrantMutex {
    return new ReentrantMutex(Place.open(region, at, ReentrantMutex))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): ReentrantMutex {
    return new ReentrantMutex(Place.openHandle(handle, ReentrantMutex))
  }

  /** Takes the mutex, once more if the caller has it; blocks the thread until it can. Throws as `Mutex.lock`. */
  lock(options?: BlockingOptions): ReentrantGuard {
    const agent = this.agent()
    const owner = currentOwner()
    if (this.isOwner(agent, owner)) return this.deeper(agent)
    if (!this.mutex.takeFree()) this.poisonable(agent, owner, () => this.mutex.lock(options))
    return this.begin(agent, owner)
  }

  /** As `lock`, in a fiber: `const guard = yield* mutex.lockFiber()`. */
  lockFiber(options?: WaitOptions): FiberOperation<ReentrantGuard> {
    const agent = this.agent()
    if (this.isOwner(agent, currentOwner())) return new DoneFiber(this.deeper(agent))
    return this.lockIn(agent, options) as FiberOperation<ReentrantGuard>
  }

  /** Takes the mutex if the caller has it or nobody does; never waits. @throws PoisonedError, DisposedError */
  tryLock(): ReentrantGuard | undefined {
    const agent = this.agent()
    const owner = currentOwner()
    if (this.isOwner(agent, owner)) return this.deeper(agent)
    const taken = this.mutex.takeFree() || this.poisonable(agent, owner, () => this.mutex.tryLock()) !== undefined
    return taken ? this.begin(agent, owner) : undefined
  }

  /** Runs `section` with the mutex held, and ends this holding however the section ends. Blocks as `lock`. */
  withLock<T>(section: () => T, options?: BlockingOptions): T {
    const guard = this.lock(options)
    try {
      return section()
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withLock`, in a fiber; the section is a generator. */
  *withLockFiber<T>(section: () => Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    const guard = yield* this.lockFiber(options)
    try {
      return yield* section()
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** How often the caller holds it; 0 when it does not. */
  get depth(): number {
    const agent = this.agent()
    return this.isOwner(agent, currentOwner()) ? get(agent.words, this.word(DEPTH)) : 0
  }

  /** Whether somebody alive holds it now: a hint, unless it is the caller. */
  get isLocked(): boolean {
    return this.mutex.isLocked
  }

  /** Whether the next first lock will throw `PoisonedError`. */
  get isPoisoned(): boolean {
    return this.mutex.isPoisoned
  }

  /** Ends the poisoning, once the data are mended. @throws NotOwnerError unless this agent holds the mutex */
  clearPoison(): void {
    this.mutex.clearPoison()
  }

  /** What happened to it, in a region with metrics; a lock by its owner does not count. @throws InvalidArgumentError in one without */
  metrics(): LockMetrics {
    return this.mutex.metrics()
  }

  /**
   * What a guard calls.
   * @internal
   */
  releaseBy(agent: Agent): void {
    const { words } = agent
    if (!this.isHeldBy(agent)) return
    const depth = get(words, this.word(DEPTH)) - 1
    set(words, this.word(DEPTH), depth)
    if (depth > 0) return
    set(words, this.word(AGENT), 0)
    this.mutex.releaseBy(agent)
  }

  /** Refuses while it is held or waited for. */
  protected override onDispose(): void {
    this.mutex.dispose()
  }

  private agent(): Agent {
    this.assertLive()
    return Agent.of(this.region)
  }

  private word(offset: number): number {
    return (this.at >> 2) + offset
  }

  private isHeldBy(agent: Agent): boolean {
    return ownerOf(load(agent.words, this.mutex.state)) === agent.tag
  }

  /** Who reads these words while its agent has the mutex is that agent (M1); only the agent itself writes its own tag: a plain look first. */
  private isOwner(agent: Agent, owner: number): boolean {
    const { words } = agent
    return peek(words, this.word(AGENT)) === agent.tag && this.isHeldBy(agent) && get(words, this.word(OWNER)) === owner
  }

  private deeper(agent: Agent): ReentrantGuard {
    set(agent.words, this.word(DEPTH), get(agent.words, this.word(DEPTH)) + 1)
    return new ReentrantGuard(this, agent)
  }

  private begin(agent: Agent, owner: number): ReentrantGuard {
    set(agent.words, this.word(OWNER), owner)
    set(agent.words, this.word(DEPTH), 1)
    set(agent.words, this.word(AGENT), agent.tag)
    return new ReentrantGuard(this, agent)
  }

  /** A poisoned mutex is held by the error's guard: it becomes a guard of this. */
  private poisonable<T>(agent: Agent, owner: number, lock: () => T): T {
    try {
      return lock()
    } catch (error) {
      throw error instanceof PoisonedError && error.guard instanceof MutexGuard ? new PoisonedError(this.begin(agent, owner)) : error
    }
  }

  private *lockIn(agent: Agent, options: WaitOptions | undefined): Generator<unknown, ReentrantGuard, unknown> {
    const owner = currentOwner()
    try {
      yield* this.mutex.lockFiber(options)
    } catch (error) {
      throw error instanceof PoisonedError && error.guard instanceof MutexGuard ? new PoisonedError(this.begin(agent, owner)) : error
    }
    return this.begin(agent, owner)
  }
}
