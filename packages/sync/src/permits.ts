/**
 * A number of permits, and those who wait for some: what Semaphore and auto-reset Event are made of.
 *
 * Source     Tanenbaum's counting semaphore; first come first served and weighted as in tokio's batch_semaphore. Here the woken waiter
 *            takes its permits itself, so that one that dies, gives up or is a promise of a blocked agent takes none along.
 * Layout     +0 permits  bit 0 WAITERS (the queue is not empty: nobody may take permits past it) · bits 1–31 permits · +4 queue
 *            A waiter's W_WANT is what it wants.
 * Invariants P1 Permits are taken by a compare-exchange while WAITERS is clear, or under the queue's lock by a waiter to whom no other
 *               has a better right: those in front of it, of agents that can run, want no more than what is left after it.
 *            P2 Nobody takes for another. A release adds, and tells the front of the queue to look: all those whose wants are covered.
 *            P3 Whenever the queue's lock is free, whoever could go on by P1 has been told (NOTIFIED), and stays linked until it has
 *               looked. So every change of permits, of the queue or of who can run ends with `wakeFront`.
 *            P4 WAITERS is set under the lock before the permits are looked at, and cleared there when the queue is empty.
 * Pairs      A release's addition is seen by the waiter's look under the lock, or the release sees WAITERS.
 * Progress   First come first served: a big request is passed by nobody but a waiter that could run while its own agent was blocked.
 *            Permits belong to nobody: an agent that dies with some has taken them out of circulation.
 * Rejected   Giving permits to the waiter at release: a releaser that dies between taking them off and telling the waiter loses permits
 *            that were never its own.
 */
import { and, compareExchange, get, load, or, store } from '@heddle/atomics/ops'
import {
  type Agent,
  announce,
  canRun,
  choose,
  deliver,
  enqueue,
  enqueueAgain,
  firstOf,
  KIND_THREAD,
  lockIfThere,
  lockQueue,
  mainOf,
  nextOf,
  NOTIFIED,
  Operation,
  phaseOf,
  takeTicket,
  unclaim,
  unlink,
  unlockPinned,
  unlockQueue,
  W_AGENT,
  W_KIND,
  W_LOCK,
  W_STATE,
  W_TICKET,
  W_WANT,
  WAITING,
} from '@heddle/park/internal'

const WAITERS_BIT = 1
/** The most permits that a word can have. */
export const MAX_PERMITS = 0x3fff_ffff

/** How many there are. */
export function permitsIn(word: number): number {
  return word >> 1
}

/** The word that has so many, and no waiters. */
export function wordOf(permits: number): number {
  return permits << 1
}

/** Takes `want` permits if nobody waits and there are enough. */
export function tryTake(words: Int32Array, at: number, want: number): boolean {
  for (let word = load(words, at); (word & WAITERS_BIT) === 0 && permitsIn(word) >= want; word = load(words, at)) {
    if (compareExchange(words, at, word, word - wordOf(want)) === word) return true
  }
  return false
}

/** As `tryTake`, where WAITERS may be left over from a waiter that died. */
export function tryTakeNow(agent: () => Agent, words: Int32Array, at: number, want: number): boolean {
  if (tryTake(words, at, want)) return true
  if ((load(words, at) & WAITERS_BIT) === 0 || firstOf(words, at + 1) !== 0) return false
  wake(agent(), at)
  return tryTake(words, at, want)
}

/**
 * Adds permits, never past `max`, and wakes whoever can go on.
 * @param isThere whether the owner of the permits lives: who takes them may dispose of it before their giver has looked at the queue
 * @returns whether there was room
 */
export function give(agent: () => Agent, words: Int32Array, at: number, permits: number, max: number, isThere: () => boolean): boolean {
  for (;;) {
    const word = load(words, at)
    if (permitsIn(word) + permits > max) return false
    if (compareExchange(words, at, word, word + wordOf(permits)) !== word) continue
    if ((word & WAITERS_BIT) !== 0) {
      const mine = agent()
      if (lockIfThere(mine, at + 1, isThere)) unlockAndWake(mine, at, unlockPinned)
    }
    return true
  }
}

/** As `give` of one permit, of which one is kept while nobody waits, and one for each waiter. */
export function signal(agent: () => Agent, words: Int32Array, at: number): void {
  for (;;) {
    const word = load(words, at)
    if ((word & WAITERS_BIT) !== 0) break
    if (permitsIn(word) > 0 || compareExchange(words, at, word, word + wordOf(1)) === word) return
  }
  const mine = agent()
  const q = at + 1
  lockQueue(mine, q)
  let waiters = 0
  for (let r = firstOf(words, q); r !== 0; r = nextOf(words, r)) if (isPresent(load(words, r + W_STATE))) waiters++
  const room = Math.max(1, waiters)
  for (let word = load(words, at); permitsIn(word) < room; word = load(words, at)) {
    if (compareExchange(words, at, word, word + wordOf(1)) === word) break
  }
  unlockAndWake(mine, at)
}

/** Tells the front of the queue to look. */
export function wake(agent: Agent, at: number): void {
  lockQueue(agent, at + 1)
  unlockAndWake(agent, at)
}

function isPresent(state: number): boolean {
  return phaseOf(state) === WAITING || phaseOf(state) === NOTIFIED
}

/** Tells everybody whose wants are covered (P3). Under the queue's lock; appends whom to deliver to. */
function wakeFront(agent: Agent, at: number, told: number[]): void {
  const { words } = agent
  const q = at + 1
  if (firstOf(words, q) === 0) {
    and(words, at, ~WAITERS_BIT)
    return
  }
  const kept: number[] = []
  let left = permitsIn(load(words, at))
  for (let r = firstOf(words, q); r !== 0; r = nextOf(words, r)) {
    const state = load(words, r + W_STATE)
    if (!isPresent(state)) continue
    // One whose agent is blocked would leave them lying: those behind it come first, and what they leave is kept for it.
    if (!canRun(agent, r)) {
      kept.push(r)
      continue
    }
    const want = load(words, r + W_WANT)
    if (want > left) break
    left -= want
    tell(agent, r, state, told)
  }
  for (const r of kept) {
    const want = load(words, r + W_WANT)
    if (want > left) break
    left -= want
    tell(agent, r, load(words, r + W_STATE), told)
  }
}

function tell(agent: Agent, r: number, state: number, told: number[]): void {
  if (phaseOf(state) !== WAITING || choose(agent.words, r, 0) === -1) return
  announce(agent, r)
  told.push(mainOf(agent.words, r))
}

function unlockAndWake(agent: Agent, at: number, unlock = unlockQueue): void {
  const told: number[] = []
  wakeFront(agent, at, told)
  unlock(agent, at + 1)
  for (const r of told) deliver(agent, r)
}

/** Takes permits, waiting for them in order of arrival. */
export class PermitOperation extends Operation<void> {
  constructor(
    agent: Agent,
    private readonly at: number,
    private readonly want: number,
    /** What gives them back, when the caller aborted at the moment of success. */
    private readonly giveBack: () => void,
  ) {
    super(agent)
  }

  begin(): boolean {
    const { agent, at, record } = this
    const { words } = agent
    if (tryTake(words, at, this.want)) return true
    const q = at + 1
    store(words, record + W_LOCK, 0)
    store(words, record + W_WANT, this.want)
    lockQueue(agent, q)
    or(words, at, WAITERS_BIT)
    // Behind everybody: as if it had the next ticket.
    const done = this.take(Infinity)
    if (!done) enqueue(words, q, record, takeTicket(words, q))
    unlockAndWake(agent, at)
    return done
  }

  resume(): boolean {
    const { agent, at, record } = this
    const { words } = agent
    const q = at + 1
    lockQueue(agent, q)
    const done = this.take(load(words, record + W_TICKET))
    if (done) unlink(words, q, record)
    else enqueueAgain(words, q, record)
    unlockAndWake(agent, at)
    return done
  }

  override abandon(): void {
    const { agent, at, record } = this
    lockQueue(agent, at + 1)
    unlink(agent.words, at + 1, record)
    unlockAndWake(agent, at)
  }

  override undo(): boolean {
    this.giveBack()
    return true
  }

  /** A promise that was told, and whose agent is about to block: it counts as one that can't run from here on. */
  override yieldClaim(): boolean {
    const { agent, at, record } = this
    const q = at + 1
    lockQueue(agent, q)
    const again = unclaim(agent.words, record, NOTIFIED)
    // A reaper that passed a wake on had unlinked it.
    if (again) enqueueAgain(agent.words, q, record)
    unlockAndWake(agent, at)
    return again && phaseOf(load(agent.words, record + W_STATE)) === WAITING
  }

  /** Whether `r` is a promise or fiber of the thread that this operation blocks: it can't run before this is done. */
  private blocks(r: number): boolean {
    const { words, tag } = this.agent
    return get(words, r + W_AGENT) === tag && get(words, r + W_KIND) !== KIND_THREAD && get(words, this.record + W_KIND) === KIND_THREAD
  }

  /** Takes what it wants if nobody in front has a better right (P1). Under the queue's lock. */
  private take(ticket: number): boolean {
    const { agent, at, record } = this
    const { words } = agent
    let before = 0
    for (let r = firstOf(words, at + 1); r !== 0; r = nextOf(words, r)) {
      if (r === record || (ticket !== Infinity && ((load(words, r + W_TICKET) - ticket) | 0) > 0)) break
      if (isPresent(load(words, r + W_STATE)) && canRun(agent, r) && !this.blocks(r)) before += load(words, r + W_WANT)
    }
    for (let word = load(words, at); permitsIn(word) - before >= this.want; word = load(words, at)) {
      if (compareExchange(words, at, word, word - wordOf(this.want)) === word) return true
    }
    return false
  }
}
