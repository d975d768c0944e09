/** Starts workers of fixtures/primitives.worker.ts. */
import { Worker } from 'node:worker_threads'
import type { Handle } from '../src/index.js'

export interface Order {
  role: 'roundTrip' | 'cells' | 'bitset' | 'slots'
  handles: Record<string, Handle>
  rounds?: number
  seed?: number
  ledger?: SharedArrayBuffer
}

/** Gives each of `workers` threads the order; their results when all have ended, or the first error. */
export async function inWorkers<T>(workers: number, order: Order): Promise<T[]> {
  const started: Worker[] = []
  try {
    return await Promise.all(
      Array.from(
        { length: workers },
        (_, me) =>
          new Promise<T>((resolve, reject) => {
            const worker = new Worker(new URL('.fixtures/primitives.js', import.meta.url), { workerData: { ...order, me, workers } })
            started.push(worker)
            let result: T
            worker.on('message', (message: T) => (result = message))
            worker.on('error', reject)
            worker.on('exit', (code) => {
              if (code === 0) resolve(result)
              else reject(new Error(`worker ${me} ended with exit code ${code}`))
            })
          }),
      ),
    )
  } finally {
    for (const worker of started) void worker.terminate()
  }
}
