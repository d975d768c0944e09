import { assert, withExecutor, work } from './scenario.mjs'

// One worker: async tasks wait side by side.
await withExecutor({ workers: 1 }, async (executor) => {
  const most = await Promise.all(Array.from({ length: 50 }, () => executor.run(work.overlap)))
  assert.ok(Math.max(...most) > 10, `at most ${Math.max(...most)} at one time`)
})
