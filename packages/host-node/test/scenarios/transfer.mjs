import { MessageChannel } from 'node:worker_threads'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: { max: 2 } }, async (executor) => {
  // A buffer that is handed over is gone here.
  const bytes = new Uint8Array([1, 2, 3])
  assert.deepEqual(await executor.spawn(work.echo, [bytes], { transfer: [bytes.buffer] }).joinAsync(), new Uint8Array([1, 2, 3]))
  assert.equal(bytes.length, 0)
  // A port, to a task whose module is loaded and to one whose isn't.
  for (let i = 0; i < 2; i++) {
    const { port1, port2 } = new MessageChannel()
    const answer = new Promise((resolve) => port1.once('message', resolve))
    const handle = executor.spawn(work.answer, [port2, 'hello'], { transfer: [port2] })
    port1.postMessage('ping')
    assert.equal(await answer, 'hello: ping')
    assert.equal(await handle.joinAsync(), 'done')
    port1.close()
  }
  assert.throws(() => executor.spawn(work.echo, [() => 1], { transfer: [] }), { code: 'ERR_NOT_SHAREABLE' })
  await assert.rejects(executor.spawn(work.fail, ['posted'], { transfer: [] }).joinAsync(), { message: 'posted' })
  await until(() => executor.stats().queued === 0)
})
// A worker that dies before it starts such a call: the call says so, once.
const executor = await Executor.start({ host: nodeHost, workers: 1 })
const exit = executor.spawn(work.exit, [1])
const posted = Array.from({ length: 20 }, (_, i) => executor.spawn(work.echo, [i], { transfer: [] }))
const outcomes = await Promise.allSettled([exit, ...posted].map((handle) => handle.joinAsync()))
outcomes.forEach(({ status, value, reason }, i) =>
  status === 'fulfilled' ? assert.equal(value, i - 1) : assert.equal(reason.code, 'ERR_WORKER_CRASHED'),
)
assert.equal(outcomes[0].status, 'rejected')
await executor.shutdown()

// Such calls are drained too.
const drained = await Executor.start({ host: nodeHost, workers: 1 })
const last = drained.spawn(work.echo, ['last'], { transfer: [] })
await drained.shutdown()
assert.equal(await last.joinAsync(), 'last')
