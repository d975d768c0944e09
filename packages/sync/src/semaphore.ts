/**
 * A number of permits.
 *
 * Layout     +0 header · +4 permits, +8 queue (permits.ts) · +24 max
 * Invariants permits.ts. Progress: first come first served.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { get, load, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { give, MAX_PERMITS, PermitOperation, permitsIn, tryTake, tryTakeNow, wordOf } from './permits.js'

/** Settings of a new semaphore. */
export interface SemaphoreOptions {
  /** Default: `Region.default`. */
  region?: Region
  /** The most permits that there may be: a release past it is refused. 1 to 2^30 - 1, the default. */
  max?: number
}

const MAX_OFFSET = (8 + QUEUE_BYTES) >> 2

/**
 * A counting semaphore: `acquire` takes permits, waiting until there are enough, and `release` gives some.
 *
 * First come first served: a request for many permits is not passed by later small ones. Permits belong to nobody, as in Java: anybody
 * may release, and permits of an agent that dies are not returned. Uncontended both cost one compare-exchange. @example
 * const connections = new Semaphore(4)
 * await connections.acquireAsync()
 * try { connections.available } finally { connections.release() }
 */
export class Semaphore extends SharedObject {
  static readonly kind = 'Semaphore'
  static readonly BYTES = 12 + QUEUE_BYTES
  static readonly ALIGN = 4
  private readonly permits: number

  /**
   * Allocates a semaphore with `n` permits.
   * @throws InvalidArgumentError unless `n` is an integer from 0 to `max`; RegionFullError
   */
  constructor(n: number | Place, options: SemaphoreOptions = {}) {
    if (!(n instanceof Place)) checkCount(n, options.max)
    super(n instanceof Place ? n : Place.allocate(regionOf(options), Semaphore))
    this.permits = (this.at >> 2) + 1
    if (!(n instanceof Place)) this.format(n, options.max)
  }

  /** Makes a semaphore in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, n: number, options: Pick<SemaphoreOptions, 'max'> = {}): Semaphore {
    checkCount(n, options.max)
    const semaphore = new Semaphore(Place.format(region, at, Semaphore))
    semaphore.format(n, options.max)
    return semaphore
  }

  /** Opens the semaphore at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Semaphore {
    return new Semaphore(Place.open(region, at, Semaphore))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Semaphore {
    return new Semaphore(Place.openHandle(handle, Semaphore))
  }

  /** How many permits there are now: a hint. While somebody waits they are his. */
  get available(): number {
    this.assertLive()
    return permitsIn(load(this.region.words, this.permits))
  }

  /** The most permits that there may be. */
  get max(): number {
    // Written before the semaphore was published.
    return get(this.region.words, (this.at >> 2) + MAX_OFFSET)
  }

  /**
   * Takes `k` permits (default 1); blocks the thread until there are enough, and nobody is in front.
   * @throws InvalidArgumentError for a `k` that is no positive integer or above `max`; BlockingNotAllowedError, TimeoutError, the token's
   * reason, RegionFullError, DisposedError
   */
  acquire(options?: BlockingOptions): void
  acquire(k: number, options?: BlockingOptions): void
  acquire(k?: number | BlockingOptions, options?: BlockingOptions): void {
    const want = this.want(k)
    if (tryTake(this.region.words, this.permits, want)) return
    block(this.operation(want), typeof k === 'object' ? k : options, 'acquireAsync()')
  }

  /** As `acquire`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  acquireAsync(options?: AsyncOptions): Promise<void>
  acquireAsync(k: number, options?: AsyncOptions): Promise<void>
  acquireAsync(k?: number | AsyncOptions, options?: AsyncOptions): Promise<void> {
    const settings = typeof k === 'object' ? k : options
    const want = typeof k === 'number' ? k : 1
    if (settings?.signal === undefined && !this.isDisposed && isPermits(want) && tryTake(this.region.words, this.permits, want))
      return Promise.resolve()
    return promise(() => this.operation(this.want(k)), settings)
  }

  /** As `acquire`, in a fiber: `yield* semaphore.acquireFiber()`. */
  acquireFiber(options?: WaitOptions): FiberOperation<void>
  acquireFiber(k: number, options?: WaitOptions): FiberOperation<void>
  acquireFiber(k?: number | WaitOptions, options?: WaitOptions): FiberOperation<void> {
    const want = this.want(k)
    if (tryTake(this.region.words, this.permits, want)) return new DoneFiber(undefined)
    return new FiberWait(this.operation(want), typeof k === 'object' ? k : options, 'acquireFiber()')
  }

  /** Takes `k` permits if there are enough and nobody waits; never waits. @throws InvalidArgumentError */
  tryAcquire(k = 1): boolean {
    return tryTakeNow(() => Agent.of(this.region), this.region.words, this.permits, this.want(k))
  }

  /**
   * Gives `k` permits (default 1) and wakes whoever can go on with them. Never blocks, never allocates.
   * @throws InvalidArgumentError for a `k` that is no positive integer, or when there would be more than `max`: nothing is given then
   */
  release(k = 1): void {
    this.assertLive()
    checkPermits(k)
    const { region, permits } = this
    if (
      !give(
        () => Agent.of(region),
        region.words,
        permits,
        k,
        this.max,
        () => !this.isDisposed,
      )
    )
      throw new InvalidArgumentError(`releasing ${k} would make more than max = ${this.max} permits: somebody releases what was not acquired`)
  }

  /** Runs `section` with one permit and releases it however the section ends. Blocks as `acquire`. */
  withPermit<T>(section: () => T, options?: BlockingOptions): T {
    this.acquire(1, options)
    try {
      return section()
    } finally {
      this.release()
    }
  }

  /** As `withPermit`, for a section that may be asynchronous. */
  async withPermitAsync<T>(section: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    await this.acquireAsync(1, options)
    try {
      return await section()
    } finally {
      this.release()
    }
  }

  /** As `withPermit`, in a fiber; the section is a generator. */
  *withPermitFiber<T>(section: () => Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    yield* this.acquireFiber(1, options)
    try {
      return yield* section()
    } finally {
      this.release()
    }
  }

  /** Refuses while somebody waits. */
  protected override onDispose(): void {
    refuseWhileWaited(this.region, this.permits + 1, 'somebody waits for permits of this semaphore')
  }

  private want(k: number | object | undefined): number {
    this.assertLive()
    const want = typeof k === 'number' ? k : 1
    checkPermits(want)
    if (want > this.max) throw new InvalidArgumentError(`${want} permits can never be had: there are at most ${this.max}`)
    return want
  }

  private operation(want: number): PermitOperation {
    return new PermitOperation(Agent.of(this.region), this.permits, want, () => this.release(want))
  }

  private format(n: number, max = MAX_PERMITS): void {
    store(this.region.words, (this.at >> 2) + MAX_OFFSET, max)
    store(this.region.words, this.permits, wordOf(n))
  }
}

function isPermits(k: number): boolean {
  return Number.isInteger(k) && k >= 1
}

function checkPermits(k: number): void {
  if (!isPermits(k)) throw new InvalidArgumentError(`a number of permits is a positive integer, got ${String(k)}`)
}

function checkCount(n: number, max = MAX_PERMITS): void {
  if (!Number.isInteger(max) || max < 1 || max > MAX_PERMITS)
    throw new InvalidArgumentError(`max must be an integer from 1 to 2^30 - 1, got ${String(max)}`)
  if (!Number.isInteger(n) || n < 0 || n > max) throw new InvalidArgumentError(`a semaphore begins with 0 to ${max} permits, got ${String(n)}`)
}
