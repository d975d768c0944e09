/** What executors and calls are set up with. */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import type { Host, WaitOptions } from '@heddle/park'
import type { Priority } from '@heddle/scheduler'
import { checkHooks, type ExecutorHooks } from './hooks.js'
import { MAX_WORKERS, SPIN_BALANCED, SPIN_LATENCY, SPIN_SAVING } from './layout.js'
import type { Recycling } from './protocol.js'
import { isTaskRef, type TaskRef } from './tasks.js'
import { MAX_THREADS } from './thread/layout.js'

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
  /**
   * How long workers look for calls, and callers for results, before they sleep, which costs some 50 µs to end: `'balanced'`, up to 0.1 ms as long as that
   * has paid lately; `'latency'`, up to 1 ms always; `'saving'`, not at all. Default `'balanced'`.
   */
  spin?: 'latency' | 'balanced' | 'saving'
  /**
   * What a worker does that has nothing to run: `'loop'` returns to its event loop; `'block'` blocks its thread, which is woken a little sooner, and in which
   * meanwhile no timer, socket or promise goes on: for workers that do only synchronous work. While async calls wait there it doesn't. No difference where workers
   * share no memory with this agent. Default `'loop'`.
   */
  idle?: 'loop' | 'block'
  /** After how many tasks, or past how large a heap, a worker gives way to a fresh one. Its calls that wait for something end first. */
  recycle?: Recycling
  /** Most threads that run at one time, besides the thread that starts the executor. One more is a `ThreadLimitError`. Default 64, at most 192. */
  maxThreads?: number
  /** Most workers for `spawnBlocking`; more calls wait. Default 32. */
  maxBlocking?: number
  /** Runs in each worker before its first task. */
  setup?: TaskRef<[]>
  /** What its workers are called: `name-0`, `name-1`, … Default `heddle`. */
  name?: string
  /** Where calls and results travel, and the workers' default region. Default: `Region.default`. */
  region?: Region
  /**
   * Milliseconds after which a worker that makes no progress counts as stuck: its task has passed no safepoint, has not ended, and the worker's event
   * loop has not turned, for so long. One thread more watches, asleep while nothing runs, also while this one is blocked. Calls of `spawnBlocking`
   * may take as long as they like. Default: nobody watches.
   */
  stuckAfter?: number
  /**
   * What is done about a stuck worker. `report` (the default): the event `task-stuck`. `replace`: that, and the worker is ended and another takes its
   * place: its task fails with `StuckTaskError`, others that had started there with `WorkerCrashedError`, what had not started runs elsewhere.
   */
  onStuck?: 'report' | 'replace'
  /**
   * Whether workers look, whenever no call runs or waits there, for what the calls before have left behind: waits and timers of heddle's that go on
   * are told by the event `task-leak`; a `Mutex` or `SpinMutex` (also inside a `Shared` or `ReentrantMutex`) that is still held is poisoned and released besides.
   * For development: a few hundred ns for each call. Default false.
   */
  leaks?: boolean
  /**
   * For tests: no workers; calls run on the event loop of the calling agent in the order in which they were made (urgent ones first), and those of generator functions by
   * `Scheduler.deterministic({ seed })`: who runs next, and time as fibers see it, follow from the seed. Async functions are the engine's and go by real time.
   */
  deterministic?: { seed: number }
  /** Told of each call. Without them nothing is recorded, and calls cost what they cost. */
  hooks?: ExecutorHooks
  /**
   * Whether workers write down what they do from the start on, for `trace()`; `events` is how many each keeps (the last ones; 16 bytes each; a
   * power of 2 from 64 to 65,536; default 4096).
   */
  trace?: boolean | { events?: number }
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
   * that worker dies before it starts. For the agent that started the executor. `transfer()` does the same to an argument or a result, from any agent.
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
const SPINS = { latency: SPIN_LATENCY, balanced: SPIN_BALANCED, saving: SPIN_SAVING }

/** The options, checked, with their defaults. */
export interface Settings {
  readonly min: number
  readonly max: number
  readonly queueLimit: number
  readonly idleTimeout: number
  /** SPIN_*. */
  readonly spin: number
  readonly blocks: boolean
  readonly recycle: Recycling | undefined
  readonly maxBlocking: number
  readonly maxThreads: number
  readonly maxIsolated: number
  readonly observation: ObservationSettings
}

/** Who observes an executor. */
export interface ObservationSettings {
  readonly name: string
  readonly stuckAfter: number | undefined
  readonly replaces: boolean
  readonly leaks: boolean
  readonly hooks: ExecutorHooks | undefined
  readonly isTraced: boolean
  /** How many events each worker keeps. */
  readonly events: number
}

/** Checks the options. @throws InvalidArgumentError */
export function settingsOf(options: ExecutorOptions, host: Host): Settings {
  if (options.setup !== undefined && !isTaskRef(options.setup))
    throw new InvalidArgumentError('setup must be a task: tasks(import.meta.url, { … }).name')
  const { queueLimit = Infinity, idleTimeout = 10_000, maxBlocking = 32, maxThreads = 64, recycle, spin = 'balanced', idle = 'loop' } = options
  if (!Object.hasOwn(SPINS, spin)) throw new InvalidArgumentError(`spin must be 'latency', 'balanced' or 'saving', got ${String(spin)}`)
  if (idle !== 'loop' && idle !== 'block') throw new InvalidArgumentError(`idle must be 'loop' or 'block', got ${String(idle)}`)
  if (queueLimit !== Infinity) assertPositive('queueLimit', queueLimit)
  if (!(idleTimeout > 0)) throw new InvalidArgumentError(`idleTimeout must be a positive number of ms, got ${String(idleTimeout)}`)
  assertPositive('maxBlocking', maxBlocking)
  assertPositive('maxThreads', maxThreads)
  if (maxThreads > MAX_THREADS) throw new InvalidArgumentError(`maxThreads must be at most ${MAX_THREADS}, got ${maxThreads}`)
  if (recycle?.afterTasks !== undefined) assertPositive('recycle.afterTasks', recycle.afterTasks)
  if (recycle?.maxHeapMb !== undefined && !(recycle.maxHeapMb > 0))
    throw new InvalidArgumentError(`recycle.maxHeapMb must be a positive number, got ${String(recycle.maxHeapMb)}`)
  const range = workerRange(options.deterministic === undefined ? options.workers : localOnly(options), host)
  if (idle === 'block' && range.max === 0)
    throw new InvalidArgumentError("idle: 'block' needs workers: with workers: 0 it would block the calling thread")
  return {
    ...range,
    observation: observationOf(options, range.max === 0),
    queueLimit,
    idleTimeout,
    spin: SPINS[spin],
    blocks: idle === 'block',
    recycle,
    maxBlocking,
    maxThreads,
    maxIsolated: MAX_ISOLATED,
  }
}

function observationOf(
  { name = 'heddle', stuckAfter, onStuck = 'report', leaks = false, hooks, trace }: ExecutorOptions,
  isLocal: boolean,
): ObservationSettings {
  if (stuckAfter !== undefined && !(stuckAfter > 0 && stuckAfter < Infinity))
    throw new InvalidArgumentError(`stuckAfter must be a positive number of ms, got ${String(stuckAfter)}`)
  if (stuckAfter !== undefined && isLocal)
    throw new InvalidArgumentError('stuckAfter needs workers: with workers: 0 a stuck task holds the thread that would tell of it')
  if (leaks && isLocal) throw new InvalidArgumentError('leaks needs workers: with workers: 0 what tasks left is not told from what the program has')
  if (onStuck !== 'report' && onStuck !== 'replace') throw new InvalidArgumentError(`onStuck must be 'report' or 'replace', got ${String(onStuck)}`)
  if (hooks !== undefined) checkHooks(hooks)
  const events = (typeof trace === 'object' ? trace.events : undefined) ?? DEFAULT_EVENTS
  if (!Number.isInteger(Math.log2(events)) || events < 64 || events > 65_536)
    throw new InvalidArgumentError(`trace.events must be a power of 2 from 64 to 65,536, got ${String(events)}`)
  const replaces = stuckAfter !== undefined && onStuck === 'replace'
  return { name, stuckAfter, replaces, leaks, hooks, isTraced: trace !== undefined && trace !== false, events }
}

const DEFAULT_EVENTS = 4096

/** Whether anything is to be observed. */
export function isObserved({ stuckAfter, leaks, hooks, isTraced }: ObservationSettings): boolean {
  return stuckAfter !== undefined || leaks || hooks !== undefined || isTraced
}

/** @throws InvalidArgumentError for what is no positive integer */
export function assertPositive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError(`${name} must be a positive integer, got ${String(value)}`)
}

function localOnly({ deterministic, workers = 0 }: ExecutorOptions): 0 {
  if (workers !== 0) throw new InvalidArgumentError('a deterministic executor has no workers: several threads run as the system likes')
  if (!Number.isInteger(deterministic!.seed)) throw new InvalidArgumentError(`seed must be an integer, got ${String(deterministic!.seed)}`)
  return 0
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
