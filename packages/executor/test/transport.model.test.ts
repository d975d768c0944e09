/**
 * A call's whole way, within bounds: from the submitter to a worker that may be about to sleep, and back to a `join` that may be at the end of its
 * patience; with cancels, and with a worker that dies anywhere and the reaper that settles its calls. The code of both sides is what runs.
 */
import type { Region } from '@heddle/atomics'
import { get, load, set, store } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { CancelledError, TimeoutError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { WorkerCrashedError } from '../src/errors.js'
import { JoinHandle } from '../src/join-handle.js'
import { D_CELLS, DEQUE_BITS, K_AGENT, K_DEQUE, MAX_CHUNKS, NORMAL_QUEUE, P_RING, P_RING_AT, R_CELLS, T_STATE } from '../src/layout.js'
import type { Loader } from '../src/loader.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { reapWorker } from '../src/reaper.js'
import { Submitter } from '../src/submitter.js'
import { giveBack, holdBack, start } from '../src/slot.js'
import type { TaskTable } from '../src/task-table.js'
import { giveBackTo } from '../src/wakeup.js'
import { WorkerLoop } from '../src/worker-loop.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, maxSteps: 100_000 }
/** Cells that the tests use of a ring. */
const CELLS = 4

/** Memory of a pool with a short ring, for two workers; `open` is what each thread does. */
function small(region: Region): { open(): Pool; runs(): number; ran(): void } {
  const base = region.alloc((P_RING + R_CELLS + CELLS) * 4, 64) >> 2
  const count = region.alloc(4) >> 2
  // What is known of chunks belongs to an agent.
  const open = (): Pool =>
    Object.assign(Object.create(Pool.prototype) as Pool, { region, words: region.words, base, maxWorkers: 2, chunkAt: new Int32Array(MAX_CHUNKS) })
  const pool = open()
  store(region.words, base + P_RING_AT + NORMAL_QUEUE, base + P_RING)
  for (let worker = 0; worker < 2; worker++)
    store(region.words, pool.workerAt(worker) + K_DEQUE, region.alloc((D_CELLS + (1 << DEQUE_BITS)) * 4, 64) >> 2)
  // Plain: only one worker runs a call, and who looks comes after. A race is a call that runs twice.
  return { open, runs: () => load(region.words, count), ran: () => set(region.words, count, get(region.words, count) + 1) }
}

const ready = (region: Region): { before: () => void } => ({
  before: () => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** The calling thread is a worker from here on. */
function work(pool: Pool, number: number, task: (value: number) => number, queues = new Queues(pool, number), looks = true): void {
  store(pool.words, pool.workerAt(number) + K_AGENT, Agent.of(pool.region).tag)
  const loader = { loaded: () => task, isLoading: () => false } as unknown as Loader
  const none = (): undefined => undefined
  const loop = new WorkerLoop(pool, number, queues, loader, {} as TaskTable, none, giveBackTo(pool, queues), none)
  // How long it looks for work before it sleeps is a matter of the clock: the checker lets it look until there is some, or sleep at once.
  if (!looks) Object.assign((loop as unknown as { spinner: { budget: object } }).spinner.budget, { looks })
  loop.begin()
}

/** A submitter that looks for results where it blocks, and a call of its own: `double(value)`. */
function call(pool: Pool, value: number): JoinHandle<number> {
  const submitter = Submitter.open(pool, new Queues(pool), false)
  // What looks by promises is not the checker's.
  Object.assign(submitter, { pumping: true })
  const handle = new JoinHandle<number>(submitter, 'double')
  handle.submitted(submitter.submit(handle, NORMAL_QUEUE << 12, [value]))
  return handle
}

/** How a join ends. */
function end(handle: JoinHandle<number>, timeout?: number): number | string {
  try {
    return handle.join(timeout === undefined ? undefined : { timeout })
  } catch (error) {
    if (error instanceof TimeoutError) return 'timed out'
    if (error instanceof CancelledError) return 'cancelled'
    if (error instanceof WorkerCrashedError) return 'crashed'
    throw error
  }
}

test('a call comes to a worker that may be about to sleep, and its result to who may be about to sleep', () => {
  const report = model(
    'submit, join | take, run, sleep',
    ({ region, spawn, choose }) => {
      const looks = choose(2) === 1
      const { open, runs, ran } = small(region)
      const submitter = spawn(() => end(call(open(), 4)), { ...ready(region), loop: 'idle' })
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
          const handle = call(open(), 4)
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
          const handle = call(open(), 4)
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
      const submitter = spawn(() => end(call(open(), 4)), { ...ready(region), mortal: false, loop: 'idle' })
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
      const submitter = spawn(() => end(call(open(), 4)), { ...ready(region), mortal: false, loop: 'idle' })
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
