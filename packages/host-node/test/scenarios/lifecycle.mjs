import { AtomicInt32 } from '@heddle/atomics'
import { threadId } from 'node:worker_threads'
import { assert, until, withExecutor, work } from './scenario.mjs'

const size = (executor) => executor.stats().workers.length
await withExecutor({ workers: { min: 1, max: 3 }, idleTimeout: 20 }, async (executor) => {
  assert.equal(size(executor), 1)
  await executor.warm()
  const box = { count: new AtomicInt32(), want: 3 }
  const threads = await Promise.all([1, 2, 3].map(() => executor.run(work.meet, box)))
  assert.equal(new Set(threads).size, 3)
  // Idle ones leave, down to the least number; what comes then finds workers.
  await until(() => size(executor) === 1)
  box.count.store(0)
  await Promise.all([1, 2, 3].map(() => executor.run(work.meet, box)))
  await until(() => size(executor) === 1)
  // While they leave, calls come all the time.
  for (let i = 0; i < 100; i++) {
    assert.equal(await executor.run(work.echo, i), i)
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, i % 7))
  }
})

await withExecutor({ workers: { min: 0, max: 3 }, idleTimeout: Infinity }, async (executor) => {
  await executor.warm(2)
  assert.equal(size(executor), 2)
  await executor.warm()
  assert.ok(size(executor) === 3 && executor.stats().workers.every(({ state }) => state === 'ready'))
})

// After so many tasks another worker takes its place, and nothing is lost: neither async calls nor handed-over arguments.
const exits = []
await withExecutor({ workers: 2, recycle: { afterTasks: 40 } }, async (executor) => {
  executor.on('worker-exit', ({ expected }) => exits.push(expected))
  const numbers = Array.from({ length: 180 }, (_, i) => i)
  const posted = (i) => executor.spawn(work.echo, [{ i, bytes: new Uint8Array(8) }], { transfer: [new ArrayBuffer(8)] }).joinAsync()
  const results = await Promise.all(
    numbers.map(async (i) => (i % 3 === 0 ? executor.run(work.later, i, i % 5) : i % 50 === 1 ? (await posted(i)).i : executor.run(work.echo, i))),
  )
  assert.deepEqual(results, numbers)
  // Of 180 calls at most 78 can be those of two workers that have not retired.
  await until(() => exits.length >= 3)
  assert.ok(exits.every((expected) => expected))
  await until(() => executor.stats().workers.length <= 2)
})
await withExecutor({ workers: 1, recycle: { maxHeapMb: 0.1 } }, async (executor) => {
  let ended = 0
  executor.on('worker-exit', () => ended++)
  for (let i = 0; ended === 0; i++) assert.equal(await executor.run(work.echo, i), i)
})

await withExecutor({ workers: 1, idleTimeout: 20, maxBlocking: 2 }, async (executor) => {
  // Two blocking calls and one of the pool meet: each has a thread of its own. A third blocking call waits for one of the two.
  const box = { count: new AtomicInt32(), want: 3 }
  const blocking = [1, 2].map(() => executor.spawnBlocking(work.meet, [box]))
  const third = executor.spawnBlocking(work.later, [3, 1])
  const threads = new Set([await executor.run(work.meet, box), ...(await Promise.all(blocking.map((call) => call.joinAsync())))])
  assert.equal(threads.size, 3)
  assert.equal(await third.joinAsync(), 3)
  await until(() => size(executor) === 1)
  assert.equal(await executor.spawnBlocking(work.later, [4, 1]).joinAsync(), 4)
  await assert.rejects(executor.spawnBlocking(work.fail, ['blocked']).joinAsync(), RangeError)
  // From a task, too, while the main thread only turns its loop.
  assert.equal(await executor.run(work.blocksElsewhere), true)

  // A fresh worker for each isolated call; nothing stays behind.
  assert.deepEqual([await executor.run(work.remember), await executor.run(work.remember)], [1, 2])
  const isolated = await Promise.all(Array.from({ length: 3 }, () => executor.spawn(work.remember, [], { isolate: true }).joinAsync()))
  assert.deepEqual(isolated, [1, 1, 1])
  assert.equal(await executor.run(work.remember), 3)
  const own = await Promise.all(Array.from({ length: 2 }, () => executor.spawn(work.thread, [], { isolate: true }).joinAsync()))
  assert.equal(new Set([...own, threadId]).size, 3)
  await assert.rejects(executor.spawn(work.exit, [7], { isolate: true }).joinAsync(), { code: 'ERR_WORKER_CRASHED' })
  const cancelled = executor.spawn(work.echo, [1], { isolate: true })
  cancelled.cancel()
  await assert.rejects(cancelled.joinAsync(), { code: 'ERR_CANCELLED' })
  await until(() => size(executor) === 1)
  assert.throws(() => executor.spawn(work.echo, [1], { isolate: true, transfer: [] }), { code: 'ERR_INVALID_ARGUMENT' })
})
