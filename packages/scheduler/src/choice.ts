/**
 * Schedules that can be repeated: who runs next and when a safepoint asks to yield, chosen from a seed, and compared with a record.
 *
 * Source     mulberry32 (Tommy Ettinger) for the numbers; the rest follows from it, as in FoundationDB's and Loom's seeded schedulers.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import type { Fiber } from './fiber.js'
import type { ReadySet } from './ready-set.js'

/** A recorded schedule, as plain data: `JSON.stringify` keeps it. */
export interface Trace {
  readonly version: 1
  readonly seed: number
  /** The slot of the fiber that ran, for each step. */
  readonly steps: readonly number[]
}

/** Takes the scheduler's decisions. */
export interface Choice {
  /** What everything follows from. */
  readonly seed: number
  /** Whether the seed alone decides: time is simulated. */
  readonly isAlone: boolean
  /** Whether no other thread has a part in the program: when its fibers wait and no timer is left, that is a deadlock. */
  readonly isClosed: boolean
  /** Takes a slot out of the set; -1 when it is empty. */
  take(set: ReadySet, fibers: readonly (Fiber | undefined)[]): number
  /** How many safepoints the step passes before one asks it to yield. */
  interval(): number
  trace(): Trace
}

/** Decides by a seeded generator, and records. */
export class Seeded implements Choice {
  private readonly next: () => number
  private readonly steps: number[] = []

  /** @param isAlone whether the seed alone decides, without a clock */
  constructor(
    readonly seed: number,
    readonly isAlone = false,
    readonly isClosed = false,
  ) {
    if (!Number.isInteger(seed)) throw new InvalidArgumentError(`seed must be an integer, got ${String(seed)}`)
    this.next = mulberry(seed)
  }

  take(set: ReadySet, fibers: readonly (Fiber | undefined)[]): number {
    const slot = set.takeFrom(this.random(fibers.length))
    if (slot >= 0) this.steps.push(slot)
    return slot
  }

  interval(): number {
    return 1 + this.random(32)
  }

  trace(): Trace {
    return { version: 1, seed: this.seed, steps: [...this.steps] }
  }

  /** The steps taken so far, and the last one. */
  protected get taken(): { count: number; last: number } {
    return { count: this.steps.length, last: this.steps[this.steps.length - 1]! }
  }

  /** An integer from 0 to `limit - 1`. */
  private random(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit)
  }
}

/** A generator of unsigned 32-bit integers. */
export function mulberry(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

/** Decides as a trace's seed did, and checks every step against the record. */
export class Replay extends Seeded {
  constructor(private readonly recorded: Trace) {
    if ((recorded as { version: number }).version !== 1) throw new InvalidArgumentError('the trace is not one that this version recorded')
    super(recorded.seed, true)
  }

  override take(set: ReadySet, fibers: readonly (Fiber | undefined)[]): number {
    const slot = super.take(set, fibers)
    if (slot < 0) return slot
    const { count } = this.taken
    const expected = this.recorded.steps[count - 1]
    // Past the end of the record the seed goes on alone: a trace may have been taken before the end.
    if (expected !== undefined && expected !== slot) {
      throw new InvalidArgumentError(
        `the replay differs from its trace at step ${count}: slot ${slot} runs (${fibers[slot]?.name ?? 'nobody'}), recorded was slot ${expected}; the program depends on something besides its schedule`,
      )
    }
    return slot
  }
}
