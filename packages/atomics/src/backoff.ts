/**
 * Waiting a moment, and a little longer each time, in a loop that tries again.
 *
 * Source     crossbeam-utils' `Backoff`: rounds of 2ⁿ pauses up to a limit, then the thread yields, then the caller is told to park.
 *   step     spin()                 snooze()                               isCompleted
 *   0 … 6    2^step pauses          2^step pauses                             false
 *   7 … 10   64 pauses              gives up the core, or 64 pauses           false
 *   11       64 pauses              gives up the core, or 64 pauses           true
 * Cost       Where the engine has no `Atomics.pause`, a pause is an empty call and the rounds are shorter.
 *            JavaScript has no yield. Where the agent may block, the nearest thing is a wait with a tiny timeout on a word that nobody
 *            notifies, which the system rounds up: 70 to 120 µs on Linux (measured).
 */
import { agentLocal, createBuffer, limits, pause, wait } from '#ops'
import { canBlock } from './can-block.js'

const SPIN_LIMIT = 6
const YIELD_LIMIT = 10
/** In ms. What matters is that it is not 0, which would not reach the system. */
const SHORTEST_WAIT = 0.001

/** A word of this agent's own that stays 0. */
const bed = agentLocal(() => new Int32Array(createBuffer(4)))

/**
 * Exponential backoff for a loop that waits for another agent. It belongs to the function that made it, and is not shared.
 *
 * `spin` is for a compare-and-swap that was lost: the winner is done already, only the cache line is contended. `snooze` is for waiting until
 * another agent has done something. When `isCompleted` turns true, stop looping and park (`@heddle/park`).
 *
 * @example
 * function isReady(ready: AtomicBool): boolean {
 *   const backoff = new Backoff()
 *   while (!ready.load()) {
 *     if (backoff.isCompleted) return false     // time to park
 *     backoff.snooze()
 *   }
 *   return true
 * }
 * isReady(new AtomicBool({ value: true }))      // true
 */
export class Backoff {
  private step = 0

  /** Pauses for 2ⁿ rounds, at most 64; n grows with each call. Never blocks. */
  spin(): void {
    rest(Math.min(this.step, SPIN_LIMIT))
    if (this.step <= SPIN_LIMIT) this.step++
  }

  /**
   * Pauses as `spin` does the first seven times; from then on lets the system run another thread, if this agent may block (about 0.1 ms), and
   * pauses for 64 rounds if it may not. Never throws.
   */
  snooze(): void {
    if (this.step > SPIN_LIMIT && canBlock()) wait(bed.get(), 0, 0, SHORTEST_WAIT)
    else rest(Math.min(this.step, SPIN_LIMIT))
    if (this.step <= YIELD_LIMIT) this.step++
  }

  /** Whether it has been long enough that parking is better than going on: true after eleven calls of `snooze`, never by `spin` alone. */
  get isCompleted(): boolean {
    return this.step > YIELD_LIMIT
  }

  /** Begins again: what was waited for has happened. */
  reset(): void {
    this.step = 0
  }
}

function rest(step: number): void {
  for (let rounds = Math.min(1 << step, limits.spin); rounds > 0; rounds--) pause()
}
