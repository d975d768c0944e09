/** Priorities of fibers, and the share of the steps that each is sure of. */
import { InvalidArgumentError } from '@heddle/atomics'

/**
 * How urgent a fiber is.
 *
 * The most urgent level that has a runnable fiber goes first, but of any 32 steps at least 4 go to `high`, 2 to `normal` and 1 to `low`
 * while they have something to run: nothing starves.
 */
export type Priority = 'critical' | 'high' | 'normal' | 'low'

/** The four priorities by name, so that `Priority.high` and `'high'` are the same. */
export const Priority = { critical: 'critical', high: 'high', normal: 'normal', low: 'low' } as const satisfies Record<Priority, Priority>

/** Priorities by level: 0 is the most urgent. */
export const PRIORITIES: readonly Priority[] = ['critical', 'high', 'normal', 'low']
export const LEVELS = 4
export const NORMAL_LEVEL = 2

/**
 * Which level is looked at first at each of 32 turns: `high` at every eighth, `normal` at every sixteenth, `low` at one. A level that has
 * nothing to run leaves its turn to the most urgent one that has.
 */
export const SHARES: Int8Array<ArrayBuffer> = new Int8Array(32)
for (let turn = 3; turn < 32; turn += 8) SHARES[turn] = 1
for (let turn = 5; turn < 32; turn += 16) SHARES[turn] = 2
SHARES[30] = 3
/** Turns after which `SHARES` begins again. */
export const SHARE_MASK = 31

/** The level of a priority; `normal` for none. @throws InvalidArgumentError for what is no priority. */
export function levelOf(priority: Priority | undefined): number {
  if (priority === undefined) return NORMAL_LEVEL
  const level = PRIORITIES.indexOf(priority)
  if (level < 0) throw new InvalidArgumentError(`priority must be one of ${PRIORITIES.join(', ')}, got ${String(priority)}`)
  return level
}

/** The priority of a level; `normal` for what is none. */
export function priorityOf(level: number): Priority {
  return PRIORITIES[level] ?? 'normal'
}
