import type { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { nextMessage, startWorker } from './src/run.js'

test('waiters of several agents are woken first in, first out', async () => {
  // waitAsync enters the queue before it returns, so the order of arrival is certain; a blocking wait can't tell that it has begun.
  const words = new Int32Array(new SharedArrayBuffer(16))
  const woken: number[] = []
  const workers: Worker[] = []
  const ends: Promise<unknown>[] = []
  for (let i = 0; i < 4; i++) {
    const worker = startWorker('waiter', { role: 'waitAsync', buffer: words.buffer })
    workers.push(worker)
    expect(await nextMessage(worker)).toBe('waiting')
    ends.push(nextMessage(worker).then((outcome) => woken.push(outcome === 'ok' ? i : -1)))
  }
  for (let i = 0; i < 4; i++) {
    expect(Atomics.notify(words, 0, 1)).toBe(1)
    await ends[i]
    expect(woken).toEqual([0, 1, 2, 3].slice(0, i + 1))
  }
  expect(Atomics.notify(words, 0, 1)).toBe(0)
  await Promise.all(workers.map((worker) => worker.terminate()))
})
