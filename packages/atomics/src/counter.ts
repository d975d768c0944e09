/**
 * A counter that many agents add to without getting in each other's way.
 *
 * Source     Striped counters: Java's `LongAdder` (Lea), with a stripe for each agent instead of one found by collisions.
 * Layout     +0 header · from +64 on, 16 stripes of one cache line: +0 a 64-bit sum, the rest padding
 * Invariants I1 The total is the sum of the stripes. Every `add` is one atomic addition to one stripe, so none is lost, also
 *               when two agents share a stripe and when one dies.
 * Cost       `add` writes a line that no other agent writes (up to 16 agents; agent n shares with agent n + 16), `sum` reads them all.
 * Progress   Wait-free.
 * Rejected   32-bit stripes with a carry: `sum` could see the low part without the carry. Plain 64-bit additions by a sole owner: the
 *            table has up to 255 agents, and a line for each makes the counter 16 KB.
 */
import { add64, agentLocal, load64 } from '#ops'
import { regionOf } from './arguments.js'
import { InvalidArgumentError } from './errors.js'
import { LINE_BYTES } from './layout.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

/** Where a new counter lives. */
export interface CounterOptions {
  /** Default: `Region.default`. */
  region?: Region
}

const STRIPES = 16

/**
 * A counter for statistics and progress: adding is cheap whatever the number of agents that add, reading is not quite as cheap.
 *
 * Nothing blocks. Its methods throw `DisposedError` (`ERR_DISPOSED`) once it was disposed of in any agent. Use an `AtomicInt32` where the value
 * that `add` found matters, or where the counter decides something.
 *
 * @example
 * const bytes = new AtomicCounter()
 * bytes.add(4096)         // in every worker
 * console.log(`${bytes.sum()} bytes`)
 */
export class AtomicCounter extends SharedObject {
  static readonly kind = 'AtomicCounter'
  // a line for the header and one for each of STRIPES; a plain number, so that bundlers can drop the class.
  static readonly BYTES = 1088
  static readonly ALIGN = 64
  declare private readonly words64: BigInt64Array
  /** Index of this agent's stripe. */
  private readonly stripe = agentLocal(() => this.stripeOf(this.region.self.get().id % STRIPES))

  /** Allocates a counter at 0. @throws RegionFullError (`ERR_REGION_FULL`). */
  constructor(options: CounterOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicCounter))
    this.words64 = this.region.words64
  }

  /** Makes a counter in BYTES zeroed bytes that the caller owns. @throws InvalidArgumentError for a place that is misaligned or outside the region. */
  static init(region: Region, at: number): AtomicCounter {
    return new AtomicCounter(Place.format(region, at, AtomicCounter))
  }

  /** Opens the counter at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicCounter {
    return new AtomicCounter(Place.open(region, at, AtomicCounter))
  }

  /** Opens the counter that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicCounter {
    return new AtomicCounter(Place.openHandle(handle, AtomicCounter))
  }

  /**
   * Adds, by default 1; negative numbers subtract. One atomic addition to this agent's stripe. The first call registers the agent in the region.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `value` is no safe integer, AgentLimitError (`ERR_AGENT_LIMIT`) from the first call.
   */
  add(value = 1): void {
    this.assertLive()
    if (value === 1) add64(this.words64, this.stripe.get(), 1n)
    else if (Number.isSafeInteger(value)) add64(this.words64, this.stripe.get(), BigInt(value))
    else throw new InvalidArgumentError(`value must be a safe integer, got ${String(value)}`)
  }

  /**
   * The total. It has every `add` that returned before the call began, and none that begins after it returned; of those in between, some.
   * The stripes are read one after another, so it is no snapshot: where all values added are positive it lies between the totals at the
   * beginning and the end of the call and never shrinks from one call to the next in one agent; where some are negative it may be a number
   * that the total never was. Exact up to 2⁵³, wraps at 2⁶³. 16 loads.
   */
  sum(): number {
    this.assertLive()
    let total = 0n
    for (let stripe = 0; stripe < STRIPES; stripe++) total += load64(this.words64, this.stripeOf(stripe))
    return Number(BigInt.asIntN(64, total))
  }

  private stripeOf(stripe: number): number {
    return (this.at + LINE_BYTES * (1 + stripe)) >> 3
  }
}
