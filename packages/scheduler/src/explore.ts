/** Runs a program under many schedules, and says which of them it fails under. */
import { HeddleError, InvalidArgumentError } from '@heddle/atomics'
import { Seeded, type Trace } from './choice.js'
import { Scheduler } from './scheduler.js'

/** A program failed under a schedule; `cause` is what it failed with. */
export class ScheduleError extends HeddleError {
  /** @internal Made by `explore`. */
  constructor(
    /** What the schedule follows from: `Scheduler.deterministic({ seed })`, or `explore(body, { seed, schedules: 1 })`. */
    readonly seed: number,
    /** What ran: `Scheduler.replay(trace)`. */
    readonly trace: Trace,
    cause: unknown,
  ) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    super('ERR_SCHEDULE', `it fails under the schedule of seed ${seed} (explore(…, { seed: ${seed}, schedules: 1 }) repeats that): ${what}`, {
      cause,
    })
  }
}

/** Which schedules. */
export interface ExploreOptions {
  /** How many. Default 100. */
  schedules?: number
  /** Seed of the first; the next one's is one more. Default 1. */
  seed?: number
}

/**
 * Runs a program under one deterministic schedule after another: for tests of what must hold whoever runs when. `body` spawns fibers on the scheduler that it is given;
 * these are run to their end after it returns. What it checks afterwards goes into a function that it returns.
 * @throws ScheduleError for the first schedule under which `body`, a fiber that nobody joins, or the check throws, or the fibers wait for one another: no other
 *   thread is to have a part in the program
 * @example
 * explore((scheduler) => {
 *   const log: string[] = []
 *   for (const name of ['a', 'b']) {
 *     scheduler.spawn(function* () {
 *       yield
 *       log.push(name)
 *     })
 *   }
 *   return () => {
 *     if (log.length !== 2) throw new Error('one is missing')
 *   }
 * })
 */
export function explore(body: (scheduler: Scheduler) => (() => void) | void, { schedules = 100, seed = 1 }: ExploreOptions = {}): void {
  if (!Number.isInteger(schedules) || schedules < 1) throw new InvalidArgumentError(`schedules must be a positive integer, got ${String(schedules)}`)
  for (let i = 0; i < schedules; i++) {
    const scheduler = new Scheduler({}, new Seeded(seed + i, true, true))
    try {
      const check = body(scheduler)
      scheduler.run()
      check?.()
    } catch (cause) {
      throw new ScheduleError(seed + i, scheduler.trace(), cause)
    }
  }
}
