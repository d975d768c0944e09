/** Every interleaving, within bounds: exclusion, no lost wake, and time limits that leave nothing behind. */
import type { Region } from '@heddle/atomics'
import { get, load, set } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, forEachRecord, FREE, Holds, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { afterAll, expect, test } from 'vitest'
import { Condvar, Event, Mutex, PoisonedError, RwLock, Semaphore } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
  reports.push(report)
  return report
}

afterAll(() => {
  for (const { name, bound, executions, states, longest, milliseconds, complete } of reports)
    console.log(
      `${name}: bound ${bound}, ${executions} executions, ${states} states, longest ${longest}, ${Math.round(milliseconds)} ms${complete ? '' : ', cut off'}`,
    )
})

/** Makes the thread's agent before the others start, with a chunk of records and its log of holds. */
const ready = (region: Region, lock?: RwLock) => ({
  before: (): void => {
    const agent = Agent.of(region)
    agent.slab.release(agent.slab.acquire())
    if (lock !== undefined) Holds.of(agent).find(lock.object, lock.header, lock.readers + (agent.id >> 5), 1 << (agent.id & 31))
  },
})

function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}

/** A plain word that only a lock protects: a race is found by the checker, a lost update by the final check. */
function plainWord(region: Region): { add(): void; value(): number } {
  const at = region.alloc(4) >> 2
  return { add: () => set(region.words, at, get(region.words, at) + 1), value: () => load(region.words, at) }
}

for (const threads of [2, 3]) {
  test(`Mutex, ${threads} threads: exclusion, and everybody gets it`, () => {
    run(
      `Mutex: ${threads} x lock, release`,
      ({ region, spawn }) => {
        const mutex = new Mutex({ region })
        const word = plainWord(region)
        for (let i = 0; i < threads; i++) {
          spawn(() => {
            const guard = mutex.lock()
            word.add()
            guard.release()
          }, ready(region))
        }
        return () => {
          expect([word.value(), mutex.isLocked]).toEqual([threads, false])
          expectNoRecords(region)
        }
      },
      { preemptions: threads === 2 ? 3 : full ? 2 : 1 },
    )
  })
}

test('Mutex: a time limit at any point leaves the mutex to the others', () => {
  run(
    'Mutex: lock with a time limit | lock twice',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      const word = plainWord(region)
      const timed = spawn(() => {
        try {
          const guard = mutex.lock({ timeout: 1 })
          word.add()
          guard.release()
          return 1
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error
          return 0
        }
      }, ready(region))
      spawn(() => {
        for (let i = 0; i < 2; i++) {
          const guard = mutex.lock()
          word.add()
          guard.release()
        }
      }, ready(region))
      return () => {
        expect([word.value(), mutex.isLocked]).toEqual([2 + timed.result, false])
        expectNoRecords(region)
      }
    },
    { preemptions: 2, timeouts: true },
  )
})

/** Past the poison that a dead owner leaves. */
function pass(mutex: Mutex): void {
  try {
    mutex.lock().release()
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error
    mutex.clearPoison()
    ;(error.guard as { release(): void }).release()
  }
}

test('Mutex: an owner that dies anywhere leaves it to those who wait', () => {
  run(
    'Mutex: lock, release | lock, release, a death | reaper',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      spawn(() => pass(mutex), { ...ready(region), mortal: false })
      spawn(() => pass(mutex), ready(region))
      spawn(
        () => {
          // The body's own agent is 1, thread k is k + 2 as it is made.
          reap(Agent.of(region), 3, 0)
          pass(mutex)
        },
        { ...ready(region), reaper: true },
      )
      return () => {
        expect(mutex.isLocked).toBe(false)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1, deaths: true },
  )
})

test('RwLock: a reader that dies anywhere gives its hold back, and poisons nothing', () => {
  run(
    'RwLock: write | read, a death | reaper',
    ({ region, spawn }) => {
      const lock = new RwLock({ region })
      spawn(() => lock.write().release(), { ...ready(region, lock), mortal: false })
      spawn(() => lock.read().release(), ready(region, lock))
      spawn(() => void reap(Agent.of(region), 3, 0), { ...ready(region), reaper: true })
      return () => {
        expect([lock.isReadLocked, lock.isWriteLocked, lock.isPoisoned]).toEqual([false, false, false])
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1, deaths: true },
  )
})

test('Semaphore: a big request and a small one, permits conserved', () => {
  run(
    'Semaphore: acquire 2 | acquire 1, release 1 | release 2',
    ({ region, spawn }) => {
      const semaphore = new Semaphore(0, { region })
      spawn(() => {
        semaphore.acquire(2)
        semaphore.release(2)
      }, ready(region))
      spawn(() => {
        semaphore.acquire(1)
        semaphore.release(1)
      }, ready(region))
      spawn(() => semaphore.release(2), ready(region))
      return () => {
        expect(semaphore.available).toBe(2)
        expect(semaphore.tryAcquire(2)).toBe(true)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('Event: a set that is reset at once lets whoever waited through', () => {
  run(
    'Event: wait | wait | set, reset, set',
    ({ region, spawn }) => {
      const event = new Event({ region })
      for (let i = 0; i < 2; i++) spawn(() => event.wait(), ready(region))
      spawn(() => {
        event.set()
        event.reset()
        event.set()
      }, ready(region))
      return () => {
        expect(event.isSet).toBe(true)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('Condvar: no lost notify, and the mutex is held after', () => {
  run(
    'Condvar: waitWhile | set, notifyOne',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      const condvar = new Condvar({ region })
      const word = plainWord(region)
      spawn(() => {
        const guard = mutex.lock()
        condvar.waitWhile(guard, () => word.value() === 0)
        word.add()
        guard.release()
      }, ready(region))
      spawn(() => {
        const guard = mutex.lock()
        word.add()
        condvar.notifyOne()
        guard.release()
      }, ready(region))
      return () => {
        expect([word.value(), mutex.isLocked]).toEqual([2, false])
        expectNoRecords(region)
      }
    },
    { preemptions: 2 },
  )
})

test('Condvar: a time limit against the notify', () => {
  run(
    'Condvar: wait with a time limit | notifyOne',
    ({ region, spawn }) => {
      const mutex = new Mutex({ region })
      const condvar = new Condvar({ region })
      const waiter = spawn(() => {
        const guard = mutex.lock()
        let outcome = 'notified'
        try {
          condvar.wait(guard, { timeout: 1 })
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error
          outcome = 'timed out'
        }
        guard.release()
        return outcome
      }, ready(region))
      const notifier = spawn(() => condvar.notifyOne(), ready(region))
      return () => {
        expect(waiter.result).toBe(notifier.result === 1 ? 'notified' : 'timed out')
        expect(mutex.isLocked).toBe(false)
        expectNoRecords(region)
      }
    },
    { preemptions: 2, timeouts: true },
  )
})

test('RwLock: a writer and two readers', () => {
  run(
    'RwLock: write | read | read',
    ({ region, spawn }) => {
      const lock = new RwLock({ region })
      const word = plainWord(region)
      spawn(
        () => {
          const guard = lock.write()
          word.add()
          word.add()
          guard.release()
        },
        ready(region, lock),
      )
      const readers = [0, 1].map(() =>
        spawn(
          () => {
            const guard = lock.read()
            const seen = word.value()
            guard.release()
            return seen
          },
          ready(region, lock),
        ),
      )
      return () => {
        for (const { result } of readers) expect([0, 2]).toContain(result)
        expect([lock.isReadLocked, lock.isWriteLocked]).toEqual([false, false])
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('RwLock: an upgrade against a reader and a writer', () => {
  run(
    'RwLock: upgradableRead, upgrade | read | write',
    ({ region, spawn }) => {
      const lock = new RwLock({ region })
      const word = plainWord(region)
      spawn(
        () => {
          const reading = lock.upgradableRead()
          const before = word.value()
          const writing = reading.upgrade()
          expect(word.value()).toBe(before)
          word.add()
          writing.downgrade().release()
        },
        ready(region, lock),
      )
      spawn(
        () => {
          const guard = lock.read()
          const seen = word.value()
          guard.release()
          return seen
        },
        ready(region, lock),
      )
      spawn(
        () => {
          const guard = lock.write()
          word.add()
          guard.release()
        },
        ready(region, lock),
      )
      return () => {
        expect([word.value(), lock.isReadLocked, lock.isWriteLocked]).toEqual([2, false, false])
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})
