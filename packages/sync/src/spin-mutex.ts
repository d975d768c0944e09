/**
 * Mutual exclusion for very short sections: it spins and never sleeps.
 *
 * Source     Test and test-and-set (Rudolph and Segall, 1984), with the engine's pause.
 * Layout     +0 header · +4 state (park's lock-word.ts; PARKED is never set)
 * Invariants Acquired and released by one compare-exchange. The owner is in the word: a dead one is found by whoever spins.
 * Progress   None is promised to one thread. While the owner is not running (preempted, or in a long section) the others burn their cores.
 * Rejected   A wait after a while: that is a Mutex.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place, regionOf } from '@heddle/atomics/internal'
import { and, compareExchange, load, pause } from '@heddle/atomics/ops'
import { Agent, LOCKED_BIT, ownerOf, POISONED_BIT } from '@heddle/park/internal'
import { DeadlockError, NotOwnerError, PoisonedError } from './errors.js'
import type { Guard, Lockable } from './guard.js'
import { tryAcquire } from './lock-operation.js'

/** One holding of a spin mutex. */
export class SpinMutexGuard implements Guard {
  /** Whether it still holds the mutex. */
  held = true
  constructor(
    private readonly mutex: SpinMutex,
    private readonly agent: Agent,
  ) {}

  /** Gives the mutex back: one compare-exchange. @throws NotOwnerError when it was given back already */
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
 * A lock for sections of a few dozen instructions, among agents that run. `lock` spins: it may be used where an agent may not block, such as a
 * browser's window, if every holder's section is that short. It takes no record and has no queue, no time limit and no order. @example
 * const mutex = new SpinMutex()
 * mutex.withLock(() => 'short')
 */
export class SpinMutex extends SharedObject implements Lockable {
  static readonly kind = 'SpinMutex'
  static readonly BYTES = 8
  static readonly ALIGN = 4
  private readonly state: number

  /** Allocates an unlocked mutex. @throws RegionFullError */
  constructor(options: { region?: Region } | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), SpinMutex))
    this.state = (this.at >> 2) + 1
  }

  /** Makes a mutex in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): SpinMutex {
    return new SpinMutex(Place.format(region, at, SpinMutex))
  }

  /** Opens the mutex at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): SpinMutex {
    return new SpinMutex(Place.open(region, at, SpinMutex))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): SpinMutex {
    return new SpinMutex(Place.openHandle(handle, SpinMutex))
  }

  /**
   * Takes the mutex, spinning until it can.
   * @throws PoisonedError (which holds the mutex) when its owner died, DeadlockError when this agent holds it, DisposedError
   */
  lock(): SpinMutexGuard {
    this.assertLive()
    const agent = Agent.of(this.region)
    if (compareExchange(agent.words, this.state, 0, agent.tag) === 0) return new SpinMutexGuard(this, agent)
    for (;;) {
      const guard = this.attempt(agent)
      if (guard !== undefined) return guard
      if (ownerOf(load(agent.words, this.state)) === agent.tag)
        throw new DeadlockError('this agent holds the spin mutex already, and would spin for ever')
      pause()
    }
  }

  /** Takes the mutex if nobody holds it. @throws PoisonedError, DisposedError */
  tryLock(): SpinMutexGuard | undefined {
    this.assertLive()
    return this.attempt(Agent.of(this.region))
  }

  /** Runs `section` with the mutex held, and releases it however the section ends. */
  withLock<T>(section: () => T): T {
    const guard = this.lock()
    try {
      return section()
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
    if (ownerOf(load(this.region.words, this.state)) !== Agent.of(this.region).tag)
      throw new NotOwnerError('clear the poison while you hold the mutex: PoisonedError.guard does')
    and(this.region.words, this.state, ~POISONED_BIT)
  }

  /**
   * What a guard calls.
   * @internal
   */
  releaseBy(agent: Agent): void {
    for (let word = load(agent.words, this.state); ownerOf(word) === agent.tag; word = load(agent.words, this.state)) {
      if (compareExchange(agent.words, this.state, word, word & POISONED_BIT) === word) return
    }
  }

  /** Refuses while it is held. */
  protected override onDispose(): void {
    if (this.isLocked) throw new InvalidArgumentError('the mutex is held: release it before disposing of it')
  }

  private attempt(agent: Agent): SpinMutexGuard | undefined {
    const flags = tryAcquire(agent, this.state)
    if (flags < 0) return undefined
    const guard = new SpinMutexGuard(this, agent)
    if ((flags & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }
}
