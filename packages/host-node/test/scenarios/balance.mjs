import { assert, withExecutor, work } from './scenario.mjs'

// Async calls don't all end up with the worker that looks first. Each takes a while before it waits, so that a worker that the system
// doesn't run for a moment is back before all are gone.
await withExecutor({ workers: 2 }, async (executor) => {
  for (let round = 0; round < 3; round++) {
    const threads = await Promise.all(Array.from({ length: 150 }, () => executor.run(work.where, 20)))
    const shares = new Map()
    for (const thread of threads) shares.set(thread, (shares.get(thread) ?? 0) + 1)
    assert.equal(shares.size, 2)
    assert.ok(Math.min(...shares.values()) > 15, JSON.stringify([...shares]))
  }
})
