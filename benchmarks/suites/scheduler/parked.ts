/** What a parked fiber holds, a hundred thousand at once, by way of parking: generator, fiber, what it waits with, and its place in shared memory. */
import { i32, Region } from '@heddle/atomics'
import { channel } from '@heddle/channel'
import { sleepFiber, WaitQueue } from '@heddle/park'
import { BLOCKED } from '@heddle/park/internal'
import { Scheduler } from '@heddle/scheduler'
import { Mutex } from '@heddle/sync'
import { Effect } from 'effect'
import { goContender } from '../../src/go.js'
import { type Case, contender, expectEqual, SizedResult } from '../../src/suite.js'

const FIBERS = 100_000
const GO_NAME = 'Go'

type Body = () => Generator<unknown, void, unknown>

/** Each way: what makes the fiber's function in a region, and what it is in Go. */
const ways: readonly { name: string; go: string; make: (region: Region) => Body }[] = [
  {
    name: 'blocked, no more',
    go: 'block',
    make: () =>
      function* () {
        yield BLOCKED
      },
  },
  {
    name: 'parkFiber',
    go: 'condition',
    make: (region) => {
      const queue = new WaitQueue({ region })
      return function* () {
        yield* queue.parkFiber()
      }
    },
  },
  {
    name: 'sleepFiber',
    go: 'sleep',
    make: () =>
      function* () {
        yield* sleepFiber(3_600_000)
      },
  },
  {
    name: 'recvFiber of a channel',
    go: 'receive',
    make: (region) => {
      const [, receiver] = channel({ region, codec: i32, capacity: 1 })
      return function* () {
        yield* receiver.recvFiber()
      }
    },
  },
  {
    name: 'lockFiber of a Mutex',
    go: 'lock',
    make: (region) => {
      const mutex = new Mutex({ region })
      mutex.lock()
      return function* () {
        yield* mutex.lockFiber()
      }
    },
  },
]

const collect = (): void => {
  // The harness starts this process with the flag that makes it.
  const { gc } = globalThis as unknown as { gc: () => void }
  gc()
  gc()
}

/** The engine's heap, what it holds outside of it, and what the region has given out. */
function held(region: Region): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external + region.stats().used
}

function residentNow(): number {
  collect()
  return process.memoryUsage.rss()
}

function park(make: (region: Region) => Body, n: number, use: (region: Region) => number): SizedResult<number> {
  const region = Region.default
  const body = make(region)
  const warm = new Scheduler({ region })
  for (let i = 0; i < 1000; i++) warm.spawn(body)
  warm.tick(Infinity)
  const scheduler = new Scheduler({ region })
  const before = use(region)
  for (let i = 0; i < n; i++) scheduler.spawn(body)
  scheduler.tick(Infinity)
  const bytes = use(region) - before
  return new SizedResult(scheduler.stats().fibers.filter(({ state }) => state === 'blocked').length, bytes)
}

const check = (blocked: number, n: number): void => expectEqual(blocked, n, 'number of fibers that are parked')

async function parkEffects(n: number): Promise<SizedResult<number>> {
  let started = 0
  const fiber = Effect.gen(function* () {
    started++
    yield* Effect.never
  })
  const start = (count: number): unknown[] => Array.from({ length: count }, () => Effect.runFork(fiber))
  const turns = async (count: number): Promise<void> => {
    while (started < count) await new Promise((resolve) => setImmediate(resolve))
  }
  const warm = start(1000)
  await turns(1000)
  started = 0
  const before = held(Region.default)
  const fibers = start(n)
  await turns(n)
  const bytes = held(Region.default) - before
  return new SizedResult(fibers.length + warm.length - 1000 === started ? started : 0, bytes)
}

export const parked: readonly Case[] = ways.map(({ name, go, make }) => ({
  name: `100 K fibers, ${name}`,
  unit: 'fiber',
  isolation: 'process',
  measures: 'bytes',
  iterations: FIBERS,
  floor: GO_NAME,
  contenders: [
    contender({ name: 'heddle', target: { bytes: 400 }, run: (_, n) => park(make, n, held), check }),
    ...(go === 'block' ? [contender({ name: 'effect, never', run: (_, n) => parkEffects(n), check })] : []),
    goContender(GO_NAME, 'scheduler', (n) => n, 1, [`parked-${go}`, 0], 'bytes'),
  ],
}))

/** The same, as the system sees it: with what the engine has not given back. */
export const resident: Case = {
  name: '100 K fibers, resident memory',
  unit: 'fiber',
  isolation: 'process',
  measures: 'bytes',
  iterations: FIBERS,
  floor: 'Go, receive',
  contenders: [
    ...ways.map(({ name, make }) =>
      contender({ name: `heddle, ${name}`, target: { ratio: 1, to: ['Go, receive'] }, run: (_, n) => park(make, n, residentNow), check }),
    ),
    goContender('Go, receive', 'scheduler', (n) => n, 1, ['resident-receive', 0], 'bytes'),
  ],
}
