/**
 * Every interleaving of a disposal right after a wait with the one who ended that wait and is still inside the queue's lock; and of an owner
 * that was declared dead and runs on. What was disposed of is used for plain words at once: the checker finds any access that races with those.
 */
import { i32, InvalidArgumentError, type Region, type SharedObject } from '@heddle/atomics'
import { load, set, store } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { Agent, Holds, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { Condvar, Event, type Guard, Latch, Mutex, OnceCell, PoisonedError, RwLock, Semaphore, WaitGroup } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 16, ...options })
  expect(report.complete).toBe(true)
  return report
}

/** Makes the thread's agent, with a chunk of records, before the others start. */
const ready = (region: Region, then?: () => void, lock?: RwLock) => ({
  before: (): void => {
    const agent = Agent.of(region)
    agent.slab.release(agent.slab.acquire())
    if (lock !== undefined) Holds.of(agent).find(lock.object, lock.header, lock.readers + (agent.id >> 5), 1 << (agent.id & 31))
    then?.()
  },
})

/** Disposes of the object, unless somebody waits, and has other uses for its memory. */
function reuse(region: Region, object: SharedObject, bytes: number): boolean {
  try {
    object.dispose()
  } catch (error) {
    if (error instanceof InvalidArgumentError) return false
    throw error
  }
  for (let at = object.at >> 2; at < (object.at + bytes) >> 2; at++) set(region.words, at, 1)
  return true
}

test('a mutex is not gone while who released it is inside its lock', () => {
  run(
    'Mutex: release | lock, release, dispose',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      let held: Guard
      const taken = (): void => void (held = mutex.lock())
      spawn(() => held.release(), ready(region, taken))
      const waiter = spawn(() => {
        mutex.lock().release()
        return reuse(region, mutex, Mutex.BYTES)
      }, ready(region))
      return () => expect(waiter.result).toBe(true)
    },
    { preemptions: full ? 4 : 3 },
  )
})

test('a lock for readers and writers is not gone while its writer is inside its lock', () => {
  run(
    'RwLock: release of the writer | read, release, dispose',
    ({ region, spawn }) => {
      const lock = new RwLock({ region })
      let held: Guard
      const taken = (): void => void (held = lock.write())
      spawn(() => held.release(), ready(region, taken, lock))
      const waiter = spawn(
        () => {
          lock.read().release()
          return reuse(region, lock, RwLock.BYTES)
        },
        ready(region, undefined, lock),
      )
      return () => expect(waiter.result).toBe(true)
    },
    { preemptions: full ? 4 : 3 },
  )
})

test('a condvar and its mutex are not gone while the notifier is inside their locks', () => {
  run(
    'Condvar: lock, notifyOne, release | lock, wait, release, dispose',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      const condvar = new Condvar({ region })
      const word = region.alloc(4) >> 2
      spawn(() => {
        const guard = mutex.lock()
        set(region.words, word, 1)
        condvar.notifyOne()
        guard.release()
      }, ready(region))
      const waiter = spawn(() => {
        const guard = mutex.lock()
        condvar.waitWhile(guard, () => load(region.words, word) === 0)
        guard.release()
        return [reuse(region, condvar, Condvar.BYTES), reuse(region, mutex, Mutex.BYTES)]
      }, ready(region))
      return () => expect(waiter.result).toEqual([true, true])
    },
    { preemptions: full ? 3 : 2 },
  )
})

/** What the new owner of the memory keeps there. */
const OTHER = 0x5a5a5a5a

/**
 * As `reuse`, for who opened something, and looks at the queue after: a look does no harm, whatever it finds.
 * @returns what says, at the end, that nobody has changed anything
 */
function reuseSeen(region: Region, object: SharedObject, bytes: number, mayRefuse = false): () => boolean {
  try {
    object.dispose()
  } catch (error) {
    if (error instanceof InvalidArgumentError) return () => mayRefuse
    throw error
  }
  const words = Array.from({ length: bytes >> 2 }, (_, i) => (object.at >> 2) + i)
  for (const at of words) store(region.words, at, OTHER)
  return () => words.every((at) => load(region.words, at) === OTHER)
}

interface Opened {
  open: () => void
  pass: () => void
  object: SharedObject
  bytes: number
  /** The value is there before its maker has given back the right to make it: until then the object is in use. */
  mayRefuse?: boolean
}

for (const [name, make] of [
  [
    'Semaphore: release | acquire, dispose',
    (region): Opened => {
      const object = new Semaphore(0, { region })
      return { open: () => object.release(), pass: () => object.acquire(), object, bytes: Semaphore.BYTES }
    },
  ],
  [
    'Latch: countDown | wait, dispose',
    (region): Opened => {
      const object = new Latch(1, { region })
      return { open: () => object.countDown(), pass: () => object.wait(), object, bytes: Latch.BYTES }
    },
  ],
  [
    'WaitGroup: done | wait, dispose',
    (region): Opened => {
      const object = new WaitGroup({ region })
      object.add(1)
      return { open: () => object.done(), pass: () => object.wait(), object, bytes: WaitGroup.BYTES }
    },
  ],
  [
    'Event: set | wait, dispose',
    (region): Opened => {
      const object = new Event({ region })
      return { open: () => object.set(), pass: () => object.wait(), object, bytes: Event.BYTES }
    },
  ],
  [
    'Event, auto-reset: set | wait, dispose',
    (region): Opened => {
      const object = new Event({ region, auto: true })
      return { open: () => object.set(), pass: () => object.wait(), object, bytes: Event.BYTES }
    },
  ],
  [
    'OnceCell: set | get until it is there, dispose',
    (region): Opened => {
      const object = new OnceCell({ region, codec: i32 })
      const pass = (): void => {
        while (object.get() === undefined);
      }
      return { open: () => void object.set(1), pass, object, bytes: 16, mayRefuse: true }
    },
  ],
] as [string, (region: Region) => Opened][]) {
  test(`who ends a wait touches nothing of what the waiter has disposed of: ${name}`, () => {
    run(
      name,
      ({ region, spawn }) => {
        const { open, pass, object, bytes, mayRefuse } = make(region)
        spawn(open, ready(region))
        const waiter = spawn(() => {
          pass()
          return reuseSeen(region, object, bytes, mayRefuse)
        }, ready(region))
        return () => expect(waiter.result()).toBe(true)
      },
      { preemptions: full ? 3 : 2 },
    )
  })
}

/** Takes the mutex, and ends its poisoning. */
function take(mutex: Mutex): Guard {
  try {
    return mutex.lock()
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error
    mutex.clearPoison()
    return error.guard as Guard
  }
}

test('Mutex: an owner that was declared dead and throws then does not poison its successor', () => {
  const report = run(
    'Mutex: withLock that throws, a zombie | reap, lock, clearPoison, release',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region, poison: true })
      spawn(() => {
        try {
          mutex.withLock(() => {
            throw new Error('the section failed')
          })
        } catch {
          // Its own error, or that it was declared dead.
        }
      }, ready(region))
      const successor = spawn(
        () => {
          reap(Agent.of(region), 2, 0)
          const guard = take(mutex)
          const before = mutex.isPoisoned
          guard.release()
          return before
        },
        { ...ready(region), reaper: true },
      )
      return () => {
        if (successor.outcome === 'finished') expect(successor.result).toBe(false)
        return successor.outcome
      }
    },
    // What a dead agent's own thread takes after it was reaped is nobody's to give back. With a third preemption the zombie is found inside the
    // queue's lock, which nothing fences: a host on which a thread may run on does not have it reaped before it says itself that it ends.
    { preemptions: 2, deaths: true, zombies: true, leaks: false },
  )
  expect(report.outcomes.size).toBe(2)
})
