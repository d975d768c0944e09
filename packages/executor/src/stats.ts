/** An executor's figures. */
import { load } from '@heddle/atomics/ops'
import { annexOf } from './annex.js'
import { type Histogram, histogramOf } from './histogram.js'
import {
  D_RUN_TIMES,
  D_WAIT_TIMES,
  K_COMPLETED,
  K_DEQUE,
  K_FAILED,
  K_PARKED,
  K_PHASE,
  K_RUNNING,
  K_STOLEN,
  MAX_WORKERS,
  T_STATE,
  WORKER_STARTING,
} from './layout.js'
import type { Workforce } from './local-crew.js'
import type { Pool } from './pool.js'
import { forEachSlot } from './reaper.js'
import { phaseOf, QUEUED, STARTED } from './slot.js'
import type { Submitter } from './submitter.js'

/** One worker's figures. */
export interface WorkerStats {
  readonly id: number
  readonly name: string
  readonly state: 'starting' | 'ready'
  /** Calls that ended with a result there, and those that ended with an error. */
  readonly completed: number
  readonly failed: number
  /** Async calls that wait there now. */
  readonly waiting: number
  /** How often it went to sleep. */
  readonly parked: number
  /** Calls that it took from other workers' queues. */
  readonly stolen: number
}

/** An executor's figures, as of now. */
export interface ExecutorStats {
  readonly workers: readonly WorkerStats[]
  /** Calls of all agents that wait for a worker, and that have started. */
  readonly queued: number
  readonly running: number
  /** Calls of this agent that have ended. */
  readonly completed: number
  readonly failed: number
  /** Of the workers that there are. */
  readonly stolen: number
  readonly parked: number
  /** How long calls waited for a worker, and how long they took there: one call in 16, of all agents, since the executor was started. */
  readonly waitTime: Histogram
  readonly runTime: Histogram
  /**
   * Memory beside the region, in bytes: what the arguments and results of open calls hold that are large or found no room in it (in steps of 512 KB), and
   * how much there is for such, which is as much as was ever needed at one time.
   */
  readonly large: { readonly used: number; readonly held: number }
}

/** See `Executor.stats`. */
export function statsOf(pool: Pool, submitter: Submitter, crew: Workforce | undefined): ExecutorStats {
  const { words } = pool
  let queued = submitter.overflowing
  let running = 0
  forEachSlot(pool, (_, at) => {
    const phase = phaseOf(load(words, at + T_STATE))
    if (phase === QUEUED) queued++
    else if (phase === STARTED) running++
  })
  const workers = (crew?.numbers() ?? []).map((id): WorkerStats => {
    const record = pool.workerAt(id)
    return {
      id,
      name: crew!.nameOf(id),
      state: load(words, record + K_PHASE) === WORKER_STARTING ? 'starting' : 'ready',
      completed: load(words, record + K_COMPLETED),
      failed: load(words, record + K_FAILED),
      waiting: load(words, record + K_RUNNING),
      parked: load(words, record + K_PARKED),
      stolen: load(words, record + K_STOLEN),
    }
  })
  const blocks: number[] = []
  for (let worker = 0; worker < MAX_WORKERS; worker++) {
    const block = load(words, pool.workerAt(worker) + K_DEQUE)
    if (block !== 0) blocks.push(block)
  }
  const annex = annexOf(pool.region, pool.base)
  const sum = (of: (worker: WorkerStats) => number): number => workers.reduce((total, worker) => total + of(worker), 0)
  return {
    workers,
    queued,
    running,
    completed: submitter.completed,
    failed: submitter.failed,
    stolen: sum(({ stolen }) => stolen),
    parked: sum(({ parked }) => parked),
    waitTime: histogramOf(
      words,
      blocks.map((block) => block + D_WAIT_TIMES),
    ),
    runTime: histogramOf(
      words,
      blocks.map((block) => block + D_RUN_TIMES),
    ),
    large: { used: annex?.used ?? 0, held: annex?.buffer.byteLength ?? 0 },
  }
}
