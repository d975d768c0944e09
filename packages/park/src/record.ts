/**
 * The waiter record: one claimable word for each blocked operation, and every transition it may make.
 *
 * Layout     layout.ts, W_*. Records live in chunks that belong to one agent; `r` is a record's word index.
 *   phase      meaning                                         leaves by
 *   FREE       nobody's                                        the owner enqueues it (→ WAITING)
 *   WAITING    in a queue, may be claimed                      claim → NOTIFIED | GRANTED | CANCELLED, exactly one wins
 *   NOTIFIED   a waker chose it                                the owner looks again: → WAITING (same ticket) or → FREE
 *   … RECHECK  told to look again after a death, not chosen,   a waker chooses it after all, or as NOTIFIED
 *              and still in its queue
 *   GRANTED    a waker chose it and made it owner of W_LOCK    the owner takes it (→ TAKEN), or it is revoked (→ WAITING)
 *   TAKEN      the owner has the grant                         → FREE
 *   CANCELLED  given up by its owner or by a token             the owner unlinks it → FREE
 *   BELL       a doorbell, not a wait                          stays until closed
 *   LINK       stands for W_MAIN in one more queue             stays until its owner unlinks it
 * Invariants R1 Only the owner moves a record out of FREE and into FREE; only a compare-exchange moves it out of WAITING.
 *            R2 A record is not reused while it is linked: its owner sees W_LINKED = 0, or takes the queue's lock and unlinks it,
 *               before it frees it. So whoever holds the queue's lock may follow its links.
 * Pairs      The claim's compare-exchange is seen by the owner's load of W_STATE; what the waker wrote before (W_TOKEN) with it.
 */
import { compareExchange, get, load, store } from '@heddle/atomics/ops'
import {
  CANCELLED,
  CASE_MASK,
  CASE_RECHECK,
  CASE_SHIFT,
  FREE,
  NOTIFIED,
  PHASE_BITS,
  RECORD_GENERATION,
  RECORD_GENERATION_MASK,
  W_MAIN,
  W_STATE,
  WAITING,
} from './layout.js'

/** The phase in a state word. */
export function phaseOf(state: number): number {
  return state & PHASE_BITS
}

/** Which link was claimed, or CASE_RECHECK, or CASE_TOKEN. */
export function caseOf(state: number): number {
  return (state >>> CASE_SHIFT) & CASE_MASK
}

/** The record that is claimed for `r`: itself, or what it is a link of. W_MAIN is written before the record is linked: plain read under the queue's lock. */
export function mainOf(words: Int32Array, r: number): number {
  return get(words, r + W_MAIN)
}

/** The state word that `r` has in another phase: same generation, no case. */
export function inPhase(state: number, phase: number): number {
  return (state & RECORD_GENERATION_MASK) | phase
}

/** WAITING → `phase`, for whoever wins. False: somebody else had it, or it was given up. */
export function claim(words: Int32Array, r: number, phase: number, claimCase = 0): boolean {
  const state = load(words, r + W_STATE)
  return phaseOf(state) === WAITING && compareExchange(words, r + W_STATE, state, inPhase(state, phase) | (claimCase << CASE_SHIFT)) === state
}

/** Whether a waker may choose the record: it waits, or is only about to look again and still stands in its queue. */
export function isClaimable(state: number): boolean {
  return phaseOf(state) === WAITING || (phaseOf(state) === NOTIFIED && caseOf(state) === CASE_RECHECK)
}

/** A waker chooses the record: claimable → NOTIFIED. @returns the state that it had, for `putBack`; -1 when it was not to be had */
export function choose(words: Int32Array, r: number, claimCase: number): number {
  const state = load(words, r + W_STATE)
  return isClaimable(state) && compareExchange(words, r + W_STATE, state, inPhase(state, NOTIFIED) | (claimCase << CASE_SHIFT)) === state ? state : -1
}

/** A waker takes its choice back. False: the owner was faster. */
export function putBack(words: Int32Array, r: number, before: number, claimCase: number): boolean {
  const chosen = inPhase(before, NOTIFIED) | (claimCase << CASE_SHIFT)
  return compareExchange(words, r + W_STATE, chosen, before) === chosen
}

/** The owner gives the wait up: WAITING → CANCELLED. False: it was claimed first. */
export function cancel(words: Int32Array, r: number): boolean {
  return claim(words, r, CANCELLED)
}

/** A claim is taken back, by the waker that made it or by the owner: `from` → WAITING. False: the other was faster. */
export function unclaim(words: Int32Array, r: number, from: number): boolean {
  const state = load(words, r + W_STATE)
  return phaseOf(state) === from && compareExchange(words, r + W_STATE, state, inPhase(state, WAITING)) === state
}

/** The owner moves its record on; nobody else changes it in the phases that this is used in (R1). */
export function setPhase(words: Int32Array, r: number, phase: number): void {
  store(words, r + W_STATE, inPhase(load(words, r + W_STATE), phase))
}

/** The owner gives the record back: the next use has another generation. */
export function release(words: Int32Array, r: number): void {
  store(words, r + W_STATE, ((load(words, r + W_STATE) & RECORD_GENERATION_MASK) + RECORD_GENERATION) | FREE)
}
