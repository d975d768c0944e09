/** Where memory can't be shared: what says so, and what works nevertheless. */
import {
  AtomicInt32,
  capabilities,
  channel,
  CancelToken,
  Executor,
  i32,
  interval,
  isMainThread,
  Mutex,
  Region,
  Scheduler,
  sleepAsync,
  sleepFiber,
  timeout,
} from 'heddle'
import { equal, ok, rejects, throws, until } from './assert.mjs'
import { work } from './tasks.mjs'

const MISSING = 'ERR_NO_SHARED_MEMORY'

export const cases = [
  {
    name: 'says what is missing, and how to get it',
    async run({ runtime, executor }) {
      const found = capabilities()
      equal([found.runtime, found.sharedMemory, found.canBlock, isMainThread], [runtime, false, false, true])
      const how = runtime === 'browser' ? 'Cross-Origin-Opener-Policy: same-origin' : 'start it without the flags'
      ok(found.missing[0].includes(how), `${how} in ${found.missing[0]}`)
      const made = [
        () => new Mutex(),
        () => new AtomicInt32(),
        () => channel({ codec: i32 }),
        () => CancelToken.timeout(1),
        () => Region.create(),
        () => Region.default,
      ]
      for (const make of made) throws(make, MISSING, how)
      throws(() => executor.toHandle(), MISSING, how)
      await rejects(executor.run(work.makeMutex), MISSING, how)
      await rejects(executor.thread(work.echo, [1]), MISSING, how)
      await rejects(executor.run(work.startThread), MISSING, how)
    },
  },
  {
    name: 'waits and runs fibers',
    async run() {
      await sleepAsync(1)
      await rejects(
        timeout(1, (signal) => sleepAsync(60_000, { signal })),
        'ERR_TIMEOUT',
      )
      for await (const n of interval(1)) if (n >= 2) break
      const scheduler = new Scheduler()
      const fiber = scheduler.spawn(function* () {
        yield* sleepFiber(1)
        return 7
      })
      await scheduler.runAsync()
      equal(fiber.join(), 7)
    },
  },
  {
    name: 'joins, cancels and limits calls',
    async run({ executor }) {
      const handle = executor.spawn(work.add, [1, 2])
      throws(() => handle.join(), 'ERR_BLOCKING_NOT_ALLOWED', 'joinAsync')
      equal(await handle.joinAsync(), 3)
      equal(handle.join(), 3)
      await rejects(executor.spawn(work.untilCancelled, [], { timeout: 5 }).joinAsync(), 'ERR_TIMEOUT')
      const controller = new AbortController()
      const aborted = executor.spawn(work.untilCancelled, [], { signal: controller.signal }).joinAsync()
      controller.abort(Object.assign(new Error('mine'), { code: 'ERR_MINE' }))
      await rejects(aborted, 'ERR_MINE')
      // The task itself is told, or this would not end.
      const pool = await Executor.start({ workers: 1 })
      const told = pool.spawn(work.untilCancelled, [])
      await until(() => pool.stats().running === 1)
      told.cancel()
      await rejects(told.joinAsync(), 'ERR_CANCELLED')
      equal(pool.stats().failed, 1)
      await pool.shutdown()
    },
  },
  {
    name: 'has scopes, chunks, and workers for one call',
    async run({ executor }) {
      const failed = executor.scope(async (scope) => {
        scope.spawn(work.fail, ['first'])
        await scope.spawn(work.untilCancelled, []).joinAsync()
      })
      ok((await failed.catch((error) => error)) instanceof RangeError, 'the first failure')
      const seen = []
      for await (const x of executor.map(work.echo, [1, 2, 3, 4, 5], { chunk: 2 })) seen.push(x)
      equal(seen, [1, 2, 3, 4, 5])
      equal(await executor.spawn(work.add, [1, 2], { isolate: true }).joinAsync(), 3)
      equal(await executor.spawnBlocking(work.add, [3, 4]).joinAsync(), 7)
    },
  },
  {
    name: 'starts no call behind another while a worker is free',
    async run() {
      const pool = await Executor.start({ workers: 2 })
      const hanging = rejects(pool.run(work.hangAlone), 'ERR_SHUTDOWN')
      await Promise.all(Array.from({ length: 20 }, (_, i) => pool.run(work.echo, i)))
      equal(pool.stats().running, 1)
      await pool.terminate()
      await hanging
    },
  },
  {
    name: 'an uncaught error ends its worker, with the calls that were sent there',
    async run() {
      const pool = await Executor.start({ workers: 2 })
      const crashing = pool.run(work.uncaught)
      const others = Promise.allSettled(Array.from({ length: 200 }, (_, i) => pool.run(work.add, i, 0)))
      const error = await rejects(crashing, 'ERR_WORKER_CRASHED')
      equal(error.cause.message, 'thrown in a timer')
      const failed = (await others).filter(({ status }) => status === 'rejected')
      ok(failed.length <= 1, `one call at most that was on its way, not ${failed.length}`)
      for (const { reason } of failed) equal(reason.code, 'ERR_WORKER_CRASHED')
      equal(await pool.run(work.add, 1, 2), 3)
      await pool.shutdown()
    },
  },
  {
    name: 'ends workers that compute for ever',
    async run() {
      const pool = await Executor.start({ workers: 1 })
      const hanging = rejects(pool.run(work.hangAlone), 'ERR_SHUTDOWN')
      await until(() => pool.stats().running === 1)
      await pool.terminate()
      await hanging
      const other = await Executor.start({ workers: 1 })
      const late = rejects(other.run(work.hangAlone), 'ERR_SHUTDOWN', 'within 30 ms')
      await until(() => other.stats().running === 1)
      await other.shutdown({ timeout: 30 })
      await late
    },
  },
  {
    name: 'replaces workers that have done their part',
    async run() {
      const pool = await Executor.start({ workers: 1, recycle: { afterTasks: 2 } })
      let exits = 0
      pool.on('worker-exit', ({ expected }) => (exits += expected ? 1 : 0))
      for (let i = 0; i < 6; i++) equal(await pool.run(work.add, i, 1), i + 1)
      await until(() => exits >= 2)
      await pool.shutdown()
    },
  },
].map((one) => ({ group: 'without shared memory', memory: 'none', ...one }))
