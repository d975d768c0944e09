/**
 * How long to look before sleeping: as long as looking would have paid lately.
 *
 * Source     Competitive spinning (Karlin, Li, Manasse, Owicki, "Empirical Studies of Competitive Spinning for a Shared-Memory
 *            Multiprocessor", SOSP 1991): look at most about as long as a sleep and a wake cost.
 * Invariants The budget grows when something came while looking or soon after going to sleep, and shrinks when the sleep was long.
 * Rejected   Shrinking whenever looking found nothing: two agents that both sleep are late for each other for ever, since each
 *            wake takes longer than the shrunk budget.
 */
import { now } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'

const MAX_US = 60
const MIN_US = 2
/** A sleep shorter than this would have been better spent looking: the budget and two wakes. */
const SHORT_SLEEP_US = 150

/** One agent's experience with looking for one kind of thing. */
export class LookBudget {
  private us: number
  private sleptAt = 0

  constructor(looks: boolean) {
    this.us = looks && getHost().parallelism > 1 ? MAX_US : 0
  }

  /** Whether to look at all. */
  get looks(): boolean {
    return this.us > 0
  }

  /** Whether the time since `begun` is used up. */
  isOver(begun: number): boolean {
    return (now() - begun) * 1000 >= this.us
  }

  /** Looking found something. */
  paid(): void {
    if (this.us < MAX_US) this.us = Math.min(MAX_US, this.us * 2)
  }

  /** The agent goes to sleep. */
  sleeps(): void {
    if (this.us > 0) this.sleptAt = now()
  }

  /** It was woken. */
  wakes(): void {
    if (this.us === 0 || this.sleptAt === 0) return
    const slept = (now() - this.sleptAt) * 1000
    this.sleptAt = 0
    this.us = slept < SHORT_SLEEP_US ? Math.min(MAX_US, this.us * 4) : Math.max(MIN_US, this.us / 2)
  }
}
