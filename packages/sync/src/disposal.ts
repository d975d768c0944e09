/** What every primitive with a queue asks before it is disposed of. */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import { Agent, isInUse } from '@heddle/park/internal'

/**
 * Refuses while a record is linked in the queue, and waits for whoever is still inside its lock: a releaser that has opened the primitive
 * to everybody may be, and would write to memory that is somebody else's by then.
 */
export function refuseWhileWaited(region: Region, q: number, message: string): void {
  if (isInUse(() => Agent.of(region), region.words, q)) throw new InvalidArgumentError(message)
}
