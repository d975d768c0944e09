/**
 * What fibers cost: a switch, a spawn, a join, a safepoint, the memory of a parked one; the bare generator is the floor.
 *
 * npx esbuild packages/scheduler/bench/scheduler.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --outfile=/tmp/scheduler.mjs
 * node --expose-gc /tmp/scheduler.mjs
 */
import { Region } from '@heddle/atomics'
import { sleepFiber } from '@heddle/park'
import { awaitFiber, type Fiber, ReadyBitmap, safepoint, Scheduler, yieldNow } from '../src/index.js'
import { ReadySet } from '../src/ready-set.js'

function row(name: string, ns: number, unit = 'ns'): void {
  console.log(`${name.padEnd(58)} ${ns.toFixed(1).padStart(9)} ${unit}`)
}

/** Median of some rounds, in ns for one of `count`. */
function measure(count: number, body: () => void, rounds = 7): number {
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    body()
    samples.push(((performance.now() - start) * 1e6) / count)
  }
  samples.sort((a, b) => a - b)
  return samples[rounds >> 1]!
}

const STEPS = 2_000_000

function bareSwitch(fibers: number): number {
  return measure(STEPS, () => {
    const each = STEPS / fibers
    const list = Array.from({ length: fibers }, function* () {
      for (let i = 0; i < each; i++) yield
    })
    const generators = list.map(() =>
      (function* () {
        for (let i = 0; i < each; i++) yield
      })(),
    )
    for (let i = 0; i < each; i++) for (const generator of generators) generator.next()
  })
}

function switches(fibers: number, body: (each: number) => Generator): number {
  return measure(STEPS, () => {
    const scheduler = new Scheduler()
    const each = STEPS / fibers
    for (let i = 0; i < fibers; i++) scheduler.spawn(() => body(each))
    scheduler.run()
    if (scheduler.stats().finished !== fibers) throw new Error('fibers were lost')
  })
}

function* plain(each: number): Generator {
  for (let i = 0; i < each; i++) yield
}
function* withYieldNow(each: number): Generator {
  for (let i = 0; i < each; i++) yield* yieldNow()
}

function spawnAll(count: number): number {
  return measure(
    count,
    () => {
      let sum = 0
      const scheduler = new Scheduler()
      for (let i = 0; i < count; i++) {
        scheduler.spawn(function* () {
          sum++
        })
      }
      scheduler.run()
      if (sum !== count) throw new Error('fibers were lost')
    },
    5,
  )
}

function bareSpawn(count: number): number {
  return measure(
    count,
    () => {
      let sum = 0
      const list: Generator[] = []
      for (let i = 0; i < count; i++) {
        list.push(
          // eslint-disable-next-line require-yield
          (function* () {
            sum++
          })(),
        )
      }
      for (const generator of list) generator.next()
      if (sum !== count) throw new Error('fibers were lost')
    },
    5,
  )
}

function spawnAndJoin(count: number): number {
  return measure(count, () => {
    const scheduler = new Scheduler()
    const sum = scheduler.blockOn(function* () {
      let sum = 0
      for (let i = 0; i < count; i++) {
        const child: Fiber<number> = scheduler.spawn(function* () {
          return 1
        })
        sum += yield* child.joinFiber()
      }
      return sum
    })
    if (sum !== count) throw new Error('fibers were lost')
  })
}

function safepoints(): number {
  const count = 50_000_000
  let hits = 0
  const scheduler = new Scheduler()
  return measure(
    count,
    () => {
      scheduler.blockOn(function* () {
        for (let i = 0; i < count; i++) {
          if (safepoint()) {
            hits++
            yield
          }
        }
      })
    },
    3,
  )
}

function emptyLoop(): number {
  const count = 50_000_000
  let flag = 1
  return measure(
    count,
    () => {
      for (let i = 0; i < count; i++) if (--flag === -1) flag = 1
    },
    3,
  )
}

function localSet(): number {
  const set = new ReadySet(1024)
  for (let i = 0; i < 100; i++) set.add(i * 7)
  return measure(STEPS, () => {
    for (let i = 0; i < STEPS; i++) set.add(set.take())
  })
}

function sharedSet(): number {
  const set = new ReadyBitmap(1024, { region: Region.create({ bytes: 1 << 20, agents: 4 }) })
  for (let i = 0; i < 100; i++) set.set(i * 7)
  return measure(STEPS, () => {
    for (let i = 0; i < STEPS; i++) set.set(set.take())
  })
}

/** Bytes for each of `count` fibers that are parked. */
function memory(count: number, body: () => Generator): number {
  const gc = (globalThis as { gc?: () => void }).gc
  if (gc === undefined) return NaN
  const scheduler = new Scheduler()
  const use = (): number => {
    gc()
    gc()
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    return heapUsed + external + arrayBuffers
  }
  const before = use()
  for (let i = 0; i < count; i++) scheduler.spawn(body)
  while (scheduler.stats().steps < count) scheduler.tick(50)
  const after = use()
  if (scheduler.stats().fibers.length !== count) throw new Error('fibers were lost')
  return (after - before) / count
}

row('bare generators, 1 fiber, a switch', bareSwitch(1))
row('bare generators, 1000 fibers, a switch', bareSwitch(1000))
row('yield, 1 fiber, a switch', switches(1, plain))
row('yield, 2 fibers, a switch', switches(2, plain))
row('yield, 1000 fibers, a switch', switches(1000, plain))
row('yield* yieldNow(), 1000 fibers, a switch', switches(1000, withYieldNow))
row('ready set of the agent, take + add', localSet())
row('ReadyBitmap in a region, take + set', sharedSet())
row('bare generators, 1 M made, then run', bareSpawn(1_000_000))
row('1 M fibers spawned, then run, each', spawnAll(1_000_000))
row('1 K fibers spawned, then run, each', spawnAll(1000))
row('spawn + join one by one', spawnAndJoin(300_000))
row('a loop with a decrement', emptyLoop(), 'ns')
row('the same with if (safepoint()) yield', safepoints(), 'ns')

const gate = new Scheduler().spawn(function* () {
  yield
})
const never = new Promise<void>(() => undefined)
row(
  '100 K fibers in joinFiber(), memory each',
  memory(100_000, function* () {
    yield* gate.joinFiber()
  }),
  'bytes',
)
row(
  '100 K fibers in awaitFiber(), memory each',
  memory(100_000, function* () {
    yield* awaitFiber(never)
  }),
  'bytes',
)
row(
  '100 K fibers in sleepFiber(), memory each (region apart)',
  memory(100_000, function* () {
    yield* sleepFiber(1e9)
  }),
  'bytes',
)
process.exit()
