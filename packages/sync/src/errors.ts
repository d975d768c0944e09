/** Errors of locks. */
import { HeddleError } from '@heddle/atomics'

/** An owner died in the middle, or a section failed: what the lock protects may be broken. `guard` holds the lock and gives access. */
export class PoisonedError<G = unknown> extends HeddleError {
  static override readonly name: string = 'PoisonedError'
  constructor(
    /** Holds the lock: look at the data, mend it, call `clearPoison()`, and release the guard. */
    readonly guard: G,
    message = 'the lock is poisoned: an owner died or failed while it held it. error.guard holds the lock; mend the data and call clearPoison()',
  ) {
    super('ERR_POISONED', message)
  }
}

/** A release by somebody who does not hold the lock. */
export class NotOwnerError extends HeddleError {
  static override readonly name: string = 'NotOwnerError'
  constructor(message: string) {
    super('ERR_NOT_OWNER', message)
  }
}

/** The barrier was aborted, reset, or left by somebody who waited at it: not all parties will come. `reset()` makes it usable again. */
export class BrokenBarrierError extends HeddleError {
  static override readonly name: string = 'BrokenBarrierError'
  constructor(message = 'the barrier is broken: it was aborted or reset, or a party gave up, failed or died while others waited; reset() mends it') {
    super('ERR_BROKEN_BARRIER', message)
  }
}

export { DeadlockError } from '@heddle/park'
