import { describe, expectTypeOf, it } from 'vitest'
import { awaitFiber, type Fiber, FiberLocal, Priority, Scheduler, type SchedulerStats, yieldNow } from '../src/index.js'

describe('types', () => {
  const scheduler = new Scheduler()

  it('keep the value of a fiber through every way to wait for it', () => {
    const fiber = scheduler.spawn(function* () {
      yield* yieldNow()
      return { answer: 42 }
    })
    expectTypeOf(fiber).toEqualTypeOf<Fiber<{ answer: number }>>()
    expectTypeOf(fiber.join()).toEqualTypeOf<{ answer: number }>()
    expectTypeOf(fiber.joinAsync()).toEqualTypeOf<Promise<{ answer: number }>>()
    scheduler.spawn(function* () {
      expectTypeOf(yield* fiber.joinFiber()).toEqualTypeOf<{ answer: number }>()
      expectTypeOf(yield* awaitFiber(Promise.resolve('text'))).toEqualTypeOf<string>()
    })
    expectTypeOf(
      scheduler.blockOn(function* () {
        yield
        return true
      }),
    ).toEqualTypeOf<boolean>()
  })

  it('accept priorities by name and by constant, and nothing else', () => {
    expectTypeOf(Priority.high).toExtend<Priority>()
    const body = function* (): Generator<undefined, void, never> {
      yield
    }
    scheduler.spawn(body, { priority: Priority.low, name: 'x' })
    scheduler.spawn(body, { priority: 'critical' })
    // @ts-expect-error: no such priority
    scheduler.spawn(body, { priority: 'urgent' })
    // @ts-expect-error: a generator, not a function
    scheduler.spawn(body())
    // @ts-expect-error: no fiber body
    scheduler.spawn(() => 5)
  })

  it('name states and figures', () => {
    expectTypeOf(scheduler.stats()).toEqualTypeOf<SchedulerStats>()
    expectTypeOf(new FiberLocal(() => 1).get()).toEqualTypeOf<number>()
    expectTypeOf<Fiber['state']>().toEqualTypeOf<'created' | 'ready' | 'running' | 'blocked' | 'preempted' | 'finished' | 'cancelled'>()
  })
})
