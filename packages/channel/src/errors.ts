/** Errors of channels. */
import { HeddleError, RegionFullError } from '@heddle/atomics'

/** The channel is closed: nothing more is accepted, or nothing is left to receive. */
export class ClosedError<T = unknown> extends HeddleError {
  static override readonly name: string = 'ClosedError'
  constructor(
    /** What was to be sent and was not: given back. Undefined for a receive. */
    readonly value: T | undefined,
    /** What `close` was given. */
    readonly reason: unknown,
    message = 'the channel is closed',
  ) {
    super('ERR_CLOSED', message, reason === undefined ? undefined : { cause: reason })
  }
}

/** The region has no room for another message of an `unbounded` channel; nothing was sent. `cause` says what the region holds. */
export class UnboundedFullError<T = unknown> extends RegionFullError {
  constructor(
    /** What was to be sent and was not: given back. */
    readonly value: T,
    /** Messages in the channel at that moment. */
    readonly length: number,
    cause: RegionFullError,
  ) {
    super(`the region has no room for another message of an unbounded channel that holds ${length}: ${cause.message}`, { cause })
  }
}

/** A receiver of a `broadcast` channel fell behind, and messages that it had not received were overwritten. Its next receive gets the oldest that is left. */
export class LaggedError extends HeddleError {
  static override readonly name: string = 'LaggedError'
  constructor(
    /** How many messages it missed; counted modulo 2^32. */
    readonly missed: number,
  ) {
    super('ERR_LAGGED', `this receiver fell behind and missed ${missed} messages: receive faster, or make the channel with a larger capacity`)
  }
}

/**
 * A codec (a `toJSON`, a codec of your own) has called the channel for which it is at work, in a way that can't be done before it is through: a send inside of a send, or a
 * receive inside of a receive, of an `spsc` channel; or a call that blocks until the one that the codec works for is through. Nothing was sent or received by the call that was refused.
 */
export class ReentrantError extends HeddleError {
  static override readonly name: string = 'ReentrantError'
  constructor(message: string) {
    super('ERR_REENTRANT', message)
  }
}

/** A `sendMany` sent the first values of its list, and then one was refused. */
export class PartlySentError extends HeddleError {
  static override readonly name: string = 'PartlySentError'
  constructor(
    /** How many were sent: those before the one at this index. That one and those after it were not. */
    readonly sent: number,
    /** What the codec threw for the value, or a RegionFullError: no room for it in the region. Also the error's `cause`. */
    cause: unknown,
  ) {
    super('ERR_PARTLY_SENT', `sendMany sent ${sent} of its values; the one at index ${sent} was refused: ${textOf(cause)}`, { cause })
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
