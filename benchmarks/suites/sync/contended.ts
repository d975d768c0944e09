/** Two threads on one lock, and two that take turns. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { limits } from '@heddle/atomics/ops'
import { Barrier, Condvar, Event, Mutex, RwLock, Semaphore } from '@heddle/sync'
import { goContender } from '../../src/go.js'
import { type Case, type Contender, contender, expectEqual, TimedResult } from '../../src/suite.js'
import { rivalMutex } from './rival.js'
import { type Locks, roles } from './roles.js'

interface Pair {
  readonly worker: Worker
  readonly locks: Locks
  /** Sections that both threads together have begun. */

  begun: number
}

async function start(role: string, spin: boolean): Promise<Pair> {
  if (!spin) limits.spin = 0
  const region = Region.create({ bytes: 1 << 22 })
  const rivalBuffer = new SharedArrayBuffer(4)
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
    semaphore0: new Semaphore(1, { region }),
    semaphore1: new Semaphore(0, { region }),
    event0: new Event({ region, auto: true }),
    event1: new Event({ region, auto: true }),
    ...(role === 'rival' && { rival: await rivalMutex(rivalBuffer) }),
  }
  locks.event0.set()
  const handles = Object.fromEntries(
    Object.entries(locks).flatMap(([name, value]) => (typeof value === 'object' && 'toHandle' in value ? [[name, (value as Mutex).toHandle()]] : [])),
  )
  const worker = new Worker(new URL('../workers/locker.js', import.meta.url), {
    workerData: { role, spin, data: locks.data, buffer: region.buffer, rivalBuffer, handles },
  })
  await once(worker, 'message')
  return { worker, locks, begun: 0 }
}

/** Each thread does half of the work, at the same time. */
function both(
  name: string,
  role: keyof typeof roles,
  target?: { ns: number } | { ratio: number },
  { spin = true, share = 1 }: { spin?: boolean; /** Of the sections: for what takes long. */ share?: number } = {},
): Contender<never> {
  return contender<Pair, TimedResult<number>>({
    name,
    ...(target && { target }),
    setup: () => start(role, spin),
    run: (pair, n) => {
      const { locks } = pair
      const half = (n * share) >> 1
      const begin = process.hrtime.bigint()
      pair.begun += half * 2
      locks.ready.store(0)
      locks.go.store(half)
      roles[role](locks, half, 0)
      // Until the other is through, too.
      while (locks.ready.load() === 0);
      return new TimedResult(locks.words[locks.data]!, Number(process.hrtime.bigint() - begin) / share)
    },
    check: (count, _n, pair) => expectEqual(count, pair.begun, 'sections'),
    teardown: async ({ worker, locks }) => {
      const gone = once(worker, 'exit')
      locks.go.store(-1)
      await gone
    },
  })
}

/** As many sections as there are iterations, and twenty times that: a program needs some milliseconds to get going. */
const go = (name: string, work: string): Contender<never> => goContender(name, 'sync', (n) => n, 20, [work])

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
    both('multithreading, blockingLock', 'rival', undefined, { share: 0.005 }),
    go('Go sync.Mutex', 'contended'),
    go('Go, a channel with one slot', 'semaphore'),
  ],
}

export const contendedReadMostly: Case = {
  name: 'two threads, one write in 64, sections of 64 loads',
  unit: 'section',
  isolation: 'process',
  iterations: 100_000,
  floor: 'Mutex',
  contenders: [
    both('Mutex', 'mutexMostlyReading'),
    both('RwLock', 'rwMostlyReading'),
    go('Go sync.Mutex', 'read-mostly-mutex'),
    go('Go sync.RWMutex', 'read-mostly'),
  ],
}

export const pingPong: Case = {
  name: 'ping-pong, two threads that spin',
  unit: 'turn',
  isolation: 'process',
  iterations: 20_000,
  floor: 'bare word',
  contenders: [
    both('bare word', 'bareTurn'),
    both('Condvar', 'condvar'),
    both('two Semaphores', 'semaphoreTurn'),
    both('two auto-reset Events', 'eventTurn'),
    go('Go sync.Cond', 'condition'),
  ],
}

export const woken: Case = {
  name: 'ping-pong, two threads that sleep',
  unit: 'wake',
  isolation: 'process',
  iterations: 2000,
  floor: 'bare wait + notify',
  contenders: [
    both('bare wait + notify', 'bareWake', undefined, { spin: false }),
    both('two Semaphores', 'semaphoreTurn', { ratio: 1.3 }, { spin: false }),
    both('two auto-reset Events', 'eventTurn', { ratio: 1.3 }, { spin: false }),
    both('Condvar', 'condvar', { ratio: 1.3 }, { spin: false }),
  ],
}

export const rounds: Case = {
  name: 'rounds of a barrier, two threads',
  unit: 'arrival',
  isolation: 'process',
  iterations: 20_000,
  floor: 'bare counter',
  contenders: [both('bare counter', 'bareBarrier'), both('Barrier(2)', 'barrier')],
}
