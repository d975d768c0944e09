/**
 * Structured concurrency: calls that end before the block that made them does.
 *
 * Source     Nathaniel J. Smith, "Notes on structured concurrency" (2018); Java's StructuredTaskScope.ShutdownOnFailure.
 * Invariants I1 A scope is left only when its body and all of its calls have ended.
 *            I2 The first failure, of the body or of a call, is what the scope ends with; it cancels the other calls and aborts `signal`. What
 *               fails after it is part of the same end and no `task-error`.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { CancelledError, type WaitOptions } from '@heddle/park'
import type { CallOptions } from './options.js'
import type { JoinHandle } from './join-handle.js'
import { currentTask } from './task-context.js'
import type { TaskRef } from './tasks.js'

/** What a scope needs of its executor. */
interface Spawner {
  spawn<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): JoinHandle<R>
}

/** Limits of a scope. */
export type ScopeOptions = WaitOptions

/** What the body of `Executor.scope` spawns its calls with. */
export class Scope {
  private readonly open = new Set<JoinHandle<unknown>>()
  private readonly controller = new AbortController()
  private failure: { readonly reason: unknown } | undefined
  private left = false
  private wake: () => void = () => undefined

  /** @internal */
  constructor(private readonly executor: Spawner) {}

  /** Aborts when the scope is cancelled or something in it has failed: for what the body itself waits for. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /**
   * As `Executor.spawn`; the scope waits for the call, and its failure is the scope's.
   * @throws the reason of a scope that has failed; InvalidArgumentError after the scope was left
   */
  spawn<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): JoinHandle<R> {
    if (this.left) throw new InvalidArgumentError('the scope was left: calls can be spawned while its body or one of its calls runs')
    if (this.failure !== undefined) throw this.failure.reason
    const handle = this.executor.spawn(task, args, options)
    this.open.add(handle as JoinHandle<unknown>)
    handle.onSettled(() => {
      this.open.delete(handle as JoinHandle<unknown>)
      const error = handle.error()
      // A call that was cancelled by itself is no failure.
      if (handle.state === 'rejected' || (handle.state === 'cancelled' && !(error instanceof CancelledError))) this.fail(error)
      this.wake()
    })
    return handle
  }

  /** As `spawn`, for a promise of the result. */
  run<A extends unknown[], R>(task: TaskRef<A, R>, ...args: A): Promise<R> {
    return this.spawn(task, args).joinAsync()
  }

  /** Ends the scope: its calls are cancelled, and it is left with `reason`, when all have ended. Nothing happens when it has failed already. */
  cancel(reason: unknown = new CancelledError('the scope was cancelled')): void {
    this.fail(reason)
  }

  /** @internal Runs the body, and waits for everything. */
  async enter<T>(body: (scope: Scope) => Promise<T> | T): Promise<T> {
    let value: T | undefined
    try {
      value = await body(this)
    } catch (error) {
      this.fail(error)
    }
    while (this.open.size > 0) await new Promise<void>((resolve) => (this.wake = resolve))
    this.left = true
    if (this.failure !== undefined) throw this.failure.reason
    return value as T
  }

  private fail(reason: unknown): void {
    if (this.failure !== undefined || this.left) return
    this.failure = { reason }
    for (const handle of [...this.open]) handle.cancel(reason)
    this.controller.abort(reason)
  }
}

/** See `Executor.scope`. */
export async function runScope<T>(
  executor: Spawner,
  body: (scope: Scope) => Promise<T> | T,
  listen: (fired: (reason: unknown) => void) => () => void,
): Promise<T> {
  if (typeof body !== 'function') throw new InvalidArgumentError(`scope takes a function, got ${typeof body}`)
  const scope = new Scope(executor)
  // A scope of a task ends with the task.
  const task = currentTask()
  const signal = task?.signal
  const abort = (): void => scope.cancel(signal!.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  const stop = listen((reason) => scope.cancel(reason))
  try {
    return await scope.enter(body)
  } finally {
    stop()
    signal?.removeEventListener('abort', abort)
  }
}
