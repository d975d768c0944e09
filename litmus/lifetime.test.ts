import { once } from 'node:events'
import { expect, test } from 'vitest'
import { nextMessage, runProcess, startWorker } from './src/run.js'

const WORDS = 'const words = new Int32Array(new SharedArrayBuffer(4))'

test('F3: a pending waitAsync keeps no process alive', async () => {
  const { code, stdout } = await runProcess(`
    ${WORDS}
    void Atomics.waitAsync(words, 0, 0).value.then(() => console.log('woken'))
    console.log('waiting')`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'waiting\n' })
})

test('F3: a top-level await of a pending waitAsync ends the process with code 13', async () => {
  const { code, stdout } = await runProcess(`
    ${WORDS}
    console.log('waiting')
    await Atomics.waitAsync(words, 0, 0).value
    console.log('woken')`)
  expect({ code, stdout }).toEqual({ code: 13, stdout: 'waiting\n' })
})

test('F3: a pending waitAsync keeps no worker alive', async () => {
  const worker = startWorker('waiter', { role: 'abandon', buffer: new SharedArrayBuffer(16) })
  const [code] = (await once(worker, 'exit')) as [number]
  expect(code).toBe(0)
})

test('F6: terminate() during Atomics.wait is clean, and a later notify(1) reaches a live waiter', async () => {
  for (let round = 0; round < 15; round++) {
    const words = new Int32Array(new SharedArrayBuffer(16))
    const errors: unknown[] = []
    const victim = startWorker('waiter', { role: 'waitForEver', buffer: words.buffer })
    victim.on('error', (error) => errors.push(error))
    await nextMessage(victim)
    for (let i = 0; i < round * 2000; i++) Atomics.load(words, 0)
    expect(await victim.terminate()).toBe(1)
    expect(errors).toEqual([])

    const live = startWorker('waiter', { role: 'wait', buffer: words.buffer })
    await nextMessage(live)
    // Exactly one notify(1) says that it woke somebody; only the live one is left to be that.
    while (Atomics.notify(words, 0, 1) === 0);
    expect(await nextMessage(live)).toBe('ok')
    await live.terminate()
  }
})

test('F7: a worker that is unref’ed and parked in Atomics.wait does not keep the process', async () => {
  const { code, stdout } = await runProcess(`
    import { Worker } from 'node:worker_threads'
    const source = 'const { parentPort, workerData } = require("node:worker_threads"); parentPort.postMessage(0); Atomics.wait(workerData, 0, 0)'
    ${WORDS}
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: words })
    worker.once('message', () => { worker.unref(); console.log('parked') })`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'parked\n' })
})

test('every posted copy of a SharedArrayBuffer is an object of its own over one memory', async () => {
  const buffer = new SharedArrayBuffer(16)
  const worker = startWorker('waiter', { role: 'compareBuffers', buffer })
  await nextMessage(worker)
  worker.postMessage(buffer)
  worker.postMessage(buffer)
  expect(await nextMessage(worker)).toEqual({ distinct: 3, seen: [42, 42] })
  expect(Atomics.load(new Int32Array(buffer), 3)).toBe(42)
  await worker.terminate()
})
