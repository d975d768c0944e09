/** What a benchmark suite is made of: contenders that do the same work, gathered in cases. */

/**
 * At most so many nanoseconds or bytes, or at most this many times the floor; times the best of `to`, where these contenders are named. What is
 * compared with something that can't run here has no verdict.
 */
export type Target = { readonly ns: number } | { readonly bytes: number } | { readonly ratio: number; readonly to?: readonly string[] }

/**
 * One way to do a piece of work. The harness calls `setup` once in a process, then `run` many times, checks what each run gave, and at last
 * calls `teardown`.
 */
export interface Contender<State = unknown, Result = unknown> {
  /** Unique in its case. */
  readonly name: string
  /** What it must reach. */
  readonly target?: Target
  /** Runs another program for each run, which times itself: few runs do, and nothing of it warms up here. */
  readonly external?: boolean
  /** Why it can't run here, if so: it is left out, with that line. */
  unavailable?(): string | undefined
  /** Everything that is not to be measured. */
  setup?(): State | Promise<State>
  /** Does the work `iterations` times and returns something that depends on all of it. The only part that is measured. */
  run(state: State, iterations: number): Result | Promise<Result>
  /** Throws when the result is not that of `iterations` pieces of work. Called after every run, also while warming up. */
  check(result: Untimed<Awaited<Result>>, iterations: number, state: State): void
  teardown?(state: State): void | Promise<void>
}

/** What a result says, without its own duration. */
type Untimed<Result> = Result extends TimedResult<infer Value> | SizedResult<infer Value> ? Value : Result

/** Contenders in one table. */
export interface Case {
  /** Unique in its suite. */
  readonly name: string
  /** What one iteration is, for instance `load` or `round trip`. */
  readonly unit: string
  /**
   * `shared`: all contenders in one process, by tinybench, for what stays on one thread.
   * `process`: a fresh process for every sample of every contender, for what crosses threads.
   */
  readonly isolation: 'shared' | 'process'
  /** `bytes`: each run returns a `SizedResult`, and is the only one in its process, which has `gc`. Default: the time. */
  readonly measures?: 'time' | 'bytes'
  /** Iterations of one run: enough that it takes 10 µs or more. */
  readonly iterations: number
  /** Name of the contender that the others are compared with: the bare loop. */
  readonly floor?: string
  readonly contenders: readonly Contender<never>[]
}

/** One file of `suites/` exports one of these as `suite`. */
export interface Suite {
  readonly name: string
  readonly cases: readonly Case[]
}

/** Keeps the types of state and result inside a contender and forgets them outside. */
export function contender<State, Result>(definition: Contender<State, Result>): Contender<never> {
  return definition as unknown as Contender<never>
}

/** A result that comes with its own duration, where the work runs in another program. */
export class TimedResult<T> {
  constructor(
    readonly value: T,
    /** Of the whole run. */
    readonly nanoseconds: number,
  ) {}
}

/** A result that says how much memory the work holds. */
export class SizedResult<T> {
  constructor(
    readonly value: T,
    /** Of the whole run. */
    readonly bytes: number,
  ) {}
}

/** Throws unless both are equal: what most checks come down to. */
export function expectEqual(actual: unknown, expected: unknown, what = 'result'): void {
  if (!Object.is(actual, expected)) throw new Error(`wrong ${what}: ${String(actual)} instead of ${String(expected)}`)
}
