// A worker of the program's own calls tasks of the main thread's pool.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { setHost } from '@heddle/park'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'

if (isMainThread) {
  const region = Region.create({ bytes: 64 << 20 })
  const started = new AtomicInt32({ region })
  const start = (handle, how) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { handle, how, started: started.toHandle() } })
    worker.on('error', (error) => {
      throw error
    })
    const said = []
    worker.on('message', (message) => said.push(message))
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    return { worker, said, ended }
  }
  const used = region.stats().used
  await withExecutor({ workers: { min: 0, max: 2 }, region }, async (executor) => {
    // It has no worker yet: a call from there starts one.
    const polite = start(executor.toHandle(), 'polite')
    const dying = start(executor.toHandle(), 'dies')
    await until(() => polite.said.length === 1 && dying.said.length === 1)
    assert.equal(polite.said[0], 4950)
    polite.worker.postMessage('end')
    assert.equal(await polite.ended, 0)
    await dying.worker.terminate()
    assert.equal(await executor.run(work.add, 1, 2), 3)
    // The owner's end is theirs, too.
    const waiting = start(executor.toHandle(), 'waits')
    await until(() => waiting.said.length === 1)
    await executor.terminate()
    await until(() => waiting.said.length === 3)
    assert.deepEqual(waiting.said.slice(1).sort(), ['ERR_SHUTDOWN', 'ERR_WORKER_CRASHED'])
    assert.equal(await waiting.ended, 0)
  })
  assert.ok(region.stats().used >= used)
} else {
  setHost(nodeHost)
  const executor = Executor.fromHandle(workerData.handle)
  if (workerData.how === 'waits') {
    // Not by `stats().running`: what the dead agent called runs on, and counts.
    const started = AtomicInt32.fromHandle(workerData.started)
    const calls = [executor.run(work.hang, started), executor.run(work.hang, started)]
    await until(() => started.load() === 2)
    calls.push(executor.run(work.echo, 1))
    parentPort.postMessage('ready')
    const codes = new Set()
    await Promise.allSettled(calls).then((all) => all.forEach(({ reason }) => codes.add(reason.code)))
    for (const code of codes) parentPort.postMessage(code)
    assert.throws(() => executor.run(work.echo, 1), { code: 'ERR_SHUTDOWN' })
    await executor.shutdown()
    process.exit(0)
  }
  const results = await Promise.all(Array.from({ length: 100 }, (_, i) => executor.run(work.later, i, i % 3)))
  if (workerData.how === 'dies') void executor.run(work.later, 1, 60_000)
  parentPort.postMessage(results.reduce((a, b) => a + b))
  await new Promise((resolve) => parentPort.once('message', resolve))
  await executor.shutdown()
}
