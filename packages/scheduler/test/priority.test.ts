import { describe, expect, it } from 'vitest'
import { Priority, Scheduler } from '../src/index.js'

/** Steps that each of some never-ending fibers gets out of `total`. */
function share(total: number, priorities: readonly Priority[]): number[] {
  const scheduler = new Scheduler()
  const steps = priorities.map(() => 0)
  const fibers = priorities.map((priority, i) =>
    scheduler.spawn(
      function* () {
        for (;;) {
          steps[i]!++
          yield
        }
      },
      { priority },
    ),
  )
  const { steps: before } = scheduler.stats()
  while (scheduler.stats().steps < before + total) scheduler.tick(0)
  for (const fiber of fibers) fiber.cancel()
  scheduler.run()
  return steps
}

describe('priorities', () => {
  it('give each level at least its share while all are busy, the rest to the most urgent', () => {
    const [critical, high, normal, low] = share(3200, [Priority.critical, Priority.high, Priority.normal, Priority.low])
    expect([critical, high, normal, low]).toEqual([2500, 400, 200, 100])
  })

  it('give the share of a level with nothing to run to the most urgent', () => {
    expect(share(3200, ['normal', 'low'])).toEqual([3100, 100])
    expect(share(3200, ['high', 'low'])).toEqual([3100, 100])
    expect(share(320, ['low'])).toEqual([320])
  })

  it('rotate within a level, whatever its size', () => {
    const steps = share(
      7000,
      Array.from({ length: 70 }, () => 'normal' as const),
    )
    expect(new Set(steps)).toEqual(new Set([100]))
  })

  it('run what is more urgent first', () => {
    const scheduler = new Scheduler()
    const log: string[] = []
    for (const priority of ['low', 'normal', 'high', 'critical'] as const) {
      scheduler.spawn(
        function* () {
          log.push(priority)
        },
        { priority },
      )
    }
    scheduler.run()
    expect(log).toEqual(['critical', 'high', 'normal', 'low'])
  })
})
