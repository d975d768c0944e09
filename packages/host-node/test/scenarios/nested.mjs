import { assert, Executor, withExecutor, work } from './scenario.mjs'

assert.equal(Executor.current(), undefined)
// One worker: a task that waits for tasks of its own does not stand in their way.
await withExecutor({ workers: 1 }, async (executor) => {
  assert.equal(await executor.run(work.nested, 4), 16)
  // Not even by blocking.
  assert.equal(await executor.run(work.joins, 20), 20)
})
await withExecutor({ workers: { max: 2 } }, async (executor) => {
  assert.equal(await executor.run(work.nested, 6), 64)
  // Workers need nothing of a main thread that is blocked.
  const handle = executor.spawn(work.nested, [5])
  assert.equal(handle.join(), 32)
})
