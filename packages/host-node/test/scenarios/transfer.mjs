import { MessageChannel } from 'node:worker_threads'
import { AtomicInt32 } from '@heddle/atomics'
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

// Such calls pass by a worker that is busy, however it came to be: all of them end before it does.
const roads = [
  (executor, box) => executor.spawn(work.meetAt, [box.count.toHandle(), box.want], { transfer: [] }),
  (executor, box) => executor.spawn(work.meet, [box]),
]
for (const road of roads) {
  await withExecutor({ workers: 2 }, async (executor) => {
    const both = { count: new AtomicInt32(), want: 2 }
    // Both workers have the module from here on.
    await Promise.all([executor.run(work.meet, both), executor.run(work.meet, both)])
    const box = { count: new AtomicInt32(), want: 2 }
    const busy = road(executor, box)
    await until(() => box.count.load() === 1)
    // At first the other one may not have said yet that it has nothing to do.
    const passes = () => executor.spawn(work.echo, ['passes'], { transfer: [], timeout: 50 }).joinAsync()
    while ((await passes().catch((error) => assert.equal(error.code, 'ERR_TIMEOUT'))) !== 'passes');
    for (let i = 0; i < 50; i++) assert.equal(await executor.spawn(work.echo, [i], { transfer: [] }).joinAsync(), i)
    assert.equal(busy.state, 'pending')
    box.count.add(1)
    await busy.joinAsync()
  })
}

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
