/** Figures of a scheduler. */
import type { Fiber, FiberState } from './fiber.js'
import type { Priority } from './priority.js'

/** What `Scheduler.stats()` returns. */
export interface SchedulerStats {
  /** Since the scheduler was made. */
  readonly spawned: number
  /** Ended by returning or by an error of their own. */
  readonly finished: number
  /** Ended by the reason of their cancel. */
  readonly cancelled: number
  /** Of the finished: those that threw. */
  readonly failed: number
  /** How often a fiber was resumed. */
  readonly steps: number
  /** The fibers that live, in order of their slots. */
  readonly fibers: readonly { id: number; name: string; state: FiberState; priority: Priority }[]
}

/** Lists the fibers next to the figures. */
export function count(fibers: readonly (Fiber | undefined)[], figures: Omit<SchedulerStats, 'fibers'>): SchedulerStats {
  const living = fibers.filter((fiber) => fiber !== undefined)
  return { ...figures, fibers: living.map(({ id, name, state, priority }) => ({ id, name, state, priority })) }
}
