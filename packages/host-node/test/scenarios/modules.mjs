import { TaskRef, tasks } from '@heddle/executor'
import { assert, withExecutor, work } from './scenario.mjs'

const at = (file) => new URL(`./bad/${file}`, import.meta.url).href
const ref = (file, name = 'work') => new TaskRef(at(file), name, () => undefined)

await withExecutor({ workers: 1 }, async (executor) => {
  await assert.rejects(
    executor.run(ref('throws.mjs')),
    (error) => error.code === 'ERR_WORKER_START' && /no such configuration/.test(error.message) && error.cause.message === 'no such configuration',
  )
  await assert.rejects(executor.run(ref('syntax.mjs')), { code: 'ERR_WORKER_START' })
  await assert.rejects(executor.run(ref('absent.mjs')), { code: 'ERR_WORKER_START', message: /absent\.mjs/ })
  await assert.rejects(executor.run(ref('empty.mjs')), { code: 'ERR_TASK_NOT_FOUND', message: /no task 'work'/ })
  await assert.rejects(executor.run(ref('starts-work.mjs')), { code: 'ERR_WORKER_START', message: /top level/ })
  await assert.rejects(executor.run(ref('starts-pool.mjs')), { code: 'ERR_WORKER_START', message: /top level/ })
  await assert.rejects(executor.run(ref('twice.mjs')), { code: 'ERR_WORKER_START', message: /two tasks named 'work'/ })
  assert.equal(await executor.run(work.add, 1, 1), 2)
})
tasks('file:///here.mjs', { one() {} })
assert.throws(() => tasks('file:///here.mjs', { one() {} }), { code: 'ERR_INVALID_ARGUMENT' })
assert.throws(() => tasks('file:///here.mjs', { two: 5 }), { code: 'ERR_INVALID_ARGUMENT' })
assert.throws(() => tasks({ one() {} }), { code: 'ERR_INVALID_ARGUMENT' })
