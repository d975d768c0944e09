import { workerData } from 'node:worker_threads'
import { AtomicInt32, Latch, Mutex } from 'heddle'

const mutex = Mutex.fromHandle(workerData.mutex)
const total = AtomicInt32.fromHandle(workerData.total)
for (let i = 0; i < 1000; i++) mutex.withLock(() => total.store(total.load() + 1))
Latch.fromHandle(workerData.done).countDown()
