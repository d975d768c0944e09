/**
 * Scenarios of the JSR-166 TCK (OpenJDK's test/jdk/java/util/concurrent/tck: CountDownLatchTest, CyclicBarrierTest, SemaphoreTest), restated; each test is
 * named after the methods there. What Java interrupts is cancelled here by a token.
 *
 * Restated elsewhere: counting.test.ts has the constructors, testCountDown and testAwaitTimeout, barrier.test.ts the constructors, testSingleParty, testBarrierAction's
 * order and testReset_BrokenBarrier. Without a counterpart: what looks into queues (hasQueuedThreads, getQueueLength, getQueuedThreads), drainPermits, reducePermits and
 * negative initial permits, uninterruptible waits, serialization (handles) and toString.
 */
import { AtomicInt32 } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { CancelSource } from '../../cancel/src/index.js'
import { Barrier, Latch, Semaphore } from '../src/index.js'
import { runCrew } from './support/crew.js'
import { type Mode, Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

/** Another mode: two parties that wait in one thread would be one too few. */
const beside = (mode: Mode): Mode => (mode === 'promise' ? 'fiber' : 'promise')

describe.each(modes)('CountDownLatchTest, %s', (mode) => {
  test('testAwait, testTimedAwait, testGetCount: all wait until the last count, timed or not', async () => {
    all = Modes.create()
    const latch = new Latch(2, { region: all.region })
    expect(latch.count).toBe(2)
    const waits = [all.call(mode, latch, 'wait'), all.call(mode, latch, 'wait', { timeout: 1e12 })]
    await all.waiting(2)
    latch.countDown()
    await turns(3)
    expect([latch.count, ...waits.map(({ ended }) => ended)]).toEqual([1, false, false])
    latch.countDown()
    for (const wait of waits) expect((await wait).error).toBeUndefined()
    latch.countDown()
    expect(latch.count).toBe(0)
  })

  test('testAwait_Interruptible, testTimedAwait_Interruptible: cancelled before and during, the count stays', async () => {
    all = Modes.create()
    const latch = new Latch(1, { region: all.region })
    const before = new CancelSource({ region: all.region })
    before.cancel(new RangeError('before'))
    const during = new CancelSource({ region: all.region })
    for (const timed of [{}, { timeout: 1e12 }])
      expect((await all.call(mode, latch, 'wait', { signal: before.token, ...timed })).error?.message).toBe('before')
    const waits = [{}, { timeout: 1e12 }].map((timed) => all.call(mode, latch, 'wait', { signal: during.token, ...timed }))
    await all.waiting(2)
    during.cancel(new RangeError('during'))
    for (const wait of waits) expect((await wait).error?.message).toBe('during')
    expect(latch.count).toBe(1)
    latch.countDown()
    expect((await all.call(mode, latch, 'wait')).error).toBeUndefined()
    for (const source of [before, during]) source.dispose()
  })
})

test('CountDownLatchTest: a latch of 0 is open', () => {
  all = Modes.create()
  const latch = new Latch(0, { region: all.region })
  latch.wait({ timeout: 0 })
  expect([latch.count, latch.tryWait()]).toEqual([0, true])
})

describe('CyclicBarrierTest', () => {
  test('testGetParties, testBarrierAction: the action runs once in each round', () => {
    all = Modes.create()
    let ran = 0
    const barrier = new Barrier(1, { region: all.region, action: () => void ran++ })
    expect([barrier.parties, barrier.waiting]).toEqual([1, 0])
    barrier.wait()
    barrier.wait()
    expect([barrier.waiting, ran]).toEqual([0, 2])
  })

  test('testTwoParties: two threads, many rounds', async () => {
    all = Modes.create()
    const { region } = all
    const objects = { barrier: new Barrier(2, { region }), before: new AtomicInt32({ region }), after: new AtomicInt32({ region }) }
    const led = (await runCrew(region, 'pass a barrier in lockstep', 2, { objects, rounds: 50, parties: 2 })) as number[]
    expect(led[0]! + led[1]!).toBe(50)
  })
})

describe.each(modes)('CyclicBarrierTest, %s', (mode) => {
  test.each([{}, { timeout: 1e12 }])('testAwait1_Interrupted, testAwait2_Interrupted, testResetAfterInterrupt: options %j', async (timed) => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    for (let round = 0; round < 2; round++) {
      const source = new CancelSource({ region: all.region })
      const first = all.call(mode, barrier, 'wait', { signal: source.token, ...timed })
      await all.waiting(1)
      const second = all.call(beside(mode), barrier, 'wait', timed)
      await all.waiting(2)
      source.cancel(new RangeError('interrupted'))
      expect((await first).error?.message).toBe('interrupted')
      expect((await second).error?.code).toBe('ERR_BROKEN_BARRIER')
      expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0])
      barrier.reset()
      expect([barrier.isBroken, barrier.waiting]).toEqual([false, 0])
      source.dispose()
    }
  })

  test('testAwait3_TimeoutException, testAwait4, testAwait5_Timeout, testResetAfterTimeout', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    for (const timed of [{}, { timeout: 1e12 }]) {
      const first = all.call(beside(mode), barrier, 'wait', timed)
      await all.waiting(1)
      expect((await all.call(mode, barrier, 'wait', { timeout: 5 })).error?.code).toBe('ERR_TIMEOUT')
      expect((await first).error?.code).toBe('ERR_BROKEN_BARRIER')
      expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0])
      barrier.reset()
      expect([barrier.isBroken, barrier.waiting]).toEqual([false, 0])
    }
  })

  test('testReset_NoBrokenBarrier, testResetWithoutBreakage: a reset that nobody waits at breaks nothing', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    barrier.reset()
    for (let round = 0; round < 3; round++) {
      const parties = [mode, beside(mode), 'promise' as const].map((one) => all.call(one, barrier, 'wait'))
      for (const party of parties) expect((await party).error).toBeUndefined()
      if (round === 1) barrier.reset()
      expect([barrier.isBroken, barrier.waiting]).toEqual([false, 0])
    }
  })

  test('testResetAfterCommandException: an action that throws breaks it, a reset mends it', async () => {
    all = Modes.create()
    let fails = true
    const barrier = new Barrier(2, {
      region: all.region,
      action: () => {
        if (fails) throw new TypeError('action')
      },
    })
    for (let round = 0; round < 2; round++) {
      const waiting = all.call(mode, barrier, 'wait')
      await all.waiting(1)
      await expect(barrier.waitAsync()).rejects.toThrow('action')
      expect((await waiting).error?.code).toBe('ERR_BROKEN_BARRIER')
      expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0])
      barrier.reset()
    }
    fails = false
    const waiting = all.call(mode, barrier, 'wait')
    await all.waiting(1)
    await barrier.waitAsync()
    expect((await waiting).error).toBeUndefined()
  })

  test('testReset_Leakage: broken, reset and waited at by one party alone, it lets nobody through', async () => {
    all = Modes.create()
    const barrier = new Barrier(2, { region: all.region })
    for (let round = 0; round < 4; round++) {
      const source = new CancelSource({ region: all.region })
      if (barrier.isBroken) barrier.reset()
      const waiting = all.call(mode, barrier, 'wait', { signal: source.token })
      await all.waiting(1)
      await turns(3)
      expect(waiting.ended).toBe(false)
      source.cancel()
      expect((await waiting).error?.code).toBe('ERR_CANCELLED')
      source.dispose()
    }
    expect(barrier.isBroken).toBe(true)
  })
})

describe('SemaphoreTest', () => {
  test('testTryAcquireInSameThread, testReleaseIncreasesPermits', () => {
    all = Modes.create()
    const semaphore = new Semaphore(2, { region: all.region })
    const tries = Array.from({ length: 4 }, () => semaphore.tryAcquire())
    expect([tries, semaphore.available]).toEqual([[true, true, false, false], 0])
    for (const [k, available] of [
      [1, 1],
      [1, 2],
      [2, 4],
    ] as const) {
      semaphore.release(k)
      expect(semaphore.available).toBe(available)
    }
  })
})

describe.each(modes)('SemaphoreTest, %s', (mode) => {
  test('testTryAcquire_timeout, testTryAcquireN_timeout: nothing is taken', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(2, { region: all.region })
    expect((await all.call(mode, semaphore, 'acquire', 3, { timeout: 5 })).error?.code).toBe('ERR_TIMEOUT')
    expect(semaphore.available).toBe(2)
    semaphore.acquire(2)
    expect((await all.call(mode, semaphore, 'acquire', { timeout: 5 })).error?.code).toBe('ERR_TIMEOUT')
    semaphore.release(2)
    expect(semaphore.available).toBe(2)
  })

  test('testInterruptible: acquire and acquire(n), timed or not, cancelled before and during', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(0, { region: all.region })
    const before = new CancelSource({ region: all.region })
    before.cancel(new RangeError('before'))
    for (const k of [1, 3]) {
      expect((await all.call(mode, semaphore, 'acquire', k, { signal: before.token })).error?.message).toBe('before')
      for (const timed of [{}, { timeout: 1e12 }]) {
        const during = new CancelSource({ region: all.region })
        const waiting = all.call(mode, semaphore, 'acquire', k, { signal: during.token, ...timed })
        await all.waiting(1)
        during.cancel(new RangeError('during'))
        expect((await waiting).error?.message).toBe('during')
        during.dispose()
      }
    }
    // None of those who gave up left a claim.
    semaphore.release(3)
    expect(semaphore.tryAcquire(3)).toBe(true)
    before.dispose()
  })

  test('testAcquireReleaseInDifferentThreads: permits go back and forth', async () => {
    all = Modes.create()
    const [there, back] = [new Semaphore(0, { region: all.region }), new Semaphore(0, { region: all.region })]
    for (let round = 1; round <= 4; round++) {
      const waiting = all.call(mode, there, 'acquire', round)
      await all.waiting(1)
      there.release(round)
      expect((await waiting).error).toBeUndefined()
      await all.call('thread', back, 'release', round)
      back.acquire(round)
      expect([there.available, back.available]).toEqual([0, 0])
    }
  })

  test('testFairLocksFifo: a later, smaller request does not pass an earlier one, timed or not', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(1, { region: all.region })
    const order: string[] = []
    const ask = (name: string, who: Mode, k: number, options: object): Promise<unknown> =>
      all.call(who, semaphore, 'acquire', k, options).then(({ error }) => order.push(error === undefined ? name : 'failed'))
    const asked = [ask('two', mode, 2, {})]
    await all.waiting(1)
    asked.push(ask('one', beside(mode), 1, { timeout: 1e12 }))
    await all.waiting(2)
    expect(semaphore.tryAcquire()).toBe(false)
    semaphore.release()
    await asked[0]
    await turns(3)
    expect(order).toEqual(['two'])
    semaphore.release()
    await Promise.all(asked)
    expect([order, semaphore.available]).toEqual([['two', 'one'], 0])
  })
})
