/** What a lock costs when nobody else wants it. */
import { AtomicInt32, Region } from '@heddle/atomics'
import { Mutex, ReentrantMutex, RwLock, Semaphore, SpinMutex } from '@heddle/sync'
import { Mutex as AsyncMutex } from 'async-mutex'
import { goContender } from '../../src/go.js'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { bareWord, ITERATIONS, lockPair } from '../atomics/bare.js'
import { rivalMutex } from './rival.js'

const FLOOR = 'bare compareExchange + exchange'

const all = (taken: number, n: number): void => expectEqual(taken, n)

function region(): Region {
  return Region.create({ bytes: 1 << 20 })
}

export const locks: Case = {
  name: 'uncontended, one thread',
  unit: 'lock + release',
  isolation: 'shared',
  iterations: ITERATIONS,
  floor: FLOOR,
  contenders: [
    contender({ name: FLOOR, setup: () => bareWord(), run: lockPair, check: all }),
    contender({
      name: 'Mutex.lock + guard.release',
      target: { ratio: 1.3 },
      setup: () => new Mutex({ region: region() }),
      run: (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = mutex.lock()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'Mutex.withLock',
      setup: () => new Mutex({ region: region() }),
      run: (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) mutex.withLock(() => taken++)
        return taken
      },
      check: all,
    }),
    contender({
      name: 'Mutex.lockFiber, done at once',
      setup: () => new Mutex({ region: region() }),
      run: (mutex, n) => {
        let taken = 0
        const body = function* (): Generator<unknown, void, unknown> {
          for (let i = 0; i < n; i++) {
            const guard = yield* mutex.lockFiber()
            taken++
            guard.release()
          }
        }
        for (const step of body()) throw new Error(`waited: ${String(step)}`)
        return taken
      },
      check: all,
    }),
    contender({
      name: 'SpinMutex.lock + release',
      setup: () => new SpinMutex({ region: region() }),
      run: (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = mutex.lock()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'ReentrantMutex.lock + release',
      setup: () => new ReentrantMutex({ region: region() }),
      run: (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = mutex.lock()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'RwLock.read + release',
      setup: () => new RwLock({ region: region() }),
      run: (lock, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = lock.read()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'RwLock.write + release',
      setup: () => new RwLock({ region: region() }),
      run: (lock, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = lock.write()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'Semaphore.acquire + release',
      setup: () => new Semaphore(1, { region: region() }),
      run: (semaphore, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          semaphore.acquire()
          taken += 1 - semaphore.available
          semaphore.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'multithreading, blockingLock + dispose',
      setup: () => rivalMutex(),
      run: (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = mutex.blockingLock()
          taken++
          guard.dispose()
        }
        return taken
      },
      check: all,
    }),
    goContender('Go sync.Mutex', 'sync', (n) => n, 1000, ['uncontended']),
  ],
}

export const promises: Case = {
  name: 'uncontended, awaited',
  unit: 'await lock + release',
  isolation: 'shared',
  iterations: ITERATIONS,
  floor: 'await Promise.resolve()',
  contenders: [
    contender({
      name: 'await Promise.resolve()',
      setup: () => new AtomicInt32({ region: region() }),
      run: async (_cell, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) taken += await Promise.resolve(1)
        return taken
      },
      check: all,
    }),
    contender({
      name: 'Mutex.lockAsync + release',
      target: { ns: 150 },
      setup: () => new Mutex({ region: region() }),
      run: async (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = await mutex.lockAsync()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'Semaphore.acquireAsync + release',
      setup: () => new Semaphore(1, { region: region() }),
      run: async (semaphore, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          await semaphore.acquireAsync()
          taken += 1 - semaphore.available
          semaphore.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'RwLock.readAsync + release',
      setup: () => new RwLock({ region: region() }),
      run: async (lock, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = await lock.readAsync()
          if (guard.held) taken++
          guard.release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'async-mutex acquire + release',
      setup: () => new AsyncMutex(),
      run: async (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const release = await mutex.acquire()
          if (mutex.isLocked()) taken++
          release()
        }
        return taken
      },
      check: all,
    }),
    contender({
      name: 'multithreading, lock + dispose',
      setup: () => rivalMutex(),
      run: async (mutex, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const guard = await mutex.lock()
          taken++
          guard.dispose()
        }
        return taken
      },
      check: all,
    }),
  ],
}
