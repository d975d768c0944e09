/** For models: a pool with short rings for two workers, and what the agents of a pool do with it where no promises run. */
import type { Region } from '@heddle/atomics'
import { get, load, set, store } from '@heddle/atomics/ops'
import { CancelledError, TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { StuckTaskError, WorkerCrashedError } from '../src/errors.js'
import { JoinHandle } from '../src/join-handle.js'
import { D_CELLS, DEQUE_BITS, K_AGENT, K_DEQUE, K_PHASE, MAX_CHUNKS, NORMAL_QUEUE, P_RING, P_RING_AT, R_CELLS, WORKER_READY } from '../src/layout.js'
import type { Loader } from '../src/loader.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { Submitter } from '../src/submitter.js'
import type { TaskTable } from '../src/task-table.js'
import { giveBackTo } from '../src/wakeup.js'
import { WorkerLoop } from '../src/worker-loop.js'

/** Cells that the tests use of a ring. */
const CELLS = 4

/** Memory of a pool with a short ring, for two workers; `open` is what each thread does. */
export function small(region: Region): { open(): Pool; runs(): number; ran(): void } {
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

/** The thread's agent has its first records before the others start. */
export const ready = (region: Region): { before: () => void } => ({
  before: () => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** The calling thread is a worker from here on. */
export function work(pool: Pool, number: number, task: (value: number) => unknown, queues = new Queues(pool, number), looks = true): void {
  store(pool.words, pool.workerAt(number) + K_AGENT, Agent.of(pool.region).tag)
  const loader = { loaded: () => task, isLoading: () => false } as unknown as Loader
  const table = { nameOf: () => ({ name: 'task' }) } as unknown as TaskTable
  const none = (): undefined => undefined
  const loop = new WorkerLoop(pool, number, queues, loader, table, none, giveBackTo(pool, queues), none)
  // How long it looks for work before it sleeps is a matter of the clock: the checker lets it look until there is some, or sleep at once.
  if (!looks) Object.assign((loop as unknown as { spinner: { budget: object } }).spinner.budget, { looks })
  store(pool.words, pool.workerAt(number) + K_PHASE, WORKER_READY)
  loop.begin()
}

/** A submitter that looks for results where it blocks. */
export function submitterOf(pool: Pool): Submitter {
  const submitter = Submitter.open(pool, new Queues(pool), false)
  // What looks by promises is not the checker's.
  return Object.assign(submitter, { pumping: true })
}

/** A call of a submitter: `double(value)`. */
export function call(submitter: Submitter, value: number): JoinHandle<number> {
  const handle = new JoinHandle<number>(submitter, 'double')
  handle.submitted(submitter.submit(handle, NORMAL_QUEUE << 12, [value]))
  return handle
}

/** How a join ends. */
export function end(handle: JoinHandle<number>, timeout?: number): number | string {
  try {
    return handle.join(timeout === undefined ? undefined : { timeout })
  } catch (error) {
    if (error instanceof TimeoutError) return 'timed out'
    if (error instanceof CancelledError) return 'cancelled'
    if (error instanceof StuckTaskError) return 'stuck'
    if (error instanceof WorkerCrashedError) return error.cause instanceof StuckTaskError ? 'doomed' : 'crashed'
    throw error
  }
}
