import { AtomicInt32 } from '@heddle/atomics'
import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 3 }, async (executor) => {
  // What a busy worker has spawned is run by others, who also pass it on.
  const box = { count: new AtomicInt32() }
  await executor.run(work.feed, box)
  // The same while the main thread is blocked.
  box.count.store(0)
  executor.spawn(work.feed, [box]).join()
  assert.equal(executor.spawn(work.treeBlocking, [500]).join(), 500)
  assert.equal(await executor.run(work.tree, 3000), 3000)
  assert.deepEqual(await Promise.all([1, 2, 3].map((n) => executor.run(work.tree, 200 * n))), [200, 400, 600])
  await until(() => executor.stats().running === 0 && executor.stats().queued === 0)
  // One call in 16 was measured, of all agents.
  await until(() => executor.stats().stolen >= 40)
  const { stolen, parked, waitTime, runTime, workers } = executor.stats()
  assert.ok(parked > 0)
  assert.equal(
    workers.reduce((sum, worker) => sum + worker.stolen, 0),
    stolen,
  )
  assert.ok(waitTime.samples > 100 && runTime.samples === waitTime.samples, JSON.stringify({ waitTime, runTime }))
  assert.ok(runTime.p50 <= runTime.p90 && runTime.p90 <= runTime.p99)
})
await withExecutor({ workers: 1 }, async (executor) => {
  // One worker alone: depth first, so few calls are open at one time.
  assert.equal(await executor.run(work.tree, 1000), 1000)
  assert.equal(executor.spawn(work.treeBlocking, [300]).join(), 300)
})
