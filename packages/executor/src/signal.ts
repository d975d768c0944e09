/** What ends a call from outside: an AbortSignal, or a token of `@heddle/cancel`. */
import { InvalidArgumentError } from '@heddle/atomics'
import { type CancelSignal, TimeoutError } from '@heddle/park'
import { type Agent, cancelTimer, isAbortSignal } from '@heddle/park/internal'

type Signal = AbortSignal | CancelSignal

/** A token that calls back; `CancelToken` is one. */
interface CallingToken extends CancelSignal {
  onCancel(this: CallingToken, callback: () => void): () => void
}

function isCallingToken(signal: CancelSignal): signal is CallingToken {
  return typeof (signal as Partial<CallingToken>).onCancel === 'function'
}

/** Refuses what is no signal, and throws the reason of one that has fired. @throws InvalidArgumentError */
export function checkSignal(signal: Signal | undefined): void {
  if (signal === undefined) return
  if (typeof signal !== 'object' || (!isAbortSignal(signal) && !isCallingToken(signal)))
    throw new InvalidArgumentError('signal must be an AbortSignal or a CancelToken')
  if (isAbortSignal(signal) ? signal.aborted : signal.isCancelled) throw signal.reason
}

/** Listens to a signal that was checked; returns how to stop. */
function listen(signal: Signal, fired: (reason: unknown) => void): () => void {
  const listener = (): void => fired(signal.reason)
  if (!isAbortSignal(signal)) return isCallingToken(signal) ? signal.onCancel(listener) : () => undefined
  if (signal.aborted) listener()
  else signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

/** Calls `end` with a TimeoutError at the deadline or with the signal's reason when it fires; returns how to stop that. Holds the process while there is a deadline. */
export function limit(agent: Agent, deadline: number, signal: Signal | undefined, end: (reason: unknown) => void): () => void {
  const timer = deadline === Infinity ? undefined : agent.after(deadline, () => end(new TimeoutError('it did not end within the time limit')))
  const unlisten = signal === undefined ? undefined : listen(signal, end)
  if (timer !== undefined) agent.hold()
  let stopped = false
  return () => {
    if (stopped) return
    stopped = true
    unlisten?.()
    if (timer === undefined) return
    cancelTimer(timer)
    agent.unhold()
  }
}
