import { assert, withExecutor, work } from './scenario.mjs'

// Async calls don't all end up with the worker that looks first. A busy system may keep a worker from running for a whole round, but not
// for round after round; both have loaded the module before.
await withExecutor({ workers: 2, setup: work.boot }, async (executor) => {
  const rounds = []
  while (rounds.length < 20) {
    const threads = await Promise.all(Array.from({ length: 150 }, () => executor.run(work.where, 20)))
    const first = threads.filter((thread) => thread === threads[0]).length
    rounds.push(Math.min(first, 150 - first))
    if (rounds.at(-1) > 15) return
  }
  assert.fail(`calls of the worker that had fewer, of 150: ${rounds}`)
})
