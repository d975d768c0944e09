/** Errors of running tasks. */
import { HeddleError, registerErrorClass } from '@heddle/atomics'
import { BlockingNotAllowedError, CancelledError, DeadlockError, ShutdownError, TimeoutError } from '@heddle/park'

/** The module was loaded, and has no task of that name. */
export class TaskNotFoundError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TASK_NOT_FOUND', message, options)
  }
}

/** A worker could not be started, or could not load a task's module; `cause` is the reason. */
export class WorkerStartError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_WORKER_START', message, options)
  }
}

/** The worker ended while the task ran there; `cause` is the uncaught error that ended it, if there was one. */
export class WorkerCrashedError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_WORKER_CRASHED', message, options)
  }
}

/** More calls wait than the executor's `queueLimit`. */
export class QueueFullError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_QUEUE_FULL', message, options)
  }
}

/** A task was replaced because it passed no safepoint for longer than the executor's `stuckAfter`. */
export class StuckTaskError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TASK_STUCK', message, options)
  }
}

/** Lets the errors of park and of this package keep their class on their way between agents. */
export function registerErrors(): void {
  for (const type of [CancelledError, TimeoutError, BlockingNotAllowedError, DeadlockError, ShutdownError]) registerErrorClass(type)
  for (const type of [TaskNotFoundError, WorkerStartError, WorkerCrashedError, QueueFullError, StuckTaskError]) registerErrorClass(type)
}
