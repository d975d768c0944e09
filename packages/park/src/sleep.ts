/** Sleeping: a wait that nobody wakes, in the three modes, on the agent's timer wheel or the thread's own wait. */
import { InvalidArgumentError } from '@heddle/atomics'
import { ownRegion } from '@heddle/atomics/internal'
import { now } from '@heddle/atomics/ops'
import { Agent } from './agent.js'
import { WAITING } from './layout.js'
import { type AsyncOptions, block, type FiberOperation, FiberWait, Operation, promise } from './operation.js'
import type { BlockingOptions, CancelSignal, WaitOptions } from './options.js'
import { setPhase } from './record.js'

/** What may end a sleep early. */
export interface SleepOptions {
  /** Ends the sleep with the signal's reason; a token where the thread blocks. */
  signal?: AbortSignal | CancelSignal
}

/** A record that nobody knows of; a recheck after a death is answered by sleeping on. */
class SleepOperation extends Operation<void> {
  begin(): boolean {
    setPhase(this.agent.words, this.record, WAITING)
    return false
  }
  resume(): boolean {
    return this.begin()
  }
  override timedOut(): boolean {
    return true
  }
}

function checkDuration(ms: number): number {
  if (typeof ms !== 'number' || !(ms >= 0))
    throw new InvalidArgumentError(`a sleep takes a number of milliseconds, 0 or more, or a moment, got ${String(ms)}`)
  return ms
}

function operationIn(signal: SleepOptions['signal']): SleepOperation {
  const region = signal !== undefined && 'region' in signal ? signal.region : ownRegion()
  return new SleepOperation(Agent.of(region))
}

/** Blocks the thread for `ms` milliseconds, never less. @throws BlockingNotAllowedError, the token's reason */
export function sleep(ms: number, options?: SleepOptions & Pick<BlockingOptions, 'blockFiber'>): void {
  block(operationIn(options?.signal), { ...options, timeout: checkDuration(ms) }, 'sleepAsync()')
}

/** Resolves after `ms` milliseconds, never earlier. Keeps the process alive unless `ref` is false. */
export function sleepAsync(ms: number, options?: SleepOptions & Pick<AsyncOptions, 'ref'>): Promise<void> {
  return promise(
    () => {
      checkDuration(ms)
      return operationIn(options?.signal)
    },
    { ...options, timeout: ms },
  )
}

/** Suspends the fiber for `ms` milliseconds, never less: `yield* sleepFiber(10)`. */
export function sleepFiber(ms: number, options?: SleepOptions): FiberOperation<void> {
  const wait: WaitOptions = { ...options, timeout: checkDuration(ms) }
  return new FiberWait(operationIn(options?.signal), wait, 'sleepFiber()')
}

/** The time until a moment given in milliseconds since the epoch, or as a Date; NaN for what is neither. */
function until(at: number | Date): number {
  const moment = typeof at === 'number' ? at : at instanceof Date ? at.getTime() : NaN
  return Math.max(0, moment - now())
}

/** Blocks the thread until a moment (milliseconds since the epoch, or a Date); returns at once when it has passed. */
export function sleepUntil(at: number | Date, options?: SleepOptions & Pick<BlockingOptions, 'blockFiber'>): void {
  sleep(until(at), options)
}

/** As `sleepUntil`, as a promise. */
export function sleepUntilAsync(at: number | Date, options?: SleepOptions & Pick<AsyncOptions, 'ref'>): Promise<void> {
  return sleepAsync(until(at), options)
}

/** As `sleepUntil`, in a fiber. */
export function sleepUntilFiber(at: number | Date, options?: SleepOptions): FiberOperation<void> {
  return sleepFiber(until(at), options)
}
