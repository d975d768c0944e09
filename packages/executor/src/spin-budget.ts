/**
 * How long to look for something before sleeping: long while that pays, hardly at all while it doesn't.
 *
 * Source     Competitive spinning (Karlin, Li, Manasse, Owicki, "Empirical Studies of Competitive Spinning for a Shared-Memory
 *            Multiprocessor", SOSP 1991) for the length: about what a sleep and a wake cost. Exponential backoff for when to try.
 * Invariants A long look that found nothing is followed by twice as many short ones as the last time, at most MAX_SKIPS; one that found
 *            something, by long ones.
 * Rejected   A length that shrinks with failures: two agents that both sleep are late for each other for ever, since each wake takes
 *            longer than the shrunk length. One that grows after short sleeps: with more runnable threads than cores whoever looks keeps
 *            from running whom it looks for (measured: 500 µs a call in place of 140).
 */
import { getHost } from '@heddle/park/internal'
import { SPIN_BALANCED, SPIN_LATENCY, SPIN_SAVING } from './layout.js'

const LONG_US = 100
const SHORT_US = 2
/** For pools that are told to spend time on being quick. */
const LATENCY_US = 1000
const MAX_SKIPS = 63

/** One agent's experience with looking for one kind of thing. */
export class LookBudget {
  /** Whether to look at all: not where nobody else can run meanwhile. */
  readonly looks: boolean
  private lengthUs: number
  /** Whether it learns from what was found. */
  private readonly learns: boolean
  private skips = 0
  private left = 0

  /** @param spin SPIN_* */
  constructor(looks: boolean, spin: number = SPIN_BALANCED) {
    this.looks = looks && spin !== SPIN_SAVING && getHost().parallelism > 1
    this.learns = spin !== SPIN_LATENCY
    this.lengthUs = this.learns ? LONG_US : LATENCY_US
  }

  /** Whether the time from `begun` to `time` is as much as there is. */
  isOver(begun: number, time: number): boolean {
    return (time - begun) * 1000 >= this.lengthUs
  }

  /** Looking found something. */
  paid(): void {
    if (this.lengthUs === LONG_US) this.skips = 0
  }

  /** Looking found nothing: the agent goes to sleep. */
  failed(): void {
    if (!this.learns) return
    if (this.left > 0) this.left--
    else this.left = this.skips = Math.min(MAX_SKIPS, this.skips * 2 + 1)
    this.lengthUs = this.left > 0 ? SHORT_US : LONG_US
  }
}
