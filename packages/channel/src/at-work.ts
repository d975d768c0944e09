/**
 * At which ends of channels this agent is inside of a call whose codec runs: only such a codec can call the same end before that is through, by whichever
 * of the agent's openings. For ends that can be in one call at a time (spsc-ring.ts, mpsc-ring.ts).
 */
import { agentLocal } from '@heddle/atomics/ops'

/** An end of a channel, by the word that names its owner. */
export interface End {
  readonly words: Int32Array
  readonly owner: number
}

const stack = /* @__PURE__ */ agentLocal<End[]>(() => [])

/** A codec begins its work for a call of that end. */
export function beginWork(end: End): void {
  stack.get().push(end)
}

/** The one that began last is through. */
export function endWork(): void {
  stack.get().pop()
}

/** Whether this agent is in the middle of a call of that end. */
export function isAtWork(words: Int32Array, owner: number): boolean {
  return stack.get().some((end) => end.words === words && end.owner === owner)
}
