/**
 * A count of what is under way, which may go up again.
 *
 * Source     Go's sync.WaitGroup.
 * Layout     +0 header · +4 state: bits 0–21 count · bits 22–31 how often it came to 0 · +8 queue. A gate (gate.ts), open at count 0.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { compareExchange, load } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { GateOperation, type GateShape, nextEpoch, wakeAll } from './gate.js'

const COUNT_MASK = 0x3f_ffff
const SHAPE: GateShape = { mask: COUNT_MASK, shift: 22 }

/**
 * Waits for a number of things to be done. `add` before they begin, `done` when each ends; whoever waits goes on when the count comes
 * to 0, also if it goes up again at once. The count belongs to nobody: what an agent had added stays when it dies. @example
 * const group = new WaitGroup()
 * group.add(2)
 * const waiting = group.waitAsync()
 * group.done()
 * group.done()
 * await waiting
 */
export class WaitGroup extends SharedObject {
  static readonly kind = 'WaitGroup'
  static readonly BYTES = 8 + QUEUE_BYTES
  static readonly ALIGN = 4
  private readonly word: number

  /** Allocates a group with count 0. @throws RegionFullError */
  constructor(options: { region?: Region } | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), WaitGroup))
    this.word = (this.at >> 2) + 1
  }

  /** Makes a group in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number): WaitGroup {
    return new WaitGroup(Place.format(region, at, WaitGroup))
  }

  /** Opens the group at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): WaitGroup {
    return new WaitGroup(Place.open(region, at, WaitGroup))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): WaitGroup {
    return new WaitGroup(Place.openHandle(handle, WaitGroup))
  }

  /** What is under way. */
  get count(): number {
    this.assertLive()
    return load(this.region.words, this.word) & COUNT_MASK
  }

  /**
   * Adds `k`, also a negative one, to the count. At 0 everybody who waits goes on. Never blocks.
   * @throws InvalidArgumentError for what is no integer, and when the count would go below 0 or above 4,194,303: nothing changes then
   */
  add(k: number): void {
    this.assertLive()
    if (!Number.isInteger(k)) throw new InvalidArgumentError(`add an integer, got ${String(k)}`)
    const { region, word: at } = this
    const { words } = region
    for (;;) {
      const word = load(words, at)
      const count = (word & COUNT_MASK) + k
      if (count < 0) throw new InvalidArgumentError(`the count of a WaitGroup can't go below 0: it is ${word & COUNT_MASK}, and ${k} was added`)
      if (count > COUNT_MASK) throw new InvalidArgumentError(`a WaitGroup counts to ${COUNT_MASK}`)
      if (count === (word & COUNT_MASK)) return
      const zero = count === 0
      const next = zero ? nextEpoch(word & ~COUNT_MASK, SHAPE) : (word & ~COUNT_MASK) | count
      if (compareExchange(words, at, word, next) !== word) continue
      if (zero)
        wakeAll(
          () => Agent.of(region),
          words,
          at,
          next,
          SHAPE,
          () => !this.isDisposed,
        )
      return
    }
  }

  /** One thing is done: `add(-1)`. @throws InvalidArgumentError when the count is 0 */
  done(): void {
    this.add(-1)
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
    refuseWhileWaited(this.region, this.word + 1, 'somebody waits for this group')
  }

  private operation(): GateOperation {
    this.assertLive()
    return new GateOperation(Agent.of(this.region), this.word, SHAPE)
  }
}
