/** Who this agent is, and how an agent learns that a worker which it knows has died. */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import { canBlock, knownRegions, regionOf, watchRegions } from '@heddle/atomics/internal'
import { Agent } from './agent.js'
import { getHost, type HostWorker } from './host.js'
import { isKnown, reapThread } from './reap.js'

/** The calling agent, as others see it. */
export interface AgentInfo {
  /** Its slot in the region's table, from 1. */
  readonly id: number
  /** How often the slot was used before. */
  readonly generation: number
  /** Whether its thread may block. */
  readonly canBlock: boolean
}

/** The calling agent in a region (default: `Region.default`). Registers it on first use. @throws AgentLimitError */
export function currentAgent(region?: Region): AgentInfo {
  const { id, generation } = Agent.of(regionOf({ region }))
  return { id, generation, canBlock: canBlock() }
}

/**
 * Connects a worker that you started yourself to heddle: when it ends, by itself or by `terminate()`, what it waited for, was granted
 * and owned goes to others, in every region that this agent has opened by then. Until then those regions are not collected, but for one in
 * which no other agent is, once this one has opened many others. Workers of an executor are adopted already.
 *
 * The death is noticed when this agent's event loop turns; it takes a slot in such a region for that, if it has none yet. Call it before the worker can use shared objects.
 * @throws InvalidArgumentError when the host can't watch such an object
 */
export function adopt(worker: object): void {
  const host = getHost()
  if (host.adoptWorker === undefined)
    throw new InvalidArgumentError(`the '${host.name}' host can't watch workers: import the host package of your platform and call setHost`)
  let adopted: HostWorker
  try {
    adopted = host.adoptWorker(worker)
  } catch (cause) {
    throw new InvalidArgumentError((cause as Error).message, { cause })
  }
  watch(adopted)
}

/** As `adopt`, for a worker that the host started. */
export function watch(worker: { readonly threadId: number; onExit(listener: () => void): void }): void {
  const unwatch = watchRegions()
  worker.onExit(() => {
    // Not before: some platforms number a worker when it begins.
    const { threadId } = worker
    const errors: unknown[] = []
    for (const region of knownRegions()) {
      // A reaper takes a slot: only where there is something to reap.
      if (!isKnown(region, threadId)) continue
      try {
        reapThread(Agent.of(region), threadId)
      } catch (error) {
        errors.push(error)
      }
    }
    unwatch()
    if (errors.length > 0) throw errors[0]
  })
}
