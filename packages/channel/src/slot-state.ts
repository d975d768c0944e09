/**
 * The state word of a ring's slot: every state it can be in, and the predicates over it.
 *
 * Layout     A stamp, when nobody owns the slot:  bit 0 = 0 · bits 1–3 kind · bits 4–31 lap
 *            A claim, while somebody does:        bit 0 = 1 · bits 1–3 phase · bits 4–27 the owner (its tag) · bits 28–31 lap, low bits
 *   word               the position (slot, lap) is                      next
 *   FREE lap           not sent yet; whoever sends next claims it       SENDING
 *   SENDING lap owner  being written                                    FULL, or HOLE when nothing was written
 *   FULL lap           sent                                             TAKING
 *   HOLE lap           passed over by receivers                         TAKING
 *   END lap            closed: nothing comes from here on               (not in spsc)
 *   TAKING lap owner   being read                                       FREE lap + 1; FREEING for codecs with memory outside the slot
 *   FREEING lap owner  read, its outside memory is being freed          FREE lap + 1
 *   RESERVING lap o.   the first of a range that is being written       FULL; FREE when nothing was written
 *   INNER lap          in such a range, behind its first                as FULL
 *   GATHERING lap o.   the first of a range that is being read          FREE lap + 1
 *   VACANT lap         in such a range, behind its first                as FREE
 *            A claim whose owner is dead is taken over by whoever is stopped by it, and counted as lost: SENDING by a receiver (→ TAKING), any
 *            by a sender that comes round to it (→ FREEING), who may pass over a HOLE, too. Of a range see ring-range.ts.
 */
import { LOCKED_BIT, OWNER_MASK } from '@heddle/atomics/internal'

const KIND_SHIFT = 1
const KIND_MASK = 7
const LAP_SHIFT = 4
/** Bits of a lap in a stamp. */
export const LAP_BITS = 28
const CLAIM_LAP_SHIFT = 28

const FREE_KIND = 0
const FULL_KIND = 1 << KIND_SHIFT
const HOLE_KIND = 2 << KIND_SHIFT
const END_KIND = 3 << KIND_SHIFT
const VACANT_KIND = 4 << KIND_SHIFT
const INNER_KIND = 5 << KIND_SHIFT
/** FREE and VACANT are the kinds without these bits. */
const FREE_MASK = 3 << KIND_SHIFT

/** Phases of a claim. */
export const SENDING = 0
export const TAKING = 1
export const FREEING = 2
export const RESERVING = 3
export const GATHERING = 4

export function free(lap: number): number {
  return (lap << LAP_SHIFT) | FREE_KIND
}
export function full(lap: number): number {
  return (lap << LAP_SHIFT) | FULL_KIND
}
export function hole(lap: number): number {
  return (lap << LAP_SHIFT) | HOLE_KIND
}
export function end(lap: number): number {
  return (lap << LAP_SHIFT) | END_KIND
}
export function inner(lap: number): number {
  return (lap << LAP_SHIFT) | INNER_KIND
}
export function vacant(lap: number): number {
  return (lap << LAP_SHIFT) | VACANT_KIND
}
/** A claim by the agent with this tag. */
export function claimed(tag: number, phase: number, lap: number): number {
  return (lap << CLAIM_LAP_SHIFT) | (phase << KIND_SHIFT) | tag
}

export function isClaim(state: number): boolean {
  return (state & LOCKED_BIT) !== 0
}
export function phaseOfClaim(state: number): number {
  return (state >>> KIND_SHIFT) & KIND_MASK
}
/** FREE or VACANT. */
export function isFree(state: number): boolean {
  return (state & (FREE_MASK | LOCKED_BIT)) === FREE_KIND
}
export function isHole(state: number): boolean {
  return (state & ((KIND_MASK << KIND_SHIFT) | LOCKED_BIT)) === HOLE_KIND
}
export function isEnd(state: number): boolean {
  return (state & ((KIND_MASK << KIND_SHIFT) | LOCKED_BIT)) === END_KIND
}
/** Whether it is the first of a range that is being written: nobody passes it. */
export function isReserving(state: number): boolean {
  return isClaim(state) && phaseOfClaim(state) === RESERVING
}
/** Whether senders at the same lap have left it behind: claimed, or further. */
export function isPassedBySenders(state: number): boolean {
  return !isFree(state) && !isReserving(state) && !isEnd(state)
}
/** Whether a receiver has it for itself: others pass it. */
export function isTaken(state: number): boolean {
  return isClaim(state) && (phaseOfClaim(state) === TAKING || phaseOfClaim(state) === FREEING)
}
/** The owner in a claim, as a tag. */
export function tagOf(state: number): number {
  return state & (OWNER_MASK | LOCKED_BIT)
}

/**
 * How many laps a state is ahead of `lap`: negative when the slot has not come so far. Exact within 7 laps for a claim.
 * @param shift 32 less the bits that the ring's laps have
 */
export function lapsAhead(state: number, lap: number, shift: number): number {
  if (isClaim(state)) return (((state >>> CLAIM_LAP_SHIFT) - lap) << CLAIM_LAP_SHIFT) >> CLAIM_LAP_SHIFT
  return (((state >>> LAP_SHIFT) - lap) << shift) >> shift
}
