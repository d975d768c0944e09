/** What a scheduler that is waited for throws: errors of fibers that nobody joined, so that none is lost, and that the rest can't go on. */
import { DeadlockError } from '@heddle/park'
import type { Fiber } from './fiber.js'

/** Of `live` fibers, `until` among them if it is there, none can ever run. */
export function deadlock(live: number, until: Fiber | undefined): DeadlockError {
  const whom = until === undefined ? `${live} fibers` : `${until.name} and the ${live} fibers`
  return new DeadlockError(
    `${whom} that are left wait for one another, or for promises that can't settle while the thread is blocked: use runAsync() for fibers that await promises`,
  )
}

/** Throws what the fibers failed with, and forgets them. Nothing when there are none. */
export function throwUnobserved(failed: Set<Fiber>): void {
  if (failed.size === 0) return
  const fibers = [...failed]
  failed.clear()
  if (fibers.length === 1) throw fibers[0]!.content
  throw new AggregateError(
    fibers.map((fiber) => fiber.content),
    `${fibers.length} fibers failed and were not joined: ${fibers.map((fiber) => fiber.name).join(', ')}`,
  )
}
