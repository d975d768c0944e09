/** What each of two threads does; the same code on both. */
import type { AtomicInt32 } from '@heddle/atomics'
import type { Barrier, Condvar, Event, Mutex, RwLock, Semaphore } from '@heddle/sync'
import type { Rival } from './rival.js'

/** What both threads use. */
export interface Locks {
  readonly words: Int32Array
  /** A plain word that the lock protects, on a line of its own; the next ones are the bare lock, the bare turn, and a bare barrier's arrivals and rounds. */
  readonly data: number
  readonly turn: AtomicInt32
  readonly go: AtomicInt32
  readonly ready: AtomicInt32
  readonly mutex: Mutex
  readonly rw: RwLock
  readonly condvar: Condvar
  readonly barrier: Barrier
  readonly semaphore: Semaphore
  /** One of each for either thread: whose turn it is has a permit. */
  readonly semaphore0: Semaphore
  readonly semaphore1: Semaphore
  readonly event0: Event
  readonly event1: Event
  /** The mutex of another library, where the role asks for it. */
  readonly rival?: Rival
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
  rival({ words, data, rival }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      const guard = rival!.blockingLock()
      words[data]!++
      guard.dispose()
    }
  },
  /** Turns by a bare word, without sleeping. */
  bareTurn({ words, data }: Locks, n: number, who: number): void {
    for (let i = 0; i < n; i++) {
      while (Atomics.load(words, data + 2) !== who);
      words[data]!++
      Atomics.store(words, data + 2, 1 - who)
    }
  },
  /** Turns by a bare word: who waits sleeps. */
  bareWake({ words, data }: Locks, n: number, who: number): void {
    for (let i = 0; i < n; i++) {
      while (Atomics.load(words, data + 2) !== who) Atomics.wait(words, data + 2, 1 - who)
      words[data]!++
      Atomics.store(words, data + 2, 1 - who)
      Atomics.notify(words, data + 2, 1)
    }
  },
  semaphoreTurn({ words, data, semaphore0, semaphore1 }: Locks, n: number, who: number): void {
    const [mine, other] = who === 0 ? [semaphore0, semaphore1] : [semaphore1, semaphore0]
    for (let i = 0; i < n; i++) {
      mine.acquire()
      words[data]!++
      other.release()
    }
  },
  eventTurn({ words, data, event0, event1 }: Locks, n: number, who: number): void {
    const [mine, other] = who === 0 ? [event0, event1] : [event1, event0]
    for (let i = 0; i < n; i++) {
      mine.wait()
      words[data]!++
      other.set()
    }
  },
  /** A barrier of two words: arrivals, and rounds. */
  bareBarrier({ words, data }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      const round = Atomics.load(words, data + 4)
      if (Atomics.add(words, data + 3, 1) === 1) {
        Atomics.store(words, data + 3, 0)
        Atomics.add(words, data + 4, 1)
      } else while (Atomics.load(words, data + 4) === round);
      Atomics.add(words, data, 1)
    }
  },
  barrier({ words, data, barrier }: Locks, n: number): void {
    for (let i = 0; i < n; i++) {
      barrier.wait()
      Atomics.add(words, data, 1)
    }
  },
}
