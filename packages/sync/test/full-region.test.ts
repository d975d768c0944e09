/** Unlock, notify and clean-up in a region in which nothing can be allocated any more: they need nothing, and give everything back. */
import { i32, type Region, RegionFullError } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CancelledError, CancelSource } from '../../cancel/src/index.js'
import {
  Barrier,
  BrokenBarrierError,
  Condvar,
  Event,
  Latch,
  Mutex,
  type MutexGuard,
  OnceCell,
  PoisonedError,
  ReentrantMutex,
  RwLock,
  Semaphore,
  Shared,
  SpinMutex,
  WaitGroup,
} from '../src/index.js'
import { Modes } from './support/modes.js'

let all: Modes
let region: Region
let filled: number[]
beforeEach(() => {
  all = Modes.create()
  region = all.region
  filled = []
})
afterEach(async () => {
  for (const at of filled) region.free(at)
  await all.close()
})

/** Takes all memory that is left; from here on nothing is allocated, and the test says so at its end. */
function fill(): () => void {
  for (let bytes = region.stats().free; bytes >= 8;) {
    try {
      filled.push(region.alloc(bytes))
    } catch (error) {
      if (!(error instanceof RegionFullError)) throw error
      bytes = bytes >> 1
    }
  }
  expect(() => new Mutex({ region })).toThrow(RegionFullError)
  const { used } = region.stats()
  return () => {
    expect(region.stats().used, 'bytes in use').toBe(used)
    expect(Agent.of(region).slab.used, 'waiter records in use').toBe(0)
  }
}

/** How promises end: 'done', or the error's name. */
function outcomes(promises: readonly Promise<unknown>[]): Promise<string[]> {
  return Promise.all(
    promises.map((promise) =>
      promise.then(
        () => 'done',
        (error: unknown) => (error as Error).name,
      ),
    ),
  )
}

const three = <T>(begin: () => Promise<T>): Promise<T>[] => [begin(), begin(), begin()]
const released = (guard: { release(): void }): void => guard.release()

describe('with nothing left to allocate', () => {
  test('a mutex goes from one to the next', async () => {
    const mutex = new Mutex({ region })
    const held = mutex.lock()
    const waiting = three(() => mutex.lockAsync().then(released))
    const check = fill()
    held.release()
    expect(await outcomes(waiting)).toEqual(['done', 'done', 'done'])
    check()
  })

  test('readers and writers take turns; downgrades', async () => {
    const lock = new RwLock({ region })
    const held = lock.write()
    const waiting = [
      lock.readAsync().then(released),
      lock.writeAsync().then((writing) => writing.downgrade().release()),
      lock.readAsync().then(released),
      lock.upgradableReadAsync().then(released),
    ]
    const check = fill()
    const upgradable = held.downgradeToUpgradable()
    upgradable.downgrade().release()
    expect(await outcomes(waiting)).toEqual(['done', 'done', 'done', 'done'])
    check()
  })

  test('a reader leaves, and the writer that waited for it comes in', async () => {
    const lock = new RwLock({ region })
    const reading = lock.read()
    const waiting = lock.writeAsync().then(released)
    const check = fill()
    reading.release()
    expect(await outcomes([waiting])).toEqual(['done'])
    check()
  })

  test('a condition is told to everybody', async () => {
    const [mutex, condvar] = [new Mutex({ region }), new Condvar({ region })]
    const waiting = three(async () => {
      const guard = await mutex.lockAsync()
      await condvar.waitAsync(guard)
      guard.release()
    })
    await all.waiting(3)
    const check = fill()
    expect(condvar.notifyOne()).toBe(1)
    expect(condvar.notifyAll()).toBe(2)
    expect(await outcomes(waiting)).toEqual(['done', 'done', 'done'])
    check()
  })

  test('permits, events, latches and groups let through', async () => {
    const semaphore = new Semaphore(0, { region })
    const [event, auto] = [new Event({ region }), new Event({ region, auto: true })]
    const latch = new Latch(1, { region })
    const group = new WaitGroup({ region })
    group.add(1)
    const waiting = [
      ...three(() => semaphore.acquireAsync(2)),
      ...three(() => event.waitAsync()),
      ...three(() => auto.waitAsync()),
      ...three(() => latch.waitAsync()),
      ...three(() => group.waitAsync()),
    ]
    const check = fill()
    semaphore.release(6)
    event.set()
    for (let i = 0; i < 3; i++) auto.set()
    latch.countDown()
    group.done()
    expect(new Set(await outcomes(waiting))).toEqual(new Set(['done']))
    check()
  })

  test('a barrier is passed, aborted and reset', async () => {
    const [barrier, other] = [new Barrier(3, { region }), new Barrier(3, { region })]
    const passing = [barrier.waitAsync(), barrier.waitAsync()]
    const breaking = [other.waitAsync(), other.waitAsync()]
    const check = fill()
    const last = barrier.waitAsync()
    expect(await outcomes([...passing, last])).toEqual(['done', 'done', 'done'])
    other.abort()
    expect(await outcomes(breaking)).toEqual([BrokenBarrierError.name, BrokenBarrierError.name])
    other.reset()
    expect(other.isBroken).toBe(false)
    check()
  })

  test('a value is made, and whoever waited has it', async () => {
    const cell = new OnceCell({ codec: i32, region })
    let finish: (value: number) => void = () => undefined
    const making = cell.getOrInitAsync(() => new Promise<number>((resolve) => (finish = resolve)))
    const waiting = three(() => cell.getOrInitAsync(() => 8))
    await all.waiting(3)
    const check = fill()
    finish(7)
    expect(await Promise.all([making, ...waiting])).toEqual([7, 7, 7, 7])
    check()
  })

  test('small ones: SpinMutex, ReentrantMutex, Shared', () => {
    const [spin, reentrant, shared] = [new SpinMutex({ region }), new ReentrantMutex({ region }), new Shared(i32, 1, { region })]
    // Its log of holds is made with the first read.
    shared.withRead(() => undefined)
    const check = fill()
    spin.withLock(() => undefined)
    reentrant.withLock(() => reentrant.withLock(() => undefined))
    shared.with((value, set) => set(value + 1))
    expect(shared.withRead((value) => value)).toBe(2)
    check()
  })

  test('waits are given up: a time limit, an abort, a cancel with a reason of its own', async () => {
    const mutex = new Mutex({ region })
    const semaphore = new Semaphore(0, { region })
    const held = mutex.lock()
    const controller = new AbortController()
    const source = new CancelSource({ region })
    const waiting = [
      mutex.lockAsync({ timeout: 1 }),
      mutex.lockAsync({ signal: controller.signal }),
      mutex.lockAsync({ signal: source.token }),
      semaphore.acquireAsync({ signal: source.token }),
    ]
    const ends = outcomes(waiting)
    const check = fill()
    controller.abort()
    source.cancel()
    expect(await ends).toEqual([TimeoutError.name, 'AbortError', CancelledError.name, CancelledError.name])
    held.release()
    expect(mutex.isLocked).toBe(false)
    check()
    source.dispose()
  })

  test('an owner and a reader die: the lock comes poisoned, the hold comes back', async () => {
    const [mutex, lock] = [new Mutex({ region }), new RwLock({ region })]
    const theirs = await all.call('thread', mutex, 'lock')
    await theirs.also(lock, 'read')
    const waiting = [mutex.lockAsync(), lock.writeAsync().then(released)]
    let poisoned: MutexGuard | undefined
    const first = waiting[0]!.catch((error: unknown) => {
      expect(error).toBeInstanceOf(PoisonedError)
      poisoned = (error as PoisonedError).guard as MutexGuard
    })
    await all.waiting(2)
    fill()
    await all.terminateLast()
    await first
    await waiting[1]
    expect([mutex.isPoisoned, lock.isReadLocked, lock.isPoisoned]).toEqual([true, false, false])
    mutex.clearPoison()
    poisoned!.release()
    expect(Agent.of(region).slab.used).toBe(0)
  })
})
