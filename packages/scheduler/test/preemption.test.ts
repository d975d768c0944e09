import { describe, expect, it } from 'vitest'
import { Region } from '@heddle/atomics'
import { sleepFiber } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { checkpoint, type Fiber, preemptible, safepoint, Scheduler } from '../src/index.js'

/** A scheduler whose clock is moved by hand. */
function manual(timeSlice = 10): { scheduler: Scheduler; clock: { now: number } } {
  const clock = { now: 1000 }
  return { scheduler: new Scheduler({ timeSlice, clock: () => clock.now }), clock }
}

describe('safepoint', () => {
  it('is false outside fibers', () => {
    for (let i = 0; i < 1000; i++) expect(safepoint()).toBe(false)
  })

  it('asks to yield when the slice is over, and the fiber is preempted then', () => {
    const { scheduler, clock } = manual()
    let passed = 0
    const fiber: Fiber = scheduler.spawn(function* () {
      for (;;) {
        passed++
        clock.now += 0.01
        if (safepoint()) yield
      }
    })
    scheduler.tick(0)
    expect(fiber.state).toBe('preempted')
    expect(passed).toBeGreaterThan(100)
    expect(passed).toBeLessThanOrEqual(1000 + 64)
    fiber.cancel()
    scheduler.run()
  })

  it.each([0.001, 0.05, 1, 3])('keeps steps within two slices when a safepoint comes every %f ms', (each) => {
    const { scheduler, clock } = manual()
    let longest = 0
    const fibers = Array.from({ length: 3 }, () =>
      scheduler.spawn(function* () {
        let began = clock.now
        for (let i = 0; i < 20_000; i++) {
          clock.now += each
          if (safepoint()) {
            longest = Math.max(longest, clock.now - began)
            yield
            began = clock.now
          }
        }
      }),
    )
    scheduler.run()
    expect(fibers.every((fiber) => fiber.isEnded)).toBe(true)
    expect(longest).toBeGreaterThan(0)
    expect(longest).toBeLessThanOrEqual(30)
    expect(scheduler.stats().steps).toBeGreaterThan(3)
  })

  it('keeps ticks near their budget when a busy fiber follows many quick steps', () => {
    const { scheduler, clock } = manual()
    const quick = scheduler.spawn(function* () {
      for (let i = 0; i < 500; i++) yield
    })
    const busy = scheduler.spawn(function* () {
      yield* quick.joinFiber()
      for (;;) {
        clock.now += 0.1
        if (safepoint()) yield
      }
    })
    const began = clock.now
    scheduler.tick(30)
    expect(quick.state).toBe('finished')
    expect(clock.now - began).toBeGreaterThanOrEqual(30)
    expect(clock.now - began).toBeLessThanOrEqual(50)
    busy.cancel()
    scheduler.run()
  })

  it('asks to yield when something more urgent is ready', () => {
    const { scheduler } = manual()
    const log: string[] = []
    scheduler.spawn(function* () {
      scheduler.spawn(
        function* () {
          log.push('urgent')
        },
        { priority: 'critical' },
      )
      let calls = 0
      while (!safepoint()) calls++
      log.push(calls < 64 ? 'asked' : 'late')
      yield
      log.push('again')
    })
    scheduler.run()
    expect(log).toEqual(['asked', 'urgent', 'again'])
  })

  it('does not ask for a fiber of the same or a lower priority', () => {
    const { scheduler } = manual()
    scheduler.spawn(function* () {
      scheduler.spawn(function* () {})
      scheduler.spawn(function* () {}, { priority: 'low' })
      for (let i = 0; i < 1000; i++) if (safepoint()) throw new Error('asked for nothing')
    })
    scheduler.run()
    expect(scheduler.stats().finished).toBe(3)
  })

  it('still works after another scheduler ran in a callback of this one', () => {
    const other = new Scheduler()
    other.spawn(function* () {
      for (let i = 0; i < 100; i++) if (safepoint()) yield
    })
    const scheduler = new Scheduler()
    Agent.of(Region.default).after(0, () => other.run())
    // While a fiber sleeps, the scheduler polls, and so runs the callback.
    const sleeper = scheduler.spawn(function* () {
      yield* sleepFiber(1e6)
    })
    const fiber: Fiber = scheduler.spawn(function* () {
      while (other.stats().finished === 0) yield
      sleeper.cancel()
      fiber.cancel()
      for (let i = 0; i < 100; i++) safepoint()
      throw new Error('the cancel was not seen')
    })
    scheduler.run()
    expect([fiber.state, sleeper.state]).toEqual(['cancelled', 'cancelled'])
  })

  it('yields by itself in checkpoint, and only when asked', () => {
    const { scheduler, clock } = manual()
    const fiber = scheduler.spawn(function* () {
      for (let i = 0; i < 100; i++) yield* checkpoint()
      clock.now += 100
      for (let i = 0; i < 64; i++) yield* checkpoint()
    })
    scheduler.tick(0)
    expect(fiber.state).toBe('preempted')
    scheduler.run()
    expect(scheduler.stats().steps).toBe(2)
  })

  it('iterates as before in preemptible, and closes the iterable', () => {
    expect([...preemptible(new Set([1, 2, 3]))]).toEqual([1, 2, 3])
    let closed = false
    function* source(): Generator<number> {
      try {
        for (;;) yield 1
      } finally {
        closed = true
      }
    }
    const { scheduler } = manual()
    const fiber: Fiber = scheduler.spawn(function* () {
      let count = 0
      for (const one of preemptible(source())) if ((count += one) === 10) fiber.cancel()
    })
    scheduler.run()
    expect([fiber.state, closed]).toEqual(['cancelled', true])
  })
})
