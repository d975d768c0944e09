/** Fibers that other fibers of the same scheduler wake by way of shared memory. */
import { Region } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'
import { sleepFiber, WaitQueue } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { describe, expect, test } from 'vitest'

describe.each([0, 1, 2, 3, 7, 40])('after %i steps', (steps) => {
  test('tick runs on until none of them can run', () => {
    const region = Region.create({ bytes: 1 << 18 })
    const scheduler = new Scheduler({ region })
    const queues = Array.from({ length: 10 }, () => new WaitQueue({ region }))
    let last = 0
    for (const [index, queue] of queues.entries())
      scheduler.spawn(function* () {
        yield* queue.parkFiber()
        queues[index + 1]?.unparkOne()
        last = index
      })
    scheduler.spawn(function* () {
      for (let i = 0; i < steps; i++) yield
      queues[0]!.unparkOne()
    })
    expect(scheduler.tick(Infinity)).toBe(false)
    expect(last).toBe(9)
  })

  test('simulated time stands still while one of them can run', () => {
    const queue = new WaitQueue()
    const scheduler = Scheduler.deterministic({ seed: 3 })
    const start = scheduler.spawn(function* () {
      yield
      return now()
    })
    const woken = scheduler.spawn(function* () {
      const { outcome } = yield* queue.parkFiber({ timeout: 10 })
      return [outcome, now()]
    })
    scheduler.spawn(function* () {
      yield* sleepFiber(5)
      for (let i = 0; i < steps; i++) yield
      queue.unparkOne()
    })
    scheduler.run()
    const [outcome, at] = woken.join() as [string, number]
    expect(outcome).toBe('unparked')
    expect(at - start.join()).toBeCloseTo(5)
    queue.dispose()
  })
})
