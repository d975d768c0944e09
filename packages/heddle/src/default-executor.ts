/** The executor that `run`, `spawn` and `map` of this package act on. */
import { Executor } from '@heddle/executor'
import { agentLocal } from '@heddle/atomics/ops'
import type { Host } from '@heddle/park'

const own = agentLocal<Executor | undefined>(() => undefined)

/**
 * In a worker: the executor that it belongs to. Elsewhere: this agent's default executor, made on first use; it starts workers when
 * calls find nobody free, up to the number of processors, and needs no shutdown.
 */
export function defaultExecutor(host: Host): Executor {
  const here = Executor.current()
  if (here !== undefined) return here
  let mine = own.get()
  if (mine === undefined || mine.isShutDown) own.set((mine = Executor.create({ host })))
  return mine
}
