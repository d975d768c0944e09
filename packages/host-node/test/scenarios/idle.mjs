import { inline } from '@heddle/executor'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'

const all = (executor, n) => Promise.all(Array.from({ length: n }, (_, i) => executor.run(work.echo, i)))
const right = (n) => Array.from({ length: n }, (_, i) => i)
const asleep = (executor, before) => until(() => executor.stats().parked > before)

for (const spin of ['latency', 'balanced', 'saving'])
  for (const idle of ['loop', 'block'])
    for (const workers of [1, 2])
      await withExecutor({ workers, spin, idle }, async (executor) => {
        assert.deepEqual(await all(executor, 500), right(500))
        for (let i = 0; i < 8; i++) {
          // A call for workers that sleep, and for such that are about to.
          if (i % 2 === 0) await asleep(executor, executor.stats().parked - 1)
          assert.equal(await executor.run(work.echo, i), i)
        }
        assert.equal(await executor.run(work.later, 'async'), 'async')
        assert.equal(await executor.run(work.fiber, 10), 45)
        assert.equal(executor.spawn(work.add, [1, 2]).join(), 3)
        assert.equal(await executor.run(work.tree, 50), 50)
        assert.equal(await executor.run(inline((a, b) => a * b), 6, 7), 42) // prettier-ignore
      })

// A worker that blocks its thread still hears of messages.
await withExecutor({ workers: { max: 2 }, idle: 'block', idleTimeout: 20 }, async (executor) => {
  for (let i = 0; i < 3; i++) {
    const bytes = new Uint8Array([i])
    assert.deepEqual(await executor.spawn(work.echo, [bytes], { transfer: [bytes.buffer] }).joinAsync(), new Uint8Array([i]))
    await asleep(executor, 0)
  }
  // It is asked to leave by one.
  await until(() => executor.stats().workers.length === 0)
  assert.equal(await executor.run(work.add, 1, 2), 3)
  const handle = executor.spawn(work.later, ['never', 1e6])
  await until(() => executor.stats().running === 1)
  handle.cancel()
  await executor.terminate()
})

for (const options of [{ spin: 'fast' }, { idle: 'wait' }, { idle: 'block', workers: 0 }])
  await assert.rejects(Executor.start({ host: nodeHost, ...options }), { code: 'ERR_INVALID_ARGUMENT' })
