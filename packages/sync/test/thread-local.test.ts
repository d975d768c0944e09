/** ThreadLocal in real threads. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { expect, test } from 'vitest'

test('each agent makes its own value, and disposes of it when it ends', async () => {
  const disposed = new AtomicInt32({ region: Region.create({ bytes: 1 << 20 }) })
  const workers = [0, 1].map(
    () => new Worker(new URL('.fixtures/thread-local.js', import.meta.url), { workerData: { disposed: disposed.toHandle() } }),
  )
  const ended = workers.map((worker) => once(worker, 'exit'))
  // Listened to at once: a message that comes while nobody listens is lost.
  const told = await Promise.all(workers.map((worker) => once(worker, 'message')))
  expect(told.map(([values]) => values as number[])).toEqual([
    [10, 10, 1],
    [10, 10, 1],
  ])
  await Promise.all(ended)
  expect(disposed.load()).toBe(20)
})
