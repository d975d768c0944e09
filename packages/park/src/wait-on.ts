/**
 * Waiting on the value of an atomic cell: the futex, without its traps.
 *
 * Source     Linux's futex hash buckets; WTF::ParkingLot. Here every waiter has a record of its own, so that an abandoned wait swallows
 *            no notify (PLATFORM: a pending `waitAsync` on a shared word does).
 * Layout     one table of BUCKETS queues for each region, a cache line each, made on first use and found through a root slot.
 * Invariants T1 A waiter looks at the cell under its bucket's lock; `notify` looks at the bucket after the cell was written. So a
 *               waiter that `notify` does not see has seen the new value.
 * Rejected   `Atomics.wait` on the cell itself: no promises or fibers in one order with threads, no recovery from a dead notifier.
 */
import { type AtomicCell, InvalidArgumentError, type Region } from '@heddle/atomics'
import { H_ROOTS, LINE_BYTES, ROOT_PARK_TABLE } from '@heddle/atomics/internal'
import { compareExchange, get, load } from '@heddle/atomics/ops'
import { Agent } from './agent.js'
import { W_KEY } from './layout.js'
import { type AsyncOptions, block, type FiberOperation, FiberWait, Operation, promise } from './operation.js'
import type { BlockingOptions, WaitOptions } from './options.js'
import { ConditionalPark } from './park-operation.js'
import { lockQueue, mayHaveWaiters, unlockQueue } from './queue.js'
import { claimMany, deliver } from './wake.js'

const BUCKETS = 256
const BUCKET_WORDS = LINE_BYTES >> 2

/** How a wait on a cell ended: it was notified, or the cell did not have the value (any more). */
export type WaitOnOutcome = 'ok' | 'not-equal'

/** Word index of the queue that waiters of an address are in; they carry the address as their key. */
function bucketOf(region: Region, valueAt: number): number {
  const root = H_ROOTS + ROOT_PARK_TABLE
  let table = load(region.words, root)
  if (table === 0) {
    const made = region.alloc(BUCKETS * LINE_BYTES, LINE_BYTES)
    if (compareExchange(region.words, root, 0, made) !== 0) region.free(made)
    table = load(region.words, root)
  }
  // Fibonacci hashing of the word's number.
  const bucket = Math.imul(valueAt >> 2, 0x9e3779b1) >>> 24
  return (table >> 2) + bucket * BUCKET_WORDS
}

/** A park whose result is told in the futex's words. */
class WaitOnOperation extends Operation<WaitOnOutcome> {
  private readonly inner: ConditionalPark
  constructor(agent: Agent, queue: number, validate: () => boolean, key: number) {
    super(agent)
    this.inner = new ConditionalPark(agent, queue, validate, 0, key)
  }
  begin(): boolean {
    this.inner.record = this.record
    return this.tell(this.inner.begin())
  }
  resume(state: number): boolean {
    return this.tell(this.inner.resume(state))
  }
  override undo(): boolean {
    return this.inner.undo()
  }
  override yieldClaim(): boolean {
    return this.inner.yieldClaim()
  }
  private tell(done: boolean): boolean {
    if (done) this.result = this.inner.result.outcome === 'unparked' ? 'ok' : 'not-equal'
    return done
  }
}

function operation<T>(cell: AtomicCell<T>, whileValue: T): WaitOnOperation {
  const { region, valueAt } = checkCell(cell)
  return new WaitOnOperation(Agent.of(region), bucketOf(region, valueAt), () => cell.load() === whileValue, valueAt)
}

function checkCell<T>(cell: AtomicCell<T>): AtomicCell<T> {
  if (typeof (cell as Partial<AtomicCell<T>> | undefined)?.valueAt !== 'number')
    throw new InvalidArgumentError('waitOn and notify take an atomic cell (AtomicInt32, AtomicBool, …)')
  return cell
}

/**
 * Blocks the thread while the cell has the value `whileValue`, until somebody calls `notify` on it.
 * @returns 'ok' after a notify (look at the cell again: it may have the old value), 'not-equal' when the cell had another value
 * @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError, InvalidArgumentError for what is no cell
 */
export function waitOn<T>(cell: AtomicCell<T>, whileValue: T, options?: BlockingOptions): WaitOnOutcome {
  return block(operation(cell, whileValue), options, 'waitOnAsync()')
}

/** As `waitOn`, as a promise. */
export function waitOnAsync<T>(cell: AtomicCell<T>, whileValue: T, options?: AsyncOptions): Promise<WaitOnOutcome> {
  return promise(() => operation(cell, whileValue), options)
}

/** As `waitOn`, in a fiber: `yield* waitOnFiber(cell, 0)`. */
export function waitOnFiber<T>(cell: AtomicCell<T>, whileValue: T, options?: WaitOptions): FiberOperation<WaitOnOutcome> {
  return new FiberWait(operation(cell, whileValue), options, 'waitOnFiber()')
}

/**
 * Wakes at most `count` of those who wait on the cell, in order of arrival; returns how many. Never blocks; two loads when nobody waits.
 * @throws InvalidArgumentError for what is no cell, or a count that is negative or no number
 */
export function notify<T>(cell: AtomicCell<T>, count = Infinity): number {
  const { region, valueAt } = checkCell(cell)
  if (!(count >= 0)) throw new InvalidArgumentError(`count must be 0 or more, got ${String(count)}`)
  if (load(region.words, H_ROOTS + ROOT_PARK_TABLE) === 0) return 0
  const queue = bucketOf(region, valueAt)
  const { words } = region
  if (!mayHaveWaiters(words, queue)) return 0
  const agent = Agent.of(region)
  const claimed: number[] = []
  lockQueue(agent, queue)
  // Keys of linked records are written before they are linked: plain reads under the lock.
  claimMany(agent, queue, 0, count, claimed, (r) => get(words, r + W_KEY) === valueAt)
  unlockQueue(agent, queue)
  for (const main of claimed) deliver(agent, main)
  return claimed.length
}
