// A host whose workers get no memory: calls and results travel as messages.
import { AtomicInt32 } from '@heddle/atomics'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'
import { LimitError } from './tasks.mjs'

const host = { ...nodeHost, sharesMemory: false }
const size = (executor) => executor.stats().workers.length

await withExecutor({ host, workers: 2 }, async (executor) => {
  assert.deepEqual(await executor.run(work.echo, { list: [1n, new Map([['k', new Uint8Array(100_000)]])] }), {
    list: [1n, new Map([['k', new Uint8Array(100_000)]])],
  })
  const error = await executor.run(work.failOwn, 'too many', 7).catch((caught) => caught)
  assert.ok(error instanceof LimitError && error.limit === 7)
  // What this agent shares with others is nothing to these workers.
  const isRefused = { code: 'ERR_NOT_SHAREABLE', message: /args\[0\]\.cell: a AtomicInt32/ }
  assert.throws(() => void executor.run(work.echo, { cell: new AtomicInt32() }), isRefused)
  assert.throws(() => executor.toHandle(), { code: 'ERR_NO_SHARED_MEMORY', message: /node/ })
  const open = executor.spawn(work.add, [1, 2])
  assert.throws(() => open.join(), { code: 'ERR_BLOCKING_NOT_ALLOWED' })
  assert.equal(await open.joinAsync(), 3)
  const { port1, port2 } = new MessageChannel()
  const handed = executor.spawn(work.echo, [{ port: port2 }], { transfer: [port2] }).joinAsync()
  await assert.rejects(handed, { code: 'ERR_NOT_SHAREABLE', message: /result/ })
  port1.close()
  // A posted call that can't be posted is refused at the call, and leaves the executor as it was.
  assert.throws(() => executor.spawn(work.echo, [() => 1], { transfer: [new ArrayBuffer(8)] }), { code: 'ERR_NOT_SHAREABLE' })
  assert.equal(executor.stats().running + executor.stats().queued, 0)
})
await assert.rejects(Executor.start({ host, workers: 1, region: new AtomicInt32().region }), { code: 'ERR_NO_SHARED_MEMORY' })
await assert.rejects(Executor.start({ host, workers: 1, stuckAfter: 100 }), { code: 'ERR_NO_SHARED_MEMORY' })

// It grows while calls wait and shrinks afterwards; calls that wait are counted.
await withExecutor({ host, workers: { min: 0, max: 3 }, idleTimeout: 20, queueLimit: 4 }, async (executor) => {
  const calls = [1, 2, 3, 4].map((i) => executor.run(work.later, i, 5))
  assert.throws(() => void executor.run(work.echo, 1), { code: 'ERR_QUEUE_FULL' })
  await executor.room()
  assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4])
  await until(() => size(executor) === 0)
  for (let i = 0; i < 20; i++) {
    assert.equal(await executor.run(work.echo, i), i)
    if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, i))
  }
  const { samples } = executor.stats().waitTime
  assert.ok(samples > 0, 'times of calls are measured')
})

// A worker whose heap is too large gives way to another.
await withExecutor({ host, workers: 1, recycle: { maxHeapMb: 0.1 } }, async (executor) => {
  let ended = 0
  executor.on('worker-exit', () => ended++)
  for (let i = 0; ended === 0; i++) assert.equal(await executor.run(work.echo, i), i)
})
