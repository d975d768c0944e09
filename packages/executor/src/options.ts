/** What executors and calls are set up with. */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import type { Host, WaitOptions } from '@heddle/park'
import type { Priority } from '@heddle/scheduler'
import { MAX_WORKERS } from './layout.js'
import type { Recycling } from './protocol.js'
import { isTaskRef, type TaskRef } from './tasks.js'

/** How an executor is set up. */
export interface ExecutorOptions {
  /** The platform; default: the one installed with `setHost`, or by the package `heddle`. */
  host?: Host
  /**
   * How many workers: a number starts that many at once; `{ min, max }` starts `min`, grows up to `max` while calls find nobody free, and shrinks again
   * (see `idleTimeout`). 0: no workers, tasks run on the event loop of the calling agent.
   * Default: `{ min: 0, max: host.parallelism }`, so that an executor that is never used costs no thread.
   */
  workers?: number | { min?: number; max?: number }
  /** Most calls of one agent that may wait for a worker. A call more fails with `QueueFullError`; `spawnAsync` and `room` wait. Default: no limit. */
  queueLimit?: number
  /** Milliseconds after which a worker beyond `min` that has nothing to do ends. Default 10,000; `Infinity`: never. */
  idleTimeout?: number
  /** After how many tasks, or past how large a heap, a worker gives way to a fresh one. Its calls that wait for something end first. */
  recycle?: Recycling
  /** Most workers for `spawnBlocking`; more calls wait. Default 32. */
  maxBlocking?: number
  /** Runs in each worker before its first task. */
  setup?: TaskRef<[]>
  /** What its workers are called: `name-0`, `name-1`, … Default `heddle`. */
  name?: string
  /** Where calls and results travel, and the workers' default region. Default: `Region.default`. */
  region?: Region
  /** Host-specific settings of each worker (Node: the options of `Worker`, `resourceLimits` and `env` among them). */
  native?: object
}

/** How a call is to be run. */
export interface CallOptions {
  /** For people: shown in errors and events. */
  name?: string
  /** Ends the call for its spawner with the signal's reason; a task that has not started never runs, one that runs is cancelled. */
  signal?: WaitOptions['signal']
  /** Milliseconds until the call ends for its spawner with `TimeoutError`; a task that has not started then never runs, one that runs is cancelled. */
  timeout?: number
  /**
   * How urgent it is among the calls that wait; of any 32 that start, at least 4 are `high`, 2 `normal` and 1 `low` while there are such. Default `normal`.
   * A fiber keeps it among the fibers of its worker.
   */
  priority?: Priority
  /** Runs it in a worker of its own, started for this call and ended after it: nothing of another task is there, and nothing of it stays. */
  isolate?: boolean
  /**
   * Objects of the host to be handed over rather than copied (`ArrayBuffer`s, `MessagePort`s). All arguments of this call then travel by
   * `postMessage` to one worker, by the rules of structured clone: without shared objects of heddle, and the call is lost (`WorkerCrashedError`) if
   * that worker dies before it starts. For the agent that started the executor.
   */
  transfer?: readonly object[]
}

/** How an executor ends. */
export interface ShutdownOptions {
  /** Whether calls that have not started still run. Default true. */
  drain?: boolean
  /** Milliseconds until what still runs is ended. Default 5000. */
  timeout?: number
}

const MAX_ISOLATED = 16

/** The options, checked, with their defaults. */
export interface Settings {
  readonly min: number
  readonly max: number
  readonly queueLimit: number
  readonly idleTimeout: number
  readonly recycle: Recycling | undefined
  readonly maxBlocking: number
  readonly maxIsolated: number
}

/** Checks the options. @throws InvalidArgumentError */
export function settingsOf(options: ExecutorOptions, host: Host): Settings {
  if (options.setup !== undefined && !isTaskRef(options.setup))
    throw new InvalidArgumentError('setup must be a task: tasks(import.meta.url, { … }).name')
  const { queueLimit = Infinity, idleTimeout = 10_000, maxBlocking = 32, recycle } = options
  if (queueLimit !== Infinity) assertPositive('queueLimit', queueLimit)
  if (!(idleTimeout > 0)) throw new InvalidArgumentError(`idleTimeout must be a positive number of ms, got ${String(idleTimeout)}`)
  assertPositive('maxBlocking', maxBlocking)
  if (recycle?.afterTasks !== undefined) assertPositive('recycle.afterTasks', recycle.afterTasks)
  if (recycle?.maxHeapMb !== undefined && !(recycle.maxHeapMb > 0))
    throw new InvalidArgumentError(`recycle.maxHeapMb must be a positive number, got ${String(recycle.maxHeapMb)}`)
  return { ...workerRange(options.workers, host), queueLimit, idleTimeout, recycle, maxBlocking, maxIsolated: MAX_ISOLATED }
}

/** @throws InvalidArgumentError for what is no positive integer */
export function assertPositive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError(`${name} must be a positive integer, got ${String(value)}`)
}

function workerRange(workers: ExecutorOptions['workers'], host: Host): { min: number; max: number } {
  if (workers === 0) return { min: 0, max: 0 }
  const range =
    typeof workers === 'number'
      ? { min: workers, max: workers }
      : { min: workers?.min ?? 0, max: workers?.max ?? Math.max(host.parallelism, workers?.min ?? 0) }
  const { min, max } = range
  if (!Number.isInteger(max) || max < 1 || max > MAX_POOL || !Number.isInteger(min) || min < 0 || min > max) {
    throw new InvalidArgumentError(
      `workers must be a number from 0 to ${MAX_POOL}, or { min, max } with 0 <= min <= max and max >= 1, got ${JSON.stringify(workers)}`,
    )
  }
  return range
}

/** The other numbers are for workers with one purpose. */
const MAX_POOL = MAX_WORKERS - 63
