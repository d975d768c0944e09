/**
 * RwLock, OnceCell, Lazy, Shared, ThreadLocal.
 *
 * Scenarios: Rust library/std/tests/sync/rwlock.rs and lazy_lock.rs, once_lock.rs (smoke, poisoning by writers only, get_or_init contention, a failing
 * initialiser) and parking_lot's rwlock tests (upgradable reads, downgrade, a waiting writer stops readers).
 */
import { f64, i32, json, struct, utf8 } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { DeadlockError, Lazy, NotOwnerError, OnceCell, type PoisonedError, RwLock, Shared, ThreadLocal, type UpgradableGuard } from '../src/index.js'
import { Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

describe.each(modes)('RwLock, %s', (mode) => {
  test('many read at one time, nobody beside a writer', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const mine = lock.read()
    const theirs = await all.call(mode, lock, 'read')
    expect(theirs.error).toBeUndefined()
    expect(lock.tryWrite()).toBeUndefined()
    mine.release()
    const writing = all.call(mode === 'thread' ? 'promise' : 'thread', lock, 'write')
    await all.waiting(1)
    expect([writing.ended, lock.isReadLocked, lock.isWriteLocked]).toEqual([false, true, false])
    await theirs.release()
    const writer = await writing
    expect([lock.tryRead(), lock.tryUpgradableRead(), lock.isWriteLocked]).toEqual([undefined, undefined, true])
    await writer.release()
    lock.tryRead()!.release()
  })

  test('a waiting writer stops new readers, and they have their turn after it', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const first = await all.call('thread', lock, 'read')
    const writing = all.call(mode, lock, 'write')
    await all.waiting(1)
    const readers = [all.call('thread', lock, 'read'), all.call('promise', lock, 'read')]
    await all.waiting(3)
    const nextWriter = all.call('thread', lock, 'write')
    await all.waiting(4)
    expect(lock.tryRead()).toBeUndefined()
    await first.release()
    const writer = await writing
    expect(readers.map(({ ended }) => ended)).toEqual([false, false])
    await writer.release()
    for (const reader of readers) await (await reader).release()
    await (await nextWriter).release()
    expect([lock.isReadLocked, lock.isWriteLocked]).toEqual([false, false])
  })

  test('time limits leave nothing behind', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const reading = lock.read()
    if (mode !== 'thread') expect((await all.call(mode, lock, 'write', { timeout: 3 })).error?.code).toBe('ERR_TIMEOUT')
    else expect((await all.call('thread', lock, 'write', { timeout: 3 })).error?.code).toBe('ERR_TIMEOUT')
    // The writer that gave up lets readers in again.
    lock.tryRead()!.release()
    reading.release()
    const writing = lock.write()
    for (const verb of ['read', 'upgradableRead', 'write']) expect((await all.call(mode, lock, verb, { timeout: 2 })).error?.code).toBe('ERR_TIMEOUT')
    writing.release()
    lock.write().release()
  })

  test('an upgradable reader beside readers becomes the writer when they leave', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const upgradable = await all.call(mode, lock, 'upgradableRead')
    expect(upgradable.error).toBeUndefined()
    expect([lock.tryUpgradableRead(), lock.tryWrite()]).toEqual([undefined, undefined])
    const reading = await all.call('thread', lock, 'read')
    expect(reading.error).toBeUndefined()
    const failed = await upgradable.guard('upgrade', { timeout: 3 })
    expect(failed.error?.code).toBe('ERR_TIMEOUT')
    // It is what it was before.
    lock.tryRead()!.release()
    const upgrading = upgradable.guard('upgrade')
    await all.waiting(1)
    expect(lock.tryRead()).toBeUndefined()
    await reading.release()
    const writer = await upgrading
    expect([writer.error, lock.isWriteLocked]).toEqual([undefined, true])
    expect((await upgradable.guard('release')).error?.code).toBe('ERR_NOT_OWNER')
    const reader = await writer.guard('downgrade')
    expect([lock.isWriteLocked, lock.isReadLocked, lock.tryWrite()]).toEqual([false, true, undefined])
    lock.tryRead()!.release()
    await reader.release()
    lock.tryWrite()!.release()
  })
})

describe('RwLock', () => {
  test('a dead reader’s hold comes back, a dead writer poisons', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    await all.call('thread', lock, 'read')
    const writing = lock.writeAsync()
    await all.waiting(1)
    await all.terminateLast()
    ;(await writing).release()
    expect(lock.isPoisoned).toBe(false)
    await all.call('thread', lock, 'upgradableRead')
    await all.terminateLast()
    lock.write().release()
    await all.call('thread', lock, 'write')
    await all.terminateLast()
    expect(lock.isPoisoned).toBe(true)
    const errors: PoisonedError<{ release(): void }>[] = []
    for (const verb of ['read', 'write'] as const) {
      try {
        lock[verb]()
      } catch (error) {
        errors.push(error as PoisonedError<{ release(): void }>)
        if (verb === 'read') errors[0]!.guard.release()
      }
    }
    expect(errors.map(({ code }) => code)).toEqual(['ERR_POISONED', 'ERR_POISONED'])
    lock.clearPoison()
    errors[1]!.guard.release()
    expect(lock.withRead(() => lock.isPoisoned)).toBe(false)
    expect(() => lock.clearPoison()).toThrow(NotOwnerError)
  })

  test('an agent that would wait for itself is told', () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const reading = lock.read()
    expect(() => lock.write()).toThrow(DeadlockError)
    const again = lock.read()
    again.release()
    expect(() => again.release()).toThrow(NotOwnerError)
    const upgradable: UpgradableGuard = lock.upgradableRead()
    expect(() => upgradable.upgrade()).toThrow(DeadlockError)
    expect(upgradable.held).toBe(true)
    reading.release()
    const writing = upgradable.upgrade()
    expect(() => lock.read()).toThrow(DeadlockError)
    expect(() => lock.dispose()).toThrow(/held/)
    const back = writing.downgradeToUpgradable()
    back.downgrade().release()
    lock.dispose()
  })

  test('a read of an agent that reads already does not wait for the writer that waits for it', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region })
    const reading = lock.read()
    const writing = all.call('thread', lock, 'write')
    await all.waiting(1)
    const again = lock.read()
    reading.release()
    await turns(2)
    expect(writing.ended).toBe(false)
    again.release()
    await (await writing).release()
  })

  test('sections release however they end', async () => {
    all = Modes.create()
    const lock = new RwLock({ region: all.region, poison: true })
    expect(lock.withRead(() => lock.isReadLocked)).toBe(true)
    expect(await lock.withReadAsync(async () => lock.isReadLocked)).toBe(true)
    expect(await lock.withWriteAsync(async () => lock.isWriteLocked)).toBe(true)
    const fiber = all.scheduler.spawn(function* () {
      const read = yield* lock.withReadFiber(function* () {
        yield
        return lock.isReadLocked
      })
      const written = yield* lock.withWriteFiber(function* () {
        yield
        return lock.isWriteLocked
      })
      return [read, written]
    })
    expect(await fiber.joinAsync()).toEqual([true, true])
    const fail = (): never => {
      throw new Error('section')
    }
    expect(() => lock.withRead(fail)).toThrow('section')
    expect([lock.isPoisoned, lock.isReadLocked]).toEqual([false, false])
    expect(() => lock.withWrite(fail)).toThrow('section')
    expect([lock.isPoisoned, lock.isWriteLocked]).toEqual([true, false])
  })

  test('metrics', async () => {
    all = Modes.create({ metrics: true })
    const lock = new RwLock({ region: all.region })
    const reading = lock.read()
    const writing = all.call('thread', lock, 'write')
    await all.waiting(1)
    reading.release()
    await (await writing).release()
    const { acquisitions, holdTime } = lock.metrics()
    expect(acquisitions).toBe(2)
    expect(holdTime).toBeGreaterThan(0)
    lock.dispose()
  })
})

describe.each(modes)('OnceCell, %s', (mode) => {
  test('one makes the value, the others wait for it', async () => {
    all = Modes.create()
    const cell = new OnceCell({ codec: utf8(20), region: all.region })
    let finish: (value: string) => void = () => undefined
    const making = cell.getOrInitAsync(() => new Promise<string>((resolve) => (finish = resolve)))
    await turns(1)
    expect([cell.get(), cell.isSet, cell.set('other')]).toEqual([undefined, false, false])
    // The thread can't be given a function: it must not need one.
    const waiting = mode === 'thread' ? all.call('thread', cell, 'getOrInit') : all.call(mode, cell, 'getOrInit', () => 'not run')
    await all.waiting(1)
    finish('made')
    expect([await making, (await waiting).value, cell.get()]).toEqual(['made', 'made', 'made'])
    expect(cell.set('late')).toBe(false)
  })
})

describe('OnceCell and Lazy', () => {
  test('an initialiser that throws lets the next try; one that asks for itself is told', async () => {
    all = Modes.create()
    const cell = new OnceCell({ codec: i32, region: all.region })
    expect(() =>
      cell.getOrInit(() => {
        throw new Error('no')
      }),
    ).toThrow('no')
    await expect(cell.getOrInitAsync(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(() => cell.getOrInit(() => cell.getOrInit(() => 1))).toThrow(DeadlockError)
    expect(() => cell.getOrInit(() => 'text' as never)).toThrow()
    expect(cell.isSet).toBe(false)
    expect(cell.getOrInit(() => 5)).toBe(5)
    expect(OnceCell.fromHandle(cell.toHandle()).get()).toBe(5)
    const fiber = all.scheduler.spawn(function* () {
      return yield* new OnceCell({ codec: i32, region: all.region }).getOrInitFiber(function* () {
        yield
        return 6
      })
    })
    expect(await fiber.joinAsync()).toBe(6)
    cell.dispose()
  })

  test('a Lazy makes its value when it is first asked for', async () => {
    all = Modes.create()
    let made = 0
    const lazy = new Lazy({ codec: json(100), region: all.region }, () => ({ made: ++made }))
    const there = Lazy.fromHandle<{ made: number }>(lazy.toHandle())
    expect([lazy.isSet, made]).toEqual([false, 0])
    expect(() => there.value).toThrow(/without its function/)
    expect([await lazy.valueAsync(), lazy.value, there.value, made]).toEqual([{ made: 1 }, { made: 1 }, { made: 1 }, 1])
    lazy.dispose()
  })
})

describe('Shared', () => {
  test('numbers are set, objects are written back, structs are views', async () => {
    all = Modes.create()
    const { region } = all
    const hits = new Shared(i32, 1, { region })
    expect(hits.with((value, set) => (set(value + 1), 'result'))).toBe('result')
    expect(hits.withRead((value) => value)).toBe(2)
    const list = new Shared(json<{ items: number[] }>(1000), { items: [1] }, { region })
    list.with((value) => void value.items.push(2))
    await list.withAsync(async (value, set) => set({ items: [...value.items, 3] }))
    expect(list.withRead(({ items }) => items)).toEqual([1, 2, 3])
    expect(() =>
      list.with((value) => {
        value.items.length = 0
        throw new Error('section')
      }),
    ).toThrow('section')
    expect(await list.withReadAsync(({ items }) => items.length)).toBe(3)
    const Point = struct({ x: f64, y: f64 })
    const point = new Shared(Point, { x: 1, y: 2 }, { region })
    point.with((view) => {
      view.x += 10
    })
    expect(Shared.fromHandle<{ x: number }, { x: number }>(point.toHandle()).withRead(({ x }) => x)).toBe(11)
    const fiber = all.scheduler.spawn(function* () {
      return yield* hits.withFiber(function* (value, set) {
        yield
        set(value * 2)
        return value
      })
    })
    expect([await fiber.joinAsync(), hits.withRead((value) => value)]).toEqual([2, 4])
    const used = region.stats().blocks
    for (const shared of [hits, list, point]) shared.dispose()
    expect(region.stats().blocks).toBeLessThan(used)
  })

  test('long values don’t leak when they are replaced', () => {
    all = Modes.create()
    const text = new Shared(utf8(5000), 'x'.repeat(4000), { region: all.region })
    const before = all.region.stats().used
    for (let i = 0; i < 50; i++) text.with((_value, set) => set('y'.repeat(4000)))
    expect(() => text.with((_value, set) => set('z'.repeat(6000)))).toThrow()
    expect(all.region.stats().used).toBe(before)
    expect(text.withRead((value) => value[0])).toBe('y')
  })
})

test('a ThreadLocal is made once for each agent, and replaced with its former disposed of', () => {
  all = Modes.create()
  const disposed: number[] = []
  let made = 0
  const local = new ThreadLocal(
    () => ++made,
    (value) => disposed.push(value),
  )
  expect([local.get(), local.get()]).toEqual([1, 1])
  local.set(7)
  local.set(7)
  expect([local.get(), disposed]).toEqual([7, [1]])
})
