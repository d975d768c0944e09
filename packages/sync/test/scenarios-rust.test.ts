/**
 * Scenarios of Rust's library/std/tests/sync/{mutex,rwlock,condvar}.rs and of parking_lot's tests of the same three (src/mutex.rs, src/rwlock.rs,
 * src/condvar.rs, where its webkit_queue_test comes from WebKit's WTF::Condition), restated; each test is named after the functions there.
 *
 * Restated elsewhere: mutex.test.ts has test_mutex_arc_poison and clear_poison, condvar.test.ts test_arc_condvar_poison, wait_timeout_wait, two_mutexes and
 * two_mutexes_disjoint, rw-lock.test.ts test_rw_arc_poison_wr/ww, test_rw_arc_no_poison_rr/rw and test_rwlock_recursive. Without a counterpart, because they are about
 * Rust's types: into_inner, get_mut, mapped guards, unsized, sync and send, debug, serde.
 */
import { AtomicInt32, handle, type SharedObject } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { Condvar, Mutex, ReentrantMutex, RwLock, Shared } from '../src/index.js'
import { runCrew, startCrew } from './support/crew.js'
import { Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

const counter = (): AtomicInt32 => new AtomicInt32({ region: all.region })

describe('mutex', () => {
  test('smoke, try_lock', () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    mutex.lock().release()
    mutex.lock().release()
    const guard = mutex.tryLock()!
    expect(mutex.tryLock()).toBeUndefined()
    guard.release()
    mutex.tryLock()!.release()
  })

  test.each([
    ['Mutex', 'increment under a mutex'],
    ['ReentrantMutex', 'increment under a reentrant mutex'],
  ])('lots_and_lots: %s', async (type, scenario) => {
    all = Modes.create()
    const mutex = type === 'Mutex' ? new Mutex({ region: all.region }) : new ReentrantMutex({ region: all.region })
    const count = counter()
    await runCrew(all.region, scenario, 3, { objects: { mutex, count }, rounds: 1000 })
    expect([count.load(), mutex.isLocked]).toEqual([3000, false])
  })

  test('test_mutex_arc_nested: a mutex that is kept under a mutex', () => {
    all = Modes.create()
    const inner = new Mutex({ region: all.region })
    const outer = new Shared(handle(Mutex), inner, { region: all.region })
    const seen = outer.with((found) => (found as Mutex).withLock(() => [inner.isLocked, inner.tryLock()]))
    expect(seen).toEqual([true, undefined])
    expect(inner.isLocked).toBe(false)
  })

  test('test_mutex_arc_access_in_unwind: the lock is had on the way out of a section that throws', () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const count = counter()
    expect(() => {
      try {
        mutex.withLock(() => {
          throw new Error('section')
        })
      } finally {
        mutex.withLock(() => count.add(1))
      }
    }).toThrow('section')
    expect([count.load(), mutex.isLocked, mutex.isPoisoned]).toEqual([1, false, false])
  })
})

describe('condvar', () => {
  const stage = (): { mutex: Mutex; condvar: Condvar } => {
    all = Modes.create()
    return { mutex: new Mutex({ region: all.region }), condvar: new Condvar({ region: all.region }) }
  }

  test('smoke, notify_one_return_false, wait_while_until_internal_does_not_wait_if_initially_false', () => {
    const { mutex, condvar } = stage()
    expect([condvar.notifyOne(), condvar.notify(3), condvar.notifyAll()]).toEqual([0, 0, 0])
    const guard = mutex.lock()
    condvar.waitWhile(guard, () => false)
    // wait_timeout_while_instant_satisfy: true already, so that no time is enough.
    condvar.waitWhile(guard, () => false, { timeout: 0 })
    expect(guard.held).toBe(true)
    guard.release()
  })

  test('notify_one, test_mutex_arc_condvar, wait_while: a thread changes and notifies while this one is blocked', async () => {
    const { mutex, condvar } = stage()
    const count = counter()
    const guard = mutex.lock()
    const { results } = startCrew(all.region, ['set and notify'], { objects: { mutex, condvar, count } })
    expect(count.load()).toBe(0)
    // It can't have the mutex before this waits. wait_timeout_while_wake: however long the time limit is.
    condvar.waitWhile(guard, () => count.load() === 0, { timeout: 1e12 })
    expect([guard.held, count.load()]).toEqual([true, 1])
    guard.release()
    await results
  })

  test.each(modes)('notify_one_return_true, notify_all_return, wait_timeout_wake, %s', async (mode) => {
    const { mutex, condvar } = stage()
    const begin = async (): Promise<void> => {
      const guard = await all.call(mode, mutex, 'lock')
      const { error } = await guard.also(condvar, 'wait', guard.asArgument, { timeout: 1e12 })
      expect(error).toBeUndefined()
      await guard.release()
    }
    const one = begin()
    await all.waiting(1)
    await turns(3)
    expect(condvar.notifyOne()).toBe(1)
    await one
    const waits: Promise<void>[] = []
    for (let i = 1; i <= 3; i++) {
      waits.push(begin())
      await all.waiting(i)
    }
    expect([condvar.notifyAll(), condvar.notifyAll()]).toEqual([3, 0])
    await Promise.all(waits)
  })

  test('test_condvar_requeue: who was moved to the mutex goes on when that is released', async () => {
    const { mutex, condvar } = stage()
    const taken = await all.call('thread', mutex, 'lock')
    const waiting = taken.also(condvar, 'wait', taken.asArgument)
    let guard = await mutex.lockAsync()
    while (condvar.notifyOne() === 0) {
      guard.release()
      await turns(1)
      guard = await mutex.lockAsync()
    }
    guard.release()
    expect((await waiting).error).toBeUndefined()
    await taken.release()
    expect(mutex.isLocked).toBe(false)
  })

  test('test_issue_129: each that was notified waits a moment again, and notifies the next', async () => {
    const { mutex, condvar } = stage()
    const count = counter()
    const { results } = startCrew(all.region, Array<string>(4).fill('wait, wait a moment, notify'), { objects: { mutex, condvar, count } })
    for (;;) {
      const guard = await mutex.lockAsync()
      const there = count.load()
      guard.release()
      if (there === 4) break
      await turns(1)
    }
    condvar.notifyOne()
    expect(await results).toEqual(Array(4).fill(undefined))
    expect(mutex.isLocked).toBe(false)
  })

  test.each([
    { size: 1, all: false, timeout: undefined },
    { size: 1, all: true, timeout: 1 },
    { size: 5, all: false, timeout: 1 },
    { size: 5, all: true, timeout: undefined },
  ])('webkit_queue_test: producers and consumers, $size slots, notifyAll $all, time limit $timeout', async ({ size, all: wakesAll, timeout }) => {
    all = Modes.create()
    const { region } = all
    const rounds = 60
    const objects: Record<string, SharedObject> = {
      mutex: new Mutex({ region }),
      full: new Condvar({ region }),
      empty: new Condvar({ region }),
      head: counter(),
      tail: counter(),
    }
    const done = (objects['done'] = counter())
    for (let i = 0; i < size; i++) objects[`slot${i}`] = counter()
    const settings = { objects, rounds, size, all: wakesAll, timeout }
    const consumers = startCrew(region, ['consume', 'consume'], settings)
    await startCrew(region, ['produce', 'produce'], settings).results
    await (objects['mutex'] as Mutex).withLockAsync(() => done.store(1))
    ;(objects['empty'] as Condvar).notifyAll()
    const taken = ((await consumers.results) as number[][]).flat()
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2 * rounds }, (_, i) => i + 1))
  })
})

describe('rwlock', () => {
  const make = (): RwLock => {
    all = Modes.create()
    return new RwLock({ region: all.region })
  }

  test('smoke', () => {
    const lock = make()
    lock.read().release()
    lock.write().release()
    const both = [lock.read(), lock.read()]
    for (const guard of both) guard.release()
    lock.write().release()
  })

  test('frob: random reads and writes of many threads', async () => {
    const lock = make()
    const count = counter()
    const seed = (Math.random() * 2 ** 31) | 0
    console.log(`frob, seed ${seed}`)
    const objects = { lock, count, readers: counter(), writers: counter() }
    const written = (await runCrew(all.region, 'read and sometimes write', 3, { objects, rounds: 500, seed })) as number[]
    expect(count.load()).toBe(written.reduce((sum, one) => sum + one))
    expect([lock.isReadLocked, lock.isWriteLocked]).toEqual([false, false])
  })

  test('test_rw_arc, test_ruw_arc: no reader sees what a writer is at, nobody comes between a read and its upgrade', async () => {
    const lock = make()
    const count = counter()
    const crew = [
      'write what nobody may see',
      'upgrade and write what nobody may see',
      'upgrade and write what nobody may see',
      'read what may be seen',
    ]
    await startCrew(all.region, crew, { objects: { lock, count }, rounds: 200 }).results
    expect(count.load()).toBe(600)
  })

  test('test_rwlock_try_read, try_write, try_upgrade, test_rw_write_is_locked: what goes together', async () => {
    const lock = make()
    const verbs = ['tryRead', 'tryUpgradableRead', 'tryWrite'] as const
    const together: Record<string, boolean[]> = {}
    const locked: Record<string, boolean[]> = {}
    for (const held of verbs) {
      // Another thread holds it: what an agent has already is no matter.
      const theirs = await all.call('thread', lock, held)
      locked[held] = [lock.isReadLocked, lock.isWriteLocked]
      together[held] = verbs.map((verb) => {
        const guard = lock[verb]()
        guard?.release()
        return guard !== undefined
      })
      await theirs.release()
    }
    expect(together).toEqual({ tryRead: [true, true, false], tryUpgradableRead: [true, false, false], tryWrite: [false, false, false] })
    expect(locked['tryRead']).toEqual([true, false])
    expect(locked['tryWrite']).toEqual([false, true])
    lock.tryWrite()!.release()
  })

  test('test_downgrade_basic, test_rwlock_downgrade, test_downgrade_observe: what was written stays until the read ends', async () => {
    const lock = make()
    lock.write().downgrade().release()
    const count = counter()
    await runCrew(all.region, 'write, downgrade and look', 3, { objects: { lock, count }, rounds: 200 })
    expect([count.load(), lock.isReadLocked, lock.isWriteLocked]).toEqual([600, false, false])
  })

  test('test_downgrade_atomic: writers that wait do not come in at a downgrade', async () => {
    const lock = make()
    const count = counter()
    const writing = lock.write()
    const { results } = startCrew(all.region, Array<string>(3).fill('write once'), { objects: { lock, count } })
    await all.waiting(3)
    count.store(-1)
    const reading = writing.downgrade()
    await turns(3)
    expect([count.load(), lock.isReadLocked]).toEqual([-1, true])
    reading.release()
    await results
    expect(count.load()).toBe(2)
  })

  test('test_rw_arc_access_in_unwind: the lock is had on the way out of a section that throws', () => {
    const lock = make()
    const count = counter()
    for (const section of ['withRead', 'withWrite'] as const) {
      expect(() => {
        try {
          lock[section](() => {
            throw new Error('section')
          })
        } finally {
          lock.withWrite(() => count.add(1))
        }
      }).toThrow('section')
    }
    expect([count.load(), lock.isWriteLocked, lock.isPoisoned]).toEqual([2, false, false])
  })

  test('test_rwlock_max_readers: many reads of one agent, all counted', () => {
    const lock = make()
    const guards = Array.from({ length: 10_000 }, () => lock.read())
    expect(lock.tryWrite()).toBeUndefined()
    for (const guard of guards.splice(1)) guard.release()
    expect([lock.isReadLocked, lock.tryWrite()]).toEqual([true, undefined])
    guards[0]!.release()
    lock.tryWrite()!.release()
  })

  test('test_issue_430: upgraded and back, again and again', () => {
    const lock = make()
    let upgradable = lock.upgradableRead()
    for (let i = 0; i < 3; i++) {
      const writing = upgradable.upgrade()
      expect([lock.isWriteLocked, upgradable.held]).toEqual([true, false])
      upgradable = writing.downgradeToUpgradable()
      lock.tryRead()!.release()
    }
    upgradable.release()
    expect([lock.isReadLocked, lock.isWriteLocked]).toEqual([false, false])
  })
})
