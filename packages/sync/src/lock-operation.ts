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
import { and, compareExchange, get, load, now, or, store } from '@heddle/atomics/ops'
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
  rest,
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
import { refuseCycle } from './diagnostics.js'
import { DeadlockError } from './errors.js'

/** Between two tries while the owner runs, in turns of `rest`: 2 microseconds together. */
const SHORTEST_REST = 1024
const LONGEST_REST = 4096

/**
 * Takes the word if it is free or its owner is gone.
 * @param mode bits that the word gets with the owner
 * @param poisons a dead owner whose word has one of these bits leaves the lock poisoned
 * @returns the flags it has now, or -1
 */
export function tryAcquire(agent: Agent, lock: number, mode = 0, poisons = LOCKED_BIT): number {
  const { words, tag } = agent
  for (;;) {
    const word = load(words, lock)
    let flags = word & FLAGS_MASK
    if ((word & LOCKED_BIT) !== 0) {
      if (!isOwnerGone(words, word)) return -1
      if ((word & poisons) !== 0) flags |= POISONED_BIT
    }
    if (compareExchange(words, lock, word, tag | mode | flags) === word) return flags
  }
}

/** Waiting for a lock word; its queue is in the words after it. */
export abstract class LockOperation<T> extends Operation<T> {
  // What most waits do without is a field only where it is needed: a hundred thousand may wait for a mutex.
  declare private readonly mode: number | undefined
  declare private readonly poisons: number | undefined
  /** For the metrics of a region that keeps them. */
  declare private readonly noted: { readonly startedAt: number; contended: boolean; parked: boolean } | undefined

  constructor(
    agent: Agent,
    /** Word index of the lock word. */
    protected readonly lock: number,
    mode = 0,
    poisons = LOCKED_BIT,
  ) {
    super(agent)
    if (mode !== 0) this.mode = mode
    if (poisons !== LOCKED_BIT) this.poisons = poisons
    if (agent.region.metrics) this.noted = { startedAt: now(), contended: false, parked: false }
  }

  /** When it began, in a region with metrics; else 0. */
  get startedAt(): number {
    return this.noted?.startedAt ?? 0
  }
  /** Whether it was not had at once; in a region with metrics. */
  get contended(): boolean {
    return this.noted?.contended === true
  }
  /** Whether it stood in the queue; in a region with metrics. */
  get parked(): boolean {
    return this.noted?.parked === true
  }
  /** Word index of the queue. */
  protected get q(): number {
    return this.lock + 1
  }

  /** The agent owns the word, which has these flags: sets `result`, or goes on to wait for something else. Throws when it is poisoned. @returns whether it is done */
  protected abstract acquired(flags: number): boolean

  begin(): boolean {
    const { agent, record } = this
    const { words } = agent
    const flags = this.attempt()
    if (flags >= 0) return this.acquired(flags)
    if (this.noted !== undefined) this.noted.contended = true
    if (get(words, record + W_KIND) === KIND_THREAD) {
      this.refuseDeadlock()
      const soon = this.attemptSoon()
      if (soon >= 0) return this.acquired(soon)
      if (agent.spin.until(() => (load(words, this.lock) & LOCKED_BIT) === 0)) {
        const afterSpin = this.attempt()
        if (afterSpin >= 0) return this.acquired(afterSpin)
      }
    }
    this.describe()
    return this.enter(false)
  }

  resume(state: number): boolean {
    const { words } = this.agent
    const r = this.record
    if (phaseOf(state) === GRANTED) {
      // Revoked meanwhile: it waits again, where it was.
      if (compareExchange(words, r + W_STATE, state, inPhase(state, TAKEN)) !== state) return false
      if (this.mode !== undefined) or(words, this.lock, this.mode)
      return this.acquired(load(words, this.lock) & FLAGS_MASK)
    }
    const flags = this.attempt()
    if (flags >= 0) return this.acquired(flags)
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

  override yieldClaim(): boolean {
    return declineLock(this.agent, this.lock, this.q, this.record)
  }

  /** Takes the word if it can be had now. @returns its flags, or -1 */
  protected attempt(): number {
    return tryAcquire(this.agent, this.lock, this.mode, this.poisons)
  }

  /**
   * Tries again, ever less often. Most sections are over in a moment, and an owner whose word is looked at all the time has to fetch it
   * anew for its release. Not before those who sleep: they are awake by the time that it gets there, or soon.
   */
  private attemptSoon(): number {
    for (let turns = SHORTEST_REST; turns <= LONGEST_REST && rest(turns); turns *= 2) {
      const word = load(this.agent.words, this.lock)
      if ((word & PARKED_BIT) !== 0) return -1
      const flags = (word & LOCKED_BIT) === 0 ? this.attempt() : -1
      if (flags >= 0) return flags
    }
    return -1
  }

  /** What a releaser reads in the record. */
  protected describe(): void {
    const { words } = this.agent
    const r = this.record
    store(words, r + W_LOCK, this.lock)
    store(words, r + W_TRIES, 0)
    store(words, r + W_WANT, waitingSince())
  }

  /** Enqueues, unless the lock can be had. */
  protected enter(again: boolean): boolean {
    const { agent, lock, q, record } = this
    const { words } = agent
    lockQueue(agent, q)
    or(words, lock, PARKED_BIT)
    const flags = this.attempt()
    if (flags >= 0) {
      // A record that a waker left linked, of this very operation, does not count as somebody who waits.
      unlink(words, q, record)
      if (firstOf(words, q) === 0) and(words, lock, ~PARKED_BIT)
      unlockQueue(agent, q)
      return this.acquired(flags)
    }
    if (again) enqueueAgain(words, q, record)
    else enqueue(words, q, record, takeTicket(words, q))
    unlockQueue(agent, q)
    if (this.noted !== undefined) this.noted.parked = true
    if (isOwnerGone(words, load(words, lock)) && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    else if (agent.region.diagnostics) refuseCycle(agent, record, () => this.abandon())
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
    if (own)
      throw new DeadlockError(
        'this agent holds the lock already, and would wait for itself: release it first, or use lockAsync() or a ReentrantMutex',
      )
  }
}

/** Releases a lock word that the agent owns; `held` is what it contains when nobody waits: the tag, and the mode. */
export function release(agent: Agent, lock: number, held: number): void {
  if (compareExchange(agent.words, lock, held, 0) !== held) releaseContended(agent, lock, lock + 1, agent.tag)
}
