import { expect, test } from 'vitest'
import { runProcess } from './src/run.js'

test('F1: Atomics.wait works on the main thread of Node', async () => {
  const { code, stdout } = await runProcess(`
    import { isMainThread } from 'node:worker_threads'
    console.log(isMainThread, Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1))`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'true timed-out\n' })
})
