/** Errors of waiting. */
import { HeddleError } from '@heddle/atomics'

/** The time limit of a wait passed. */
export class TimeoutError extends HeddleError {
  static override readonly name: string = 'TimeoutError'
  constructor(message = 'the time limit of the wait passed', options?: ErrorOptions) {
    super('ERR_TIMEOUT', message, options)
  }
}

/** A token without a reason of its own was cancelled. */
export class CancelledError extends HeddleError {
  static override readonly name: string = 'CancelledError'
  constructor(message = 'the operation was cancelled', options?: ErrorOptions) {
    super('ERR_CANCELLED', message, options)
  }
}

/** The calling agent may not block; the message names the method to use instead. */
export class BlockingNotAllowedError extends HeddleError {
  static override readonly name: string = 'BlockingNotAllowedError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BLOCKING_NOT_ALLOWED', message, options)
  }
}

/** The agent was told to stop, or was declared dead by others: it may not go on with shared state. */
export class ShutdownError extends HeddleError {
  static override readonly name: string = 'ShutdownError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_SHUTDOWN', message, options)
  }
}

/** Those who wait, wait for one another: none of them could ever go on. */
export class DeadlockError extends HeddleError {
  static override readonly name: string = 'DeadlockError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DEADLOCK', message, options)
  }
}
