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
