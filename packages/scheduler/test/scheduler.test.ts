import { describe, expect, it } from 'vitest'
import { DisposedError, InvalidArgumentError } from '@heddle/atomics'
import { BlockingNotAllowedError, CancelledError, DeadlockError, Parker, sleepFiber, TimeoutError } from '@heddle/park'
import { BLOCKED, runningFiber } from '@heddle/park/internal'
import { awaitFiber, currentFiber, type Fiber, FiberLocal, isInFiber, safepoint, Scheduler, yieldNow } from '../src/index.js'

describe('running', () => {
  it('interleaves fibers that yield, in turn', () => {
    const scheduler = new Scheduler()
    const log: string[] = []
    for (const name of ['a', 'b', 'c']) {
      scheduler.spawn(function* () {
        for (let i = 0; i < 3; i++) {
          log.push(`${name}${i}`)
          yield
        }
      })
    }
    scheduler.run()
    expect(log).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2'])
  })

  it('goes through its states', () => {
    const scheduler = new Scheduler()
    const seen: string[] = []
    const parker = new Parker()
    const fiber: Fiber<string> = scheduler.spawn(
      function* () {
        seen.push(fiber.state)
        yield
        yield* parker.parkFiber()
        return 'done'
      },
      { name: 'walker', priority: 'normal' },
    )
    scheduler.spawn(function* () {
      seen.push(fiber.state)
      yield
      yield
      seen.push(fiber.state)
      parker.unpark()
    })
    expect(fiber.state).toBe('created')
    expect([fiber.name, fiber.priority]).toEqual(['walker', 'normal'])
    scheduler.run()
    seen.push(fiber.state)
    expect(seen).toEqual(['running', 'ready', 'blocked', 'finished'])
    expect(fiber.join()).toBe('done')
    parker.dispose()
  })

  it('grows past its first slots, and uses slots again under new ids', () => {
    const scheduler = new Scheduler()
    let ran = 0
    const fibers = Array.from({ length: 5000 }, () =>
      scheduler.spawn(function* () {
        yield
        ran++
      }),
    )
    scheduler.run()
    expect(ran).toBe(5000)
    const again = scheduler.spawn(function* () {})
    expect(fibers.map((fiber) => fiber.id)).not.toContain(again.id)
    expect(scheduler.fiber(again.id)).toBe(again)
    scheduler.run()
    expect(() => scheduler.fiber(again.id)).toThrow(DisposedError)
  })

  it('spawns inside fibers', () => {
    const scheduler = new Scheduler()
    const total = scheduler.blockOn(function* skynet(): Generator<unknown, number, never> {
      function* node(number: number, size: number): Generator<unknown, number, never> {
        if (size === 1) return number
        const children = Array.from({ length: 10 }, (_, i) => scheduler.spawn(() => node(number + (i * size) / 10, size / 10)))
        let sum = 0
        for (const child of children) sum += yield* child.joinFiber()
        return sum
      }
      return yield* node(0, 10_000)
    })
    expect(total).toBe((9_999 * 10_000) / 2)
  })

  it('takes a generator as well as a function in blockOn, only functions in spawn', () => {
    const scheduler = new Scheduler()
    function* body(): Generator<undefined, number, never> {
      yield
      return 7
    }
    expect(scheduler.blockOn(body())).toBe(7)
    expect(scheduler.blockOn(body)).toBe(7)
    expect(() => scheduler.spawn(body() as never)).toThrow(InvalidArgumentError)
    expect(() => scheduler.spawn(body, { priority: 'urgent' as never })).toThrow(InvalidArgumentError)
    expect(() => new Scheduler({ timeSlice: 0 })).toThrow(InvalidArgumentError)
    expect(() => new Scheduler({ seed: 0.5 })).toThrow(InvalidArgumentError)
    expect(() => scheduler.tick(-1)).toThrow(InvalidArgumentError)
  })

  it('refuses to run inside a fiber, and inside itself', () => {
    const scheduler = new Scheduler()
    const errors: unknown[] = []
    const attempt = (run: () => void): void => {
      try {
        run()
      } catch (error) {
        errors.push(error)
      }
    }
    const other = scheduler.spawn(function* () {})
    scheduler.spawn(function* () {
      attempt(() => scheduler.run())
      attempt(() => new Scheduler().run())
      attempt(() => other.isEnded || other.join())
      attempt(() => scheduler.tick())
    })
    const joined = scheduler.spawn(function* () {
      yield* sleepFiber(0)
    })
    scheduler.run()
    expect(joined.state).toBe('finished')
    expect(errors.length).toBeGreaterThanOrEqual(3)
    for (const error of errors) expect(error).toBeInstanceOf(BlockingNotAllowedError)
    const hooked = new Scheduler({ hooks: { step: () => attempt(() => hooked.tick()) } })
    hooked.spawn(function* () {})
    errors.length = 0
    hooked.run()
    expect(errors).toHaveLength(1)
  })

  it('ticks within a budget and says what is left', () => {
    let time = 0
    const scheduler = new Scheduler({ clock: () => time })
    let steps = 0
    const fiber = scheduler.spawn(function* () {
      for (;;) {
        steps++
        time += 1
        yield
      }
    })
    expect(scheduler.tick(20)).toBe(true)
    expect(steps).toBeGreaterThanOrEqual(20)
    expect(steps).toBeLessThanOrEqual(24)
    fiber.cancel()
    expect(scheduler.tick(Infinity)).toBe(false)
    expect(fiber.state).toBe('cancelled')
  })

  it('counts, and lists names and states', () => {
    const scheduler = new Scheduler()
    scheduler.spawn(function* () {}, { name: 'one' })
    const failing = scheduler.spawn(function* () {
      throw new Error('no')
    })
    scheduler.spawn(function* () {}).cancel()
    scheduler.tick(Infinity)
    expect(() => failing.join()).toThrow('no')
    const waiting = scheduler.spawn(function* () {}, { name: 'two', priority: 'low' })
    expect(scheduler.stats()).toEqual({
      spawned: 4,
      finished: 2,
      failed: 1,
      cancelled: 1,
      steps: 2,
      fibers: [{ id: waiting.id, name: 'two', state: 'created', priority: 'low' }],
    })
  })

  it('tells its hooks', () => {
    const log: string[] = []
    const scheduler = new Scheduler({
      hooks: {
        spawn: (fiber) => log.push(`spawn ${fiber.name}`),
        step: (fiber) => log.push(`step ${fiber.name}`),
        pause: (fiber) => log.push(`pause ${fiber.name} ${fiber.state}`),
        safepoint: (fiber) => log.push(`safepoint ${fiber.name}`),
        end: (fiber) => log.push(`end ${fiber.name} ${fiber.state}`),
      },
    })
    scheduler.spawn(
      function* () {
        yield
        // The first look of a new fiber comes at its eighth safepoint.
        for (let i = 0; i < 8; i++) safepoint()
      },
      { name: 'x' },
    )
    scheduler.run()
    expect(log).toEqual(['spawn x', 'step x', 'pause x ready', 'step x', 'safepoint x', 'end x finished', 'pause x finished'])
  })

  it('knows the running fiber', () => {
    const scheduler = new Scheduler()
    expect([currentFiber(), isInFiber()]).toEqual([undefined, false])
    const fiber: Fiber = scheduler.spawn(function* () {
      expect([currentFiber(), isInFiber()]).toEqual([fiber, true])
      yield* yieldNow()
      expect(currentFiber()).toBe(fiber)
    })
    scheduler.run()
    expect([currentFiber(), isInFiber()]).toEqual([undefined, false])
  })

  it('keeps locals of fibers apart', () => {
    const scheduler = new Scheduler()
    let made = 0
    const local = new FiberLocal(() => `new ${++made}`)
    const log: string[] = []
    for (const name of ['a', 'b']) {
      scheduler.spawn(function* () {
        log.push(local.get())
        local.set(name)
        yield
        log.push(local.get())
      })
    }
    scheduler.run()
    expect(log).toEqual(['new 1', 'new 2', 'a', 'b'])
    expect(() => local.get()).toThrow(InvalidArgumentError)
  })
})

describe('the waker protocol', () => {
  it('does not resume a blocked fiber before its wake, and loses no wake that comes before the yield', () => {
    const scheduler = new Scheduler()
    const log: string[] = []
    const fiber: Fiber = scheduler.spawn(function* () {
      runningFiber.get()!.wake()
      yield BLOCKED
      log.push('early wake')
      yield BLOCKED
      log.push('late wake')
    })
    scheduler.tick(Infinity)
    scheduler.tick(Infinity)
    expect(log).toEqual(['early wake'])
    expect(fiber.state).toBe('blocked')
    fiber.wake()
    fiber.wake()
    scheduler.tick(Infinity)
    expect(log).toEqual(['early wake', 'late wake'])
    fiber.wake()
    expect(fiber.state).toBe('finished')
  })

  it('keeps a wake over a yield that does not block', () => {
    const scheduler = new Scheduler()
    const fiber = scheduler.spawn(function* () {
      runningFiber.get()!.wake()
      yield
      yield BLOCKED
      return 1
    })
    expect(fiber.join()).toBe(1)
  })
})

describe('joining', () => {
  it('gives the value to every joiner, before and after the end', async () => {
    const scheduler = new Scheduler()
    const fiber = scheduler.spawn(function* () {
      yield
      return { value: 1 }
    })
    const seen: unknown[] = []
    for (let i = 0; i < 3; i++) {
      scheduler.spawn(function* () {
        seen.push(yield* fiber.joinFiber())
      })
    }
    const promise = fiber.joinAsync()
    scheduler.run()
    const value = fiber.join()
    expect(value).toEqual({ value: 1 })
    expect(seen).toEqual([value, value, value])
    expect(seen[2]).toBe(value)
    expect(await promise).toBe(value)
    expect(await fiber.joinAsync()).toBe(value)
    expect(scheduler.blockOn(() => (fiber.joinFiber() as { [Symbol.iterator](): Iterator<unknown, typeof value, never> })[Symbol.iterator]())).toBe(
      value,
    )
  })

  it('gives the same error to every joiner', async () => {
    const scheduler = new Scheduler()
    const error = new RangeError('mine')
    const fiber = scheduler.spawn(function* () {
      yield
      throw error
    })
    const outcome = scheduler.spawn(function* () {
      try {
        yield* fiber.joinFiber()
      } catch (caught) {
        return caught
      }
    })
    const promise = fiber.joinAsync()
    expect(outcome.join()).toBe(error)
    expect(() => fiber.join()).toThrow(error)
    await expect(promise).rejects.toBe(error)
    scheduler.run()
  })

  it('reports errors that nobody joined once, when all have ended', async () => {
    const scheduler = new Scheduler()
    const fail = (message: string): Fiber<never> =>
      scheduler.spawn(function* (): Generator<undefined, never, never> {
        throw new Error(message)
      })
    let others = 0
    fail('one')
    scheduler.spawn(function* () {
      yield
      others++
    })
    expect(() => scheduler.run()).toThrow('one')
    expect(others).toBe(1)
    scheduler.run()
    fail('two')
    fail('three')
    await expect(scheduler.runAsync()).rejects.toThrow(AggregateError)
    const joined = fail('four')
    scheduler.tick(Infinity)
    expect(() => joined.join()).toThrow('four')
    scheduler.run()
  })

  it('reports an error whose joiner was cancelled before it could see it', () => {
    const scheduler = new Scheduler()
    const gate = new Parker()
    const failing = scheduler.spawn(function* () {
      yield* gate.parkFiber()
      joiner.cancel()
      throw new Error('unseen')
    })
    const joiner: Fiber = scheduler.spawn(function* () {
      yield* failing.joinFiber()
    })
    scheduler.tick(Infinity)
    gate.unpark()
    expect(() => scheduler.run()).toThrow('unseen')
    expect(joiner.state).toBe('cancelled')
    gate.dispose()
  })

  it('refuses a fiber that joins itself, and fibers that wait for one another', () => {
    const scheduler = new Scheduler()
    const self: Fiber = scheduler.spawn(function* () {
      yield* self.joinFiber()
    })
    expect(() => self.join()).toThrow(DeadlockError)
    const fibers: Fiber[] = []
    for (const other of [1, 0]) {
      fibers.push(
        scheduler.spawn(function* () {
          yield
          yield* fibers[other]!.joinFiber()
        }),
      )
    }
    expect(() => scheduler.run()).toThrow(DeadlockError)
    expect(fibers.map((fiber) => fiber.state)).toEqual(['blocked', 'blocked'])
    fibers[0]!.cancel()
    expect(() => fibers[1]!.join()).toThrow(CancelledError)
    scheduler.run()
  })

  it('gives up in time, in all three ways, and leaves the fiber as it is', async () => {
    const scheduler = new Scheduler()
    const parker = new Parker()
    const fiber = scheduler.spawn(function* () {
      yield* parker.parkFiber()
      return 5
    })
    expect(() => fiber.join({ timeout: 1 })).toThrow(TimeoutError)
    const inFiber = scheduler.spawn(function* () {
      yield* fiber.joinFiber({ timeout: 1 })
    })
    expect(() => inFiber.join()).toThrow(TimeoutError)
    await expect(fiber.joinAsync({ timeout: 1 })).rejects.toThrow(TimeoutError)
    const controller = new AbortController()
    const aborted = fiber.joinAsync({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(() => fiber.join({ signal: controller.signal })).toThrow(TypeError)
    expect(fiber.state).toBe('blocked')
    parker.unpark()
    expect(fiber.join({ timeout: 10_000 })).toBe(5)
    parker.dispose()
  })

  it('ends well when the fiber ends in time', async () => {
    const scheduler = new Scheduler()
    const fiber = scheduler.spawn(function* () {
      yield
      return 1
    })
    const inFiber = scheduler.spawn(function* () {
      return yield* fiber.joinFiber({ timeout: 10_000 })
    })
    expect(await fiber.joinAsync({ timeout: 10_000 })).toBe(1)
    expect(await inFiber.joinAsync()).toBe(1)
    expect(() => fiber.joinFiber()[Symbol.iterator]().next()).not.toThrow()
    const later = scheduler.spawn(function* () {})
    expect(() => later.joinFiber()[Symbol.iterator]().next()).toThrow(InvalidArgumentError)
    expect(() => awaitFiber(Promise.resolve())[Symbol.iterator]().next()).toThrow(InvalidArgumentError)
    scheduler.run()
  })
})
