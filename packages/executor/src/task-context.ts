/** What a task can know of itself while it runs. */
import { CancelledError } from '@heddle/park'
import { currentFiber, type Fiber, type Priority } from '@heddle/scheduler'
import { load } from '@heddle/atomics/ops'
import { CANCEL_REQUESTED, T_CANCEL } from './layout.js'
import { currentPool } from './current.js'
import type { TaskName } from './task-table.js'

/** A call that runs, as its task sees it. */
export interface CurrentTask {
  /** A number that no other call has which runs at the same time in the pool. */
  readonly id: number
  /** The task's name, as `tasks()` was given it, and its module's URL. */
  readonly name: string
  readonly module: string
  readonly priority: Priority
  /** Number of the worker that runs it. */
  readonly worker: number
  /** Whether its spawner has asked it to end. One load: for loops. */
  readonly isCancelled: boolean
  /** Aborts when its spawner asks the task to end: for `fetch`, timers and other APIs of the platform. Made when first asked for. */
  readonly signal: AbortSignal
  /** @throws CancelledError when its spawner has asked it to end */
  throwIfCancelled(): void
}

/** The context of one running call. Made when something asks for it, or when the call goes on after its function has returned. */
export class TaskContext implements CurrentTask {
  readonly name: string
  readonly module: string
  private controller: AbortController | undefined
  /** What runs the call, when those are fibers. */
  private readonly fibers = new Set<Fiber>()
  private told: CancelledError | undefined

  constructor(
    private readonly words: Int32Array,
    /** Word index of its slot. */
    private readonly at: number,
    readonly id: number,
    readonly worker: number,
    task: TaskName,
    readonly priority: Priority,
  ) {
    this.name = task.name
    this.module = task.module
  }

  get isCancelled(): boolean {
    return (load(this.words, this.at + T_CANCEL) & CANCEL_REQUESTED) !== 0
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.isCancelled) this.controller.abort(this.reason())
    }
    return this.controller.signal
  }

  throwIfCancelled(): void {
    if (this.isCancelled) throw this.reason()
  }

  /** The call goes on as a fiber: it is cancelled where it waits, and at its safepoints even while the event loop does not turn. */
  runsAs(fiber: Fiber): void {
    this.fibers.add(fiber)
    contexts.set(fiber, this)
    fiber.extend().expired = () => {
      if (!this.isCancelled) return undefined
      this.fibers.delete(fiber)
      return { reason: this.reason() }
    }
  }

  /** On the event loop: passes a request to end on to what waits. */
  look(): void {
    if (!this.isCancelled) return
    for (const fiber of this.fibers) fiber.cancel(this.reason())
    this.fibers.clear()
    if (this.controller?.signal.aborted === false) this.controller.abort(this.reason())
  }

  /** One error for all the roads by which it reaches the task. */
  private reason(): CancelledError {
    return (this.told ??= new CancelledError(`the task '${this.name}' was cancelled`))
  }
}

const contexts = new WeakMap<Fiber, TaskContext>()

/** The call that a fiber of a worker runs. */
export function contextOfFiber(fiber: Fiber): TaskContext | undefined {
  return contexts.get(fiber)
}

/**
 * The task that runs: inside plain functions and fibers at any time, in an async function until its first `await`, so keep what it
 * returns. Undefined outside of tasks.
 * @example
 * export const work = tasks(import.meta.url, {
 *   async load(url: string) {
 *     const { signal } = currentTask()!
 *     const response = await fetch(url, { signal })
 *     return response.text()
 *   },
 * })
 */
export function currentTask(): CurrentTask | undefined {
  const fiber = currentFiber()
  return fiber === undefined ? currentPool.get()?.context() : contexts.get(fiber as Fiber)
}
