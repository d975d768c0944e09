/**
 * How an agent looks for results between the microtasks of its turn, before it sleeps.
 *
 * Progress   Rounds are short, and the turn of the event loop that they are in ends after TURN_MS, whatever comes meanwhile: timers, sockets and
 *            the user's own microtasks go on.
 * Cost       The clock is read when the first round of a look found nothing, and at every CLOCK_LOOKS-th look at most: a call that is answered at once
 *            pays for none.
 */
import { load, now, pause } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'
import type { LookBudget } from './spin-budget.js'

/** What a round of looking ended with. */
export const FOUND = 0
export const NOT_YET = 1
export const OVER = 2

/** Loads in one round: about 0.1 µs. */
const ROUND_LOADS = 100
/** A turn of the event loop longer than this ends, in ms. */
const TURN_MS = 4
/** Looks between two readings of the clock, at most. */
const CLOCK_LOOKS = 16

/** One agent's way of looking. */
export class Looker {
  /** When the look began; 0: no round of it has failed. */
  private since = 0
  /** When this turn of the event loop began, as far as is known; 0 before the first look. */
  private turnSince = 0
  /** Whether the next turn of the event loop will be told of here. */
  private awaitsTurn = false
  private readonly turnTask = (): void => this.nextTurn()
  private yielded = false
  private clockedAt = 0
  private stride = 1
  /** Looks until the clock is read. */
  private left = 0

  constructor(
    private readonly budget: LookBudget,
    /** Whether looking would keep a core from somebody who works. */
    private readonly isCrowded: () => boolean,
    /** The event loop had its turn, for whose sake looking was broken off. */
    private readonly onTurn: () => void,
  ) {}

  /** What comes next is another look, with the whole time for it. */
  restart(): void {
    this.since = 0
  }

  /** One round: FOUND when the bits of the word are more than `limit`; OVER when it is time to sleep. */
  look(words: Int32Array, index: number, bits: number, limit: number): number {
    if (this.since === 0 && --this.left < 0 && this.isTurnOver()) return OVER
    for (let i = 0; i < ROUND_LOADS; i++) {
      if ((load(words, index) & bits) >>> 0 > limit) {
        if (!this.awaitsTurn) this.awaitTurn()
        this.budget.paid()
        return FOUND
      }
      pause()
    }
    if (this.since === 0 && this.isCrowded()) {
      this.leaveTurn()
      return OVER
    }
    if (!this.awaitsTurn) this.awaitTurn()
    const time = now()
    if (this.since === 0) this.since = time
    else if (this.budget.isOver(this.since, time)) {
      this.budget.failed()
      return OVER
    }
    return NOT_YET
  }

  private isTurnOver(): boolean {
    const time = now()
    if (this.turnSince === 0) this.turnSince = time
    else if (time - this.turnSince > TURN_MS) {
      this.yielded = true
      return true
    }
    this.stride = (time - this.clockedAt) * 8 > TURN_MS ? 1 : Math.min(CLOCK_LOOKS, this.stride * 2)
    this.clockedAt = time
    this.left = this.stride
    return false
  }

  private awaitTurn(): void {
    this.awaitsTurn = true
    getHost().nextTurn(this.turnTask)
  }

  /** The agent goes to sleep at its first look, as it does for each result while the workers are busy: it does without a call in the next turn. */
  private leaveTurn(): void {
    if (this.awaitsTurn) return
    this.turnSince = 0
    this.left = 0
  }

  private nextTurn(): void {
    this.awaitsTurn = false
    this.turnSince = 0
    this.left = 0
    if (!this.yielded) return
    this.yielded = false
    this.onTurn()
  }
}
