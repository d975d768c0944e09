/** What every operation that can wait takes as its last argument. */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'

/**
 * What a wait needs of a token; `CancelToken` of `@heddle/cancel` implements it.
 *
 * A token sets its flag first and then claims every record that is linked into its queue (`cancelWaiters`), so a wait that links
 * itself and then looks at the flag can't miss it.
 */
export interface CancelSignal {
  /** One load. */
  readonly isCancelled: boolean
  /** What waits throw. */
  readonly reason: unknown
  readonly region: Region
  /** Word index of the queue (QUEUE_BYTES, see layout.ts) that waits link themselves into; 0: it never fires, in no region. */
  readonly waiters: number
  /** When it fires by itself, in ms as `now()`: a wait sleeps no longer, whatever becomes of the agent that was to fire it. */
  readonly deadline?: number | undefined
  /** Fires it if its deadline has passed and nothing has fired it yet. A token with a deadline has it. */
  expire?(): void
}

/** Limits of a wait. */
export interface WaitOptions {
  /** Milliseconds, 0 or more; `Infinity` or absent: no limit. 0 tries once. Past it the wait throws `TimeoutError`. */
  timeout?: number | undefined
  /** Ends the wait with the signal's reason. A blocking verb takes a token only: an `AbortSignal` can't fire on a thread that is blocked. */
  signal?: AbortSignal | CancelSignal | undefined
}

/** Limits of a wait that blocks the thread. */
export interface BlockingOptions extends WaitOptions {
  /** Blocks the whole worker although a fiber asks; without it that is a `BlockingNotAllowedError`. */
  blockFiber?: boolean
}

/** Whether a signal is the web's, not a token. */
export function isAbortSignal(signal: AbortSignal | CancelSignal): signal is AbortSignal {
  return 'aborted' in signal
}

/** When a wait ends, in ms as `now()`; `Infinity` for never. @throws InvalidArgumentError for a timeout that is no time. */
export function deadlineOf(options: WaitOptions | undefined): number {
  const timeout = options?.timeout
  if (timeout === undefined || timeout === Infinity) return Infinity
  if (typeof timeout !== 'number' || !(timeout >= 0))
    throw new InvalidArgumentError(`timeout must be a number of milliseconds, 0 or more, got ${String(timeout)}`)
  return now() + timeout
}

/** Throws the signal's reason when it has fired already. */
export function throwIfCancelled(signal: AbortSignal | CancelSignal | undefined): void {
  if (signal === undefined) return
  if (isAbortSignal(signal) ? signal.aborted : signal.isCancelled) throw signal.reason
}
