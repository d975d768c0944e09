/**
 * A count that goes down to zero once.
 *
 * Source     java.util.concurrent.CountDownLatch; C++20's std::latch.
 * Layout     +0 header · +4 count · +8 queue. The gate (gate.ts) is open when the count is 0, for ever.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { compareExchange, load, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { GateOperation, type GateShape, wakeAll } from './gate.js'

const SHAPE: GateShape = { mask: -1, shift: 32 }
const MAX_COUNT = 0x7fff_ffff

/**
 * Lets everybody through once it was counted down `n` times. Counting down costs one compare-exchange and never blocks. @example
 * const done = new Latch(2)
 * const waiting = done.waitAsync()
 * done.countDown(2)
 * await waiting
 */
export class Latch extends SharedObject {
  static readonly kind = 'Latch'
  static readonly BYTES = 8 + QUEUE_BYTES
  static readonly ALIGN = 4
  private readonly word: number

  /** Allocates a latch. @throws InvalidArgumentError unless `n` is an integer of 0 or more, RegionFullError */
  constructor(n: number | Place, options: { region?: Region } = {}) {
    if (!(n instanceof Place)) checkCount(n, 0)
    super(n instanceof Place ? n : Place.allocate(regionOf(options), Latch))
    this.word = (this.at >> 2) + 1
    if (!(n instanceof Place)) store(this.region.words, this.word, n)
  }

  /** Makes a latch in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, n: number): Latch {
    checkCount(n, 0)
    const latch = new Latch(Place.format(region, at, Latch))
    store(region.words, latch.word, n)
    return latch
  }

  /** Opens the latch at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Latch {
    return new Latch(Place.open(region, at, Latch))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Latch {
    return new Latch(Place.openHandle(handle, Latch))
  }

  /** How often it must still be counted down. */
  get count(): number {
    this.assertLive()
    return load(this.region.words, this.word)
  }

  /** Takes `k` (default 1) off the count; at 0, where it stays, everybody who waits goes on. @throws InvalidArgumentError unless `k` is a positive integer */
  countDown(k = 1): void {
    this.assertLive()
    checkCount(k, 1)
    const { region, word: at } = this
    const { words } = region
    for (let count = load(words, at); count > 0; count = load(words, at)) {
      const left = Math.max(0, count - k)
      if (compareExchange(words, at, count, left) !== count) continue
      if (left === 0)
        wakeAll(
          () => Agent.of(region),
          words,
          at,
          left,
          SHAPE,
          () => !this.isDisposed,
        )
      return
    }
  }

  /** Whether the count is 0; never waits. */
  tryWait(): boolean {
    return this.count === 0
  }

  /** Blocks the thread until the count is 0. @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError, DisposedError */
  wait(options?: BlockingOptions): void {
    if (!this.tryWait()) block(this.operation(), options, 'waitAsync()')
  }

  /** As `wait`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  waitAsync(options?: AsyncOptions): Promise<void> {
    return promise(() => this.operation(), options)
  }

  /** As `wait`, in a fiber. */
  waitFiber(options?: WaitOptions): FiberOperation<void> {
    return this.tryWait() ? new DoneFiber(undefined) : new FiberWait(this.operation(), options, 'waitFiber()')
  }

  /** Refuses while somebody waits. */
  protected override onDispose(): void {
    refuseWhileWaited(this.region, this.word + 1, 'somebody waits for this latch')
  }

  private operation(): GateOperation {
    this.assertLive()
    return new GateOperation(Agent.of(this.region), this.word, SHAPE)
  }
}

function checkCount(n: number, least: number): void {
  if (!Number.isInteger(n) || n < least || n > MAX_COUNT)
    throw new InvalidArgumentError(`a latch counts with integers from ${least} to 2^31 - 1, got ${String(n)}`)
}
