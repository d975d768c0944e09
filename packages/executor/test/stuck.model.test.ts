/**
 * A worker that the monitor finds stuck, within bounds: while it finishes that very call, begins the next one, has another that waits, or dies by itself; and
 * while the call's spawner cancels it or gives it up. The monitor, the worker, the submitter and the reaper are what runs. Its clock is the test's: a look
 * finds whatever was not seen to go on since the look before.
 * Not modelled: that the owner ends the thread of who was given up on. Instead a worker may die anywhere, whether it was or not.
 */
import type { Region } from '@heddle/atomics'
import { load, notify, now, set, store, wait } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { CancelledError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { CHUNK_SLOTS, K_PHASE, K_STUCK_TASK, OBSERVED_WATCH, P_OBSERVED, T_STATE, T_TASK, WORKER_READY } from '../src/layout.js'
import { Monitor } from '../src/monitor.js'
import { Observer } from '../src/observer.js'
import type { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { reapWorker } from '../src/reaper.js'
import { CRASHED, DONE, enqueue, finish, GENERATION_UNIT, generationOf, PHASE_MASK, phaseOf, start, STARTED, STUCK } from '../src/slot.js'
import type { Submitter } from '../src/submitter.js'
import { call, end, ready, small, submitterOf, work } from './small-pool.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, maxSteps: 100_000 }

const STUCK_AFTER = 10

/** As `small`, of workers that are watched. */
function watched(region: Region): ReturnType<typeof small> {
  const made = small(region)
  const { words, base } = made.open()
  store(words, base + P_OBSERVED, OBSERVED_WATCH)
  return made
}

/** Looks three times: at the second look a call is known to the monitor, at the third it is stuck if nothing was seen to go on. `between` comes before that. */
function look<T>(pool: Pool, between: () => T): T {
  const monitor = new Monitor(pool, STUCK_AFTER, true)
  monitor.look(0)
  monitor.look(STUCK_AFTER / 2)
  const seen = between()
  monitor.look(STUCK_AFTER)
  return seen
}

/** Whether each slot of the only chunk is there to be used again, once; waits for those that are not as long as anybody goes on. */
function isFree(calls: Submitter): boolean {
  const { free } = calls as unknown as { readonly free: readonly number[] }
  calls.blockUntil(() => free.length === CHUNK_SLOTS, now() + 5, -1)
  return new Set(free).size === CHUNK_SLOTS && free.length === CHUNK_SLOTS
}

test('a call that is found stuck while it ends has its result or is lost, once; who ended it in time goes on, who did not takes no more', () => {
  const report = model(
    'submit, look ×3, join, submit, join | take, run, sleep',
    ({ region, spawn }) => {
      const { open, runs, ran } = watched(region)
      const submitter = spawn(
        () => {
          const pool = open()
          const calls = submitterOf(pool)
          const first = call(calls, 4)
          look(pool, () => undefined)
          const outcomes = [end(first), end(call(calls, 5), 5)]
          return { outcomes, failed: calls.failed, completed: calls.completed }
        },
        { ...ready(region), loop: 'idle' },
      )
      const double = (value: number): number => {
        ran()
        return value * 2
      }
      spawn(() => work(open(), 0, double), { ...ready(region), loop: 'idle' })
      return () => {
        const { outcomes, failed, completed } = submitter.result
        if (outcomes[0] === 'stuck') expect([outcomes[1], runs(), failed, completed]).toEqual(['timed out', 1, 1, 0])
        else expect([outcomes, runs(), failed, completed]).toEqual([[8, 10], 2, 0, 2])
        return outcomes[0]
      }
    },
    { ...options, preemptions: 2 },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 2])
})

test('a call that began after the monitor looked is not the one that it found stuck, though it runs in the same place; nor is a worker that has taken the number of one that died', () => {
  const report = model(
    'end or die, reap, begin the next in its place | look ×2',
    ({ region, spawn, choose }) => {
      const how = choose(3)
      const dies = how === 1
      const looked = region.alloc(4) >> 2
      const { open } = watched(region)
      const { words } = region
      const pool = open()
      const at = pool.slotAt(pool.takeChunk(0))
      const stuckTask = pool.workerAt(0) + K_STUCK_TASK
      enqueue(words, at, 0)
      const first = start(words, at, 0)
      store(words, pool.workerAt(0) + K_PHASE, WORKER_READY)
      const observer = (): Observer => new Observer(pool, 0, OBSERVED_WATCH, { pop: () => -1, hasWork: () => false })
      let mine!: Observer
      const worker = spawn(
        () => {
          if (dies) {
            const pool = open()
            reapWorker(pool, new Queues(pool), 0)
            mine = observer()
            store(words, pool.workerAt(0) + K_PHASE, WORKER_READY)
          } else if (!finish(words, at, first)) return false
          // Its submitter has seen it, and another call of another task is in its place.
          set(words, at + T_TASK, 1)
          enqueue(words, at, GENERATION_UNIT)
          if (how === 2) while (load(words, looked) === 0) wait(words, looked, 0)
          start(words, at, 0)
          mine.begin(0, 1)
          return true
        },
        { before: () => (mine = observer().begin(0, 0)) },
      )
      let monitor!: Monitor
      const looks = spawn(
        () => {
          monitor.look(STUCK_AFTER / 2)
          const seen = load(words, at)
          store(words, looked, 1)
          notify(words, looked)
          monitor.look(STUCK_AFTER)
          return seen
        },
        {
          before: () => {
            monitor = new Monitor(open(), STUCK_AFTER, true)
            monitor.look(0)
          },
        },
      )
      return () => {
        const state = load(words, at)
        const isStuck = phaseOf(state) === STUCK
        const told = load(words, stuckTask)
        expect([STARTED, STUCK]).toContain(phaseOf(state))
        expect(worker.result).toBe(generationOf(state) !== 0)
        // It ran already when the monitor had looked before. A worker that runs nothing can be found stuck in something that it does on its own.
        if (isStuck) expect([told, looks.result]).toEqual([2 + generationOf(state) / GENERATION_UNIT, (state & ~PHASE_MASK) | STARTED])
        else if (dies || looks.result === first) expect(told).toBe(0)
        else expect([0, 1]).toContain(told)
        return [dies, worker.result, isStuck]
      }
    },
    { ...options, preemptions: full ? 3 : 2 },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 4])
})

test('a call that is found stuck while its spawner cancels it, or gives it up, ends once; its place is free again when its worker has ended', () => {
  for (const how of ['cancel', 'give up'] as const) {
    const report = model(
      `submit, ${how} | take, run, sleep | look ×3`,
      ({ region, spawn }) => {
        const { open, runs, ran } = watched(region)
        const submitter = spawn(
          () => {
            const pool = open()
            const calls = submitterOf(pool)
            const handle = call(calls, 4)
            if (how === 'cancel') handle.cancel()
            else handle.giveUp(new CancelledError('given up'))
            const outcome = end(handle)
            return [outcome, calls.open, isFree(calls)]
          },
          { ...ready(region), loop: 'idle' },
        )
        const double = (value: number): number => {
          ran()
          return value * 2
        }
        spawn(() => work(open(), 0, double), { ...ready(region), loop: 'idle' })
        spawn(() => look(open(), () => undefined), ready(region))
        return () => {
          const [outcome, left, free] = submitter.result
          const state = phaseOf(load(region.words, open().slotAt(0) + T_STATE))
          expect(how === 'cancel' ? ['cancelled', 8, 'stuck'] : ['cancelled']).toContain(outcome)
          expect([left, free]).toEqual([0, state !== STUCK])
          if (outcome !== 'cancelled' || state === STUCK) expect(runs()).toBe(1)
          return [outcome, runs(), state === STUCK]
        }
      },
      { ...options, preemptions: full ? 2 : 1 },
    )
    expect(report.complete).toBe(true)
    expect(report.outcomes.size).toBe(full ? 3 : 2)
  }
})

test('a worker that dies, found stuck or not: its call ends once, its place is free again, and another worker runs it if it had not begun', () => {
  const report = model(
    'submit, join | take, run, sleep (dies) | look ×3, let it go on | reap, work on',
    ({ region, spawn }) => {
      const { open, runs, ran } = watched(region)
      const { words } = region
      const gate = region.alloc(4) >> 2
      const double = (value: number): number => {
        ran()
        return value * 2
      }
      const submitter = spawn(
        () => {
          const calls = submitterOf(open())
          const outcome = end(call(calls, 4))
          return { outcome, free: isFree(calls), open: calls.open }
        },
        { ...ready(region), mortal: false, loop: 'idle' },
      )
      const worker = spawn(
        () =>
          work(open(), 0, (value) => {
            while (load(words, gate) === 0) wait(words, gate, 0)
            return double(value)
          }),
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () => {
          look(open(), () => undefined)
          store(words, gate, 1)
          notify(words, gate)
        },
        { ...ready(region), mortal: false },
      )
      spawn(
        () => {
          // The body's own agent is 1, thread k is k + 2.
          reap(Agent.of(region), 3, 0)
          const pool = open()
          reapWorker(pool, new Queues(pool), 0)
          work(pool, 0, double)
        },
        { ...ready(region), reaper: true, loop: 'idle' },
      )
      return () => {
        const { outcome, free, open: left } = submitter.result
        const pool = open()
        const isDead = worker.outcome === 'dead'
        const phase = phaseOf(load(words, pool.slotAt(0) + T_STATE))
        expect([left, free || outcome === 'stuck']).toEqual([0, true])
        // It may have died when nobody waited any more.
        expect([DONE, CRASHED, outcome === 'stuck' && !isDead ? STUCK : DONE]).toContain(phase)
        if (outcome === 8) expect(runs()).toBe(1)
        else expect([outcome === 'stuck' || isDead, runs() <= 1]).toEqual([true, true])
        return [outcome, worker.outcome, free]
      }
    },
    // With one the other worker may be found stuck as well: another matter, and too many executions.
    { ...options, preemptions: 0, deaths: true },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 6])
})
