/**
 * A queue of waiting threads, promises and fibers, to build primitives on.
 *
 * Source     WTF::ParkingLot's park and unpark, with the queue embedded in the object instead of hashed by address.
 * Layout     +0 header · +4 queue: lock, head, tail, ticket. Protocol and invariants: queue.ts, record.ts, wake.ts.
 * Progress   Waiters are chosen in order of arrival, passing over those whose agent can't run while another can.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { load, set } from '@heddle/atomics/ops'
import { Agent } from './agent.js'
import { W_STATE, W_WANT, WAITING } from './layout.js'
import { type AsyncOptions, block, type FiberOperation, FiberWait, promise } from './operation.js'
import type { BlockingOptions, WaitOptions } from './options.js'
import { ConditionalPark, ParkOperation, type ParkResult } from './park-operation.js'
import { appendRequeued, firstOf, isInUse, lockQueue, mayHaveWaiters, nextOf, unlockQueue } from './queue.js'
import { phaseOf } from './record.js'
import { claimMany, claimOne, deliver } from './wake.js'

/** What a park may look at before it sleeps. */
export interface ParkCondition {
  /**
   * Called under the queue's lock, before the caller is enqueued and again after an agent died: whether to wait at all. Whoever changes
   * what it looks at, and unparks after, can't be missed. It must be short, may not wait, and may not use this queue.
   */
  validate?: () => boolean
}

/** What an unpark found, told under the queue's lock. */
export interface UnparkResult {
  /** Whether somebody was chosen. */
  woken: boolean
  /** Whether somebody still waits. */
  more: boolean
}

/**
 * A queue of waiters in shared memory.
 *
 * `unpark…` chooses exactly as many waiters as it says; one that times out, aborts or dies at that moment never swallows a wake. Cost
 * of an unpark without waiters: two loads. @example
 * const queue = new WaitQueue()
 * const flag = new AtomicInt32()
 * // one agent:   while (flag.load() === 0) queue.park({ validate: () => flag.load() === 0 })
 * // another:     flag.store(1); queue.unparkAll()
 */
export class WaitQueue extends SharedObject {
  static readonly kind = 'WaitQueue'
  // 4 + QUEUE_BYTES; a plain number, so that bundlers can drop the class.
  static readonly BYTES = 20
  static readonly ALIGN = 4
  /** Word index of the queue. */
  private readonly q: number

  /** Allocates a queue. @throws RegionFullError */
  constructor(options: { region?: Region } | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), WaitQueue))
    this.q = (this.at >> 2) + 1
  }

  /** Makes a queue in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): WaitQueue {
    return new WaitQueue(Place.format(region, at, WaitQueue))
  }

  /** Opens the queue at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): WaitQueue {
    return new WaitQueue(Place.open(region, at, WaitQueue))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): WaitQueue {
    return new WaitQueue(Place.openHandle(handle, WaitQueue))
  }

  /**
   * Blocks the thread until it is unparked, `validate` says no, or time or token end it.
   * @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError when no record is left, DisposedError
   */
  park(options?: ParkCondition & BlockingOptions): ParkResult {
    return block(this.operation(options), options, 'parkAsync()')
  }

  /** As `park`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  parkAsync(options?: ParkCondition & AsyncOptions): Promise<ParkResult> {
    return promise(() => this.operation(options), options)
  }

  /** As `park`, in a fiber: `yield* queue.parkFiber()`. */
  parkFiber(options?: ParkCondition & WaitOptions): FiberOperation<ParkResult> {
    return new FiberWait(this.operation(options), options, 'parkFiber()')
  }

  /**
   * Chooses the first waiter, gives it `token`, and wakes it. Never blocks.
   * @param inside told what was found, under the queue's lock, before the waiter can run: the place to mend the primitive's own words
   * @returns whether somebody waited
   */
  unparkOne(token = 0, inside?: (found: UnparkResult) => void): boolean {
    this.assertLive()
    const agent = Agent.of(this.region)
    const { q } = this
    if (inside === undefined && !mayHaveWaiters(agent.words, q)) return false
    lockQueue(agent, q)
    let main = 0
    try {
      main = claimOne(agent, q, token)
      inside?.({ woken: main !== 0, more: firstOf(agent.words, q) !== 0 })
    } finally {
      unlockQueue(agent, q)
      if (main !== 0) deliver(agent, main)
    }
    return main !== 0
  }

  /** Wakes everybody who waits now, with `token`; returns how many. Never blocks. */
  unparkAll(token = 0): number {
    this.assertLive()
    const agent = Agent.of(this.region)
    const { q } = this
    if (!mayHaveWaiters(agent.words, q)) return 0
    const claimed: number[] = []
    lockQueue(agent, q)
    claimMany(agent, q, token, Infinity, claimed)
    unlockQueue(agent, q)
    for (const main of claimed) deliver(agent, main)
    return claimed.length
  }

  /**
   * Moves at most `count` waiters, in order, to the end of another queue without waking them; returns how many.
   * @throws InvalidArgumentError when the queues are one, or live in two regions, or for a count that is negative or no number
   */
  requeue(to: WaitQueue, count = Infinity): number {
    this.assertLive()
    to.assertLive()
    if (to.region !== this.region || to.at === this.at) throw new InvalidArgumentError('requeue needs two different queues of one region')
    if (!(count >= 0)) throw new InvalidArgumentError(`count must be 0 or more, got ${String(count)}`)
    const agent = Agent.of(this.region)
    const { words } = agent
    const [first, second] = this.q < to.q ? [this.q, to.q] : [to.q, this.q]
    lockQueue(agent, first)
    lockQueue(agent, second)
    let moved = 0
    for (let r = firstOf(words, this.q), next = 0; r !== 0 && moved < count; r = next) {
      next = nextOf(words, r)
      if (phaseOf(load(words, r + W_STATE)) !== WAITING) continue
      // A death before the next store leaves a record that `rebuild` mends.
      set(words, r + W_WANT, to.header)
      appendRequeued(words, this.q, to.q, r)
      moved++
    }
    unlockQueue(agent, second)
    unlockQueue(agent, first)
    return moved
  }

  /** Whether anybody waits: a hint, unless nobody can come or go. */
  get hasWaiters(): boolean {
    return mayHaveWaiters(this.region.words, this.q)
  }

  /** Refuses while somebody waits: they would wait for ever. */
  protected override onDispose(): void {
    if (isInUse(() => Agent.of(this.region), this.region.words, this.q))
      throw new InvalidArgumentError('somebody waits in this queue: unpark them before disposing of it')
  }

  private operation(options: ParkCondition | undefined): ParkOperation {
    this.assertLive()
    const agent = Agent.of(this.region)
    const validate = options?.validate
    return validate === undefined ? new ParkOperation(agent, this.q, this.header) : new ConditionalPark(agent, this.q, validate, this.header)
  }
}
