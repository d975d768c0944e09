import { assert, withExecutor, work } from './scenario.mjs'

// More calls at one time than there are slots.
await withExecutor({ workers: 2 }, async (executor) => {
  const count = 40_000
  const all = await Promise.all(Array.from({ length: count }, (_, i) => executor.run(work.echo, i % 2 === 0 ? i : `text ${i}`)))
  for (let i = 0; i < count; i++) assert.equal(all[i], i % 2 === 0 ? i : `text ${i}`)
  const { queued, running, completed } = executor.stats()
  assert.deepEqual([queued, running, completed], [0, 0, count])
})
