/** Whether the calling agent may block, found out by trying once (PLATFORM: a browser's window and service workers may not). */
import { capabilities } from '@heddle/atomics'
import { agentLocal } from '@heddle/atomics/ops'

const allowed = agentLocal(() => capabilities().canBlock)

/** Whether `Atomics.wait` works in this agent. */
export function canBlock(): boolean {
  return allowed.get()
}
