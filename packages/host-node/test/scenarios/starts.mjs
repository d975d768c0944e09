// 100 starts and stops leave workers, handles, memory of the region and the heap as they were.
import { setTimeout as later } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Region } from '@heddle/atomics'
import { assert, Executor, nodeHost, until, work } from './scenario.mjs'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const TIMES = Number(process.argv[2] ?? 100)

const executors = []
async function startAndStop(times, options) {
  for (let i = 0; i < times; i++) {
    const executor = await Executor.start({ host: nodeHost, workers: 1, ...options })
    assert.equal(await executor.run(work.add, i, 1), i + 1)
    await executor.shutdown()
    executors.push(new WeakRef(executor))
  }
}
async function state() {
  // The engine collects what a finished worker had in several rounds.
  for (let i = 0; i < 5; i++) {
    await later(1)
    collect()
  }
  return { resources: process.getActiveResourcesInfo().sort(), used: Region.default.stats().used, heap: process.memoryUsage().heapUsed }
}

for (const [times, options] of [
  [TIMES, {}],
  [TIMES / 5, { host: { ...nodeHost, sharesMemory: false } }],
]) {
  await startAndStop(20, options)
  const before = await state()
  await startAndStop(times, options)
  await until(() => process.getActiveResourcesInfo().length <= before.resources.length)
  const after = await state()
  assert.deepEqual(after.resources, before.resources)
  assert.equal(after.used, before.used)
  console.log(`heap: ${before.heap} before, ${after.heap} after ${times} starts`)
  assert.equal(executors.filter((executor) => executor.deref() !== undefined).length, 0)
  // What it grows by is the engine's code of what became hot.
  assert.ok(after.heap - before.heap < 500_000, `the heap grew from ${before.heap} to ${after.heap}`)
}
