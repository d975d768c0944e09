/**
 * Condvar.
 *
 * Scenarios: CPython Lib/test/lock_tests.py (ConditionTests: notify n of many, timeouts, waitfor, unacquired wait), Rust
 * library/std/tests/sync/condvar.rs (notify_one, notify_all, wait_while, wait_timeout, two_mutexes) and parking_lot's condvar tests (requeue).
 */
import { AtomicInt32 } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { Condvar, Mutex, type MutexGuard, NotOwnerError, PoisonedError } from '../src/index.js'
import { Modes, modes, type Outcome, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

function stage(): { condvar: Condvar; mutex: Mutex } {
  all = Modes.create()
  return { condvar: new Condvar({ region: all.region }), mutex: new Mutex({ region: all.region }) }
}

describe.each(modes)('Condvar, %s', (mode) => {
  /** Takes the mutex in this mode, and begins a wait on the condvar there. */
  async function begin(
    condvar: Condvar,
    mutex: Mutex,
    ...options: unknown[]
  ): Promise<{ guard: Outcome; wait: Promise<Outcome>; call: { ended: boolean } }> {
    const guard = await all.call(mode, mutex, 'lock')
    const call = { ended: false }
    const wait = (
      mode === 'thread'
        ? all.callInLast(condvar, 'wait', guard.asArgument, ...options)
        : all.call(mode, condvar, 'wait', guard.asArgument, ...options)
    ) as Promise<Outcome>
    void wait.then(() => (call.ended = true))
    return { guard, wait, call }
  }

  test('wait releases the mutex, and has it again after a notify', async () => {
    const { condvar, mutex } = stage()
    const { guard, wait, call } = await begin(condvar, mutex)
    await all.waiting(1)
    const own = mutex.lock()
    expect(condvar.notifyOne()).toBe(1)
    await turns(3)
    // Notified, and without the mutex.
    expect(call.ended).toBe(false)
    own.release()
    expect((await wait).error).toBeUndefined()
    expect(mutex.tryLock()).toBeUndefined()
    await guard.release()
    expect(condvar.notifyAll()).toBe(0)
  })

  test('a time limit: TimeoutError, and the mutex is held again', async () => {
    const { condvar, mutex } = stage()
    const { guard, wait } = await begin(condvar, mutex, { timeout: 5 })
    expect((await wait).error?.code).toBe('ERR_TIMEOUT')
    expect(mutex.tryLock()).toBeUndefined()
    await guard.release()
    expect(condvar.notifyOne()).toBe(0)
  })

  test('a time limit that passes after the notify does not make it fail', async () => {
    const { condvar, mutex } = stage()
    // Longer where the machine was too slow to notify in time.
    for (let limit = 60; ; limit *= 4) {
      const { guard, wait, call } = await begin(condvar, mutex, { timeout: limit })
      const past = performance.now() + 1.5 * limit
      await Promise.race([all.waiting(1), wait])
      const own = mutex.tryLock()
      if (own === undefined || condvar.notifyOne() === 0) {
        own?.release()
        await wait
        await guard.release()
        continue
      }
      // Past its time: it stands in the mutex's queue, or has given that up and waits without limit.
      while (performance.now() < past) await turns(1)
      expect(call.ended).toBe(false)
      own.release()
      expect((await wait).error).toBeUndefined()
      await guard.release()
      break
    }
  })

  test('notifyAll moves everybody to the mutex: one after the other goes on', async () => {
    const { condvar, mutex } = stage()
    let inside = 0
    let most = 0
    const waits: Promise<void>[] = []
    for (let i = 1; i <= 4; i++) {
      const { guard, wait } = await begin(condvar, mutex)
      waits.push(
        wait.then(async ({ error }) => {
          expect(error).toBeUndefined()
          most = Math.max(most, ++inside)
          await turns(1)
          inside--
          await guard.release()
        }),
      )
      await all.waiting(i)
    }
    expect(condvar.notify(2)).toBe(2)
    await Promise.all([Promise.race(waits), turns(2)])
    expect(condvar.notifyAll()).toBe(2)
    await Promise.all(waits)
    expect([most, mutex.isLocked]).toEqual([1, false])
  })
})

describe('Condvar', () => {
  test('waitWhile looks at the condition with the mutex held, in all modes', async () => {
    const { condvar, mutex } = stage()
    const value = new AtomicInt32({ region: all.region })
    const seen: string[] = []
    const until = (n: number) => (): boolean => {
      expect(mutex.isLocked).toBe(true)
      return value.load() < n
    }
    const promise = (async () => {
      const guard = await mutex.lockAsync()
      await condvar.waitWhileAsync(guard, until(2))
      seen.push('promise')
      guard.release()
    })()
    const fiber = all.scheduler.spawn(function* () {
      const guard = yield* mutex.lockFiber()
      yield* condvar.waitWhileFiber(guard, until(1))
      seen.push('fiber')
      guard.release()
    })
    const joined = fiber.joinAsync()
    await all.waiting(2)
    for (let n = 1; n <= 2; n++) {
      await mutex.withLockAsync(() => value.add(1))
      condvar.notifyAll()
      await turns(4)
    }
    await Promise.all([promise, joined])
    expect(seen).toEqual(['fiber', 'promise'])
    const guard = mutex.lock()
    condvar.waitWhile(guard, () => false)
    expect(() => condvar.waitWhile(guard, () => true, { timeout: 10 })).toThrow(/time limit/)
    expect(guard.held).toBe(true)
    guard.release()
  })

  test('an abort: the reason, with the mutex held, and the notify goes to another', async () => {
    const { condvar, mutex } = stage()
    const controller = new AbortController()
    const first = await mutex.lockAsync()
    const aborted = condvar.waitAsync(first, { signal: controller.signal })
    const second = await mutex.lockAsync()
    const other = condvar.waitAsync(second)
    const own = mutex.lock()
    expect(condvar.notifyOne()).toBe(1)
    controller.abort(new Error('enough'))
    own.release()
    await expect(aborted).rejects.toThrow('enough')
    expect(first.held).toBe(true)
    first.release()
    await other
    expect(second.held).toBe(true)
    second.release()
  })

  test('a cancelled fiber has the mutex again before it ends', async () => {
    const { condvar, mutex } = stage()
    let held = false
    const fiber = all.scheduler.spawn(function* () {
      const guard = yield* mutex.lockFiber()
      try {
        yield* condvar.waitFiber(guard)
      } finally {
        held = guard.held
        guard.release()
      }
    })
    const joined = fiber.joinAsync()
    await all.waiting(1)
    fiber.cancel(new Error('enough'))
    await expect(joined).rejects.toThrow('enough')
    expect([held, mutex.isLocked]).toEqual([true, false])
  })

  test('reports poison when it has the mutex again', async () => {
    const { condvar, mutex } = stage()
    const guard = await mutex.lockAsync()
    const waiting = condvar.waitAsync(guard)
    await all.call('thread', mutex, 'lock')
    await all.terminateLast()
    await expect(waiting).rejects.toThrow(PoisonedError)
    expect(guard.held).toBe(true)
    mutex.clearPoison()
    guard.release()
    expect(mutex.isLocked).toBe(false)
  })

  test('refuses a guard that holds nothing, a second mutex, a count that is none', async () => {
    const { condvar, mutex } = stage()
    const guard = mutex.lock()
    guard.release()
    expect(() => condvar.wait(guard)).toThrow(NotOwnerError)
    await expect(condvar.waitAsync(guard)).rejects.toThrow(NotOwnerError)
    const other = new Mutex({ region: all.region })
    const first = await mutex.lockAsync()
    const waiting = condvar.waitAsync(first)
    const second = other.lock()
    expect(() => condvar.wait(second)).toThrow(/another mutex/)
    expect(second.held).toBe(true)
    second.release()
    expect(() => condvar.notify(-1)).toThrow(/0 or more/)
    expect(condvar.notify(0)).toBe(0)
    expect(() => condvar.dispose()).toThrow(/waits/)
    condvar.notifyAll()
    await waiting
    first.release()
    // Nobody waits: another mutex may be used now.
    const again: MutexGuard = await other.lockAsync()
    const rebound = condvar.waitAsync(again)
    condvar.notifyAll()
    await rebound
    again.release()
  })
})
