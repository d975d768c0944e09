/** Every interleaving, within bounds, of parking and waking: W1 (no lost wake), W2 (a time limit consumes no notify), W3 (a death loses nothing). */
import { AtomicInt32, type Region } from '@heddle/atomics'
import { registerAgent } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { notify, Parker, TimeoutError, waitOn, WaitQueue } from '@heddle/park'
import { Agent, FREE, KIND_PROMISE, ConditionalPark, Pending, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { afterAll, expect, test } from 'vitest'
import { forEachRecord } from '../src/slab.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
  reports.push(report)
  return report
}

afterAll(() => {
  let total = 0
  for (const { name, bound, executions, states, longest, milliseconds, complete } of reports) {
    total += executions
    console.log(
      `${name}: bound ${bound}, ${executions} executions, ${states} states, longest ${longest}, ${Math.round(milliseconds)} ms${complete ? '' : ', cut off'}`,
    )
  }
  console.log(`park: ${total} executions`)
})

/** Makes the thread's agent, with a chunk of records, before the others start: registering and growing have models of their own. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** No record may be in use when everybody is done. */
function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}

test('park and unpark: a waiter that saw the condition false is woken', () => {
  const report = run(
    'WaitQueue: park | set, unparkOne',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const flag = new AtomicInt32({ region })
      const waiter = spawn(() => queue.park({ validate: () => flag.load() === 0 }).outcome, ready(region))
      const waker = spawn(() => {
        flag.store(1)
        return queue.unparkOne()
      }, ready(region))
      return () => {
        expect(waiter.result === 'unparked').toBe(waker.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('two waiters, two wakers: each notify has its waiter', () => {
  run(
    'WaitQueue: park | park | set, unparkOne twice',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const flag = new AtomicInt32({ region })
      const waiters = [0, 1].map(() => spawn(() => queue.park({ validate: () => flag.load() === 0 }).outcome, ready(region)))
      const waker = spawn(() => {
        flag.store(1)
        return Number(queue.unparkOne()) + Number(queue.unparkOne())
      }, ready(region))
      return () => {
        expect(waiters.filter(({ result }) => result === 'unparked').length).toBe(waker.result)
        expectNoRecords(region)
      }
    },
    { preemptions: 2 },
  )
})

test('a time limit that fires while the waiter is chosen: the notify counts, or was passed on', () => {
  const report = run(
    'WaitQueue: park with a time limit | park | unparkOne',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const done = new AtomicInt32({ region })
      const impatient = spawn(() => {
        try {
          return queue.park({ timeout: 0 }).outcome
        } catch (error) {
          if (error instanceof TimeoutError) return 'timeout'
          throw error
        }
      }, ready(region))
      const waker = spawn(() => {
        const woke = queue.unparkOne()
        done.store(1)
        return woke
      }, ready(region))
      return () => {
        expect(impatient.result === 'unparked').toBe(waker.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('a notify on a cell reaches whoever saw the old value', () => {
  const report = run(
    'waitOn | store, notify',
    ({ region, spawn }) => {
      const cell = new AtomicInt32({ region })
      notify(cell)
      const waiter = spawn(() => waitOn(cell, 0), ready(region))
      spawn(() => {
        cell.store(1)
        notify(cell)
      }, ready(region))
      return () => {
        expectNoRecords(region)
        return waiter.result
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('a permit is never lost: unpark before, during or after the park', () => {
  const report = run(
    'Parker: park, park | unpark, wait, unpark',
    ({ region, spawn }) => {
      const parker = new Parker({ region })
      const back = new Parker({ region })
      spawn(() => {
        parker.park()
        back.unpark()
        parker.park()
      }, ready(region))
      spawn(() => {
        parker.unpark()
        back.park()
        parker.unpark()
      }, ready(region))
      return () => {
        expectNoRecords(region)
        expect(parker.tryPark()).toBe(false)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test("a promise that waits is woken through the ready bitmap and its agent's event loop", () => {
  run(
    'ParkOperation as a promise | set, unparkOne',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const flag = new AtomicInt32({ region })
      const ended = new AtomicInt32({ region })
      spawn(
        () => {
          const agent = Agent.of(region)
          const operation = new ConditionalPark(agent, (queue.at >> 2) + 1, () => flag.load() === 0)
          Pending.start(operation, KIND_PROMISE, undefined, false, { done: () => void ended.add(1), failed: () => void ended.add(100) })
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(() => {
        flag.store(1)
        queue.unparkOne()
      }, ready(region))
      return () => {
        expect(ended.load()).toBe(1)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
})

test('a waker that dies anywhere: the waiter is woken or told to look again', () => {
  run(
    'WaitQueue: park | set, unparkOne, a death | reaper',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const flag = new AtomicInt32({ region })
      spawn(
        () => {
          while (flag.load() === 0) queue.park({ validate: () => flag.load() === 0 })
        },
        { ...ready(region), mortal: false },
      )
      spawn(() => {
        flag.store(1)
        queue.unparkOne()
      }, ready(region))
      spawn(
        () => {
          const agent = Agent.of(region)
          // The body's own agent is 1, thread k is k + 2 as it is made.
          reap(agent, 3, 0)
          // What it had not begun is done by whoever takes its place; the rest is the reaper's.
          if (flag.compareExchange(0, 1)) queue.unparkOne()
        },
        { ...ready(region), reaper: true },
      )
      return () => expectNoRecords(region)
    },
    { preemptions: full ? 2 : 1, deaths: true },
  )
})

test('a promise whose agent blocks, or is just back: each unpark has exactly one waiter', () => {
  run(
    'park as a promise, then block | park | open | unparkOne',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const gate = new WaitQueue({ region })
      const open = new AtomicInt32({ region })
      const over = new AtomicInt32({ region })
      const ended = new AtomicInt32({ region })
      const count = (outcome: string): void => void (outcome === 'unparked' && ended.add(1))
      spawn(
        () => {
          const operation = new ConditionalPark(Agent.of(region), (queue.at >> 2) + 1, () => over.load() === 0)
          Pending.start(operation, KIND_PROMISE, undefined, false, { done: ({ outcome }) => count(outcome), failed: () => void ended.add(100) })
          gate.park({ validate: () => open.load() === 0 })
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(() => count(queue.park({ validate: () => over.load() === 0 }).outcome), ready(region))
      spawn(() => {
        open.store(1)
        gate.unparkAll()
      }, ready(region))
      const waker = spawn(() => {
        const first = queue.unparkOne()
        over.store(1)
        return Number(first) + queue.unparkAll()
      }, ready(region))
      return () => {
        expect(ended.load()).toBe(waker.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 1 : 0 },
  )
})

test('a promise whose agent blocks while it is chosen: it is told when the thread is back', () => {
  run(
    'park as a promise, then block | unparkOne, open',
    ({ region, spawn }) => {
      const queue = new WaitQueue({ region })
      const gate = new WaitQueue({ region })
      const open = new AtomicInt32({ region })
      const ended = new AtomicInt32({ region })
      spawn(
        () => {
          const operation = new ConditionalPark(Agent.of(region), (queue.at >> 2) + 1, () => open.load() === 0)
          Pending.start(operation, KIND_PROMISE, undefined, false, {
            done: ({ outcome }) => void (outcome === 'unparked' && ended.add(1)),
            failed: () => void ended.add(100),
          })
          gate.park({ validate: () => open.load() === 0 })
        },
        { ...ready(region), loop: 'idle' },
      )
      const waker = spawn(() => queue.unparkOne(), ready(region))
      const opener = spawn(() => {
        open.store(1)
        gate.unparkAll()
        return queue.unparkAll()
      }, ready(region))
      return () => {
        expect(ended.load()).toBe(Number(waker.result) + opener.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('two permits for two waiters, one of which was told to look again: none is taken by who has gone', () => {
  run(
    'Parker: park | park | unpark, unpark | reaper',
    ({ region, spawn }) => {
      const parker = new Parker({ region })
      const taken = new AtomicInt32({ region })
      const take = (): void => {
        parker.park()
        taken.add(1)
        if (taken.load() < 2) parker.unpark()
      }
      spawn(take, ready(region))
      spawn(take, ready(region))
      // One that dies as soon as it is there: the waiters are told to look again.
      const victim = registerAgent(region.words)
      spawn(() => {
        parker.unpark()
        reap(Agent.of(region), victim.id, victim.generation)
      }, ready(region))
      return () => {
        expect(taken.load()).toBe(2)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})
