import { describe, expect, it } from 'vitest'
import { Parker, sleepFiber, TimeoutError } from '@heddle/park'
import { awaitFiber, type Fiber, safepoint, Scheduler } from '../src/index.js'

/** Lets the event loop turn some times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('on the event loop', () => {
  it('runs all fibers, also those that are spawned meanwhile', async () => {
    const scheduler = new Scheduler()
    const log: number[] = []
    scheduler.spawn(function* () {
      log.push(1)
      yield* awaitFiber(Promise.resolve())
      scheduler.spawn(function* () {
        log.push(3)
      })
      log.push(2)
    })
    await scheduler.runAsync()
    expect(log).toEqual([1, 2, 3])
    await scheduler.runAsync()
  })

  it('awaits values, errors and things with a then', async () => {
    const scheduler = new Scheduler()
    const thenable: PromiseLike<string> = { then: (resolve) => Promise.resolve('thenable').then(resolve) }
    const fiber = scheduler.spawn(function* () {
      const first = yield* awaitFiber(Promise.resolve(1))
      const second = yield* awaitFiber(thenable)
      try {
        yield* awaitFiber(Promise.reject(new Error('rejected')))
      } catch (error) {
        return [first, second, (error as Error).message]
      }
      return []
    })
    expect(await fiber.joinAsync()).toEqual([1, 'thenable', 'rejected'])
  })

  it('lets the event loop have its turns while fibers keep busy', async () => {
    const scheduler = new Scheduler({ timeSlice: 1 })
    let isOver = false
    let turns = 0
    const fibers = Array.from({ length: 3 }, () =>
      scheduler.spawn(function* () {
        while (!isOver) if (safepoint()) yield
      }),
    )
    const timer = setInterval(() => {
      if (++turns === 3) isOver = true
    }, 1)
    await scheduler.runAsync()
    clearInterval(timer)
    expect(turns).toBe(3)
    expect(fibers.every((fiber) => fiber.state === 'finished')).toBe(true)
  })

  it('lets the event loop have its turns while fibers pass promises that are settled already', async () => {
    const scheduler = new Scheduler({ timeSlice: 1 })
    let isOver = false
    const timer = setTimeout(() => (isOver = true), 5)
    scheduler.spawn(function* () {
      while (!isOver) yield* awaitFiber(Promise.resolve())
    })
    await scheduler.runAsync()
    clearTimeout(timer)
    expect(isOver).toBe(true)
  })

  it('limits what it awaits', async () => {
    const scheduler = new Scheduler()
    const never = new Promise<void>(() => undefined)
    const timed = scheduler.spawn(function* () {
      yield* awaitFiber(never, { timeout: 2 })
    })
    const controller = new AbortController()
    const aborted = scheduler.spawn(function* () {
      yield* awaitFiber(never, { signal: controller.signal })
    })
    const running = Promise.allSettled([timed.joinAsync(), aborted.joinAsync()])
    setTimeout(() => controller.abort('enough'), 1)
    expect(await running).toMatchObject([
      { status: 'rejected', reason: expect.any(TimeoutError) },
      { status: 'rejected', reason: 'enough' },
    ])
    const already = scheduler.spawn(function* () {
      yield* awaitFiber(never, { signal: controller.signal })
    })
    await expect(already.joinAsync()).rejects.toBe('enough')
  })

  it('mixes fibers that compute, sleep, wait for one another and for promises', async () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const order: string[] = []
    const sleeper = scheduler.spawn(function* () {
      yield* sleepFiber(3)
      order.push('slept')
      parker.unpark()
      return 1
    })
    const parked = scheduler.spawn(function* () {
      yield* parker.parkFiber()
      order.push('unparked')
      return 2
    })
    const computing = scheduler.spawn(function* () {
      let sum = 0
      for (let i = 0; i < 100_000; i++) {
        sum += i
        if (safepoint()) yield
      }
      return sum
    })
    const all = scheduler.spawn(function* () {
      const promised = yield* awaitFiber(Promise.resolve(4))
      return (yield* sleeper.joinFiber()) + (yield* parked.joinFiber()) + (yield* computing.joinFiber()) + promised
    })
    await scheduler.runAsync()
    expect(await all.joinAsync()).toBe(1 + 2 + (99_999 * 100_000) / 2 + 4)
    expect(order).toEqual(['slept', 'unparked'])
    parker.dispose()
  })

  it('does the same when it blocks', () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const parked = scheduler.spawn(function* () {
      yield* parker.parkFiber()
      return 2
    })
    const fibers: Fiber<number>[] = Array.from({ length: 100 }, (_, i) =>
      scheduler.spawn(function* () {
        yield* sleepFiber(i % 7)
        if (i === 50) parker.unpark()
        return i
      }),
    )
    const sum = scheduler.blockOn(function* () {
      let sum = yield* parked.joinFiber()
      for (const fiber of fibers) sum += yield* fiber.joinFiber()
      return sum
    })
    expect(sum).toBe(2 + (99 * 100) / 2)
    parker.dispose()
  })

  it('does not go on when nobody waits for it', async () => {
    const scheduler = new Scheduler()
    let steps = 0
    const endless = scheduler.spawn(function* () {
      for (;;) {
        steps++
        yield* awaitFiber(Promise.resolve())
      }
    })
    const short = scheduler.spawn(function* () {
      yield
    })
    await short.joinAsync()
    await turns(3)
    const after = steps
    await turns(10)
    expect(steps).toBe(after)
    endless.cancel()
    await scheduler.runAsync()
    expect(endless.state).toBe('cancelled')
  })
})
