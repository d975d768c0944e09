/**
 * Scenarios of CPython's Lib/test/lock_tests.py, restated; each test is named after the methods there.
 *
 * Restated elsewhere: mutex.test.ts has acquire_release, acquire_destroy (a held lock is not disposed of), reacquire and release_unacquired,
 * condvar.test.ts unacquired_wait and test_timeout of ConditionTests, counting.test.ts set_and_clear and the constructors of semaphores,
 * barrier.test.ts action, single_thread and constructor. Without a counterpart: repr, weak references, fork, _release_save, a default
 * count and a default timeout, and unacquired_notify: whoever notifies needs no lock here.
 */
import { AtomicInt32, type SharedObject } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { forEachRecord, phaseOf, W_QUEUE, W_STATE, WAITING } from '@heddle/park/internal'
import { afterEach, describe, expect, test } from 'vitest'
import { Barrier, Condvar, Event, Mutex, NotOwnerError, ReentrantMutex, Semaphore } from '../src/index.js'
import { runCrew, startCrew } from './support/crew.js'
import { type Mode, Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

/** Waits until something is so; the test's time limit ends what never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1)
}

const locks = [
  { type: 'Mutex', make: () => new Mutex({ region: all.region }), kinds: modes },
  { type: 'ReentrantMutex', make: () => new ReentrantMutex({ region: all.region }), kinds: ['thread', 'fiber'] as const },
] as const

for (const { type, make, kinds } of locks) {
  describe.each(kinds)(`BaseLockTests: ${type}, %s`, (mode) => {
    test('acquire_contended: nobody has it before the release, everybody after it', async () => {
      all = Modes.create()
      const lock = make()
      const guard = lock.lock()
      const count = mode === 'thread' ? 3 : 5
      let finished = 0
      const calls = Array.from({ length: count }, async () => {
        const outcome = await all.call(mode, lock, 'lock')
        expect(outcome.error).toBeUndefined()
        finished++
        await outcome.release()
      })
      await all.waiting(count)
      expect(finished).toBe(0)
      guard.release()
      await Promise.all(calls)
      expect([finished, lock.isLocked]).toEqual([count, false])
    })

    test('timeout: what is no time is refused, a time beyond all timers is none, and a wait ends without the lock', async () => {
      all = Modes.create()
      const lock = make()
      const held = await all.call('thread', lock, 'lock')
      for (const timeout of [-100, Number.NaN]) expect((await all.call(mode, lock, 'lock', { timeout })).error?.code).toBe('ERR_INVALID_ARGUMENT')
      const patient = all.call(mode, lock, 'lock', { timeout: 1e12 })
      await all.waiting(1)
      await turns(5)
      expect(patient.ended).toBe(false)
      await held.release()
      await (await patient).release()
      expect(lock.isLocked).toBe(false)
    })

    test('state_after_timeout (issue 11618): the lock is as before', async () => {
      all = Modes.create()
      const lock = make()
      const held = await all.call('thread', lock, 'lock')
      expect((await all.call(mode, lock, 'lock', { timeout: 10 })).error?.code).toBe('ERR_TIMEOUT')
      await held.release()
      expect(lock.isLocked).toBe(false)
      lock.tryLock()!.release()
    })
  })

  describe(`BaseLockTests: ${type}`, () => {
    test('try_acquire, try_acquire_contended', async () => {
      all = Modes.create()
      const lock = make()
      const guard = lock.tryLock()!
      expect((await all.call('thread', lock, 'tryLock')).value).toBeUndefined()
      guard.release()
      const theirs = await all.call('thread', lock, 'tryLock')
      expect(lock.tryLock()).toBeUndefined()
      await theirs.release()
    })

    test('with: another thread has it after the section, however that ended', async () => {
      all = Modes.create()
      const lock = make()
      expect(lock.withLock(() => 1)).toBe(1)
      await (await all.call('thread', lock, 'lock')).release()
      expect(() =>
        lock.withLock(() => {
          throw new TypeError('section')
        }),
      ).toThrow('section')
      await (await all.call('thread', lock, 'lock')).release()
    })

    test('LockTests and RLockTests different_thread: a hold stays with its thread', async () => {
      all = Modes.create()
      const lock = make()
      const guard = lock.lock()
      expect((await all.call('thread', lock, 'clearPoison')).error?.code).toBe('ERR_NOT_OWNER')
      expect(lock.isLocked).toBe(true)
      guard.release()
      const theirs = await all.call('thread', lock, 'lock')
      // What it held before gives this thread no right to end the other's hold.
      expect(() => guard.release()).toThrow(NotOwnerError)
      expect(lock.isLocked).toBe(true)
      await theirs.release()
    })
  })
}

test('BaseLockTests thread_leak: threads that come, lock and go leave nothing', async () => {
  // More threads than there is room for at one time.
  all = Modes.create({ agents: 3 })
  const mutex = new Mutex({ region: all.region })
  const count = new AtomicInt32({ region: all.region })
  for (let i = 0; i < 5; i++) await runCrew(all.region, 'lock and leave', 1, { objects: { mutex, count } })
  expect(count.load()).toBe(5)
})

test('RLockTests reacquire, _is_owned, recursion_count', async () => {
  all = Modes.create()
  const mutex = new ReentrantMutex({ region: all.region })
  expect(mutex.depth).toBe(0)
  const outer = mutex.lock()
  const inner = mutex.lock()
  expect(mutex.depth).toBe(2)
  expect(await runCrew(all.region, 'ask for a reentrant mutex of another', 1, { objects: { mutex } })).toEqual([[0, true]])
  inner.release()
  const again = mutex.lock()
  expect(mutex.depth).toBe(2)
  again.release()
  outer.release()
  expect([mutex.depth, mutex.isLocked]).toEqual([0, false])
})

describe('EventTests', () => {
  test('is_set', () => {
    all = Modes.create()
    const event = new Event({ region: all.region })
    const seen = [event.isSet]
    for (const change of ['set', 'set', 'reset', 'reset'] as const) {
      event[change]()
      seen.push(event.isSet)
    }
    expect(seen).toEqual([false, true, true, false, false])
  })

  test.each(modes)('notify, timeout, %s: everybody who waits, and who waits again; once more after a reset', async (mode) => {
    all = Modes.create()
    const event = new Event({ region: all.region })
    const count = mode === 'thread' ? 3 : 5
    for (let round = 0; round < 2; round++) {
      expect((await all.call(mode, event, 'wait', { timeout: 0 })).error?.code).toBe('ERR_TIMEOUT')
      let waited = 0
      const waits = Array.from({ length: count }, async () => {
        for (let i = 0; i < 2; i++) {
          expect((await all.call(mode, event, 'wait')).error).toBeUndefined()
          waited++
        }
      })
      await all.waiting(count)
      expect(waited).toBe(0)
      event.set()
      await Promise.all(waits)
      expect((await all.call(mode, event, 'wait', { timeout: 0 })).error).toBeUndefined()
      event.reset()
    }
  })
})

describe('ConditionTests', () => {
  /** Waits until so many stand in the condvar's own queue: who was moved to the mutex does not. */
  const inCondvar = (condvar: Condvar, count: number): Promise<void> =>
    until(() => {
      const { words, agents } = all.region
      let now = 0
      forEachRecord(words, agents, (r) => {
        if (phaseOf(load(words, r + W_STATE)) === WAITING && load(words, r + W_QUEUE) === condvar.q) now++
      })
      return now === count
    })

  test('notify: as many as are named, those who waited before, and each once', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const condvar = new Condvar({ region: all.region })
    const crew: Mode[] = ['thread', 'promise', 'fiber', 'thread', 'promise']
    // A second time, to see that what is inside is as before.
    for (let time = 0; time < 2; time++) {
      const first: number[] = []
      const second: number[] = []
      let phase = 0
      const programs = crew.map(async (mode) => {
        for (const results of [first, second]) {
          const guard = await all.call(mode, mutex, 'lock')
          const waited = await guard.also(condvar, 'wait', guard.asArgument)
          expect(waited.error).toBeUndefined()
          results.push(phase)
          await guard.release()
        }
      })
      const notify = async (next: number, act: () => number): Promise<number> => {
        const own = await mutex.lockAsync()
        const notified = act()
        phase = next
        own.release()
        return notified
      }
      await inCondvar(condvar, 5)
      expect(await notify(1, () => condvar.notify(3))).toBe(3)
      await until(() => first.length === 3)
      await inCondvar(condvar, 5)
      expect([first, second]).toEqual([[1, 1, 1], []])
      // Two of them are in their first wait, three in their second.
      expect(await notify(2, () => condvar.notify(5))).toBe(5)
      await until(() => first.length + second.length === 8)
      await inCondvar(condvar, 2)
      expect([first, second]).toEqual([
        [1, 1, 1, 2, 2],
        [2, 2, 2],
      ])
      expect(await notify(3, () => condvar.notifyAll())).toBe(2)
      await Promise.all(programs)
      expect(second).toEqual([2, 2, 2, 3, 3])
    }
  })

  test('acquire: the mutex is another’s while it waits', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const condvar = new Condvar({ region: all.region })
    const guard = mutex.lock()
    expect((await all.call('thread', mutex, 'tryLock')).value).toBeUndefined()
    const waiting = condvar.waitAsync(guard)
    const theirs = await all.call('thread', mutex, 'lock')
    condvar.notifyOne()
    await theirs.release()
    await waiting
    expect((await all.call('thread', mutex, 'tryLock')).value).toBeUndefined()
    guard.release()
  })

  test('waitfor, waitfor_timeout: a condition that comes with the fourth change, or never', async () => {
    all = Modes.create()
    const { region } = all
    const objects = () => ({
      mutex: new Mutex({ region }),
      condvar: new Condvar({ region }),
      count: new AtomicInt32({ region }),
      there: new AtomicInt32({ region }),
    })
    for (const [changes, timeout] of [
      [4, undefined],
      [3, 200],
    ] as const) {
      const { mutex, condvar, count, there } = objects()
      const { results } = startCrew(region, ['wait until the count is four'], { objects: { mutex, condvar, count, there }, timeout })
      await until(() => there.load() === 1)
      for (let i = 0; i < changes; i++) {
        await mutex.withLockAsync(() => count.add(1))
        condvar.notifyOne()
        await turns(1)
      }
      const [[ended, held, seen]] = (await results) as [[string, boolean, number]]
      expect([ended, held]).toEqual([timeout === undefined ? 'done' : 'TimeoutError', true])
      if (timeout === undefined) expect(seen).toBe(4)
    }
  })
})

describe('SemaphoreTests and BoundedSemaphoreTests', () => {
  test('acquire_contended: as many as there are permits, in each phase', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(7, { region: all.region })
    semaphore.acquire()
    const seen: number[] = []
    let phase = 0
    const crew = [...Array<Mode>(4).fill('thread'), ...Array<Mode>(3).fill('promise'), ...Array<Mode>(3).fill('fiber')]
    const programs = crew.map(async (mode) => {
      for (let i = 0; i < 2; i++) {
        expect((await all.call(mode, semaphore, 'acquire')).error).toBeUndefined()
        seen.push(phase)
      }
    })
    await until(() => seen.length === 6)
    await turns(5)
    expect(seen).toEqual(Array(6).fill(0))
    phase = 1
    for (let i = 0; i < 7; i++) semaphore.release()
    await until(() => seen.length === 13)
    await turns(5)
    expect(seen.slice(6)).toEqual(Array(7).fill(1))
    phase = 2
    semaphore.release(6)
    await until(() => seen.length === 19)
    await turns(5)
    expect(seen.slice(13)).toEqual(Array(6).fill(2))
    expect(semaphore.tryAcquire()).toBe(false)
    semaphore.release()
    await Promise.all(programs)
    expect([seen.length, semaphore.available]).toEqual([20, 0])
  })

  test('try_acquire_contended: of many tries of many threads, as many succeed as there are permits', async () => {
    all = Modes.create()
    const semaphore = new Semaphore(4, { region: all.region })
    semaphore.acquire()
    const tries = (await runCrew(all.region, 'try to acquire', 3, { objects: { semaphore }, rounds: 4 })).flat()
    expect([tries.length, tries.filter(Boolean).length, semaphore.available]).toEqual([12, 3, 0])
  })

  test('with: a section in a section has the last permit', () => {
    all = Modes.create()
    const semaphore = new Semaphore(2, { region: all.region })
    const sections = (fails: boolean): void =>
      semaphore.withPermit(() => {
        expect(semaphore.tryAcquire()).toBe(true)
        semaphore.release()
        semaphore.withPermit(() => {
          expect(semaphore.tryAcquire()).toBe(false)
          if (fails) throw new TypeError('section')
        })
      })
    sections(false)
    expect(semaphore.available).toBe(2)
    expect(() => sections(true)).toThrow('section')
    expect(semaphore.available).toBe(2)
  })

  test('release_unacquired: more permits than before, or an error where there is a bound', () => {
    all = Modes.create()
    const unbounded = new Semaphore(1, { region: all.region })
    unbounded.release()
    unbounded.acquire()
    unbounded.acquire()
    unbounded.release()
    const bounded = new Semaphore(1, { region: all.region, max: 1 })
    expect(() => bounded.release()).toThrow(/max = 1/)
    bounded.acquire()
    bounded.release()
    expect(() => bounded.release()).toThrow(/max = 1/)
    expect([unbounded.available, bounded.available]).toEqual([1, 1])
  })
})

describe('BarrierTests', () => {
  const crew: Mode[] = ['thread', 'promise', 'fiber', 'thread', 'promise']

  /** Runs a program for each of the crew. */
  const runAll = <T>(
    program: (wait: (barrier: Barrier, options?: object) => Promise<{ code?: string; isLeader?: boolean }>) => Promise<T>,
  ): Promise<T[]> =>
    Promise.all(
      crew.map((mode) =>
        program(async (barrier: SharedObject, ...options) => {
          const { value, error } = await all.call(mode, barrier, 'wait', ...options)
          return error === undefined ? (value as { isLeader: boolean }) : { ...(error.code !== undefined && { code: error.code }) }
        }),
      ),
    )

  test('barrier_10: threads pass it in lockstep, ten times', async () => {
    all = Modes.create()
    const { region } = all
    const objects = { barrier: new Barrier(3, { region }), before: new AtomicInt32({ region }), after: new AtomicInt32({ region }) }
    const led = (await runCrew(region, 'pass a barrier in lockstep', 3, { objects, rounds: 10, parties: 3 })) as number[]
    expect(led.reduce((sum, one) => sum + one)).toBe(10)
    expect([objects.barrier.waiting, objects.barrier.isBroken]).toEqual([0, false])
  })

  test('wait_return: one of all is the leader', async () => {
    all = Modes.create()
    const barrier = new Barrier(5, { region: all.region })
    const passages = await runAll((wait) => wait(barrier))
    expect(passages.filter(({ isLeader }) => isLeader === true)).toHaveLength(1)
    expect(passages.filter(({ isLeader }) => isLeader === false)).toHaveLength(4)
  })

  test('abort: one aborts after a passage, the others are told at the next', async () => {
    all = Modes.create()
    const barrier = new Barrier(5, { region: all.region })
    const ended = await runAll(async (wait) => {
      const { isLeader } = await wait(barrier)
      if (isLeader === true) {
        barrier.abort()
        return 'aborted'
      }
      return (await wait(barrier)).code
    })
    expect(ended.toSorted()).toEqual([...Array(4).fill('ERR_BROKEN_BARRIER'), 'aborted'])
    expect(barrier.isBroken).toBe(true)
  })

  test('reset: frees those who wait, and all pass again', async () => {
    all = Modes.create()
    const barrier = new Barrier(5, { region: all.region })
    let broken = 0
    const last = await runAll(async (wait) => {
      const { isLeader } = await wait(barrier)
      if (isLeader === true) {
        await until(() => barrier.waiting === 4)
        barrier.reset()
      } else if ((await wait(barrier)).code === 'ERR_BROKEN_BARRIER') broken++
      return wait(barrier)
    })
    expect(broken).toBe(4)
    expect(last.filter(({ isLeader }) => isLeader !== undefined)).toHaveLength(5)
  })

  test('abort_and_reset: a broken one is reset, and all pass again', async () => {
    all = Modes.create()
    const barrier = new Barrier(5, { region: all.region })
    const between = new Barrier(5, { region: all.region })
    let broken = 0
    const last = await runAll(async (wait) => {
      const { isLeader } = await wait(barrier)
      if (isLeader === true) barrier.abort()
      else if ((await wait(barrier)).code === 'ERR_BROKEN_BARRIER') broken++
      // All have left it before the reset, and nobody enters it before that is done.
      if ((await wait(between)).isLeader === true) barrier.reset()
      await wait(between)
      return wait(barrier)
    })
    expect(broken).toBe(4)
    expect(last.filter(({ isLeader }) => isLeader !== undefined)).toHaveLength(5)
  })

  test('timeout: one party never comes', async () => {
    all = Modes.create()
    const barrier = new Barrier(6, { region: all.region })
    const codes = (await runAll((wait) => wait(barrier, { timeout: 20 }))).map(({ code }) => code)
    expect(codes).toContain('ERR_TIMEOUT')
    expect(codes.every((code) => code === 'ERR_TIMEOUT' || code === 'ERR_BROKEN_BARRIER')).toBe(true)
    expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0])
  })
})
