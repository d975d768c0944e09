import { AtomicInt32 } from '@heddle/atomics'
import { assert, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 2 }, async (executor) => {
  const counter = new AtomicInt32()
  await Promise.all(Array.from({ length: 1000 }, () => executor.run(work.increment, { counter, deep: [{}] }, 2)))
  assert.equal(counter.load(), 2000)
})
