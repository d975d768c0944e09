/** Time limits and signals of this package's own waits: a park operation that nobody completes, so that it only ever ends by its limits. */
import { CancelledError, type WaitOptions } from '@heddle/park'
import { type Agent, Operation, Pending, setPhase, WAITING, KIND_FIBER } from '@heddle/park/internal'

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
