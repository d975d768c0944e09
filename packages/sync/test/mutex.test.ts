/**
 * Mutex, SpinMutex, ReentrantMutex.
 *
 * Scenarios: CPython Lib/test/lock_tests.py (LockTests, RLockTests: acquire and release, contention, timeouts, a release of what is not held, reacquire by
 * the owner), Rust library/std/tests/sync/mutex.rs (smoke, try_lock, poisoning, clear_poison) and parking_lot's mutex tests.
 */
import { Region } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { DeadlockError, Mutex, type MutexGuard, NotOwnerError, PoisonedError, ReentrantMutex, SpinMutex } from '../src/index.js'
import { Modes, modes, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

describe.each(modes)('Mutex, %s', (mode) => {
  test('a held mutex is waited for and had after the release', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    const waiting = all.call(mode, mutex, 'lock')
    await all.waiting(1)
    expect([waiting.ended, mutex.tryLock()]).toEqual([false, undefined])
    guard.release()
    const outcome = await waiting
    expect(outcome.error).toBeUndefined()
    expect(mutex.isLocked).toBe(true)
    await outcome.release()
    expect(mutex.isLocked).toBe(false)
  })

  test('a time limit passes: TimeoutError, and the mutex is as before', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    for (const timeout of [0, 5]) expect((await all.call(mode, mutex, 'lock', { timeout })).error?.code).toBe('ERR_TIMEOUT')
    guard.release()
    const outcome = await all.call(mode, mutex, 'lock', { timeout: 1000 })
    expect(outcome.error).toBeUndefined()
    await outcome.release()
  })

  test('a timeout that is no time is refused', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    for (const timeout of [-1, Number.NaN]) expect((await all.call(mode, mutex, 'lock', { timeout })).error?.code).toBe('ERR_INVALID_ARGUMENT')
    guard.release()
  })

  test('a dead owner poisons: the guard is in the error', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const held = await all.call('thread', mutex, 'lock')
    expect(held.error).toBeUndefined()
    const waiting = all.call(mode, mutex, 'lock')
    await all.waiting(1)
    if (mode === 'thread') {
      // The thread that waits came second: end the first.
      const [first] = (all as unknown as { threads: { worker: { terminate(): Promise<number> } }[] }).threads.splice(0, 1)
      await first!.worker.terminate()
    } else await all.terminateLast()
    const outcome = await waiting
    expect(outcome.error?.code).toBe('ERR_POISONED')
    expect(mutex.isPoisoned).toBe(true)
    await outcome.release()
    expect(() => mutex.tryLock()).toThrow(PoisonedError)
    // That guard is held by the error of the line above.
    expect(mutex.isLocked).toBe(true)
    mutex.clearPoison()
    expect(mutex.isPoisoned).toBe(false)
    ;(mutex as unknown as { releaseBy(agent: unknown): void }).releaseBy((await import('@heddle/park/internal')).Agent.of(all.region))
    mutex.lock().release()
  })
})

describe('Mutex', () => {
  test('three modes take turns on one mutex, in order of arrival', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    const order: string[] = []
    const calls: Promise<void>[] = []
    for (const [i, mode] of [...modes, ...modes].entries()) {
      calls.push(
        all.call(mode, mutex, 'lock').then(async (outcome) => {
          order.push(`${mode}${i}`)
          await outcome.release()
        }),
      )
      await all.waiting(i + 1)
    }
    guard.release()
    await Promise.all(calls)
    expect(order).toHaveLength(6)
  })

  test('misuse is an error at the call', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    expect(() => mutex.lock()).toThrow(DeadlockError)
    expect(() => mutex.dispose()).toThrow(/held/)
    guard.release()
    expect(() => guard.release()).toThrow(NotOwnerError)
    guard[Symbol.dispose]()
    expect(() => mutex.clearPoison()).toThrow(NotOwnerError)
    const other = mutex.lock()
    // A stale guard does not free somebody else's hold.
    expect(() => guard.release()).toThrow(NotOwnerError)
    expect(mutex.isLocked).toBe(true)
    other.release()
    mutex.dispose()
    expect(() => mutex.lock()).toThrow(/disposed/)
    await expect(mutex.lockAsync()).rejects.toThrow(/disposed/)
  })

  test('a thread that blocks on its own promise chain is a deadlock; what its promises wait for is not', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = await mutex.lockAsync()
    expect(() => mutex.lock({ timeout: 1 })).toThrow(DeadlockError)
    const waiting = mutex.lockAsync()
    guard.release()
    // The promise was chosen, and can't run before this returns.
    mutex.lock().release()
    ;(await waiting).release()
  })

  test('two promises in front of a thread of their own agent don’t keep it out', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const held = await all.call('thread', mutex, 'lock')
    const both = [mutex.lockAsync(), mutex.lockAsync()].map((lock) => lock.then((guard) => guard.release()))
    await all.waiting(2)
    const releasing = held.release()
    mutex.lock({ timeout: 20_000 }).release()
    await releasing
    await Promise.all(both)
  })

  test('an abort ends the wait with its reason, and consumes nothing', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    const controller = new AbortController()
    const aborted = mutex.lockAsync({ signal: controller.signal })
    const next = mutex.lockAsync()
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    guard.release()
    ;(await next).release()
    await expect(mutex.lockAsync({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    expect(mutex.isLocked).toBe(false)
    expect(() => mutex.lock({ signal: controller.signal as never })).not.toThrow(DeadlockError)
    ;(mutex as unknown as { releaseBy(agent: unknown): void }).releaseBy((await import('@heddle/park/internal')).Agent.of(all.region))
  })

  test('sections release however they end, and poison by request only', async () => {
    all = Modes.create()
    const mutex = new Mutex({ region: all.region })
    const fail = (): never => {
      throw new Error('section')
    }
    expect(mutex.withLock(() => mutex.isLocked)).toBe(true)
    expect(() => mutex.withLock(fail)).toThrow('section')
    await expect(mutex.withLockAsync(fail)).rejects.toThrow('section')
    const fiber = all.scheduler.spawn(function* () {
      return yield* mutex.withLockFiber(function* () {
        yield
        fail()
      })
    })
    await expect(fiber.joinAsync()).rejects.toThrow('section')
    expect([mutex.isLocked, mutex.isPoisoned]).toEqual([false, false])

    const poisonable = new Mutex({ region: all.region, poison: true })
    expect(() => poisonable.withLock(fail)).toThrow('section')
    let guard: MutexGuard | undefined
    try {
      poisonable.lock()
    } catch (error) {
      guard = (error as PoisonedError<MutexGuard>).guard
    }
    expect(guard!.held).toBe(true)
    poisonable.clearPoison()
    guard!.release()
    expect(poisonable.withLock(() => 1)).toBe(1)
  })

  test('embedded in memory of the caller, and found again by place and handle', () => {
    all = Modes.create()
    const at = all.region.alloc(Mutex.BYTES, Mutex.ALIGN)
    const mutex = Mutex.init(all.region, at)
    const guard = mutex.lock()
    expect(Mutex.at(all.region, at).isLocked).toBe(true)
    expect(Mutex.fromHandle(mutex.toHandle()).tryLock()).toBeUndefined()
    guard.release()
    mutex.dispose()
    expect(() => Mutex.at(all.region, at)).toThrow(/no Mutex/)
    all.region.free(at)
  })

  test('metrics count acquisitions, contention and holds, in regions that keep them', async () => {
    all = Modes.create({ metrics: true })
    const mutex = new Mutex({ region: all.region })
    const guard = mutex.lock()
    const waiting = all.call('thread', mutex, 'lock')
    await all.waiting(1)
    guard.release()
    await (await waiting).release()
    mutex.tryLock()!.release()
    const { acquisitions, contended, parked, waitTime, holdTime } = mutex.metrics()
    expect([acquisitions, contended, parked]).toEqual([3, 1, 1])
    expect(waitTime).toBeGreaterThan(0)
    expect(holdTime).toBeGreaterThan(0)
    mutex.dispose()
    expect(() => new Mutex({ region: Region.create({ bytes: 1 << 20 }) }).metrics()).toThrow(/metrics: true/)
  })

  test('diagnostics name the cycle that a wait closes', async () => {
    all = Modes.create({ diagnostics: true })
    const [one, two] = [new Mutex({ region: all.region }), new Mutex({ region: all.region })]
    const theirs = await all.call('thread', two, 'lock')
    const mine = one.lock()
    const waiting = all.callInLast(one, 'lock')
    await all.waiting(1)
    expect(() => two.lock()).toThrow(
      new RegExp(
        `agent \\d+ \\(this one\\) waits for the lock at byte ${two.at}, which agent (\\d+) holds; agent \\1 waits for the lock at byte ${one.at}`,
      ),
    )
    mine.release()
    await (await waiting).release()
    await theirs.release()
    two.lock({ timeout: 5000 }).release()
  })
})

describe('SpinMutex', () => {
  test('excludes, refuses misuse, is poisoned by a dead owner', async () => {
    all = Modes.create()
    const mutex = new SpinMutex({ region: all.region })
    const guard = mutex.lock()
    expect(mutex.tryLock()).toBeUndefined()
    expect(() => mutex.lock()).toThrow(DeadlockError)
    guard.release()
    expect(() => guard.release()).toThrow(NotOwnerError)
    expect(() =>
      mutex.withLock(() => {
        throw new Error('section')
      }),
    ).toThrow('section')
    expect(mutex.isLocked).toBe(false)
    await all.call('thread', mutex, 'lock')
    expect(mutex.isLocked).toBe(true)
    await all.terminateLast()
    let error: PoisonedError<{ release(): void }> | undefined
    try {
      mutex.lock()
    } catch (thrown) {
      error = thrown as PoisonedError<{ release(): void }>
    }
    expect(error).toBeInstanceOf(PoisonedError)
    mutex.clearPoison()
    error!.guard.release()
    expect(mutex.withLock(() => 2)).toBe(2)
  })
})

describe('ReentrantMutex', () => {
  test('its owner takes it again, and the last release frees it', async () => {
    all = Modes.create()
    const mutex = new ReentrantMutex({ region: all.region })
    const guards = [mutex.lock(), mutex.lock(), mutex.tryLock()!]
    expect(mutex.depth).toBe(3)
    const waiting = all.call('thread', mutex, 'lock')
    await all.waiting(1)
    guards[0]!.release()
    guards[1]!.release()
    expect(() => guards[1]!.release()).toThrow(NotOwnerError)
    await turns(3)
    expect([waiting.ended, mutex.depth]).toEqual([false, 1])
    guards[2]!.release()
    const outcome = await waiting
    expect(mutex.depth).toBe(0)
    expect(mutex.tryLock()).toBeUndefined()
    await outcome.release()
    expect(mutex.isLocked).toBe(false)
  })

  test('two fibers of one thread exclude each other, each may go deeper', async () => {
    all = Modes.create()
    const mutex = new ReentrantMutex({ region: all.region })
    let inside = 0
    let most = 0
    const body = function* (): Generator<unknown, void, unknown> {
      for (let round = 0; round < 5; round++) {
        const outer = yield* mutex.lockFiber()
        const inner = yield* mutex.lockFiber()
        most = Math.max(most, ++inside)
        yield
        expect(mutex.depth).toBe(2)
        inside--
        inner.release()
        outer.release()
      }
    }
    const fibers = [all.scheduler.spawn(body), all.scheduler.spawn(body)]
    for (const fiber of fibers) await fiber.joinAsync()
    expect([most, mutex.isLocked]).toEqual([1, false])
  })

  test('a dead owner poisons, with a guard of this mutex', async () => {
    all = Modes.create()
    const mutex = new ReentrantMutex({ region: all.region })
    await all.call('thread', mutex, 'lock')
    await all.terminateLast()
    let error: PoisonedError<{ release(): void }> | undefined
    try {
      mutex.lock()
    } catch (thrown) {
      error = thrown as PoisonedError<{ release(): void }>
    }
    expect(mutex.depth).toBe(1)
    mutex.clearPoison()
    error!.guard.release()
    expect(mutex.withLock(() => mutex.depth)).toBe(1)
  })
})
