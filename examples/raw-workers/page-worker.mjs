import { AtomicInt32, Latch, Mutex } from 'heddle'

addEventListener('message', ({ data }) => {
  const mutex = Mutex.fromHandle(data.mutex)
  const total = AtomicInt32.fromHandle(data.total)
  for (let i = 0; i < 1000; i++) mutex.withLock(() => total.store(total.load() + 1))
  Latch.fromHandle(data.done).countDown()
})
