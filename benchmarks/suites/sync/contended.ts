/** Two threads on one lock. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { Barrier, Condvar, Mutex, RwLock, Semaphore } from '@heddle/sync'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'
import { type Locks, roles } from './roles.js'

interface Pair {
  readonly worker: Worker
  readonly locks: Locks
  /** Sections that both threads together have begun. */

  begun: number
}

async function start(role: string): Promise<Pair> {
  const region = Region.create({ bytes: 1 << 22 })
  const locks: Locks = {
    words: region.words,
    data: region.alloc(64, 64) >> 2,
    turn: new AtomicInt32({ region }),
    go: new AtomicInt32({ region }),
    ready: new AtomicInt32({ region }),
    mutex: new Mutex({ region }),
    rw: new RwLock({ region }),
    condvar: new Condvar({ region }),
    barrier: new Barrier(2, { region }),
    semaphore: new Semaphore(1, { region }),
  }
  const handles = Object.fromEntries(
    Object.entries(locks).flatMap(([name, value]) => (typeof value === 'object' && 'toHandle' in value ? [[name, (value as Mutex).toHandle()]] : [])),
  )
  const worker = new Worker(new URL('../workers/locker.js', import.meta.url), {
    workerData: { role, data: locks.data, buffer: region.buffer, handles },
  })
  await once(worker, 'message')
  return { worker, locks, begun: 0 }
}

/** Each thread does half of the work, at the same time. */
function both(name: string, role: keyof typeof roles, target?: { ns: number }): Contender<never> {
  return contender<Pair, number>({
    name,
    ...(target && { target }),
    setup: () => start(role),
    run: (pair, n) => {
      const { locks } = pair
      const half = n >> 1
      pair.begun += half * 2
      locks.ready.store(0)
      locks.go.store(half)
      roles[role](locks, half, 0)
      // Until the other is through, too.
      while (locks.ready.load() === 0);
      return locks.words[locks.data]!
    },
    check: (count, _n, pair) => expectEqual(count, pair.begun, 'sections'),
    teardown: async ({ worker, locks }) => {
      const gone = once(worker, 'exit')
      locks.go.store(-1)
      await gone
    },
  })
}

export const contended: Case = {
  name: 'contended, two threads, a section of one addition',
  unit: 'section',
  isolation: 'process',
  iterations: 100_000,
  floor: 'bare spin lock',
  contenders: [
    both('bare spin lock', 'bare'),
    both('Mutex', 'mutex', { ns: 60 }),
    both('RwLock, writing', 'rwWrite'),
    both('Semaphore(1)', 'semaphore'),
  ],
}

export const contendedReadMostly: Case = {
  name: 'two threads, one write in 64, sections of 64 loads',
  unit: 'section',
  isolation: 'process',
  iterations: 100_000,
  floor: 'Mutex',
  contenders: [both('Mutex', 'mutexMostlyReading'), both('RwLock', 'rwMostlyReading')],
}

export const pingPong: Case = {
  name: 'ping-pong, two threads',
  unit: 'turn',
  isolation: 'process',
  iterations: 20_000,
  contenders: [both('Condvar', 'condvar')],
}

export const rounds: Case = {
  name: 'rounds of a barrier, two threads',
  unit: 'arrival',
  isolation: 'process',
  iterations: 20_000,
  contenders: [both('Barrier(2)', 'barrier')],
}
