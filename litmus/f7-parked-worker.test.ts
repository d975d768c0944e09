import { expect, test } from 'vitest'
import { runProcess } from './src/run.js'

const WORDS = 'const words = new Int32Array(new SharedArrayBuffer(4))'

test('F7: a worker that is unref’ed and parked in Atomics.wait does not keep the process', async () => {
  const { code, stdout } = await runProcess(`
    import { Worker } from 'node:worker_threads'
    const source = 'const { parentPort, workerData } = require("node:worker_threads"); parentPort.postMessage(0); Atomics.wait(workerData, 0, 0)'
    ${WORDS}
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: words })
    worker.once('message', () => { worker.unref(); console.log('parked') })`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'parked\n' })
})
