import { expect, test } from 'vitest'
import { nextMessage, startWorker } from './src/run.js'

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
