import { assert, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1 }, async (executor) => {
  const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => executor.run(work.fiber, i)))
  assert.deepEqual(
    sums,
    Array.from({ length: 100 }, (_, i) => Math.abs(i * (i - 1)) / 2),
  )
})
