import { currentTask, Executor } from '@heddle/executor'
import { threadId } from 'node:worker_threads'
import { AtomicInt32 } from '@heddle/atomics'
import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 0 }, async (executor) => {
  assert.equal(await executor.run(work.thread), threadId)
  assert.equal(await executor.run(work.later, 5), 5)
  assert.equal(await executor.run(work.fiber, 10), 45)
  await assert.rejects(executor.run(work.fail, 'no'), RangeError)
  assert.equal(await executor.run(work.nested, 4), 16)
  assert.equal(executor.spawn(work.add, [1, 2]).join(), 3)
  assert.equal(executor.spawn(work.joins, [5]).join(), 5)
  assert.throws(() => executor.spawn(work.later, [1, 10]).join(), { code: 'ERR_DEADLOCK' })
  const all = []
  for await (const one of executor.map(work.double, [1, 2, 3], { chunk: 2 })) all.push(one)
  assert.deepEqual(all, [2, 4, 6])
  const flag = new AtomicInt32()
  const sleeping = executor.spawn(work.sleepUntilCancelled, [flag])
  await until(() => flag.load() === 1)
  sleeping.cancel()
  await assert.rejects(sleeping.joinAsync(), { code: 'ERR_CANCELLED' })
  // Nothing of a task is there outside of it.
  assert.equal((await executor.run(work.self)).name, 'self')
  assert.deepEqual([currentTask(), Executor.current()], [undefined, undefined])
  assert.throws(() => executor.spawn(work.echo, [1], { isolate: true }), { code: 'ERR_INVALID_ARGUMENT' })
  assert.throws(() => executor.spawnBlocking(work.echo, [1]), { code: 'ERR_INVALID_ARGUMENT' })
  // Timers go on during many calls.
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  await Promise.all(Array.from({ length: 30 }, () => executor.run(work.spin, 5)))
  clearInterval(timer)
  assert.ok(ticks > 1, `${ticks} ticks`)
})
const terminated = await Executor.start({ workers: 0 })
const call = terminated.run(work.later, 1, 60_000)
await terminated.terminate()
await assert.rejects(call, { code: 'ERR_SHUTDOWN' })
assert.throws(() => terminated.run(work.echo, 1), { code: 'ERR_SHUTDOWN' })
