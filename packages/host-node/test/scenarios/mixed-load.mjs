// Everything at once, for HEDDLE_LOAD_SECONDS: calls of each kind with each kind of value, failures, cancels, time limits, scopes, maps, threads, locks,
// channels, timers and deaths. After each round nothing is under way, and what was made settled exactly once; memory, handles and the heap stay where they
// were once everything had been used.
import { setTimeout as later } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AtomicInt32, i32, Region } from '@heddle/atomics'
import { channel } from '@heddle/channel'
import { sleepAsync } from '@heddle/park'
import { Mutex } from '@heddle/sync'
import { load } from './mixed-load-tasks.mjs'
import { assert, Executor, seeded, until, watchedHost, work } from './scenario.mjs'
import { work as threads } from './thread-tasks.mjs'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const seconds = Number(process.env.HEDDLE_LOAD_SECONDS ?? 6)
const roundMs = Number(process.env.HEDDLE_LOAD_ROUND_MS ?? Math.min(5000, seconds * 125))
const { seed, random } = seeded()

const { host, natives } = watchedHost()
const region = Region.create({ bytes: 64 << 20 })
const executor = await Executor.start({ host, workers: { min: 1, max: 3 }, region })
const counts = { calls: 0, settled: 0, failed: 0, messages: 0, threads: 0, kills: 0 }
/** What may end a call when its worker is killed, when it is asked to end, or when it blocks for a lock that a fiber of its worker has. */
const expected = new Set(['ERR_WORKER_CRASHED', 'ERR_CLOSED', 'ERR_TIMEOUT', 'ERR_CANCELLED', 'ERR_POISONED', 'ERR_DEADLOCK'])

/** Counts a promise, which settles once, with what is expected or an error that may come. */
async function settles(promise, check = () => undefined) {
  counts.calls++
  try {
    check(await promise)
  } catch (error) {
    if (!expected.has(error.code) && error.name !== 'AbortError') throw error
    counts.failed++
  }
  counts.settled++
}
const text = 'heddle '.repeat(400)
const bytes = new Uint8Array(100_000).fill(3)
const equals = (wanted) => (got) => assert.deepEqual(got, wanted)
const fails = (promise, type) =>
  promise.then(
    () => assert.fail('it did not fail'),
    (error) => {
      if (!(error instanceof type)) throw error
    },
  )

/** One client's next piece. */
const pieces = [
  (x) => settles(executor.run(work.add, x, 1), equals(x + 1)),
  (x) => settles(executor.run(work.echo, text.slice(0, x % 2800)), equals(text.slice(0, x % 2800))),
  (x) => settles(executor.run(work.echo, { x, list: [1, 'two', { three: 3n }], at: new Date(x) }), (got) => assert.equal(got.x, x)),
  () => settles(executor.run(load.sum, bytes), equals(300_000)),
  (x) => settles(executor.run(work.later, x, x % 4), equals(x)),
  (x) => settles(executor.run(work.fiber, x % 50)),
  () => settles(executor.run(work.nested, 3), equals(8)),
  () => settles(executor.run(load.naps, 3), equals(3)),
  () => settles(fails(executor.run(work.fail, 'as it should'), RangeError)),
  () => settles(executor.spawn(load.untilAborted, [], { timeout: 2 }).joinAsync()),
  () => {
    const handle = executor.spawn(load.loop, [])
    setTimeout(() => handle.cancel(), random(3))
    return settles(handle.joinAsync())
  },
  async () => {
    const buffer = new ArrayBuffer(1000)
    await settles(executor.spawn(work.echo, [buffer], { transfer: [buffer] }).joinAsync(), (got) => assert.equal(got.byteLength, 1000))
  },
  () =>
    settles(
      executor.scope(async (scope) => {
        for (let i = 0; i < 5; i++) scope.spawn(work.later, [i, i % 2])
        return (await scope.run(work.add, 1, 2)) + (await scope.run(work.add, 3, 4))
      }),
      equals(10),
    ),
  async (x) => {
    let sum = 0
    const all = async () => {
      for await (const one of executor.map(
        work.echo,
        Array.from({ length: 50 }, (_, i) => x + i),
        { chunk: 8 },
      ))
        sum += one
    }
    await settles(all(), () => assert.equal(sum, 50 * x + 1225))
  },
  () => settles(executor.spawnBlocking(work.spin, [1]).joinAsync()),
  async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 1)
    await settles(sleepAsync(60_000, { signal: controller.signal }))
  },
  underLock,
  pipeline,
  conversation,
]

async function underLock() {
  const mutex = new Mutex({ region })
  const cell = new AtomicInt32({ region })
  let added = 0
  await Promise.all(
    [0, 1, 2, 3, 4].map((i) =>
      settles(i < 2 ? executor.run(load.addInFiber, mutex, cell) : executor.run(load.addUnder, mutex, cell, i - 2), () => added++),
    ),
  )
  // One whose worker died after the addition has added without saying so; one that died inside has poisoned the lock.
  assert.ok(cell.load() >= added, `${cell.load()} of ${added}`)
  cell.dispose()
  mutex.dispose()
}

async function pipeline() {
  const [sender, receiver] = channel({ region, codec: i32, capacity: random(2) * 16 })
  const made = Promise.all([settles(executor.run(load.produce, sender, 0, 40)), settles(executor.run(load.produceInFiber, sender, 1000, 40))]).then(
    () => sender.close(),
  )
  const last = [-1, 999]
  for await (const value of receiver) {
    const which = value < 1000 ? 0 : 1
    assert.ok(value > last[which], `${value} after ${last[which]}`)
    last[which] = value
    counts.messages++
  }
  await made
  receiver.dispose()
}

async function conversation() {
  const thread = await executor.thread(threads.double, [], { name: 'double' }).catch((error) => {
    if (error.code !== 'ERR_THREAD_LIMIT' && !expected.has(error.code)) throw error
  })
  if (thread === undefined) return
  counts.threads++
  await Promise.all(Array.from({ length: 10 }, (_, i) => settles(thread.request(i), equals(2 * i))))
  thread.close()
  await settles(thread.joinAsync())
}

async function round(ms, kill) {
  const end = performance.now() + ms
  let next = random(1000)
  const client = async () => {
    while (performance.now() < end) await pieces[random(pieces.length)](next++)
  }
  const clients = Promise.all(Array.from({ length: 24 }, client))
  if (kill) {
    const before = counts.settled
    await until(() => (counts.settled > before + 100 && natives.size > 0) || performance.now() > end)
    const victims = [...natives]
    if (victims.length > 0) {
      counts.kills++
      await victims[random(victims.length)].terminate()
    }
  }
  await clients
  assert.equal(counts.settled, counts.calls)
  await until(() => executor.stats().running === 0 && executor.stats().queued === 0)
}

async function measure() {
  for (let i = 0; i < 5; i++) {
    await later(1)
    collect()
  }
  return { used: region.stats().used, heap: process.memoryUsage().heapUsed, rss: process.memoryUsage().rss }
}
const mega = (n) => `${(n / 2 ** 20).toFixed(1)} MiB`

try {
  const begun = performance.now()
  const spans = []
  let rounds = 0
  // What is used for the first time is made then.
  while (performance.now() - begun < (seconds * 1000) / 4 || rounds < 2) await round(roundMs, ++rounds % 4 === 0)
  do {
    await round(roundMs, ++rounds % 4 === 0)
    spans.push(await measure())
  } while (performance.now() - begun < seconds * 1000 || spans.length < 4)
  const half = spans.length >> 1
  const [first, second] = [spans.slice(0, half), spans.slice(half)].map((list) =>
    Object.fromEntries(['used', 'heap', 'rss'].map((key) => [key, Math.min(...list.map((one) => one[key]))])),
  )
  console.log(
    `seed ${seed}: ${rounds} rounds, ${JSON.stringify(counts)}; least of the first half and of the second: region ${mega(first.used)} and ${mega(second.used)}, heap ${mega(first.heap)} and ${mega(second.heap)}, process ${mega(first.rss)} and ${mega(second.rss)}`,
  )
  assert.ok(counts.failed < counts.calls / 2)
  // What is there after a round depends on how many workers there are then, and on how many waited at one time at most. What it adds for ever shows in the least.
  assert.ok(second.used < 1.1 * first.used + 2 ** 20, `the region grew: ${spans.map(({ used }) => used).join(' ')}`)
  assert.ok(second.heap - first.heap < 2_000_000, `the heap grew: ${spans.map(({ heap }) => heap).join(' ')}`)
  await executor.shutdown()
  assert.equal(natives.size, 0)
} catch (error) {
  console.error(`seed ${seed}, ${JSON.stringify(counts)}`)
  throw error
}
