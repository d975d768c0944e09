/**
 * One agent's permit to go on, as in Rust's `thread::park` and Java's `LockSupport`: an unpark before the park is not lost, and many
 * are worth one.
 *
 * Layout     +0 header · +4 permit (0 or 1) · +8 queue
 * Invariants K1 The permit is taken by compare-exchange 1 → 0, by the one who goes on.
 *               A chosen waiter takes it itself, so a waker that dies loses none.
 *            K2 Whoever sets the permit looks at the queue after; whoever waits looks at the permit under the queue's lock before it
 *               enqueues: one of them sees the other.
 * Progress   While the other side runs, both meet at the permit word and the queue is not touched.
 */
import { type Handle, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { compareExchange, exchange, load } from '@heddle/atomics/ops'
import { Agent } from './agent.js'
import { W_LINKED } from './layout.js'
import { type AsyncOptions, block, type FiberOperation, FiberWait, Operation, promise } from './operation.js'
import type { BlockingOptions, WaitOptions } from './options.js'
import { enqueue, enqueueAgain, lockQueue, mayHaveWaiters, takeTicket, unlink, unlockQueue } from './queue.js'
import { claimOne, deliver } from './wake.js'
import type { Waker } from './waker.js'

/** Takes the permit, waiting for one. */
class PermitOperation extends Operation<void> {
  constructor(
    agent: Agent,
    private readonly parker: Parker,
    private readonly queue: number,
  ) {
    super(agent)
  }
  begin(): boolean {
    return this.attempt(false)
  }
  resume(): boolean {
    // While it can be chosen, it takes a permit under the lock only: else the next unpark could choose it, and it would be gone.
    return (load(this.agent.words, this.record + W_LINKED) === 0 && this.parker.tryPark()) || this.attempt(true)
  }
  override undo(): boolean {
    this.parker.unpark()
    return true
  }
  private attempt(again: boolean): boolean {
    const { agent, queue, record } = this
    lockQueue(agent, queue)
    const taken = this.parker.tryPark()
    if (taken) unlink(agent.words, queue, record)
    else {
      if (again) enqueueAgain(agent.words, queue, record)
      else enqueue(agent.words, queue, record, takeTicket(agent.words, queue))
    }
    unlockQueue(agent, queue)
    return taken
  }
}

/**
 * A permit that one agent waits for and any agent gives. @example
 * const parker = new Parker()
 * worker.postMessage(parker.toHandle())   // there: Parker.fromHandle(handle).park()
 * parker.unpark()
 */
export class Parker extends SharedObject implements Waker {
  static readonly kind = 'Parker'
  // 8 + QUEUE_BYTES; a plain number, so that bundlers can drop the class.
  static readonly BYTES = 24
  static readonly ALIGN = 4
  private readonly permit: number

  /** Allocates a parker without a permit. @throws RegionFullError */
  constructor(options: { region?: Region } | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), Parker))
    this.permit = (this.at >> 2) + 1
  }

  /** Makes one in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): Parker {
    return new Parker(Place.format(region, at, Parker))
  }

  /** Opens the parker at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Parker {
    return new Parker(Place.open(region, at, Parker))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Parker {
    return new Parker(Place.openHandle(handle, Parker))
  }

  /** Takes the permit if there is one; never waits. */
  tryPark(): boolean {
    this.assertLive()
    return compareExchange(this.region.words, this.permit, 1, 0) === 1
  }

  /**
   * Takes the permit; blocks the thread until there is one. Spins briefly first.
   * @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError
   */
  park(options?: BlockingOptions): void {
    // Options are looked at first, permit or not: a mistake in them, and a token that was cancelled, show every time.
    if (options !== undefined) return block(this.operation(), options, 'parkAsync()')
    if (this.tryPark()) return
    const { words } = this.region
    const agent = Agent.of(this.region)
    if (agent.spin.until(() => load(words, this.permit) === 1) && this.tryPark()) return
    block(this.operation(), options, 'parkAsync()')
  }

  /** As `park`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  parkAsync(options?: AsyncOptions): Promise<void> {
    return promise(() => this.operation(), options)
  }

  /** As `park`, in a fiber. */
  parkFiber(options?: WaitOptions): FiberOperation<void> {
    return new FiberWait(this.operation(), options, 'parkFiber()')
  }

  /** Gives the permit, and wakes who waits for it. Never blocks; one atomic operation when the permit was there, three when nobody sleeps. */
  unpark(): void {
    this.assertLive()
    const { words } = this.region
    if (exchange(words, this.permit, 1) === 1) return
    const q = this.permit + 1
    if (!mayHaveWaiters(words, q)) return
    const agent = Agent.of(this.region)
    lockQueue(agent, q)
    const main = claimOne(agent, q, 0)
    unlockQueue(agent, q)
    if (main !== 0) deliver(agent, main)
  }

  /** `Waker`: the same as `unpark`. */
  wake(): void {
    this.unpark()
  }

  private operation(): PermitOperation {
    this.assertLive()
    return new PermitOperation(Agent.of(this.region), this, this.permit + 1)
  }
}
