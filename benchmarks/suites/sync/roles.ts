/** What each of two threads does; the same code on both. */
import type { AtomicInt32 } from '@heddle/atomics'
import type { Barrier, Condvar, Mutex, RwLock, Semaphore } from '@heddle/sync'

/** What both threads use. */
export interface Locks {
  readonly words: Int32Array
  /** A plain word that the lock protects, on a line of its own; the next one is the bare lock. */
  readonly data: number
  readonly turn: AtomicInt32
  readonly go: AtomicInt32
  readonly ready: AtomicInt32
  readonly mutex: Mutex
  readonly rw: RwLock
  readonly condvar: Condvar
  readonly barrier: Barrier
  readonly semaphore: Semaphore
}

/** Looks at the data, as a reading section does. */
function look(words: Int32Array, data: number): number {
  let sum = 0
  for (let i = 0; i < 64; i++) sum += Atomics.load(words, data + (i & 7))
  return sum
}

export const roles = {
  bare({ words, data }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      while (Atomics.compareExchange(words, data + 1, 0, 1) !== 0);
      words[data]!++
      Atomics.exchange(words, data + 1, 0)
    }
  },
  mutex({ words, data, mutex }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      const guard = mutex.lock()
      words[data]!++
      guard.release()
    }
  },
  rwWrite({ words, data, rw }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      const guard = rw.write()
      words[data]!++
      guard.release()
    }
  },
  semaphore({ words, data, semaphore }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      semaphore.acquire()
      words[data]!++
      semaphore.release()
    }
  },
  mutexMostlyReading({ words, data, mutex }: Locks, n: number): void {
    let sum = 0
    for (let i = 0; i < n; i++) {
      const guard = mutex.lock()
      if (i % 64 !== 0) sum += look(words, data)
      words[data]!++
      guard.release()
    }
    if (sum < 0) throw new Error('impossible')
  },
  rwMostlyReading({ words, data, rw }: Locks, n: number): void {
    let sum = 0
    let reads = 0
    for (let i = 0; i < n; i++) {
      if (i % 64 !== 0) {
        const guard = rw.read()
        sum += look(words, data)
        reads++
        guard.release()
      } else {
        const guard = rw.write()
        words[data]!++
        guard.release()
      }
    }
    if (sum < 0) throw new Error('impossible')
    // Reads are counted once at the end, under the lock, so that the check sees them.
    const guard = rw.write()
    words[data]! += reads
    guard.release()
  },
  condvar({ words, data, mutex, condvar, turn }: Locks, n: number, who: number): void {
    for (let i = 0; i < n; i++) {
      const guard = mutex.lock()
      condvar.waitWhile(guard, () => turn.load() !== who)
      turn.store(1 - who)
      words[data]!++
      condvar.notifyOne()
      guard.release()
    }
  },
  barrier({ words, data, barrier }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      barrier.wait()
      Atomics.add(words, data, 1)
    }
  },
}
