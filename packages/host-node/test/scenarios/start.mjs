import { TaskRef } from '@heddle/executor'
import { assert, Executor, nodeHost, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1, setup: work.boot, name: 'crew' }, async (executor) => {
  assert.equal(await executor.run(work.booted), 1)
  assert.equal(executor.stats().workers[0].name, 'crew-0')
})
await assert.rejects(Executor.start({ host: nodeHost, workers: 2, setup: work.failBoot }), { code: 'ERR_WORKER_START', message: /no database/ })
await assert.rejects(Executor.start({ host: nodeHost, workers: 1, setup: new TaskRef('file:///nowhere.mjs', 'x', () => 1) }), {
  code: 'ERR_WORKER_START',
  message: /nowhere/,
})
await assert.rejects(
  Executor.start({ host: nodeHost, workers: 1, native: { execArgv: ['--no-such-option'] } }),
  (error) => error.code === 'ERR_WORKER_START' || error.code === 'ERR_WORKER_INVALID_EXEC_ARGV',
)
// A lazy pool: what the workers fail with, the calls fail with, and it does not go on for ever.
const lazy = await Executor.start({ host: nodeHost, workers: { max: 2 }, setup: work.failBoot })
await assert.rejects(lazy.run(work.add, 1, 2), { code: 'ERR_WORKER_START', message: /no database/ })
assert.throws(() => lazy.run(work.add, 1, 2), { code: 'ERR_WORKER_START' })
await lazy.shutdown()
await assert.rejects(Executor.start({ host: { ...nodeHost, startWorker: undefined } }), { code: 'ERR_WORKER_START' })
for (const workers of [-1, 1.5, 300, { min: 3, max: 2 }])
  await assert.rejects(Executor.start({ host: nodeHost, workers }), { code: 'ERR_INVALID_ARGUMENT' })
for (const options of [
  { queueLimit: 0 },
  { idleTimeout: 0 },
  { maxBlocking: 0.5 },
  { recycle: { afterTasks: 0 } },
  { recycle: { maxHeapMb: -1 } },
  { setup: () => 1 },
])
  await assert.rejects(Executor.start({ host: nodeHost, ...options }), { code: 'ERR_INVALID_ARGUMENT' })
await withExecutor({ workers: { min: 0, max: 2 } }, async (executor) => {
  assert.equal(executor.stats().workers.length, 0)
  assert.equal(await executor.run(work.add, 1, 2), 3)
  await Promise.all([executor.run(work.later, 1, 50), executor.run(work.spin, 50), executor.run(work.spin, 50), executor.run(work.spin, 50)])
  assert.equal(executor.stats().workers.length, 2)
})
