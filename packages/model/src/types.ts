/** The public shapes: options in, report out. */
import type { Region } from '@heddle/atomics'
import type { SpawnOptions } from './thread.js'

export type { SpawnOptions } from './thread.js'

/** What kind of bug was found. */
export type FindingKind =
  /** Nobody can go on, and somebody waits. */
  | 'deadlock'
  /** Somebody waits for ever on a word that no longer has the value that it waits at. */
  | 'lost-wake'
  /** A spin loop that nothing ends, or more operations than `maxSteps`. */
  | 'livelock'
  /** Two accesses to one place, at least one plain and one a write, that nothing orders. */
  | 'race'
  /** Atomic accesses of different widths to overlapping bytes that nothing orders. */
  | 'mixed-size'
  /** The body or its final check threw. */
  | 'assertion'
  /** The recorded history is none of the sequential specification. */
  | 'not-linearizable'
  /** When everybody had finished, something was not given back: a lock, a waiter's record, what the body's `leaks` looks for. */
  | 'leak'
  /** The body did something else when it was run again with the same results. */
  | 'nondeterminism'

/** One operation of the failing execution. */
export interface Step {
  readonly thread: number
  readonly text: string
  /** `file:line:column` of the call, where the engine gives it. */
  readonly position: string
}

/** A bug, with what is needed to understand and replay it. */
export interface Finding {
  readonly kind: FindingKind
  readonly message: string
  /** Replays it: `replay(schedule, body)`. */
  readonly schedule: string
  readonly steps: readonly Step[]
  /** Names of the threads, and what each waits for when the execution ended. */
  readonly threads: readonly { readonly name: string; readonly state: string }[]
  /** What the body threw, for an assertion. */
  readonly cause?: unknown
  /** Everything above, for people. */
  readonly text: string
}

/** What a check covered. */
export interface Report {
  readonly name: string
  /** Executions run to their end. */
  readonly executions: number
  /** Executions given up because all that was left of them had been explored. */
  readonly pruned: number
  /** Operations performed, replayed ones not counted. */
  readonly steps: number
  /** Scheduling states entered for the first time. */
  readonly states: number
  /** The preemption bound; Infinity for none. */
  readonly bound: number
  /** Everything within the bound was explored: nothing was cut off by a limit or drawn at random. */
  readonly complete: boolean
  /** The bound left out at least one choice: `complete` then means "complete within the bound". */
  readonly boundReached: boolean
  /** Most operations in one execution. */
  readonly longest: number
  /** How often the search began anew because a word turned out to be shared. Its executions are counted. */
  readonly restarts: number
  /** How often a state was met that had been explored before (`cache`). Those executions count as pruned. */
  readonly revisits: number
  readonly milliseconds: number
  /** Values returned by the final check (as JSON), and how many executions gave each. */
  readonly outcomes: ReadonlyMap<string, number>
  readonly finding: Finding | undefined
}

/** Settings of a check. */
export interface ModelOptions {
  /** Most preemptions in one execution; default 2. Infinity: no bound. */
  preemptions?: number
  /** The number of threads that the body must spawn; checked when given. */
  threads?: number
  /** Operations in one execution after which it counts as a livelock; default 20 000. */
  maxSteps?: number
  /** Executions after which the search stops, incomplete; default 2 000 000 (for 'random' and 'pct': 2 000). */
  maxExecutions?: number
  /** Milliseconds after which the search stops, incomplete; default none. */
  maxTime?: number
  /** 'dpor' (default) explores all interleavings that differ, 'full' all of them; 'random' and 'pct' draw them. */
  schedules?: 'dpor' | 'full' | 'random' | 'pct'
  /**
   * Remember states, and don't explore again what was explored from one. Default false: it pays where many orders end in the same state,
   * and costs time and memory for each (at most 2^20 are remembered). What outlives a thread other than in shared
   * memory and in results, such as the order of effects, is not a part of the state.
   */
  cache?: boolean
  /** Of 'random' and 'pct', and of `ops.random` in the body. Default 1. */
  seed?: number
  /** Depth of a bug that 'pct' aims at; default 3. */
  depth?: number
  /** Each thread may die before any of its writes, while it waits, and at its end; a number: at most so many in one execution (true: 1). */
  deaths?: boolean | number
  /** A thread may also be declared dead and run on. Needs `deaths`. */
  zombies?: boolean
  /**
   * A wait with a timeout may time out at any point, in each thread so many times in one execution (true: 2). Otherwise, and after
   * that, it times out only when nothing else can happen.
   */
  timeouts?: boolean | number
  /** A wait may return 'ok' without a notify, once for each thread. */
  spurious?: boolean
  /** Whom `notify` wakes: in order of arrival (default), or any. */
  notifyOrder?: 'fifo' | 'any'
  /** Look for data races and mixed-size accesses; default true. */
  races?: boolean
  /** Look for locks and waiter records that are left over when everybody has finished; default true. */
  leaks?: boolean
  /**
   * A folder of schedules that made models fail, one file for each model. `model` and `check` run those of this model first, and
   * add the schedule of a new failure. Schedules that the body can't follow any more are passed over.
   */
  regressions?: string
  /** Size of `region`, default 256 KiB, and its agents, default 8. */
  regionBytes?: number
  regionAgents?: number
}

/** A thread as the body sees it. */
export interface ThreadHandle<T> {
  readonly index: number
  /** What the function returned; in the final check. */
  readonly result: T
  /** How it ended; in the final check. */
  readonly outcome: 'finished' | 'dead' | 'not-started' | 'running'
}

/** What a body gets. */
export interface ModelContext {
  /** A region of this execution's own. */
  readonly region: Region
  /** Adds a thread; only while the body runs. Its function runs many times: it keeps no state outside of shared memory but its result. */
  spawn<T>(run: (dead: number) => T, options?: SpawnOptions): ThreadHandle<T>
  /** A value from 0 to n - 1: every one is explored. In a thread or in the body. */
  choose(n: number): number
  /** The virtual clock, in milliseconds. */
  readonly clock: { now(): number; advance(milliseconds: number): void }
  /**
   * In a thread: a signal that fires at any point, as a turn of that thread's event loop; or not at all, unless something waits that nothing
   * else ends. (A token that another thread cancels needs no help of the checker: spawn a thread that does.)
   */
  abortSignal(): AbortSignal
  /** Adds a check for what is left over when every thread has finished: returns what is, as a part of a sentence, or undefined. */
  leaks(find: () => string | undefined): void
  /** Plain access to shared views, where the checker sees it: `view[i]` is invisible to it. */
  readonly shared: {
    get(view: Int32Array, index: number): number
    set(view: Int32Array, index: number, value: number): void
  }
  /**
   * Wraps an object whose methods are to be linearizable against a sequential specification with the same methods. The specification
   * shows all of its state in fields, or none of it: fields let the comparison remember what it has tried. At most 30 calls in an execution.
   */
  linearize<M extends Record<string, (...args: never[]) => unknown>>(
    specification: () => { [K in keyof M]: (...args: never[]) => unknown },
    methods: M,
  ): M
}

/** A body: sets up shared memory, spawns threads, may return a check that runs after every complete execution. */
export type Body = (context: ModelContext) => void | (() => unknown)
