/**
 * A flag that can be waited for.
 *
 * Source     Win32's manual-reset and auto-reset events; Python's threading.Event.
 * Layout     +0 header · +4 state · +8 queue · +24 auto (never changes)
 *   state    manual: bit 0 CLOSED · bits 2–31 openings (gate.ts)         auto: permits (permits.ts), of which at most one is kept
 * Invariants gate.ts; permits.ts.
 */
import { type Handle, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import { compareExchange, get, load, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, DoneFiber, FiberWait, firstOf, type Operation, promise, QUEUE_BYTES } from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { GateOperation, type GateShape, nextEpoch, wakeAll } from './gate.js'
import { PermitOperation, permitsIn, signal, tryTake, tryTakeNow } from './permits.js'

/** Settings of a new event. */
export interface EventOptions {
  /** Default: `Region.default`. */
  region?: Region
  /** Whether each `set` lets one wait through and the event is reset by it. Default false: it lets everybody through until `reset`. */
  auto?: boolean
}

const CLOSED_BIT = 1
const SHAPE: GateShape = { mask: CLOSED_BIT, shift: 2 }
const AUTO_OFFSET = (8 + QUEUE_BYTES) >> 2

/**
 * A flag that threads, promises and fibers wait for.
 *
 * Manual (the default): `set` lets everybody through, those who wait now and those who come later, until `reset`. With `{ auto: true }`
 * each `set` lets one through; when nobody waits, one is kept, and more are worth one. @example
 * const ready = new Event()
 * const waiting = ready.waitAsync()
 * ready.set()
 * await waiting
 */
export class Event extends SharedObject {
  static readonly kind = 'Event'
  static readonly BYTES = 12 + QUEUE_BYTES
  static readonly ALIGN = 4
  private readonly state: number

  /** Allocates an event that is not set. @throws RegionFullError */
  constructor(options: EventOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), Event))
    this.state = (this.at >> 2) + 1
    if (!(options instanceof Place)) this.format(options)
  }

  /** Makes an event in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, options: Pick<EventOptions, 'auto'> = {}): Event {
    const event = new Event(Place.format(region, at, Event))
    event.format(options)
    return event
  }

  /** Opens the event at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): Event {
    return new Event(Place.open(region, at, Event))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): Event {
    return new Event(Place.openHandle(handle, Event))
  }

  /** Whether a wait would go through now: a hint where others reset or wait. */
  get isSet(): boolean {
    this.assertLive()
    const word = load(this.region.words, this.state)
    return this.isAuto ? permitsIn(word) > 0 : (word & CLOSED_BIT) === 0
  }

  /** Sets it, and wakes everybody who waits; an auto-reset event: the first who waits. Never blocks, never allocates. */
  set(): void {
    this.assertLive()
    const { region, state } = this
    const { words } = region
    const agent = (): Agent => Agent.of(region)
    if (this.isAuto) {
      signal(agent, words, state)
      return
    }
    for (;;) {
      const word = load(words, state)
      if ((word & CLOSED_BIT) === 0) return
      const open = nextEpoch(word & ~CLOSED_BIT, SHAPE)
      if (compareExchange(words, state, word, open) !== word) continue
      wakeAll(agent, words, state, open, SHAPE, () => !this.isDisposed)
      return
    }
  }

  /** Makes later waits wait. Whoever waited at a `set` before goes through all the same. */
  reset(): void {
    this.assertLive()
    const { words } = this.region
    if (this.isAuto) {
      // What is there for those who wait already is theirs.
      for (let word = load(words, this.state); permitsIn(word) > 0 && firstOf(words, this.state + 1) === 0; word = load(words, this.state))
        if (tryTake(words, this.state, permitsIn(word))) return
      return
    }
    for (let word = load(words, this.state); (word & CLOSED_BIT) === 0; word = load(words, this.state))
      if (compareExchange(words, this.state, word, word | CLOSED_BIT) === word) return
  }

  /** Goes through if it is set, and resets an auto-reset event; never waits. */
  tryWait(): boolean {
    this.assertLive()
    if (!this.isAuto) return (load(this.region.words, this.state) & CLOSED_BIT) === 0
    return tryTakeNow(() => Agent.of(this.region), this.region.words, this.state, 1)
  }

  /** Blocks the thread until it is set. @throws BlockingNotAllowedError, TimeoutError, the token's reason, RegionFullError, DisposedError */
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
    refuseWhileWaited(this.region, this.state + 1, 'somebody waits for this event: set it before disposing of it')
  }

  private get isAuto(): boolean {
    // Written before the event was published.
    return get(this.region.words, (this.at >> 2) + AUTO_OFFSET) === 1
  }

  private operation(): Operation<void> {
    this.assertLive()
    const agent = Agent.of(this.region)
    return this.isAuto ? new PermitOperation(agent, this.state, 1, () => this.set()) : new GateOperation(agent, this.state, SHAPE)
  }

  private format({ auto }: { auto?: boolean }): void {
    const { words } = this.region
    store(words, (this.at >> 2) + AUTO_OFFSET, auto === true ? 1 : 0)
    store(words, this.state, auto === true ? 0 : CLOSED_BIT)
  }
}
