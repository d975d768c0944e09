import { Region } from '@heddle/atomics'
import { blockOn } from '@heddle/executor'
import { Scheduler } from '@heddle/scheduler'
import { assert, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1 }, async (executor) => {
  const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => executor.run(work.fiber, i)))
  assert.deepEqual(
    sums,
    Array.from({ length: 100 }, (_, i) => Math.abs(i * (i - 1)) / 2),
  )
})

// Fibers of the main thread that wait for calls while it blocks for them: in the pool's region, and in another.
for (const region of [undefined, Region.create({ bytes: 64 << 20 })])
  await withExecutor({ workers: 2, ...(region !== undefined && { region }) }, async (executor) => {
    const double = function* (x) {
      return (yield* executor.spawn(work.later, [x, x]).joinFiber()) * 2
    }
    assert.equal(
      blockOn(() => double(3)),
      6,
    )
    const scheduler = new Scheduler()
    const fibers = [4, 1, 2].map((x) => scheduler.spawn(() => double(x)))
    scheduler.run()
    assert.deepEqual(
      fibers.map((fiber) => fiber.join()),
      [8, 2, 4],
    )
    assert.equal(await executor.run(work.add, 1, 2), 3)
  })
