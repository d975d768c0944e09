/**
 * The word that says what a fiber is doing; the head of fiber.ts has the table.
 */

/** Phases, in the order of `FiberState`. */
export const CREATED = 0
export const READY = 1
export const RUNNING = 2
export const BLOCKED_PHASE = 3
export const PREEMPTED = 4
export const FINISHED = 5
export const CANCELLED = 6

export const PHASE_MASK = 7
export const LEVEL_SHIFT = 3
export const LEVEL_MASK = 3
export const WAKE_BIT = 1 << 5
export const CANCEL_BIT = 1 << 6
export const DELIVERED_BIT = 1 << 7
export const FAILED_BIT = 1 << 8
export const PREEMPT_BIT = 1 << 9
export const LOCAL_BIT = 1 << 10
export const INTERVAL_SHIFT = 11
export const INTERVAL_MASK = 7
export const GENERATOR_BIT = 1 << 14
export const GENERATION_SHIFT = 15
/** Bit 29 is the highest: integers of 31 bits are small ones in every engine. */
export const MAX_GENERATION = 0x7fff

/** The level of a fiber's priority. */
export function levelIn(bits: number): number {
  return (bits >> LEVEL_SHIFT) & LEVEL_MASK
}
