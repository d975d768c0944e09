/** Every verb of sync that waits, in a state in which it has to wait, and how to see that a wait in vain took nothing along. */
import { i32 } from '@heddle/atomics'
import { expect } from 'vitest'
import { Barrier, Condvar, Event, Latch, Lazy, Mutex, OnceCell, ReentrantMutex, RwLock, Semaphore, Shared, WaitGroup } from '../../src/index.js'
import type { Mode, Modes, Outcome } from './modes.js'

/** One wait that has to wait, and what is left of it. */
export interface Waiting {
  /** Begins it. */
  wait(options: object): Promise<Outcome>
  /** After a wait that was given up: nothing is lost, and the next one gets what it wants. */
  check(): Promise<void> | void
  /** Whether it has begun without a limit before its part under test: a Condvar has its mutex. */
  readonly alone?: boolean
}

export interface CancelCase {
  readonly name: string
  readonly modes: readonly Mode[]
  make(all: Modes, mode: Mode): Promise<Waiting> | Waiting
}

const ALL: readonly Mode[] = ['thread', 'promise', 'fiber']

/** A lock that somebody holds. */
function lockCase<L extends object>(
  name: string,
  modes: readonly Mode[],
  verb: string,
  make: (all: Modes) => { lock: L; holder: { release(): void }; retry: () => { release(): void } | undefined },
): CancelCase {
  return {
    name,
    modes,
    make(all, mode) {
      const { lock, holder, retry } = make(all)
      return {
        wait: (options) => all.call(mode, lock, verb, options),
        check() {
          expect(retry(), 'somebody else has it').toBeUndefined()
          holder.release()
          const guard = retry()
          expect(guard, 'nobody has it any more').toBeDefined()
          guard!.release()
        },
      }
    },
  }
}

/** Something that opens for all. */
function gateCase<G extends object>(
  name: string,
  make: (all: Modes) => G,
  open: (gate: G) => void,
  before: (gate: G) => unknown,
  after: unknown,
): CancelCase {
  return {
    name,
    modes: ALL,
    make(all, mode) {
      const gate = make(all)
      return {
        wait: (options) => all.call(mode, gate, 'wait', options),
        async check() {
          expect(before(gate)).toEqual(after)
          open(gate)
          expect((await all.call(mode, gate, 'wait', { timeout: 20_000 })).error).toBeUndefined()
        },
      }
    },
  }
}

/** Sections are generators in fibers; a thread's, and a promise's, are functions. */
function section(mode: Mode): unknown {
  return mode === 'fiber' ? function* () {} : () => undefined
}

/** While its value is being made by a promise of this thread. */
function onceCase(
  name: string,
  make: (all: Modes, value: Promise<number>) => { object: object; making: Promise<unknown>; verbs: Record<Mode, string>; args: unknown[] },
): CancelCase {
  return {
    name,
    modes: ALL,
    make(all, mode) {
      let finish: (value: number) => void = () => undefined
      const { object, making, verbs, args } = make(all, new Promise((resolve) => (finish = resolve)))
      const wait = (options: object): Promise<Outcome> => all.call(mode, object, verbs[mode], ...args, options)
      return {
        wait,
        async check() {
          finish(7)
          expect(await making).toBe(7)
          const late = await wait({})
          expect([late.error, late.value]).toEqual([undefined, 7])
        },
      }
    },
  }
}

export const cancelCases: readonly CancelCase[] = [
  lockCase('Mutex.lock', ALL, 'lock', ({ region }) => {
    const lock = new Mutex({ region })
    return { lock, holder: lock.lock(), retry: () => lock.tryLock() }
  }),
  {
    name: 'ReentrantMutex.lock',
    modes: ['thread', 'fiber'],
    async make(all, mode) {
      // Its owner is a fiber, so that this thread is another.
      const lock = new ReentrantMutex({ region: all.region })
      const held = await all.call('fiber', lock, 'lock')
      return {
        wait: (options) => all.call(mode, lock, 'lock', options),
        async check() {
          expect(lock.tryLock()).toBeUndefined()
          await held.release()
          lock.withLock(() => expect(lock.depth).toBe(1))
          expect(lock.isLocked).toBe(false)
        },
      }
    },
  },
  lockCase('RwLock.read', ALL, 'read', ({ region }) => {
    const lock = new RwLock({ region })
    return { lock, holder: lock.write(), retry: () => lock.tryRead() }
  }),
  lockCase('RwLock.write, of a writer', ALL, 'write', ({ region }) => {
    const lock = new RwLock({ region })
    return { lock, holder: lock.write(), retry: () => lock.tryWrite() }
  }),
  {
    name: 'RwLock.write, of a reader',
    modes: ALL,
    make(all, mode) {
      const lock = new RwLock({ region: all.region })
      const reading = lock.read()
      return {
        wait: (options) => all.call(mode, lock, 'write', options),
        check() {
          // New readers come in again, and are the only ones.
          const another = lock.tryRead()
          expect(another).toBeDefined()
          expect(lock.tryWrite()).toBeUndefined()
          another!.release()
          reading.release()
          lock.withWrite(() => expect(lock.isWriteLocked).toBe(true))
          expect([lock.isReadLocked, lock.isWriteLocked, lock.isPoisoned]).toEqual([false, false, false])
        },
      }
    },
  },
  lockCase('RwLock.upgradableRead', ALL, 'upgradableRead', ({ region }) => {
    const lock = new RwLock({ region })
    return { lock, holder: lock.upgradableRead(), retry: () => lock.tryUpgradableRead() }
  }),
  {
    name: 'UpgradableGuard.upgrade',
    modes: ALL,
    async make(all, mode) {
      const lock = new RwLock({ region: all.region })
      const upgradable = await all.call(mode, lock, 'upgradableRead')
      const reading = lock.tryRead()!
      return {
        wait: (options) => upgradable.guard('upgrade', options),
        async check() {
          // It still reads, and nobody else may upgrade; readers come in again.
          expect(lock.tryUpgradableRead()).toBeUndefined()
          const another = lock.tryRead()
          expect(another).toBeDefined()
          another!.release()
          reading.release()
          expect((await upgradable.guard('upgrade', {})).error).toBeUndefined()
          expect(lock.isWriteLocked).toBe(true)
        },
      }
    },
  },
  {
    name: 'Shared.with',
    modes: ALL,
    make(all, mode) {
      const shared = new Shared(i32, 5, { region: all.region })
      const holder = shared.lock.read()
      return {
        wait: (options) => all.call(mode, shared, 'with', section(mode), options),
        check() {
          holder.release()
          shared.with((value, set) => set(value + 1))
          expect(shared.withRead((value) => value)).toBe(6)
        },
      }
    },
  },
  {
    name: 'Shared.withRead',
    modes: ALL,
    make(all, mode) {
      const shared = new Shared(i32, 5, { region: all.region })
      const holder = shared.lock.write()
      return {
        wait: (options) => all.call(mode, shared, 'withRead', section(mode), options),
        check() {
          holder.release()
          expect(shared.withRead((value) => value)).toBe(5)
        },
      }
    },
  },
  {
    name: 'Condvar.wait',
    modes: ALL,
    async make(all, mode) {
      const mutex = new Mutex({ region: all.region })
      const condvar = new Condvar({ region: all.region })
      const held = await all.call(mode, mutex, 'lock')
      return {
        wait: (options) => held.also(condvar, 'wait', held.asArgument, options),
        async check() {
          expect(mutex.isLocked, 'the wait ended with the mutex held').toBe(true)
          // Nobody is notified in its place.
          expect(condvar.notifyAll()).toBe(0)
          await held.release()
          expect(mutex.isLocked).toBe(false)
        },
      }
    },
  },
  {
    name: 'Condvar.waitWhile',
    modes: ['promise', 'fiber'],
    async make(all, mode) {
      const mutex = new Mutex({ region: all.region })
      const condvar = new Condvar({ region: all.region })
      const held = await all.call(mode, mutex, 'lock')
      return {
        wait: (options) => held.also(condvar, 'waitWhile', held.asArgument, () => true, options),
        async check() {
          expect([mutex.isLocked, condvar.notifyAll()]).toEqual([true, 0])
          await held.release()
          expect(mutex.isLocked).toBe(false)
        },
      }
    },
  },
  {
    name: 'Semaphore.acquire(2)',
    modes: ALL,
    make(all, mode) {
      const semaphore = new Semaphore(1, { region: all.region })
      return {
        wait: (options) => all.call(mode, semaphore, 'acquire', 2, options),
        check() {
          expect(semaphore.available).toBe(1)
          expect(semaphore.tryAcquire()).toBe(true)
          semaphore.release(2)
          expect([semaphore.tryAcquire(2), semaphore.available]).toEqual([true, 0])
        },
      }
    },
  },
  {
    name: 'Barrier.wait',
    modes: ALL,
    make(all, mode) {
      const barrier = new Barrier(2, { region: all.region })
      return {
        wait: (options) => all.call(mode, barrier, 'wait', options),
        async check() {
          // A party that gives up after it came breaks it; one whose token was cancelled before never came.
          expect(barrier.waiting).toBe(0)
          barrier.reset()
          const passed = await Promise.all([all.call(mode, barrier, 'wait'), barrier.waitAsync()])
          expect(passed[0].error).toBeUndefined()
        },
      }
    },
  },
  gateCase(
    'Latch.wait',
    ({ region }) => new Latch(1, { region }),
    (latch) => latch.countDown(),
    (latch) => latch.count,
    1,
  ),
  gateCase(
    'WaitGroup.wait',
    ({ region }) => {
      const group = new WaitGroup({ region })
      group.add(1)
      return group
    },
    (group) => group.done(),
    (group) => group.count,
    1,
  ),
  gateCase(
    'Event.wait',
    ({ region }) => new Event({ region }),
    (event) => event.set(),
    (event) => event.isSet,
    false,
  ),
  gateCase(
    'Event.wait, auto-reset',
    ({ region }) => new Event({ region, auto: true }),
    (event) => event.set(),
    (event) => event.isSet,
    false,
  ),
  onceCase('OnceCell.getOrInit', ({ region }, value) => {
    const cell = new OnceCell({ codec: i32, region })
    const verbs = { thread: 'getOrInit', promise: 'getOrInit', fiber: 'getOrInit' }
    return { object: cell, making: cell.getOrInitAsync(() => value), verbs, args: [() => 8] }
  }),
  onceCase('Lazy.value', ({ region }, value) => {
    const lazy = new Lazy({ codec: i32, region }, () => value as never)
    return { object: lazy, making: lazy.valueAsync(), verbs: { thread: 'valueWithin', promise: 'value', fiber: 'value' }, args: [] }
  }),
]
