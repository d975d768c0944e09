/**
 * What fibers cost: a switch, a spawn, a join, a safepoint, the memory of a parked one; the bare generator is the floor.
 *
 * npx esbuild packages/scheduler/bench/scheduler.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --outfile=/tmp/scheduler.mjs
 * node --expose-gc /tmp/scheduler.mjs
 */
import { Region } from '@heddle/atomics'
import { sleepFiber, WaitQueue } from '@heddle/park'
import { awaitFiber, ReadyBitmap, safepoint, Scheduler, yieldNow } from '../src/index.js'
import { ReadySet } from '../src/ready-set.js'

/** Time of one, in ns: on the clock, and of the processor (all threads, the collector's too). */
interface Cost {
  wall: number
  cpu: number
}

function row(name: string, { wall, cpu }: Cost): void {
  console.log(`${name.padEnd(58)} ${wall.toFixed(1).padStart(8)} ns ${cpu.toFixed(1).padStart(8)} ns cpu`)
}

/** The best of some rounds, for one of `count`: what else runs on the machine only ever adds. */
function measure(count: number, body: () => void, rounds = 40): Cost {
  let wall = Infinity
  let cpu = Infinity
  for (let round = 0; round < rounds; round++) {
    const used = process.cpuUsage()
    const start = performance.now()
    body()
    wall = Math.min(wall, ((performance.now() - start) * 1e6) / count)
    const { user, system } = process.cpuUsage(used)
    cpu = Math.min(cpu, ((user + system) * 1e3) / count)
  }
  return { wall, cpu }
}

const STEPS = 200_000

function bareSwitch(fibers: number): Cost {
  return measure(STEPS, () => {
    const each = STEPS / fibers
    const generators = Array.from({ length: fibers }, () =>
      (function* () {
        for (let i = 0; i < each; i++) yield
      })(),
    )
    for (let i = 0; i < each; i++) for (const generator of generators) generator.next()
  })
}

function switches(fibers: number, body: (each: number) => Generator): Cost {
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

interface Sum {
  value: number
}

function* addOne(sum: Sum): Generator {
  sum.value++
}

function* one(): Generator<unknown, number, never> {
  return 1
}

/** `total` fibers, `together` at a time. */
function spawnAll(total: number, together: number, makeBody: (sum: Sum) => () => Generator): Cost {
  return measure(
    total,
    () => {
      const sum = { value: 0 }
      const scheduler = new Scheduler()
      for (let done = 0; done < total; done += together) {
        for (let i = 0; i < together; i++) scheduler.spawn(makeBody(sum))
        scheduler.run()
      }
      if (sum.value !== total) throw new Error('fibers were lost')
    },
    5_000_000 / total,
  )
}

function bareSpawn(total: number, together: number): Cost {
  return measure(
    total,
    () => {
      const sum = { value: 0 }
      for (let done = 0; done < total; done += together) {
        const list: (() => Generator)[] = []
        for (let i = 0; i < together; i++) list.push(() => addOne(sum))
        for (const start of list) start().next()
      }
      if (sum.value !== total) throw new Error('generators were lost')
    },
    5_000_000 / total,
  )
}

function spawnAndJoin(count: number): Cost {
  return measure(count, () => {
    const scheduler = new Scheduler()
    const sum = scheduler.blockOn(function* () {
      let sum = 0
      for (let i = 0; i < count; i++) sum += yield* scheduler.spawn(one).joinFiber()
      return sum
    })
    if (sum !== count) throw new Error('fibers were lost')
  })
}

function safepoints(): Cost {
  const count = 5_000_000
  const scheduler = new Scheduler()
  return measure(
    count,
    () => {
      scheduler.blockOn(function* () {
        for (let i = 0; i < count; i++) {
          if (safepoint()) yield
        }
      })
    },
    20,
  )
}

function emptyLoop(): Cost {
  const count = 5_000_000
  let flag = 1
  return measure(
    count,
    () => {
      for (let i = 0; i < count; i++) if (--flag === -1) flag = 1
    },
    20,
  )
}

function localSet(): Cost {
  const set = new ReadySet(1024)
  for (let i = 0; i < 100; i++) set.add(i * 7)
  return measure(STEPS, () => {
    for (let i = 0; i < STEPS; i++) set.add(set.take())
  })
}

function sharedSet(): Cost {
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
  const warm = new Scheduler()
  for (let i = 0; i < 100; i++) warm.spawn(body)
  warm.tick(60_000)
  const scheduler = new Scheduler()
  const use = (): number => {
    gc()
    gc()
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    return heapUsed + external + arrayBuffers
  }
  const before = use()
  for (let i = 0; i < count; i++) scheduler.spawn(body)
  scheduler.tick(60_000)
  const after = use()
  if (scheduler.stats().fibers.filter((fiber) => fiber.state === 'blocked').length !== count) throw new Error('fibers were lost')
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
row('bare generators, 1 M made, then run', bareSpawn(1_000_000, 1_000_000))
row(
  '1 M fibers spawned, then run',
  spawnAll(1_000_000, 1_000_000, (sum) => () => addOne(sum)),
)
row('bare generators, 1 K made, then run, often', bareSpawn(100_000, 1000))
row(
  '1 K fibers spawned, then run, often',
  spawnAll(100_000, 1000, (sum) => () => addOne(sum)),
)
row(
  '  the same, a generator function made for each',
  spawnAll(100_000, 1000, (sum) => {
    return function* () {
      sum.value++
    }
  }),
)
row('spawn + join one by one', spawnAndJoin(30_000))
row('a loop with a decrement', emptyLoop())
row('the same with if (safepoint()) yield', safepoints())

const gates = new Scheduler()
const gate = gates.spawn(function* () {
  yield
})
const never = new Promise<void>(() => undefined)
const queue = new WaitQueue()
const parked: [string, () => Generator][] = [
  [
    'joinFiber()',
    function* () {
      yield* gate.joinFiber()
    },
  ],
  [
    'awaitFiber()',
    function* () {
      yield* awaitFiber(never)
    },
  ],
  [
    'WaitQueue.parkFiber() (region apart)',
    function* () {
      yield* queue.parkFiber()
    },
  ],
  [
    'sleepFiber() (region apart)',
    function* () {
      yield* sleepFiber(1e9)
    },
  ],
]
for (const [name, body] of parked)
  console.log(`100 K fibers in ${name}, memory each`.padEnd(58), memory(100_000, body).toFixed(0).padStart(8), 'bytes')
process.exit()
