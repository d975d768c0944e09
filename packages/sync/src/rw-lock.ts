/**
 * Many readers or one writer.
 *
 * Source     Brandenburg and Anderson's phase-fair locks for the bound; the distributed "big reader" lock for the readers' side (one bit
 *            an agent); Rust's and parking_lot's upgradable reads. That a waiting reader passes through the exclusive word: our own.
 * Layout     +0 header · +4 state, +8 its queue (lock-operation.ts) · +24 queue of the owner that waits for readers to leave · +40 options
 *            (mutex.ts) · +44 readers: 8 words, the bit of an agent is set while it reads
 *   state                  meaning
 *   not LOCKED             readers come and go
 *   LOCKED UPGRADABLE      its owner reads and may become the writer; readers come and go
 *   LOCKED                 its owner waits for the readers to leave (or is a reader on its way through): nobody else may come in
 *   LOCKED WRITING         its owner writes; if it dies now the lock is poisoned
 * Invariants W1 A reader sets its bit, then looks at the state; a writer becomes LOCKED, then looks at the bits (Dekker): one sees the
 *               other. A reader that finds the state closed takes its bit back.
 *            W2 WRITING is set while no agent's bit is, and no bit stays set while it is, but those that W1 takes back.
 *            W3 The bit of an agent is its own; how many holds it stands for is the agent's own knowledge (park's holds.ts: its log gives
 *               the bit back when it dies).
 *            W4 Who clears its bit while the state is closed looks whether the owner waits for that.
 * Pairs      A reader's clearing of its bit is seen by the writer's look at the bits; the writer's release by the reader's look at the state.
 * Progress   A writer waits for those that read when it becomes LOCKED, and for nobody that comes later. A reader that was kept out waits
 *            in one queue with the writers, and passes through the exclusive word in its turn, taking the readers right behind it along: so
 *            it waits for at most the writers in front of it and two that barge, or 1 ms (park's handover.ts).
 *            An agent that reads already and blocks for one more read gets it at once: the writer waits for it anyway.
 * Rejected   A count of readers in the state: a reader's death between the count and its log can't be told from one before (holds.ts).
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place, regionOf } from '@heddle/atomics/internal'
import { and, compareExchange, get, load, now, or, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import {
  Agent,
  block,
  DoneFiber,
  FiberWait,
  type Hold,
  LOCKED_BIT,
  OBSERVED_BIT,
  ownerOf,
  PARKED_BIT,
  POISONED_BIT,
  promise,
} from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { NotOwnerError, PoisonedError } from './errors.js'
import type { Guard } from './guard.js'
import { release, tryAcquire } from './lock-operation.js'
import { countReleased, countSharedHold, countTaken, type LockMetrics, METRICS_BYTES, readMetrics, type Waited } from './metrics.js'
import { ReadGuard, UpgradableGuard, WriteGuard } from './rw-guard.js'
import { ReadOperation, UpgradableOperation, WriteOperation } from './rw-operation.js'
import {
  DRAIN_OFFSET,
  holdOf,
  isClear,
  leave,
  OPTIONS_OFFSET,
  passOn,
  READER_WORDS,
  READERS_OFFSET,
  type RwWords,
  tryEnter,
  UPGRADABLE_BIT,
  WRITING_BIT,
} from './rw-state.js'

/** Settings of a new reader-writer lock. */
export interface RwLockOptions {
  /** Default: `Region.default`. */
  region?: Region
  /** Whether a section that throws inside `withWrite` poisons the lock. A writer that dies always does. Default false. */
  poison?: boolean
}

const POISON_OPTION = 1
const METRICS_MASK = ~15

/**
 * A lock that many may read under at one time, or one may write under.
 *
 * A waiting writer stops new readers, and a waiting reader has its turn between writers. A reader that dies gives its hold back; a writer
 * that dies poisons. Reading costs an atomic operation and a load each way, about twice a Mutex: it pays where sections are long enough that
 * readers would wait for one another. @example
 * const lock = new RwLock()
 * const reading = lock.tryRead()
 * lock.tryWrite() // undefined
 * reading?.release()
 * await lock.withWriteAsync(() => 'alone')
 */
export class RwLock extends SharedObject implements RwWords {
  static readonly kind = 'RwLock'
  static readonly BYTES = (READERS_OFFSET + READER_WORDS) * 4
  static readonly ALIGN = 4
  /** @internal */
  readonly object: number
  /** @internal */
  readonly state: number
  /** @internal */
  readonly drain: number
  /** @internal */
  readonly readers: number

  /** Allocates an unlocked lock. @throws RegionFullError */
  constructor(options: RwLockOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), RwLock))
    this.object = this.at >> 2
    this.state = this.object + 1
    this.drain = this.object + DRAIN_OFFSET
    this.readers = this.object + READERS_OFFSET
    if (!(options instanceof Place)) this.format(options)
  }

  /** Makes a lock in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, options: Pick<RwLockOptions, 'poison'> = {}): RwLock {
    const lock = new RwLock(Place.format(region, at, RwLock))
    lock.format(options)
    return lock
  }

  /** Opens the lock at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): RwLock {
    return new RwLock(Place.open(region, at, RwLock))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): RwLock {
    return new RwLock(Place.openHandle(handle, RwLock))
  }

  /**
   * Takes a right to read; blocks the thread until it can.
   * @throws PoisonedError (which holds the right), DeadlockError when this agent writes, BlockingNotAllowedError, TimeoutError, the token's
   * reason, RegionFullError, DisposedError
   */
  read(options?: BlockingOptions): ReadGuard {
    return this.enter(true) ?? block(new ReadOperation(Agent.of(this.region), this), options, 'readAsync()')
  }

  /** As `read`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  readAsync(options?: AsyncOptions): Promise<ReadGuard> {
    return promise(() => new ReadOperation(this.agent(), this), options)
  }

  /** As `read`, in a fiber. */
  readFiber(options?: WaitOptions): FiberOperation<ReadGuard> {
    const guard = this.enter(false)
    return guard === undefined ? new FiberWait(new ReadOperation(Agent.of(this.region), this), options, 'readFiber()') : new DoneFiber(guard)
  }

  /** Takes a right to read if nobody writes or is about to; never waits. @throws PoisonedError, RegionFullError, DisposedError */
  tryRead(): ReadGuard | undefined {
    const entered = this.enter(false)
    if (entered !== undefined) return entered
    const agent = Agent.of(this.region)
    // A dead owner's word is taken over, as by a reader on its way through.
    const flags = tryAcquire(agent, this.state, 0, WRITING_BIT)
    if (flags < 0) return undefined
    const hold = holdOf(agent, this)
    if (hold.count++ === 0) or(agent.words, hold.word, hold.mask)
    passOn(agent, this, true, 0)
    return this.entered(agent, hold, flags)
  }

  /**
   * Takes the right to write; blocks the thread until nobody reads or writes.
   * @throws PoisonedError (which holds the right), DeadlockError when this agent reads or writes, BlockingNotAllowedError, TimeoutError,
   * the token's reason, RegionFullError, DisposedError
   */
  write(options?: BlockingOptions): WriteGuard {
    return this.own() ?? block(new WriteOperation(Agent.of(this.region), this), options, 'writeAsync()')
  }

  /** As `write`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  writeAsync(options?: AsyncOptions): Promise<WriteGuard> {
    return promise(() => new WriteOperation(this.agent(), this), options)
  }

  /** As `write`, in a fiber. */
  writeFiber(options?: WaitOptions): FiberOperation<WriteGuard> {
    const guard = this.own()
    return guard === undefined ? new FiberWait(new WriteOperation(Agent.of(this.region), this), options, 'writeFiber()') : new DoneFiber(guard)
  }

  /** Takes the right to write if nobody reads or writes; never waits. @throws PoisonedError, DisposedError */
  tryWrite(): WriteGuard | undefined {
    const agent = this.agent()
    const flags = tryAcquire(agent, this.state, 0, WRITING_BIT)
    if (flags < 0) return undefined
    if (!isClear(this)) {
      passOn(agent, this, true, 0)
      return undefined
    }
    or(agent.words, this.state, WRITING_BIT)
    return this.writing(agent, flags)
  }

  /** Takes the right to read that may become the right to write: one at a time, beside plain readers. Blocks and throws as `read`. */
  upgradableRead(options?: BlockingOptions): UpgradableGuard {
    return block(new UpgradableOperation(this.agent(), this), options, 'upgradableReadAsync()')
  }

  /** As `upgradableRead`, as a promise. */
  upgradableReadAsync(options?: AsyncOptions): Promise<UpgradableGuard> {
    return promise(() => new UpgradableOperation(this.agent(), this), options)
  }

  /** As `upgradableRead`, in a fiber. */
  upgradableReadFiber(options?: WaitOptions): FiberOperation<UpgradableGuard> {
    return new FiberWait(new UpgradableOperation(this.agent(), this), options, 'upgradableReadFiber()')
  }

  /** As `upgradableRead` if that needs no wait. @throws PoisonedError, DisposedError */
  tryUpgradableRead(): UpgradableGuard | undefined {
    const agent = this.agent()
    const flags = tryAcquire(agent, this.state, UPGRADABLE_BIT, WRITING_BIT)
    if (flags < 0) return undefined
    passOn(agent, this, false, 0)
    return this.upgradable(agent, flags)
  }

  /** Runs `section` with a right to read, and releases it however the section ends. Blocks as `read`. */
  withRead<T>(section: () => T, options?: BlockingOptions): T {
    const guard = this.read(options)
    try {
      return section()
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withRead`, for a section that may be asynchronous. */
  async withReadAsync<T>(section: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    const guard = await this.readAsync(options)
    try {
      return await section()
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withRead`, in a fiber; the section is a generator. */
  *withReadFiber<T>(section: () => Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    const guard = yield* this.readFiber(options)
    try {
      return yield* section()
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** Runs `section` with the right to write, and releases it however the section ends. Blocks as `write`. */
  withWrite<T>(section: () => T, options?: BlockingOptions): T {
    const guard = this.write(options)
    try {
      return section()
    } catch (error) {
      this.poisonIfWanted(guard)
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withWrite`, for a section that may be asynchronous. */
  async withWriteAsync<T>(section: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    const guard = await this.writeAsync(options)
    try {
      return await section()
    } catch (error) {
      this.poisonIfWanted(guard)
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** As `withWrite`, in a fiber; the section is a generator. */
  *withWriteFiber<T>(section: () => Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    const guard = yield* this.writeFiber(options)
    try {
      return yield* section()
    } catch (error) {
      this.poisonIfWanted(guard)
      throw error
    } finally {
      if (guard.held) guard.release()
    }
  }

  /** Whether somebody alive writes now: a hint, unless it is this agent. */
  get isWriteLocked(): boolean {
    const word = load(this.region.words, this.state)
    return (word & WRITING_BIT) !== 0 && !isOwnerGone(this.region.words, word)
  }

  /** Whether somebody reads now, upgradable readers included: a hint. */
  get isReadLocked(): boolean {
    const word = load(this.region.words, this.state)
    return !isClear(this) || ((word & UPGRADABLE_BIT) !== 0 && !isOwnerGone(this.region.words, word))
  }

  /** Whether the next lock will throw `PoisonedError`. */
  get isPoisoned(): boolean {
    const word = load(this.region.words, this.state)
    return (word & POISONED_BIT) !== 0 || ((word & WRITING_BIT) !== 0 && isOwnerGone(this.region.words, word))
  }

  /** Ends the poisoning, once the data are mended. @throws NotOwnerError unless this agent has the right to write */
  clearPoison(): void {
    const agent = this.agent()
    const word = load(agent.words, this.state)
    if (ownerOf(word) !== agent.tag || (word & WRITING_BIT) === 0)
      throw new NotOwnerError('clear the poison while you have the right to write: the guard of the PoisonedError that write() threw does')
    and(agent.words, this.state, ~POISONED_BIT)
  }

  /** What happened to it, in a region with metrics. @throws InvalidArgumentError in one without */
  metrics(): LockMetrics {
    this.assertLive()
    return readMetrics(this.region, this.options & METRICS_MASK)
  }

  // What operations and guards call.

  /** @internal */
  entered(agent: Agent, hold: Hold, word: number, waited?: Waited): ReadGuard {
    const observed = (word & OBSERVED_BIT) !== 0
    if (observed) countTaken(this.region, this.options & METRICS_MASK, waited, false)
    const guard = new ReadGuard(this, agent, hold, observed ? now() : 0)
    if ((word & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }

  /** @internal */
  endRead(agent: Agent, hold: Hold, since: number): void {
    if (since !== 0) countSharedHold(this.region, this.options & METRICS_MASK, since)
    if (!agent.isDead) leave(agent, this, hold)
  }

  /** @internal */
  writing(agent: Agent, flags: number, waited?: Waited): WriteGuard {
    const guard = new WriteGuard(this, agent)
    if ((flags & OBSERVED_BIT) !== 0) countTaken(this.region, this.options & METRICS_MASK, waited)
    if ((flags & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }

  /** @internal */
  endWrite(agent: Agent): void {
    this.free(agent, agent.tag | WRITING_BIT)
  }

  /** @internal */
  upgradable(agent: Agent, flags: number, waited?: Waited): UpgradableGuard {
    const guard = new UpgradableGuard(this, agent)
    if ((flags & OBSERVED_BIT) !== 0) countTaken(this.region, this.options & METRICS_MASK, waited)
    if ((flags & POISONED_BIT) !== 0) throw new PoisonedError(guard)
    return guard
  }

  /** @internal */
  endUpgradable(agent: Agent): void {
    this.free(agent, agent.tag | UPGRADABLE_BIT)
  }

  /** @internal */
  upgradeNow(agent: Agent, options: BlockingOptions | undefined): WriteGuard {
    return block(new WriteOperation(agent, this, true), options, 'upgradeAsync()')
  }

  /** @internal */
  upgradeLater(agent: Agent, options: AsyncOptions | undefined): Promise<WriteGuard> {
    return promise(() => new WriteOperation(agent, this, true), options)
  }

  /** @internal */
  upgradeInFiber(agent: Agent, options: WaitOptions | undefined): FiberOperation<WriteGuard> {
    return new FiberWait(new WriteOperation(agent, this, true), options, 'upgradeFiber()')
  }

  /** The owner of the word becomes a reader, and the word is free. @internal */
  toRead(agent: Agent, guard: WriteGuard | UpgradableGuard): ReadGuard {
    const hold = holdOf(agent, this)
    guard.consume()
    if (hold.count++ === 0) or(agent.words, hold.word, hold.mask)
    this.free(agent, agent.tag | (guard instanceof WriteGuard ? WRITING_BIT : UPGRADABLE_BIT))
    return new ReadGuard(this, agent, hold, this.region.metrics ? now() : 0)
  }

  /** The writer becomes an upgradable reader. @internal */
  toUpgradable(agent: Agent): UpgradableGuard {
    // Never both clear or both set: another reader must not come in before WRITING is gone, and a death in between poisons.
    for (let word = load(agent.words, this.state); ownerOf(word) === agent.tag; word = load(agent.words, this.state)) {
      if (compareExchange(agent.words, this.state, word, (word & ~WRITING_BIT) | UPGRADABLE_BIT) === word) break
    }
    passOn(agent, this, false, 0)
    return new UpgradableGuard(this, agent)
  }

  /** Refuses while it is held or waited for. */
  protected override onDispose(): void {
    const { words } = this.region
    const word = load(words, this.state)
    const held = (word & LOCKED_BIT) !== 0 && !isOwnerGone(words, word)
    const message = 'the lock is held or waited for: release it before disposing of it'
    if (held || (word & PARKED_BIT) !== 0 || !isClear(this)) throw new InvalidArgumentError(message)
    refuseWhileWaited(this.region, this.state + 1, message)
    refuseWhileWaited(this.region, this.object + DRAIN_OFFSET, message)
    const metrics = this.options & METRICS_MASK
    if (metrics !== 0) this.region.free(metrics)
  }

  /** Written before the lock was published: a plain read. */
  private get options(): number {
    return get(this.region.words, this.object + OPTIONS_OFFSET)
  }

  private agent(): Agent {
    this.assertLive()
    return Agent.of(this.region)
  }

  private enter(join: boolean): ReadGuard | undefined {
    const agent = this.agent()
    const hold = holdOf(agent, this)
    const word = tryEnter(agent, this, hold, join)
    return word === -1 ? undefined : this.entered(agent, hold, word)
  }

  private own(): WriteGuard | undefined {
    const agent = this.agent()
    const held = agent.tag | WRITING_BIT
    if (compareExchange(agent.words, this.state, 0, held) !== 0) return undefined
    if (isClear(this)) return new WriteGuard(this, agent)
    this.free(agent, held)
    return undefined
  }

  /** Gives the word back. */
  private free(agent: Agent, held: number): void {
    if (compareExchange(agent.words, this.state, held, 0) === held || agent.isDead) return
    const word = load(agent.words, this.state)
    // Declared dead and taken over meanwhile: nothing to give back.
    if (ownerOf(word) !== agent.tag) return
    if ((word & OBSERVED_BIT) !== 0) countReleased(this.region, this.options & METRICS_MASK)
    release(agent, this.state, held)
  }

  private format({ poison }: Pick<RwLockOptions, 'poison'>): void {
    const { region } = this
    const options = (poison === true ? POISON_OPTION : 0) | (region.metrics ? region.alloc(METRICS_BYTES, 16) : 0)
    if (options !== 0) store(region.words, this.object + OPTIONS_OFFSET, options)
    if (region.metrics) store(region.words, this.state, OBSERVED_BIT)
  }

  private poisonIfWanted(guard: Guard): void {
    if (guard.held && (this.options & POISON_OPTION) !== 0) or(this.region.words, this.state, POISONED_BIT)
  }
}
