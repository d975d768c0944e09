/**
 * Releasing a lock that somebody waits for: wake the head and let it compete, or hand ownership over.
 *
 * Source     Eventual fairness after WTF::Lock and parking_lot; the revocable grant is our own.
 *   a waiter that                             gets
 *   has lost fewer than MAX_TRIES retries     a notify: the lock is free meanwhile, and a running thread may barge
 *   and has waited less than FAIR_MS
 *   otherwise                                 a grant: the lock word names its agent before it is told
 * Invariants G1 A_HEIR names the waiter from before the lock word does until after the claim: a holder that dies in between leaves
 *               enough to undo the grant (queue.ts, recoverHeir). Where the claim fails, the lock word is taken back first.
 *            G2 A grant counts only when its owner took it (GRANTED → TAKEN); until then the waker, the owner's agent (when it is
 *               about to block) and its reaper can revoke it.
 *            G3 PARKED is clear only when the queue is empty; all under the queue's lock.
 * Progress   Nobody starves: a waiter is granted the lock at the first release after its bound (W4).
 * Rejected   Strict hand-over: an agent with a promise first in the queue that then blocks behind it deadlocks, and every release
 *            under contention costs a sleep.
 */
import { and, compareExchange, get, load, now, or, store } from '@heddle/atomics/ops'
import { A_HEIR } from '@heddle/atomics/internal'
import type { Agent } from './agent.js'
import { GRANTED, NOTIFIED, W_AGENT, W_STATE, W_TRIES, W_WANT, WAITING } from './layout.js'
import { FLAGS_MASK, ownerOf, PARKED_BIT } from './lock-word.js'
import { enqueueAgain, firstOf, lockQueue, nextOf, unlink, unlockQueue } from './queue.js'
import { claim, phaseOf, unclaim } from './record.js'
import { announce, canRun, claimOne, deliver, lookAgain } from './wake.js'

/** Retries that a waiter may lose before it is granted the lock. */
const MAX_TRIES = 2
/** Milliseconds that it may wait before. */
const FAIR_MS = 1
/** Ticks of W_WANT in a millisecond. */
const TICKS = 16

/** A moment as a waiter notes it: 1/16 ms, wrapping after months. */
export function waitingSince(): number {
  return (now() * TICKS) | 0
}

/**
 * Releases the lock word at `lock`, which the calling agent owns (its tag is `tag`), when a plain compare-exchange could not: somebody
 * is or was parked, or the lock is poisoned.
 */
export function releaseContended(agent: Agent, lock: number, q: number, tag: number): void {
  const { words } = agent
  lockQueue(agent, q)
  const anybody = firstOf(words, q) !== 0
  let main = anybody ? grantIfDue(agent, lock, q, tag) : 0
  if (main === 0) {
    if (anybody) main = claimOne(agent, q, 0)
    free(words, lock, q, tag)
  } else if (firstOf(words, q) === 0) and(words, lock, ~PARKED_BIT)
  unlockQueue(agent, q)
  if (main !== 0) deliver(agent, main)
}

/** The lock word loses its owner, if that is `tag`, and keeps its flags; PARKED stays while somebody is in the queue. Under the queue's lock. */
function free(words: Int32Array, lock: number, q: number, tag: number): void {
  const kept = firstOf(words, q) === 0 ? FLAGS_MASK & ~PARKED_BIT : FLAGS_MASK
  // Another owner: this agent was declared dead meanwhile, and its lock taken over.
  for (let word = load(words, lock); ownerOf(word) === tag; word = load(words, lock))
    if (compareExchange(words, lock, word, word & kept) === word) return
}

/** Puts another owner into a lock word that `from` owns; the flags stay. False, and nothing done, when it was taken over meanwhile. */
function setOwner(words: Int32Array, lock: number, from: number, tag: number): boolean {
  for (let word = load(words, lock); ownerOf(word) === from; word = load(words, lock))
    if (compareExchange(words, lock, word, tag | (word & FLAGS_MASK)) === word) return true
  return false
}

/** Whether a waiter has waited or tried long enough to be handed the lock. */
function isDue(words: Int32Array, r: number): boolean {
  return load(words, r + W_TRIES) >= MAX_TRIES || ((waitingSince() - load(words, r + W_WANT)) | 0) >= FAIR_MS * TICKS
}

/** Grants the lock to the first waiter that can run, if its time has come; returns its record, or 0. Under the queue's lock. */
function grantIfDue(agent: Agent, lock: number, q: number, tag: number): number {
  const { words } = agent
  for (let r = firstOf(words, q), next = 0; r !== 0; r = next) {
    next = nextOf(words, r)
    if (phaseOf(load(words, r + W_STATE)) !== WAITING || !canRun(agent, r)) continue
    if (!isDue(words, r)) return 0
    store(words, agent.record + A_HEIR, r)
    // W_AGENT is fixed while the record is in use.
    const heir = get(words, r + W_AGENT)
    if (!setOwner(words, lock, tag, heir)) {
      store(words, agent.record + A_HEIR, 0)
      return 0
    }
    if (claim(words, r, GRANTED)) {
      announce(agent, r)
      if (canRun(agent, r) || !unclaim(words, r, GRANTED)) {
        store(words, agent.record + A_HEIR, 0)
        unlink(words, q, r)
        return r
      }
      lookAgain(agent, r)
    }
    setOwner(words, lock, heir, tag)
    store(words, agent.record + A_HEIR, 0)
  }
  return 0
}

/**
 * The agent of waiter `r` is about to block its thread and can't use the lock meanwhile: what it was given goes to another waiter, and
 * a grant that nobody else can use becomes a free lock. @returns whether `r` waits again
 */
export function declineLock(agent: Agent, lock: number, q: number, r: number): boolean {
  const { words } = agent
  let main = 0
  lockQueue(agent, q)
  let again = unclaim(words, r, GRANTED)
  if (again) {
    main = claimOne(agent, q, 0)
    enqueueAgain(words, q, r)
    free(words, lock, q, agent.tag)
  } else if (phaseOf(load(words, r + W_STATE)) === NOTIFIED) {
    main = claimOne(agent, q, 0)
    again = main !== 0
    if (again) {
      or(words, lock, PARKED_BIT)
      enqueueAgain(words, q, r)
    }
  }
  unlockQueue(agent, q)
  if (main !== 0) deliver(agent, main)
  return again
}
