/** The executor: calls, values, errors, deaths, ends. */
import { AtomicInt32, CancelToken, capabilities, Executor, map, Mutex, Region, run, scope, spawn, TaskRef, transfer, waitAll } from 'heddle'
import { equal, ok, rejects, throws, until } from './assert.mjs'
import { LimitError, work } from './tasks.mjs'
import { code, PAGES } from './wasm.mjs'

const values = [
  undefined,
  null,
  true,
  0,
  -0,
  NaN,
  1.5,
  2 ** 40,
  -1n,
  10n ** 30n,
  '',
  'text',
  'ünïcode 🧵',
  'x'.repeat(100_000),
  [1, [2, [3]]],
  { a: 1, b: { c: 'd' }, e: [] },
  new Date(12345),
  new Map([['k', { v: 1 }]]),
  new Set([1, 'two']),
  new Uint8Array([1, 2, 3]),
  new Float64Array(10_000).fill(0.5),
]
const start = (options) => Executor.start({ workers: 1, ...options })

const executor = [
  {
    name: 'carries values of every kind to a task and back',
    memory: 'any',
    async run({ executor }) {
      for (const value of values) equal(await executor.run(work.echo, value), value)
      equal(await executor.run(work.list, ...values), values)
    },
  },
  {
    name: 'runs plain, async and fiber tasks',
    memory: 'any',
    async run({ executor }) {
      equal(await executor.run(work.add, 1, 2), 3)
      equal(await executor.run(work.later, 'x', 1), 'x')
      equal(await executor.run(work.count, 100), 4950)
      equal(await executor.run(work.isMain), false)
    },
  },
  {
    name: 'runs many calls at one time',
    memory: 'any',
    async run({ executor }) {
      const results = await Promise.all(Array.from({ length: 5000 }, (_, i) => executor.run(work.echo, i)))
      equal(
        results,
        results.map((_, i) => i),
      )
    },
  },
  {
    name: 'runs tasks that call tasks',
    memory: 'any',
    run: async ({ executor }) => equal(await executor.run(work.nested, 4), 16),
  },
  {
    name: 'shares memory with its tasks',
    async run({ executor }) {
      const cell = new AtomicInt32()
      await Promise.all([1, 2, 3, 4].map(() => executor.run(work.increment, cell, 1000)))
      equal(cell.load(), 4000)
      cell.dispose()
    },
  },
  {
    name: 'maps in order, lazily',
    memory: 'any',
    async run({ executor }) {
      const seen = []
      for await (const x of executor.map(work.echo, [3, 1, 2])) seen.push(x)
      equal(seen, [3, 1, 2])
    },
  },
  {
    name: 'spawns: joins, states, cancels, limits',
    async run({ executor }) {
      const handle = executor.spawn(work.add, [1, 2])
      if (capabilities().canBlock) equal(handle.join(), 3)
      else throws(() => executor.spawn(work.spin, [5]).join(), 'ERR_BLOCKING_NOT_ALLOWED', 'joinAsync')
      equal(await handle.joinAsync(), 3)
      equal(handle.state, 'fulfilled')
      await rejects(executor.spawn(work.later, [1, 60_000], { timeout: 5 }).joinAsync(), 'ERR_TIMEOUT')
      await rejects(executor.spawn(work.later, [1, 60_000], { signal: CancelToken.timeout(5) }).joinAsync(), 'ERR_TIMEOUT')
      const controller = new AbortController()
      const aborted = executor.spawn(work.later, [1, 60_000], { signal: controller.signal }).joinAsync()
      controller.abort(Object.assign(new Error('mine'), { code: 'ERR_MINE' }))
      await rejects(aborted, 'ERR_MINE')
    },
  },
  {
    name: 'hands over buffers',
    memory: 'any',
    async run({ executor }) {
      const bytes = new Uint8Array([1, 2, 3])
      equal(await executor.spawn(work.echo, [bytes], { transfer: [bytes.buffer] }).joinAsync(), new Uint8Array([1, 2, 3]))
      equal(bytes.length, 0)
    },
  },
  {
    name: 'runs WebAssembly in its tasks, on memory that they share',
    async run({ runtime, executor }) {
      // The policy of these pages forbids it: the browser's own tests have a page that allows it.
      if (runtime === 'browser') return
      const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
      // The module's memory is a region: its loop and the cell are about one word.
      const cell = new AtomicInt32({ region: Region.create({ buffer: memory.buffer }) })
      const module = new WebAssembly.Module(code)
      // Neither can be encoded: they are posted.
      const calls = [1, 2, 3, 4].map(() =>
        executor.spawn(work.wasmAdd, [{ module, memory, at: cell.valueAt, times: 1000 }], { transfer: [] }).joinAsync(),
      )
      await Promise.all(calls)
      equal(cell.load(), 4000)
    },
  },
  {
    name: 'has scopes that wait for their children and cancel them',
    async run({ executor }) {
      const cell = new AtomicInt32()
      await executor.scope(async (scope) => {
        scope.spawn(work.increment, [cell, 1])
        scope.spawn(work.increment, [cell, 1])
      })
      equal(cell.load(), 2)
      const failed = executor.scope(async (scope) => {
        scope.spawn(work.fail, ['first'])
        await scope.spawn(work.untilCancelled, []).joinAsync()
      })
      ok((await failed.catch((error) => error)) instanceof RangeError, 'the first failure')
      cell.dispose()
    },
  },
  {
    name: 'has a default executor',
    memory: 'any',
    async run() {
      equal(await run(work.add, 2, 2), 4)
      equal(await spawn(work.add, [2, 3]).joinAsync(), 5)
      const seen = []
      for await (const x of map(work.echo, [1])) seen.push(x)
      equal(seen, [1])
      equal(await scope((inside) => inside.run(work.add, 1, 1)), 2)
      const { done, pending } = await waitAll([spawn(work.echo, [1]), spawn(work.echo, [2])])
      equal([done.length, pending.length], [2, 0])
    },
  },
  {
    name: 'carries what the region has no room for, also to a task that blocks',
    async run() {
      const region = Region.create({ bytes: 4 << 20 })
      const pool = await start({ region })
      const size = 16 << 20
      const back = await pool.run(work.echo, { bytes: new Uint8Array(size).fill(5) })
      equal(back.bytes.length, size)
      equal([back.bytes[0], back.bytes[size - 1]], [5, 5])
      equal(await pool.run(work.joinsLarge, size), true)
      equal(pool.stats().large.used, 0)
      await pool.shutdown()
    },
  },
  {
    name: 'hands over what a task returns and is given',
    memory: 'any',
    async run() {
      const pool = await start()
      const size = 1 << 20
      const made = await pool.run(work.handOver, size)
      equal([made.length, made[size - 1]], [size, 7])
      equal(await pool.run(work.leftOfIt), 0)
      const called = pool.run(work.sum, transfer(made, [made.buffer]))
      equal(made.length, 0)
      equal(await called, 7 * size)
      await pool.shutdown()
    },
  },
]

const errors = [
  {
    name: 'keeps errors whole',
    memory: 'any',
    async run({ executor }) {
      const error = await executor.run(work.fail, 'out of range').catch((caught) => caught)
      ok(error instanceof RangeError && error.cause instanceof TypeError, 'a RangeError with its cause')
      equal([error.message, error.cause.message], ['out of range', 'the cause'])
      ok(/tasks\.mjs/.test(error.stack), `the worker's stack in ${error.stack}`)
      const own = await executor.run(work.failOwn, 'too many', 7).catch((caught) => caught)
      ok(own instanceof LimitError, 'the registered class')
      equal([own.message, own.limit, own.code], ['too many', 7, 'ERR_LIMIT'])
    },
  },
  {
    name: 'refuses what can’t travel, at the call, with the path to it',
    memory: 'any',
    async run({ executor }) {
      throws(() => executor.run(work.echo, { list: [1, () => 2] }), 'ERR_NOT_SHAREABLE', 'list')
      await rejects(executor.run(work.unshareable), 'ERR_NOT_SHAREABLE', 'list')
      throws(() => executor.run(() => 1), 'ERR_INVALID_ARGUMENT')
    },
  },
  {
    name: 'says which task is not there and which module does not load',
    memory: 'any',
    async run({ executor }) {
      await rejects(executor.run(new TaskRef(new URL('./tasks.mjs', import.meta.url).href, 'absent', () => 1)), 'ERR_TASK_NOT_FOUND', 'absent')
      await rejects(executor.run(new TaskRef(new URL('./nowhere.mjs', import.meta.url).href, 'absent', () => 1)), 'ERR_WORKER_START', 'nowhere.mjs')
    },
  },
  {
    name: 'refuses misuse at the call',
    run() {
      const mutex = new Mutex()
      const guard = mutex.tryLock()
      guard.release()
      throws(() => guard.release(), 'ERR_NOT_OWNER')
      mutex.dispose()
      throws(() => mutex.tryLock(), 'ERR_DISPOSED')
      throws(() => Region.create({ bytes: -1 }), 'ERR_INVALID_ARGUMENT')
      throws(() => Region.attach(new SharedArrayBuffer(4096)), 'ERR_REGION_FORMAT')
    },
  },
  {
    name: 'names a lock that its own thread holds as a deadlock',
    run() {
      if (!capabilities().canBlock) return
      const mutex = new Mutex()
      const guard = mutex.lock()
      throws(() => mutex.lock(), 'ERR_DEADLOCK')
      guard.release()
      mutex.dispose()
    },
  },
]

const deaths = [
  {
    name: 'an uncaught error ends its worker: the call fails, the others go on elsewhere',
    async run() {
      const pool = await start({ workers: 2 })
      const crashing = pool.run(work.uncaught)
      const others = Promise.all(Array.from({ length: 200 }, (_, i) => pool.run(work.add, i, 0)))
      const error = await rejects(crashing, 'ERR_WORKER_CRASHED')
      equal(error.cause.message, 'thrown in a timer')
      equal((await others).length, 200)
      await pool.shutdown()
    },
  },
  {
    name: 'what a dead worker held is poisoned, and goes to whoever waits',
    async run() {
      const pool = await start()
      const lock = new Mutex()
      const started = new AtomicInt32()
      const holding = rejects(pool.run(work.holdForEver, lock, started), 'ERR_SHUTDOWN')
      await until(() => started.load() === 1)
      const waiting = rejects(lock.lockAsync(), 'ERR_POISONED')
      await pool.terminate()
      await holding
      const { guard } = await waiting
      lock.clearPoison()
      guard.release()
      lock.tryLock().release()
      lock.dispose()
      started.dispose()
    },
  },
  {
    name: 'a worker that computes for ever is ended',
    async run() {
      const pool = await start()
      const started = new AtomicInt32()
      const hanging = rejects(pool.run(work.hang, started), 'ERR_SHUTDOWN')
      await until(() => started.load() === 1)
      await pool.terminate()
      await hanging
      started.dispose()
    },
  },
  {
    name: 'a worker that sleeps is ended, and does nothing after that',
    async run() {
      const pool = await start()
      const started = new AtomicInt32()
      const cell = new AtomicInt32()
      const sleeping = rejects(pool.run(work.sleepForEver, cell, started), 'ERR_SHUTDOWN')
      await until(() => started.load() === 1)
      await pool.terminate()
      await sleeping
      equal(cell.load(), 0)
    },
  },
]

const shutdown = [
  {
    name: 'drains, refuses later calls, and can be asked twice',
    memory: 'any',
    async run() {
      const pool = await start()
      const calls = Promise.all([pool.run(work.later, 'a', 10), ...Array.from({ length: 50 }, (_, i) => pool.run(work.echo, i))])
      const ended = pool.shutdown()
      throws(() => pool.run(work.echo, 1), 'ERR_SHUTDOWN')
      equal((await calls).length, 51)
      await ended
      await pool.shutdown()
    },
  },
  {
    name: 'without drain: what runs ends, what waits rejects',
    memory: 'any',
    async run() {
      const pool = await start()
      const running = pool.run(work.spin, 20)
      await until(() => pool.stats().running === 1)
      const queued = rejects(pool.run(work.echo, 1), 'ERR_SHUTDOWN')
      await pool.shutdown({ drain: false })
      await queued
      await running
    },
  },
  {
    name: 'ends what does not end, after its time limit',
    async run() {
      const pool = await start()
      const started = new AtomicInt32()
      const hanging = rejects(pool.run(work.hang, started), 'ERR_SHUTDOWN', 'within 30 ms')
      await until(() => started.load() === 1)
      await pool.shutdown({ timeout: 30 })
      await hanging
      started.dispose()
    },
  },
  {
    name: 'leaves no memory of a pool in its region',
    async run() {
      const region = Region.create({ bytes: 8 << 20 })
      const use = async () => {
        const pool = await start({ region })
        await Promise.all(Array.from({ length: 100 }, (_, i) => pool.run(work.echo, 'x'.repeat(i * 10))))
        await pool.shutdown()
      }
      await use()
      const { used } = region.stats()
      await use()
      equal(region.stats().used, used)
    },
  },
  {
    name: 'a setup that fails, and a host that starts no workers, are said at once',
    memory: 'any',
    async run() {
      await rejects(Executor.start({ workers: 1, setup: work.failingSetup }), 'ERR_WORKER_START', 'no database')
    },
  },
]

export const cases = Object.entries({ executor, errors, deaths, shutdown }).flatMap(([group, list]) => list.map((one) => ({ group, ...one })))
