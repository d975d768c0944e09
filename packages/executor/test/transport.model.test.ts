/**
 * A call's whole way, within bounds: from the submitter to a worker that may be about to sleep, and back to a `join` that may be at the end of its
 * patience; with cancels, and with a worker that dies anywhere and the reaper that settles its calls. The code of both sides is what runs.
 */
import { expect, test } from 'vitest'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, reap } from '@heddle/park/internal'
import { T_STATE } from '../src/layout.js'
import { Queues } from '../src/queues.js'
import { reapWorker } from '../src/reaper.js'
import { giveBack, holdBack, start } from '../src/slot.js'
import { giveBackTo } from '../src/wakeup.js'
import { call, end, ready, small, submitterOf, work } from './small-pool.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, maxSteps: 100_000 }

test('a call comes to a worker that may be about to sleep, and its result to who may be about to sleep', () => {
  const report = model(
    'submit, join | take, run, sleep',
    ({ region, spawn, choose }) => {
      const looks = choose(2) === 1
      const { open, runs, ran } = small(region)
      const submitter = spawn(() => end(call(submitterOf(open()), 4)), { ...ready(region), loop: 'idle' })
      spawn(
        () => {
          const pool = open()
          const double = (value: number): number => {
            ran()
            return value * 2
          }
          work(pool, 0, double, new Queues(pool, 0), looks)
        },
        { ...ready(region), loop: 'idle' },
      )
      return () => expect([submitter.result, runs()]).toEqual([8, 1])
    },
    { ...options, preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test('a join with a time limit: the result is there for the next one, once', () => {
  const report = model(
    'submit, join with a time limit, join | take, run, sleep',
    ({ region, spawn }) => {
      const { open, runs, ran } = small(region)
      const submitter = spawn(
        () => {
          const handle = call(submitterOf(open()), 4)
          return [end(handle, 5), end(handle)]
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () =>
          work(open(), 0, (value) => {
            ran()
            return value * 2
          }),
        { ...ready(region), loop: 'idle' },
      )
      return () => {
        expect([8, 'timed out']).toContain(submitter.result[0])
        expect([submitter.result[1], runs()]).toEqual([8, 1])
        return submitter.result
      }
    },
    { ...options, preemptions: full ? 2 : 1, timeouts: 1 },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 2])
})

test('a cancel: the call never runs, or its join has the result', () => {
  const report = model(
    'submit, cancel, join | take, run, sleep',
    ({ region, spawn }) => {
      const { open, runs, ran } = small(region)
      const submitter = spawn(
        () => {
          const handle = call(submitterOf(open()), 4)
          handle.cancel()
          return end(handle)
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () =>
          work(open(), 0, (value) => {
            ran()
            return value * 2
          }),
        { ...ready(region), loop: 'idle' },
      )
      return () => {
        expect([submitter.result, runs()]).toEqual(submitter.result === 'cancelled' ? ['cancelled', 0] : [8, 1])
        return submitter.result
      }
    },
    { ...options, preemptions: full ? 3 : 2 },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 2])
})

test('a worker that dies anywhere: its call has crashed, or another worker runs it; it ran once at most, and is settled once', () => {
  const report = model(
    'submit, join | take, run, sleep (dies) | reap, work on',
    ({ region, spawn }) => {
      const { open, runs, ran } = small(region)
      const double = (value: number): number => {
        ran()
        return value * 2
      }
      const submitter = spawn(() => end(call(submitterOf(open()), 4)), { ...ready(region), mortal: false, loop: 'idle' })
      const worker = spawn(() => work(open(), 0, double), { ...ready(region), loop: 'idle' })
      spawn(
        () => {
          // The body's own agent is 1, thread k is k + 2.
          reap(Agent.of(region), 3, 0)
          const pool = open()
          reapWorker(pool, new Queues(pool), 0)
          work(pool, 1, double)
        },
        { ...ready(region), reaper: true, loop: 'idle' },
      )
      return () => {
        const { result } = submitter
        if (result === 'crashed') expect([worker.outcome, runs() <= 1]).toEqual(['dead', true])
        else expect([result, runs()]).toEqual([8, 1])
        return [result, worker.outcome]
      }
    },
    { ...options, preemptions: full ? 1 : 0, deaths: true },
  )
  expect(report.complete).toBe(true)
  expect([...report.outcomes.keys()].sort()).toEqual(['["crashed","dead"]', '[8,"dead"]', '[8,"running"]'])
})

test('a worker that dies while it holds a call back for a module: another one runs it', () => {
  const report = model(
    'submit, join | take, hold back, give back (dies) | reap, work on',
    ({ region, spawn }) => {
      const { open, runs, ran } = small(region)
      const double = (value: number): number => {
        ran()
        return value * 2
      }
      const submitter = spawn(() => end(call(submitterOf(open()), 4)), { ...ready(region), mortal: false, loop: 'idle' })
      spawn(
        () => {
          const pool = open()
          const queues = new Queues(pool, 0)
          const slot = queues.pop()
          const index = slot === -1 ? 0 : pool.slotAt(slot) + T_STATE
          const state = slot === -1 ? 0 : start(pool.words, index, 0)
          if (state !== 0 && holdBack(pool.words, index, state) !== 0 && giveBack(pool.words, index, 0)) giveBackTo(pool, queues)(slot)
          work(pool, 0, double, queues)
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () => {
          reap(Agent.of(region), 3, 0)
          const pool = open()
          reapWorker(pool, new Queues(pool), 0)
          work(pool, 1, double)
        },
        { ...ready(region), reaper: true, loop: 'idle' },
      )
      return () => {
        if (submitter.result === 'crashed') expect(runs()).toBeLessThanOrEqual(1)
        else expect([submitter.result, runs()]).toEqual([8, 1])
        return submitter.result
      }
    },
    { ...options, preemptions: full ? 1 : 0, deaths: true },
  )
  expect(report.complete).toBe(true)
})
