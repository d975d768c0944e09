/** Errors of channels. */
import { HeddleError } from '@heddle/atomics'

/** The channel is closed: nothing more is accepted, or nothing is left to receive. */
export class ClosedError<T = unknown> extends HeddleError {
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
