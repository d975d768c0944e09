/**
 * Adaptive spinning before a sleep (W7): a parked wake costs 25 to 150 µs, a seen one 0.1 µs, but only while another core runs whoever is to be seen.
 *
 * Source     Adaptive mutexes (glibc's PTHREAD_MUTEX_ADAPTIVE_NP; Karlin et al., "Empirical Studies of Competitive Spinning", SOSP 1991):
 *            spin at most about as long as a sleep would cost, and as long as that would have spared recent sleeps.
 * Invariants The budget is between MIN_US and MAX_US. A sleep shorter than SHORT_US was not worth it, and makes it MAX_US; a longer one halves it. So two
 *            agents of which one was held up once, and that have woken each other ever since, meet awake again, as long as MAX_US is about
 *            what a wake takes. With one core it is 0.
 *            With as many agents spinning as there are cores, whoever is waited for can't be running: straight to sleep. The count is a
 *            hint; a spinner that dies is taken off it by its reaper, unless it died within the two operations around the count.
 * Progress   In the worst case, when it never pays, a wait costs MIN_US more.
 */
import { A_SPINNING, H_SPINNING } from '@heddle/atomics/internal'
import { add, hasPause, limits, now, pause, store } from '@heddle/atomics/ops'
import { getHost } from './host.js'

const MIN_US = 2
const MAX_US = 100
/** A sleep that is over so soon was mostly the wake. */
const SHORT_US = 200
/** Rounds between two looks at the clock. */
const ROUNDS = 32

/** Turns of an empty loop that take about as long as one `Atomics.pause`. */
const TURNS_OF_PAUSE = 32

/**
 * Lets the other side work: this thread does nothing for so many turns of an empty loop, a third to one nanosecond each, and reads no
 * shared word. A look takes the line that it reads from whoever writes it, so two threads that look as fast as they can move the
 * line for each step; one that rests lets the other take several (exponential backoff: T. Anderson, IEEE TPDS 1990).
 * @returns whether it is worth a look again: false with one core, and at once
 */
export function rest(turns: number): boolean {
  if (limits.spin < turns || getHost().parallelism < 2) return false
  let turn = 0
  if (hasPause) for (; turn < turns; turn += TURNS_OF_PAUSE) pause()
  else while (turn < turns) turn++
  return turn > 0
}

/** One agent's experience with spinning. */
export class SpinBudget {
  private budgetUs = MAX_US
  private readonly cores = getHost().parallelism

  constructor(
    private readonly words: Int32Array,
    /** Word index of the agent's record. */
    private readonly record: number,
  ) {}

  /** Spins until `seen()` is true or the budget is used up; says which. Who sleeps then tells `slept`. */
  until(seen: () => boolean): boolean {
    if (seen()) return true
    if (this.cores < 2) return false
    const start = now()
    const rounds = Math.min(ROUNDS, limits.spin)
    let counted = false
    let found = false
    for (let total = 0; !found && total < limits.spin; total += rounds) {
      for (let round = 0; !found && round < rounds; round++) {
        pause()
        found = seen()
      }
      if (found || (now() - start) * 1000 >= this.budgetUs) break
      // What comes within the first rounds is not worth the count.
      if (!counted && total + rounds < limits.spin) {
        counted = true
        if (this.join() >= this.cores) break
      }
    }
    if (counted) this.leave()
    return found
  }

  /** Learns from a sleep that began at `since`, as `now()`, and that somebody else has just ended. */
  slept(since: number): void {
    this.budgetUs = (now() - since) * 1000 < SHORT_US ? MAX_US : Math.max(MIN_US, this.budgetUs / 2)
  }

  /** Counts this agent among the spinners; returns how many there were. */
  private join(): number {
    store(this.words, this.record + A_SPINNING, 1)
    return add(this.words, H_SPINNING, 1)
  }

  private leave(): void {
    add(this.words, H_SPINNING, -1)
    store(this.words, this.record + A_SPINNING, 0)
  }
}
