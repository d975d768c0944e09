import { describe, expect, it } from 'vitest'
import { InvalidArgumentError, Region } from '@heddle/atomics'
import { CancelledError, DeadlockError, Parker, sleepFiber, TimeoutError } from '@heddle/park'
import { QUEUE_BYTES } from '@heddle/park/internal'
import { awaitFiber, type Fiber, preemptible, safepoint, Scheduler } from '../src/index.js'

describe('cancel', () => {
  it('of a created fiber: its function is never called', () => {
    const scheduler = new Scheduler()
    let called = false
    const fiber = scheduler.spawn(function* () {
      called = true
    })
    expect(fiber.cancel()).toBe(true)
    expect(fiber.state).toBe('cancelled')
    expect(fiber.cancel()).toBe(false)
    scheduler.run()
    expect(called).toBe(false)
    expect(() => fiber.join()).toThrow(CancelledError)
  })

  it('of a ready fiber: the reason is thrown where it yielded', () => {
    const scheduler = new Scheduler()
    const reason = new Error('stop')
    let cleaned = false
    const fiber = scheduler.spawn(function* () {
      try {
        for (;;) yield
      } finally {
        cleaned = true
      }
    })
    scheduler.tick(0)
    expect(fiber.state).toBe('ready')
    expect(fiber.cancel(reason)).toBe(true)
    expect(() => fiber.join()).toThrow(reason)
    expect([fiber.state, cleaned]).toEqual(['cancelled', true])
    expect(scheduler.stats().cancelled).toBe(1)
  })

  it('of a running fiber, by itself: at its next safepoint, in a helper too', () => {
    const scheduler = new Scheduler()
    const helper = (): void => {
      for (let i = 0; i < 1000; i++) safepoint()
      throw new Error('the helper was not reached by the cancel')
    }
    const fiber: Fiber = scheduler.spawn(function* () {
      fiber.cancel('why')
      helper()
    })
    scheduler.run()
    expect(fiber.state).toBe('cancelled')
    const looping: Fiber = scheduler.spawn(function* () {
      looping.cancel()
      let sum = 0
      for (const element of preemptible(Array.from({ length: 1000 }, () => 1))) sum += element
      throw new Error(`the loop was not reached by the cancel: ${sum}`)
    })
    scheduler.run()
    expect(looping.state).toBe('cancelled')
  })

  it('of a running fiber that then blocks: it does not block', () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const fiber: Fiber = scheduler.spawn(function* () {
      fiber.cancel()
      yield* parker.parkFiber()
    })
    scheduler.run()
    expect(fiber.state).toBe('cancelled')
    parker.unpark()
    expect(parker.tryPark()).toBe(true)
    parker.dispose()
  })

  it('of a blocked fiber: its wait ends, and consumes nothing', () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const log: string[] = []
    const fiber = scheduler.spawn(function* () {
      try {
        yield* parker.parkFiber()
      } finally {
        log.push('cleaning')
        yield* sleepFiber(1)
        log.push('clean')
      }
    })
    scheduler.tick(Infinity)
    expect(fiber.state).toBe('blocked')
    fiber.cancel()
    expect(() => fiber.join()).toThrow(CancelledError)
    expect(log).toEqual(['cleaning', 'clean'])
    parker.unpark()
    expect(parker.tryPark()).toBe(true)
    parker.dispose()
  })

  it('of a fiber that joins or awaits: the other goes on, and its end wakes nobody', async () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const target = scheduler.spawn(function* () {
      yield* parker.parkFiber()
      return 1
    })
    const joiner = scheduler.spawn(function* () {
      yield* target.joinFiber()
    })
    let settle!: () => void
    const promise = new Promise<void>((resolve) => (settle = resolve))
    const awaiter = scheduler.spawn(function* () {
      yield* awaitFiber(promise)
    })
    scheduler.tick(Infinity)
    joiner.cancel()
    awaiter.cancel()
    scheduler.tick(Infinity)
    expect([joiner.state, awaiter.state]).toEqual(['cancelled', 'cancelled'])
    settle()
    parker.unpark()
    expect(await target.joinAsync()).toBe(1)
    parker.dispose()
  })

  it('of one of several that join, with a time limit or without: the others are woken', () => {
    const scheduler = new Scheduler()
    const gate = new Parker()
    const target = scheduler.spawn(function* () {
      yield* gate.parkFiber()
      return 3
    })
    const options = [undefined, { timeout: 1e6 }, undefined, { timeout: 1e6 }]
    const joiners = options.map((one) =>
      scheduler.spawn(function* () {
        return yield* target.joinFiber(one)
      }),
    )
    scheduler.tick(Infinity)
    expect(joiners.map((fiber) => fiber.state)).toEqual(['blocked', 'blocked', 'blocked', 'blocked'])
    joiners[0]!.cancel()
    joiners[1]!.cancel()
    gate.unpark()
    scheduler.run()
    expect(joiners.map((fiber) => fiber.state)).toEqual(['cancelled', 'cancelled', 'finished', 'finished'])
    expect(joiners[3]!.join()).toBe(3)
    gate.dispose()
  })

  it('leaves nothing behind when a wait is closed instead', () => {
    const scheduler = new Scheduler()
    const target = scheduler.spawn(function* () {
      yield* sleepFiber(1)
    })
    const never = new Promise<void>(() => undefined)
    const closing = scheduler.spawn(function* () {
      for (const wait of [target.joinFiber(), target.joinFiber({ timeout: 1e6 }), awaitFiber(never), awaitFiber(never, { timeout: 1e6 })]) {
        const inner = (function* () {
          yield* wait
        })()
        inner.next()
        inner.return(undefined)
      }
      return 'closed'
    })
    scheduler.run()
    expect(closing.join()).toBe('closed')
    // With a time limit left behind it would wait for that instead.
    const stuck: Fiber = scheduler.spawn(function* () {
      yield* awaitFiber(never)
    })
    expect(() => scheduler.run()).toThrow(DeadlockError)
    stuck.cancel()
    scheduler.run()
  })

  it('of a fiber that catches the reason: it goes on, and can be cancelled again', () => {
    const scheduler = new Scheduler()
    const caught: unknown[] = []
    const fiber = scheduler.spawn(function* () {
      for (;;) {
        try {
          yield
        } catch (error) {
          caught.push(error)
          if (caught.length === 2) return 'enough'
        }
      }
    })
    scheduler.tick(0)
    fiber.cancel('first')
    scheduler.tick(0)
    expect(caught).toEqual(['first'])
    expect(fiber.state).toBe('ready')
    fiber.cancel('second')
    expect(fiber.join()).toBe('enough')
    expect([fiber.state, caught]).toEqual(['finished', ['first', 'second']])
    expect(fiber.cancel()).toBe(false)
  })

  it('of a fiber that throws another error meanwhile: that error is its outcome', () => {
    const scheduler = new Scheduler()
    const fiber = scheduler.spawn(function* () {
      try {
        for (;;) yield
      } catch {
        throw new Error('cleaning failed')
      }
    })
    scheduler.tick(0)
    fiber.cancel()
    expect(() => fiber.join()).toThrow('cleaning failed')
    expect(fiber.state).toBe('finished')
  })

  it('by a signal, before and after the start', () => {
    const scheduler = new Scheduler()
    const controller = new AbortController()
    const body = function* (): Generator<undefined, void, never> {
      for (;;) yield
    }
    const fiber = scheduler.spawn(body, { signal: controller.signal })
    scheduler.tick(0)
    controller.abort(new Error('gone'))
    expect(() => fiber.join()).toThrow('gone')
    const never = scheduler.spawn(body, { signal: controller.signal })
    expect(never.state).toBe('cancelled')
    scheduler.run()
  })

  it('by its time limit: where it waits, and in a loop that never yields', () => {
    const scheduler = new Scheduler()
    const asleep = scheduler.spawn(
      function* () {
        yield* sleepFiber(1e9)
      },
      { timeout: 1 },
    )
    expect(() => asleep.join()).toThrow(TimeoutError)
    expect(asleep.state).toBe('cancelled')
    const clock = { now: 0 }
    const manual = new Scheduler({ clock: () => clock.now, timeSlice: 1e6 })
    const caught: unknown[] = []
    const looping = manual.spawn(
      function* () {
        try {
          for (;;) {
            clock.now++
            safepoint()
          }
        } catch (error) {
          caught.push(error)
        }
        // It is told once.
        for (let i = 0; i < 1000; i++) safepoint()
        throw caught[0]
      },
      { timeout: 500_000, name: 'looping' },
    )
    manual.run()
    expect(caught[0]).toBeInstanceOf(TimeoutError)
    expect((caught[0] as Error).message).toContain('looping')
    expect(looping.state).toBe('cancelled')
    const quick = scheduler.spawn(
      function* () {
        return 1
      },
      { timeout: 10_000 },
    )
    expect(quick.join()).toBe(1)
    const { spawned, cancelled } = scheduler.stats()
    expect(() => scheduler.spawn(function* () {}, { timeout: -1 })).toThrow(InvalidArgumentError)
    expect(scheduler.stats()).toMatchObject({ spawned: spawned + 1, cancelled: cancelled + 1, fibers: [] })
    scheduler.run()
  })

  it('by a token of another thread, in a loop that never yields', () => {
    const region = Region.create({ bytes: 1 << 20, agents: 4 })
    // What park asks of a token; the flag is set here as another thread would set it.
    const token = { isCancelled: false, reason: new Error('from elsewhere'), region, waiters: region.alloc(QUEUE_BYTES) >> 2 }
    const scheduler = new Scheduler({ region })
    const fiber = scheduler.spawn(
      function* () {
        for (let i = 0; ; i++) {
          if (i === 1000) token.isCancelled = true
          safepoint()
        }
      },
      { signal: token },
    )
    expect(() => fiber.join()).toThrow('from elsewhere')
    expect(fiber.state).toBe('cancelled')
  })

  it('closes an iterator that has no throw', () => {
    const scheduler = new Scheduler()
    let closed = false
    const fiber = scheduler.spawn(() => ({
      next: () => ({ done: false as const, value: undefined }),
      return: () => {
        closed = true
        return { done: true as const, value: undefined }
      },
    }))
    scheduler.tick(0)
    fiber.cancel()
    scheduler.run()
    expect([fiber.state, closed]).toEqual(['cancelled', true])
  })
})
