/** Errors of running tasks. */
import { HeddleError, registerErrorClass } from '@heddle/atomics'
import { BlockingNotAllowedError, CancelledError, DeadlockError, ShutdownError, TimeoutError } from '@heddle/park'

/** The module was loaded, and has no task of that name. */
export class TaskNotFoundError extends HeddleError {
  static override readonly name: string = 'TaskNotFoundError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TASK_NOT_FOUND', message, options)
  }
}

/** A worker could not be started, or could not load a task's module; `cause` is the reason. */
export class WorkerStartError extends HeddleError {
  static override readonly name: string = 'WorkerStartError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_WORKER_START', message, options)
  }
}

/** The worker ended while the task ran there; `cause` is the uncaught error that ended it, if there was one. */
export class WorkerCrashedError extends HeddleError {
  static override readonly name: string = 'WorkerCrashedError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_WORKER_CRASHED', message, options)
  }
}

/** More calls wait than the executor's `queueLimit`. */
export class QueueFullError extends HeddleError {
  static override readonly name: string = 'QueueFullError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_QUEUE_FULL', message, options)
  }
}

/** A task was replaced because it passed no safepoint for longer than the executor's `stuckAfter`. */
export class StuckTaskError extends HeddleError {
  static override readonly name: string = 'StuckTaskError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TASK_STUCK', message, options)
  }
}

/** Why a worker is given up on. */
export function stuckError(task: string, ms: number): StuckTaskError {
  const what = task === '' ? 'an async task, or what a task left behind,' : `the task '${task}'`
  return new StuckTaskError(`${what} passed no safepoint for ${ms} ms, and the worker was replaced`)
}

/** What a call fails with whose worker was given up on after `ms` without progress, for its own sake or for another's. */
export function lostWith(ms: number, isStuck: boolean): Error {
  const stuck = new StuckTaskError(
    `${isStuck ? 'the task' : 'another task of its worker'} passed no safepoint for ${ms} ms, and the worker was replaced: pass safepoints in long loops, raise stuckAfter, or use spawnBlocking`,
  )
  return isStuck ? stuck : new WorkerCrashedError('the worker was replaced while the task ran there', { cause: stuck })
}

/** Lets the errors of park and of this package keep their class on their way between agents. */
export function registerErrors(): void {
  for (const type of [CancelledError, TimeoutError, BlockingNotAllowedError, DeadlockError, ShutdownError]) registerErrorClass(type)
  for (const type of [TaskNotFoundError, WorkerStartError, WorkerCrashedError, QueueFullError, StuckTaskError]) registerErrorClass(type)
}
