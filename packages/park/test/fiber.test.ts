/** The fiber verbs, under the smallest scheduler there can be. */
import { AtomicInt32, InvalidArgumentError, type Region } from '@heddle/atomics'
import { notify, type ParkResult, Parker, sleepFiber, sleepUntilFiber, TimeoutError, waitOnFiber, WaitQueue } from '@heddle/park'
import { BLOCKED, DoneFiber, FiberWait, Operation, Agent, runningFiber } from '@heddle/park/internal'
import { now } from '@heddle/atomics/ops'
import { beforeEach, describe, expect, test } from 'vitest'
import { Fibers } from './support/fibers.js'
import { Crew, expectNothingLeft, makeRegion, settled } from './support/stage.js'

let region: Region
let queue: WaitQueue
let fibers: Fibers
beforeEach(() => {
  region = makeRegion()
  queue = new WaitQueue({ region })
  fibers = new Fibers()
})

describe('a fiber', () => {
  test('waits in a queue, and takes one step for each wake', async () => {
    const fiber = fibers.start(function* () {
      const first = yield* queue.parkFiber()
      const second = yield* queue.parkFiber({ validate: () => true })
      return [first.token, second.token]
    })
    expect(fiber.isBlocked).toBe(true)
    await settled()
    expect(fiber.steps).toBe(1)
    expect(await new Crew(region).do({ do: 'unparkOne', at: queue.at, value: 5 })).toEqual({ value: true })
    while (fiber.steps < 2) await settled()
    expect(queue.unparkOne(6)).toBe(true)
    expect(await fiber.end).toEqual([5, 6])
    expect(fiber.steps).toBe(3)
    expectNothingLeft(region)
  })

  test('does not yield when there is nothing to wait for', async () => {
    const cell = new AtomicInt32({ region, value: 1 })
    const parker = new Parker({ region })
    parker.unpark()
    const fiber = fibers.start(function* () {
      const { outcome } = yield* queue.parkFiber({ validate: () => false })
      yield* parker.parkFiber()
      return [outcome, yield* waitOnFiber(cell, 0)]
    })
    expect(await fiber.end).toEqual(['invalid', 'not-equal'])
    expect(fiber.steps).toBe(1)
    expectNothingLeft(region)
  })

  test('waits on a cell, for a permit, and for a time', async () => {
    const cell = new AtomicInt32({ region })
    const parker = new Parker({ region })
    const onCell = fibers.start(() => waitOnFiber(cell, 0))
    const onPermit = fibers.start(() => parker.parkFiber())
    const start = now()
    const asleep = fibers.start(() => sleepFiber(2))
    const untilThen = fibers.start(() => sleepUntilFiber(start + 3))
    expect(notify(cell)).toBe(1)
    parker.unpark()
    expect(await onCell.end).toBe('ok')
    await onPermit.end
    await asleep.end
    expect(now()).toBeGreaterThanOrEqual(start + 2)
    await untilThen.end
    expect(now()).toBeGreaterThanOrEqual(start + 3)
    expectNothingLeft(region)
  })

  test('times out, and a bad time is refused at its first step', async () => {
    await expect(fibers.run(() => queue.parkFiber({ timeout: 0 }))).rejects.toThrow(TimeoutError)
    await expect(fibers.run(() => queue.parkFiber({ timeout: -1 }))).rejects.toThrow(InvalidArgumentError)
    await expect(fibers.run(() => queue.parkFiber({ signal: AbortSignal.abort('gone') }))).rejects.toBe('gone')
    expectNothingLeft(region)
  })

  test('an AbortSignal ends its wait', async () => {
    const controller = new AbortController()
    const fiber = fibers.start(() => queue.parkFiber({ signal: controller.signal }))
    controller.abort('enough')
    await expect(fiber.end).rejects.toBe('enough')
    expectNothingLeft(region)
  })

  test('may not block its worker, unless it says so', async () => {
    const blocking = fibers.run(function* () {
      queue.park()
      yield* queue.parkFiber()
    })
    await expect(blocking).rejects.toMatchObject({ code: 'ERR_BLOCKING_NOT_ALLOWED', message: expect.stringContaining('parkFiber()') as string })
    const asked = fibers.run(function* () {
      yield* sleepFiber(0)
      queue.park({ blockFiber: true, timeout: 0 })
    })
    await expect(asked).rejects.toThrow(TimeoutError)
    expectNothingLeft(region)
  })
})

describe('the end of a fiber that waits', () => {
  test('throw(): its wait ends, and consumes nothing (W2)', async () => {
    const fiber = fibers.start(() => queue.parkFiber())
    fiber.step(() => fiber.iterator.throw!(new RangeError('cancelled')))
    await expect(fiber.end).rejects.toThrow('cancelled')
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('return(): the same, and finally blocks run', async () => {
    let cleaned = false
    const fiber = fibers.start<ParkResult>(function* () {
      try {
        return yield* queue.parkFiber()
      } finally {
        cleaned = true
      }
    })
    fiber.step(() => fiber.iterator.return!({ outcome: 'invalid', token: 99 }))
    expect((await fiber.end).token).toBe(99)
    expect([cleaned, queue.hasWaiters]).toEqual([true, false])
    expectNothingLeft(region)
  })

  for (const how of ['throw', 'return'] as const) {
    test(`${how}() after it was chosen: the next waiter gets the unpark`, async () => {
      const fiber = fibers.start(() => queue.parkFiber())
      const next = queue.parkAsync()
      queue.unparkOne(3)
      fiber.step(() => (how === 'throw' ? fiber.iterator.throw!(new RangeError('late')) : fiber.iterator.return!()))
      fiber.end.catch(() => undefined)
      expect((await next).token).toBe(3)
      expectNothingLeft(region)
    })

    test(`${how}() after its wait has ended and before it took a step: likewise`, async () => {
      const fiber = fibers.start(() => queue.parkFiber())
      const next = queue.parkAsync()
      // The wake arrives, but this scheduler is in no hurry.
      fibers.schedule = () => undefined
      queue.unparkOne(3)
      await settled()
      expect(fiber.isBlocked).toBe(false)
      fiber.step(() => (how === 'throw' ? fiber.iterator.throw!(new RangeError('late')) : fiber.iterator.return!()))
      fiber.end.catch(() => undefined)
      expect((await next).token).toBe(3)
      expectNothingLeft(region)
    })
  }

  test('a permit that it had got is given back', async () => {
    const parker = new Parker({ region })
    const fiber = fibers.start(() => parker.parkFiber())
    parker.unpark()
    fiber.step(() => fiber.iterator.throw!(new RangeError('late')))
    await expect(fiber.end).rejects.toThrow('late')
    expect(parker.tryPark()).toBe(true)
    expectNothingLeft(region)
  })

  test('an error that its operation ended with meanwhile is not lost: it may hold a lock', async () => {
    /** Fails when it is woken, as a lock does that has been poisoned. */
    class Poisoned extends Operation<void> {
      begin(): boolean {
        this.inner.record = this.record
        return this.inner.begin()
      }
      resume(): boolean {
        throw new RangeError('poisoned')
      }
      override undo(): boolean {
        return true
      }
      private readonly inner = (queue as unknown as { operation(o: undefined): Operation<unknown> }).operation(undefined)
    }
    const failing = fibers.start(() => new FiberWait(new Poisoned(Agent.of(region)), undefined, 'x'))
    queue.unparkOne()
    failing.step(() => failing.iterator.throw!(new Error('cancelled')))
    await expect(failing.end).rejects.toThrow('poisoned')
    expectNothingLeft(region)
  })

  test('before its first step: nothing to end', () => {
    const wait = queue.parkFiber()[Symbol.iterator]()
    expect(wait.return!()).toEqual({ done: true, value: undefined })
    expect(() => wait.throw!(new Error('mine'))).toThrow('mine')
    expectNothingLeft(region)
  })
})

test('outside of a fiber it is refused', () => {
  expect(runningFiber.get()).toBe(undefined)
  expect(() => queue.parkFiber()[Symbol.iterator]().next()).toThrow(InvalidArgumentError)
  expectNothingLeft(region)
})

test('a done operation is its own iterator', () => {
  const done = new DoneFiber(4)
  expect([...[done[Symbol.iterator]() === done, done.next().value]]).toEqual([true, 4])
  expect(String(BLOCKED)).toContain('blocked')
})
