/**
 * Taking an owned lock word when a plain compare-exchange could not: barging, parking, being handed it, taking it over from the dead.
 *
 * Layout     the word: park's lock-word.ts; its queue: park's queue.ts
 *   word             meaning
 *   0 (+POISONED)    free, nobody waits
 *   PARKED           free, somebody waits: a woken waiter is about to take it, or it may be barged
 *   tag              held, nobody waits
 *   tag + PARKED     held, somebody waits: release must wake or hand over (park's handover.ts)
 * Invariants I1 A waiter sets PARKED under the queue's lock before it is in the queue, and looks at the word again there.
 *            I2 It looks at the owner again after it became WAITING: a death before that look is seen by it, one after it tells it.
 *            I3 It keeps its ticket until it has the lock.
 * Progress   park's handover.ts: granted after two lost retries or 1 ms.
 */
import { and, compareExchange, get, load, or, store } from '@heddle/atomics/ops'
import { isOwnerGone } from '@heddle/atomics/internal'
import {
  type Agent,
  CASE_RECHECK,
  claim,
  claimOne,
  declineLock,
  deliver,
  enqueue,
  enqueueAgain,
  firstOf,
  FLAGS_MASK,
  GRANTED,
  inPhase,
  KIND_THREAD,
  LOCKED_BIT,
  lockQueue,
  NOTIFIED,
  Operation,
  ownerOf,
  PARKED_BIT,
  phaseOf,
  POISONED_BIT,
  releaseContended,
  TAKEN,
  takeTicket,
  unlink,
  unlockQueue,
  W_KIND,
  W_LOCK,
  W_STATE,
  W_TRIES,
  W_WANT,
  waitingSince,
} from '@heddle/park/internal'
import { DeadlockError } from './errors.js'

/** Takes the word if it is free or its owner is gone (then as poisoned). @returns the flags it had, or -1 */
export function tryAcquire(agent: Agent, lock: number): number {
  const { words, tag } = agent
  for (;;) {
    const word = load(words, lock)
    let flags = word & FLAGS_MASK
    if ((word & LOCKED_BIT) !== 0) {
      if (!isOwnerGone(words, word)) return -1
      flags |= POISONED_BIT
    }
    if (compareExchange(words, lock, word, tag | flags) === word) return flags
  }
}

/** Waiting for a lock word. */
export class LockOperation<G extends { release(): void }> extends Operation<G> {
  constructor(
    agent: Agent,
    /** Word index of the lock word. */
    private readonly lock: number,
    /** Word index of its queue. */
    private readonly q: number,
    /** Makes the guard, once the lock is held; gets the flags that the word had, and may throw (poisoned). */
    private readonly guard: (agent: Agent, flags: number) => G,
  ) {
    super(agent)
  }

  begin(): boolean {
    const { agent, record } = this
    const { words } = agent
    if (this.acquire()) return true
    if (get(words, record + W_KIND) === KIND_THREAD) {
      this.refuseDeadlock()
      if (agent.spin.until(() => (load(words, this.lock) & LOCKED_BIT) === 0) && this.acquire()) return true
    }
    store(words, record + W_LOCK, this.lock)
    store(words, record + W_TRIES, 0)
    store(words, record + W_WANT, waitingSince())
    return this.enter(false)
  }

  resume(state: number): boolean {
    const { words } = this.agent
    const r = this.record
    if (phaseOf(state) === GRANTED) {
      // Revoked meanwhile: it waits again, where it was.
      if (compareExchange(words, r + W_STATE, state, inPhase(state, TAKEN)) !== state) return false
      this.result = this.guard(this.agent, load(words, this.lock) & FLAGS_MASK)
      return true
    }
    if (this.acquire()) return true
    store(words, r + W_TRIES, load(words, r + W_TRIES) + 1)
    return this.enter(true)
  }

  override abandon(): void {
    const { agent, lock, q, record } = this
    const { words } = agent
    lockQueue(agent, q)
    unlink(words, q, record)
    let next = 0
    if (firstOf(words, q) === 0) and(words, lock, ~PARKED_BIT)
    // It may have been woken before it came back to wait, and given up since: the lock may be free with nobody on the way.
    else if ((load(words, lock) & LOCKED_BIT) === 0) next = claimOne(agent, q, 0)
    unlockQueue(agent, q)
    if (next !== 0) deliver(agent, next)
  }

  override undo(): boolean {
    this.result.release()
    return true
  }

  override yieldClaim(): boolean {
    return declineLock(this.agent, this.lock, this.q, this.record)
  }

  private acquire(): boolean {
    const flags = tryAcquire(this.agent, this.lock)
    if (flags < 0) return false
    this.result = this.guard(this.agent, flags)
    return true
  }

  /** Enqueues, unless the lock can be had. */
  private enter(again: boolean): boolean {
    const { agent, lock, q, record } = this
    const { words } = agent
    lockQueue(agent, q)
    or(words, lock, PARKED_BIT)
    const flags = tryAcquire(agent, lock)
    if (flags >= 0) {
      if (firstOf(words, q) === 0) and(words, lock, ~PARKED_BIT)
      unlockQueue(agent, q)
      this.result = this.guard(agent, flags)
      return true
    }
    if (again) enqueueAgain(words, q, record)
    else enqueue(words, q, record, takeTicket(words, q))
    unlockQueue(agent, q)
    if (isOwnerGone(words, load(words, lock)) && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    return false
  }

  /** A thread that blocks on what its own agent holds waits for itself. A grant to one of its promises is not holding: it is declined. */
  private refuseDeadlock(): void {
    const { agent, lock, q } = this
    if (ownerOf(load(agent.words, lock)) !== agent.tag) return
    // Whoever is granting it to this agent is done after this.
    lockQueue(agent, q)
    unlockQueue(agent, q)
    agent.enterBlocked()
    const own = ownerOf(load(agent.words, lock)) === agent.tag
    agent.exitBlocked()
    if (own) throw new DeadlockError('this agent holds the lock already, and would wait for itself: release it first, or use lockAsync() or a ReentrantMutex')
  }
}

/** Releases a lock word that the agent owns. */
export function release(agent: Agent, lock: number, q: number, tag: number): void {
  if (compareExchange(agent.words, lock, tag, 0) !== tag) releaseContended(agent, lock, q, tag)
}
