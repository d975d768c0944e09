// What the mixed load runs in workers, besides tasks.mjs and thread-tasks.mjs.
import { currentTask, tasks } from '@heddle/executor'
import { sleepFiber } from '@heddle/park'
import { safepoint } from '@heddle/scheduler'

export const load = tasks(import.meta.url, {
  // Takes the lock in every mode, around a plain addition.
  addUnder(mutex, cell, mode) {
    const add = (guard) => {
      // Plain: only under the lock.
      cell.store(cell.load() + 1)
      guard.release()
    }
    if (mode === 0) return add(mutex.lock())
    return mutex.lockAsync().then(add)
  },
  *addInFiber(mutex, cell) {
    const guard = yield* mutex.lockFiber()
    cell.store(cell.load() + 1)
    guard.release()
  },
  async produce(sender, from, count) {
    for (let i = 0; i < count; i++) await sender.sendAsync(from + i)
    return count
  },
  *produceInFiber(sender, from, count) {
    for (let i = 0; i < count; i++) yield* sender.sendFiber(from + i)
    return count
  },
  sum(bytes) {
    let sum = 0
    for (const byte of bytes) sum += byte
    return sum
  },
  *naps(times) {
    for (let i = 0; i < times; i++) yield* sleepFiber(1)
    return times
  },
  *loop() {
    for (;;) if (safepoint()) yield
  },
  async untilAborted() {
    const { signal } = currentTask()
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    signal.throwIfAborted()
  },
})
