/** Time limits and signals of this package's own waits: a park operation that nobody completes, so that it only ever ends by its limits. */
import { CancelledError, TimeoutError, type WaitOptions } from '@heddle/park'
import { type Agent, isAbortSignal, Operation, Pending, setPhase, WAITING, KIND_FIBER } from '@heddle/park/internal'
import type { Fiber } from './fiber.js'

class LimitOperation extends Operation<void> {
  begin(): boolean {
    setPhase(this.agent.words, this.record, WAITING)
    return false
  }
  resume(): boolean {
    return this.begin()
  }
}

/** Calls `expire` with the `TimeoutError` or the signal's reason; returns how to stop listening, after which `expire` may still be called. */
export function watch(agent: Agent, options: WaitOptions, expire: (error: unknown) => void): () => void {
  const pending = Pending.start(new LimitOperation(agent), KIND_FIBER, options, false, { done: () => undefined, failed: expire })
  return () => {
    pending.giveUp(new CancelledError(), false)
  }
}

/** Says at any moment whether a fiber's time is over, or its token cancelled: for loops that run on while no timer and no wake can be seen. */
export function expiry(fiber: Fiber, { signal, timeout }: WaitOptions, now: number): (moment: number) => { reason: unknown } | undefined {
  const deadline = timeout === undefined ? Infinity : now + timeout
  const token = signal === undefined || isAbortSignal(signal) ? undefined : signal
  return (moment) => {
    if (token?.isCancelled === true) return { reason: token.reason }
    return moment < deadline ? undefined : { reason: new TimeoutError(`${fiber.name} had not ended ${timeout} ms after it was spawned`) }
  }
}
