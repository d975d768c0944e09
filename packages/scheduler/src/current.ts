/** Which fiber runs. */
import { Fiber } from './fiber.js'
import { runningFiber } from '@heddle/park/internal'

/** The fiber that is running on this agent, or undefined outside fibers. Cost: a few ns. */
export function currentFiber(): Fiber | undefined {
  const running = runningFiber.get()
  return running instanceof Fiber ? running : undefined
}

/** Whether a fiber is running on this agent: then waits use `yield* …Fiber()`. */
export function isInFiber(): boolean {
  return runningFiber.get() !== undefined
}
