/**
 * Semaphore, Event, Latch, WaitGroup.
 *
 * Scenarios: CPython Lib/test/lock_tests.py (SemaphoreTests, BoundedSemaphoreTests, EventTests), OpenJDK's jtreg tests and the JSR-166 TCK
 * (CountDownLatchTest, SemaphoreTest: weighted acquires, fairness, negative arguments), Go's sync/waitgroup_test.go.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { CancelSource } from '../../cancel/src/index.js'
import { Event, Latch, Semaphore, WaitGroup } from '../src/index.js'
import { Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

describe.each(modes)('Semaphore, %s', (mode) => {
  test('gives what it has, then makes wait, and times out', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(2, { region: all.region })
    expect((await all.call(mode, semaphore, 'acquire')).error).toBeUndefined()
    expect((await all.call(mode, semaphore, 'acquire', 1)).error).toBeUndefined()
    expect((await all.call(mode, semaphore, 'acquire', { timeout: 3 })).error?.code).toBe('ERR_TIMEOUT')
    expect((await all.call(mode, semaphore, 'acquire', 1, { timeout: 0 })).error?.code).toBe('ERR_TIMEOUT')
    const waiting = all.call(mode, semaphore, 'acquire')
    await all.waiting(1)
    semaphore.release()
    expect((await waiting).error).toBeUndefined()
    expect(semaphore.available).toBe(0)
  })

  test('a big request is not passed by small ones, and goes before them', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(2, { region: all.region })
    const big = all.call(mode, semaphore, 'acquire', 3)
    await all.waiting(1)
    const small = all.call('promise', semaphore, 'acquire')
    await all.waiting(2)
    // There are two, and they are the big one's.
    expect([semaphore.tryAcquire(), small.ended]).toEqual([false, false])
    semaphore.release()
    await big
    await turns(3)
    expect([small.ended, semaphore.available]).toEqual([false, 0])
    semaphore.release()
    await small
  })

  test('when the first gives up, those behind it get what is there', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(1, { region: all.region })
    const source = new CancelSource({ region: all.region })
    const big = all.call(mode, semaphore, 'acquire', 2, { signal: source.token })
    await all.waiting(1)
    const small = all.call('promise', semaphore, 'acquire')
    await all.waiting(2)
    source.cancel()
    expect((await big).error?.code).toBe('ERR_CANCELLED')
    expect((await small).error).toBeUndefined()
  })

  test('many releases at once wake as many as they serve', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(0, { region: all.region })
    const calls = [1, 2, 3].map((k) => all.call(mode === 'thread' && k > 1 ? 'promise' : mode, semaphore, 'acquire', k))
    await all.waiting(3)
    semaphore.release(6)
    for (const call of calls) expect((await call).error).toBeUndefined()
    expect(semaphore.available).toBe(0)
  })
})

describe('Semaphore', () => {
  test('refuses what can’t be', () => {
    all = Modes.create()
    const { region } = all
    for (const n of [-1, 1.5, Number.NaN]) expect(() => new Semaphore(n, { region })).toThrow(/permits/)
    expect(() => new Semaphore(3, { region, max: 2 })).toThrow(/0 to 2/)
    expect(() => new Semaphore(0, { region, max: 0 })).toThrow(/max/)
    const bounded = new Semaphore(1, { region, max: 2 })
    expect(() => bounded.acquire(3)).toThrow(/never/)
    for (const k of [0, -1, 0.5]) {
      expect(() => bounded.tryAcquire(k)).toThrow(/positive/)
      expect(() => bounded.release(k)).toThrow(/positive/)
    }
    bounded.release()
    expect(() => bounded.release()).toThrow(/max = 2/)
    expect(bounded.available).toBe(2)
    bounded.acquire(2)
    expect(bounded.tryAcquire()).toBe(false)
  })

  test('a section returns its permit however it ends', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(1, { region: all.region })
    expect(semaphore.withPermit(() => semaphore.available)).toBe(0)
    await expect(semaphore.withPermitAsync(() => Promise.reject(new Error('section')))).rejects.toThrow('section')
    const fiber = all.scheduler.spawn(function* () {
      return yield* semaphore.withPermitFiber(function* () {
        yield
        return semaphore.available
      })
    })
    expect([await fiber.joinAsync(), semaphore.available]).toEqual([0, 1])
  })

  test('an abort at the moment of success gives the permits back', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(0, { region: all.region })
    const controller = new AbortController()
    const aborted = semaphore.acquireAsync(2, { signal: controller.signal })
    semaphore.release(2)
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(semaphore.available).toBe(2)
  })

  test('a thread passes promises of its own agent, which can’t run while it blocks', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(1, { region: all.region })
    const promise = semaphore.acquireAsync(2)
    semaphore.acquire(1, { timeout: 10_000 })
    semaphore.release(2)
    await promise
    expect(semaphore.available).toBe(0)
  })

  test('a waiter that dies leaves the queue', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(1, { region: all.region })
    void all.call('thread', semaphore, 'acquire', 5)
    await all.waiting(1)
    const small = all.call('promise', semaphore, 'acquire')
    await all.waiting(2)
    await all.terminateLast()
    expect((await small).error).toBeUndefined()
    semaphore.release()
    expect(semaphore.tryAcquire()).toBe(true)
  })
})

describe.each(modes)('Event, %s', (mode) => {
  test('waits until it is set, and then no more', async () => {
    all = Modes.create()
    const event = new Event({ region: all.region })
    expect((await all.call(mode, event, 'wait', { timeout: 2 })).error?.code).toBe('ERR_TIMEOUT')
    const waiting = all.call(mode, event, 'wait')
    await all.waiting(1)
    event.set()
    expect((await waiting).error).toBeUndefined()
    event.set()
    expect((await all.call(mode, event, 'wait')).error).toBeUndefined()
    event.reset()
    expect([event.isSet, (await all.call(mode, event, 'wait', { timeout: 0 })).error?.code]).toEqual([false, 'ERR_TIMEOUT'])
  })

  test('whoever waited at a set goes on, also when it is reset at once (bpo-1785)', async () => {
    all = Modes.create()
    const event = new Event({ region: all.region })
    const waiting = [all.call(mode, event, 'wait'), all.call('promise', event, 'wait')]
    await all.waiting(2)
    event.set()
    event.reset()
    for (const call of waiting) expect((await call).error).toBeUndefined()
    expect(event.isSet).toBe(false)
  })

  test('auto-reset: one wait for each set, as many as wait, and one is kept', async () => {
    all = Modes.create()
    const event = new Event({ region: all.region, auto: true })
    const waiting = [all.call(mode, event, 'wait'), all.call('promise', event, 'wait')]
    await all.waiting(2)
    event.set()
    event.set()
    for (const call of waiting) expect((await call).error).toBeUndefined()
    expect(event.isSet).toBe(false)
    event.set()
    event.set()
    expect((await all.call(mode, event, 'wait')).error).toBeUndefined()
    expect((await all.call(mode, event, 'wait', { timeout: 0 })).error?.code).toBe('ERR_TIMEOUT')
    event.set()
    event.reset()
    expect([event.isSet, event.tryWait()]).toEqual([false, false])
  })
})

describe.each(modes)('Latch and WaitGroup, %s', (mode) => {
  test('a latch opens at 0 and stays open', async () => {
    all = Modes.create()
    const latch = new Latch(3, { region: all.region })
    const waiting = all.call(mode, latch, 'wait')
    await all.waiting(1)
    latch.countDown()
    expect([latch.count, waiting.ended, latch.tryWait()]).toEqual([2, false, false])
    latch.countDown(5)
    expect((await waiting).error).toBeUndefined()
    latch.countDown()
    expect(latch.count).toBe(0)
    expect((await all.call(mode, latch, 'wait', { timeout: 0 })).error).toBeUndefined()
  })

  test('a latch that nobody counts down times out', async () => {
    all = Modes.create()
    const latch = new Latch(1, { region: all.region })
    expect((await all.call(mode, latch, 'wait', { timeout: 2 })).error?.code).toBe('ERR_TIMEOUT')
    expect(() => new Latch(-1, { region: all.region })).toThrow(/latch/)
    expect(() => latch.countDown(0)).toThrow(/from 1/)
    expect(() => latch.countDown(-1)).toThrow(/from 1/)
  })

  test('a group may be used again, and whoever waited at 0 goes on', async () => {
    all = Modes.create()
    const group = new WaitGroup({ region: all.region })
    for (let round = 0; round < 3; round++) {
      group.add(2)
      const waiting = all.call(mode, group, 'wait')
      await all.waiting(1)
      group.done()
      expect(waiting.ended).toBe(false)
      group.done()
      group.add(1)
      expect((await waiting).error).toBeUndefined()
      group.done()
    }
    expect((await all.call(mode, group, 'wait')).error).toBeUndefined()
  })
})

test('a group’s count can’t go below 0 or past its bound', () => {
  all = Modes.create()
  const group = new WaitGroup({ region: all.region })
  expect(() => group.done()).toThrow(/below 0/)
  group.add(4_194_303)
  expect(() => group.add(1)).toThrow(/counts to/)
  expect(() => group.add(0.5)).toThrow(/integer/)
  group.add(-4_194_303)
  expect(group.count).toBe(0)
})

test('objects embedded in memory of the caller are found by place and handle', () => {
  all = Modes.create()
  const { region } = all
  for (const [type, make] of [
    [Semaphore, (at: number) => Semaphore.init(region, at, 1, { max: 2 })],
    [Event, (at: number) => Event.init(region, at, { auto: true })],
    [Latch, (at: number) => Latch.init(region, at, 2)],
    [WaitGroup, (at: number) => WaitGroup.init(region, at)],
  ] as const) {
    const at = region.alloc(type.BYTES, type.ALIGN)
    const made = make(at)
    expect(type.at(region, at).toHandle()).toEqual(made.toHandle())
    expect(type.fromHandle(made.toHandle()).at).toBe(at)
    made.dispose()
    expect(() => type.at(region, at)).toThrow(/lives/)
    region.free(at)
  }
})
