/** Whether the calling agent may block, found out by trying: names of hosts say nothing about service workers, worklets and embedders. */
import { agentLocal, createBuffer, wait } from '#ops'

const allowed = agentLocal(() => {
  if (typeof SharedArrayBuffer !== 'function') return false
  try {
    // The word is 0 and not 1, so an agent that may block returns at once; one that may not is refused before the word is read.
    return wait(new Int32Array(createBuffer(4)), 0, 1, 0) === 'not-equal'
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
})

/** Whether `Atomics.wait` works in this agent. Tried once for each agent, then a property read. */
export function canBlock(): boolean {
  return allowed.get()
}
