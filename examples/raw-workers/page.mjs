// The same on a browser's page, which is cross-origin isolated.
import { AtomicInt32, Latch, Mutex } from 'heddle'

const [mutex, total, done] = [new Mutex(), new AtomicInt32(), new Latch(4)]
const handles = { mutex: mutex.toHandle(), total: total.toHandle(), done: done.toHandle() }
for (let i = 0; i < 4; i++) new Worker(new URL('./page-worker.mjs', import.meta.url), { type: 'module' }).postMessage(handles)
await done.waitAsync()
console.log(total.load()) // 4000
