/**
 * A word that says who owns a lock: bits shared by every exclusive lock of heddle, so that park can hand one over and a reaper
 * can give one back without knowing which lock it is.
 *
 * Layout     bit 0 LOCKED · bit 1 PARKED (somebody is in the queue) · bit 2 POISONED · bit 3 spare · bits 4–11 the owner's agent ·
 *            bits 12–27 its generation · bit 28 OBSERVED
 * Invariants L1 LOCKED is set exactly when the owner bits are: the word of a locked lock without flags *is* the owner's tag.
 *            L2 PARKED only changes under the queue's lock.
 */
import { compareExchange, get, load } from '@heddle/atomics/ops'
import { LOCKED_BIT, OWNER_MASK } from '@heddle/atomics/internal'
import { W_AGENT } from './layout.js'

export { LOCKED_BIT }
/** The queue is not empty. */
export const PARKED_BIT = 2
/** An owner died, or a section failed, and nobody has cleared it. */
export const POISONED_BIT = 4
/** Metrics are kept of the lock: set for its whole life, so that no fast path ever matches, and locks without metrics pay nothing. */
export const OBSERVED_BIT = 1 << 28
/** Owner and LOCKED. */
export const TAG_MASK = OWNER_MASK | LOCKED_BIT
/** What outlives an owner. */
export const FLAGS_MASK = PARKED_BIT | POISONED_BIT | OBSERVED_BIT

/** The owner's tag in a lock word; 0 when it is free. */
export function ownerOf(word: number): number {
  return word & TAG_MASK
}

/** Undoes a grant that its waiter never learned of: the lock becomes free, not poisoned, if that waiter's agent still stands in it. */
export function revokeFrom(words: Int32Array, lock: number, r: number): void {
  if (lock === 0) return
  // W_AGENT never changes while the record is in use.
  const tag = get(words, r + W_AGENT)
  for (let word = load(words, lock); ownerOf(word) === tag; word = load(words, lock)) {
    if (compareExchange(words, lock, word, word & FLAGS_MASK) === word) return
  }
}
