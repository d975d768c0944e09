/** Errors of fibers that nobody joined: they are thrown where the scheduler is waited for, so that none is lost. */
import type { Fiber } from './fiber.js'

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
