// A lock between workers that you start yourself, on Node, Deno (--allow-read) and Bun.
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Latch, Mutex } from 'heddle'

const [mutex, total, done] = [new Mutex(), new AtomicInt32(), new Latch(4)]
const workerData = { mutex: mutex.toHandle(), total: total.toHandle(), done: done.toHandle() }
for (let i = 0; i < 4; i++) new Worker(new URL('./worker.mjs', import.meta.url), { workerData })
await done.waitAsync()
console.log(total.load()) // 4000
