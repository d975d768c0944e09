/**
 * The wait queue: a list of waiter records in order of arrival, under a lock that survives its holder.
 *
 * Source     WebKit's WTF::ParkingLot and parking_lot_core (park and unpark with callbacks under the queue's lock); ticket order
 *            kept across retries; recovery from the records, our own.
 * Layout     layout.ts, Q_*. The lock word is 0, or the holder's tag with CONTENDED set when somebody may sleep on it.
 * Invariants Q1 Every record with W_QUEUE = q, W_LINKED = 1 that may be claimed (or is a LINK) is a waiter of q, whatever the links say:
 *               records are the truth, links are hints that `rebuild` makes anew.
 *            Q2 W_LINKED is raised, and a record becomes WAITING in q, only under q's lock (an owner takes back its own claim there
 *               too); so under the lock the set of waiters only shrinks, by claims and cancels.
 *            Q3 The list is ordered by ticket. A waiter that was woken in vain comes back with its old ticket.
 *            Q4 Enqueue: ticket, queue, LINKED, then WAITING, then the links. Dequeue: the claim, then the links, then LINKED = 0.
 *               A holder that dies between any two of these leaves a state that `rebuild` mends.
 *            Q5 A queue whose object lives has its memory. So who locks one knows that the object lives: by its caller's obligation, or
 *               (a reaper; a waiter that may have been chosen, after which the object may be disposed of) by `lockIfThere`.
 *               An object is not disposed of while a record is linked in its queue or the queue's lock is held (`isInUse`).
 * Pairs      A_PIN, then the look whether the queue is there, with the clearing of the header, then `awaitPins` (atomics/agents.ts): one of
 *            them sees the other.
 *            Unlock's exchange of Q_LOCK is seen by the next holder's compare-exchange: links and tickets are plain words under it.
 *            A rebuild after a death does not read the dead holder's links.
 * Progress   The lock is held for a few dozen instructions; who finds it held spins a bounded number of rounds, then sleeps on it
 *            for at most 1 ms at a time (a holder that died is then seen), or goes on spinning where it may not block.
 */
import { compareExchange, exchange, get, load, limits, notify, pause, peek, set, store, wait } from '@heddle/atomics/ops'
import {
  A_HEIR,
  A_PIN,
  A_STATUS,
  agentRecord,
  canBlock,
  generationOf,
  isOwnerAlive,
  MAX_GENERATION,
  OWNER_GENERATION_SHIFT,
  ownerId,
} from '@heddle/atomics/internal'
import { forEachRecord } from './slab.js'
import type { Agent } from './agent.js'
import {
  CANCELLED,
  KIND_PASSES,
  LINK,
  Q_HEAD,
  Q_LOCK,
  Q_TAIL,
  Q_TICKET,
  W_KIND,
  W_LINKED,
  W_LOCK,
  W_NEXT,
  W_PREVIOUS,
  W_QUEUE,
  W_STATE,
  W_TICKET,
  W_WANT,
  WAITING,
} from './layout.js'
import { isClaimable, phaseOf, setPhase } from './record.js'
import { revokeFrom } from './lock-word.js'

/** Somebody may sleep on the queue's lock: whoever unlocks must notify. */
const CONTENDED = 2
const LOCK_WAIT_MS = 1

/** Takes the queue's lock; recovers the queue when its holder died. @throws ShutdownError when the caller was declared dead while it slept */
export function lockQueue(agent: Agent, q: number): void {
  if (compareExchange(agent.words, q + Q_LOCK, 0, agent.tag) !== 0) lockSlow(agent, q)
}

function lockSlow(agent: Agent, q: number): void {
  const { words } = agent
  let mine = agent.tag
  for (let round = 0; ; round++) {
    const holder = load(words, q + Q_LOCK)
    if (holder === 0) {
      if (compareExchange(words, q + Q_LOCK, 0, mine) === 0) return
    } else if (!isOwnerAlive(words, holder)) {
      if (compareExchange(words, q + Q_LOCK, holder, agent.tag | CONTENDED) === holder) {
        rebuild(agent, q, holder)
        return
      }
    } else if (round < limits.queueSpin || !canBlock()) {
      pause()
    } else {
      // From here on this agent can't tell who else sleeps: it takes the lock as contended.
      mine = agent.tag | CONTENDED
      if (holder === (holder | CONTENDED) || compareExchange(words, q + Q_LOCK, holder, holder | CONTENDED) === holder) {
        wait(words, q + Q_LOCK, holder | CONTENDED, LOCK_WAIT_MS)
        agent.assertAlive()
      }
    }
  }
}

/** Gives the queue's lock back. */
export function unlockQueue(agent: Agent, q: number): void {
  if ((exchange(agent.words, q + Q_LOCK, 0) & CONTENDED) !== 0) notify(agent.words, q + Q_LOCK, 1)
}

/**
 * Takes the lock of a queue that may have been disposed of, unless `isThere`, asked while the queue is pinned, says that it was. To be given
 * back with `unlockPinned`.
 */
export function lockIfThere(agent: Agent, q: number, isThere: () => boolean): boolean {
  const pin = agent.record + A_PIN
  store(agent.words, pin, q)
  if (isThere()) {
    lockQueue(agent, q)
    return true
  }
  store(agent.words, pin, 0)
  return false
}

/** Gives back what `lockIfThere` took. */
export function unlockPinned(agent: Agent, q: number): void {
  unlockQueue(agent, q)
  store(agent.words, agent.record + A_PIN, 0)
}

/** Whether somebody waits in a queue, when nobody is in its lock any more. Before its object is disposed of (Q5). */
export function isInUse(agent: () => Agent, words: Int32Array, q: number): boolean {
  if (!mayHaveWaiters(words, q)) return false
  const mine = agent()
  lockQueue(mine, q)
  const isWaitedIn = firstOf(words, q) !== 0
  unlockQueue(mine, q)
  return isWaitedIn
}

/** Whether anybody may wait, without the lock: false only if nobody enqueued before the caller's last atomic write. */
export function mayHaveWaiters(words: Int32Array, q: number): boolean {
  // The head is written under the lock; read after the lock was seen free, it shows every enqueue that was finished by then.
  return load(words, q + Q_LOCK) !== 0 || load(words, q + Q_HEAD) !== 0
}

/** The first record; 0 for none. Under the lock. */
export function firstOf(words: Int32Array, q: number): number {
  return load(words, q + Q_HEAD)
}

/** The record after `r`; 0 for none. Under the lock. */
export function nextOf(words: Int32Array, r: number): number {
  return get(words, r + W_NEXT)
}

/** A ticket for a new waiter of q. Under the lock. */
export function takeTicket(words: Int32Array, q: number): number {
  const ticket = get(words, q + Q_TICKET)
  set(words, q + Q_TICKET, (ticket + 1) | 0)
  return ticket
}

/** Puts the caller's record into the queue, at the place of its ticket, and makes it WAITING. Under the lock. */
export function enqueue(words: Int32Array, q: number, r: number, ticket: number): void {
  store(words, r + W_TICKET, ticket)
  store(words, r + W_QUEUE, q)
  store(words, r + W_LINKED, 1)
  setPhase(words, r, WAITING)
  insert(words, q, r, ticket)
}

/** Puts a link into the queue; its W_MAIN was set before. Under the lock. @param ticket the place that it had there before */
export function enqueueLink(words: Int32Array, q: number, r: number, ticket = takeTicket(words, q)): void {
  store(words, r + W_TICKET, ticket)
  store(words, r + W_QUEUE, q)
  setPhase(words, r, LINK)
  store(words, r + W_LINKED, 1)
  insert(words, q, r, ticket)
}

/** After a wake in vain: WAITING again at the old place, whether or not the waker had unlinked the record. Under the lock. */
export function enqueueAgain(words: Int32Array, q: number, r: number): void {
  if (load(words, r + W_LINKED) === 1) setPhase(words, r, WAITING)
  else enqueue(words, q, r, load(words, r + W_TICKET))
}

/** Takes a record out of the list. Under the lock; nothing happens when it is not in it. */
export function unlink(words: Int32Array, q: number, r: number): void {
  if (load(words, r + W_LINKED) === 0) return
  splice(words, q, r)
  store(words, r + W_LINKED, 0)
}

/** Moves a waiter to the end of another queue. Under both locks; W_QUEUE changes by one store, so it is in one of the two at every moment (Q1). */
export function appendRequeued(words: Int32Array, from: number, to: number, r: number): void {
  splice(words, from, r)
  const ticket = takeTicket(words, to)
  store(words, r + W_TICKET, ticket)
  store(words, r + W_QUEUE, to)
  insert(words, to, r, ticket)
}

function splice(words: Int32Array, q: number, r: number): void {
  const next = get(words, r + W_NEXT)
  const previous = get(words, r + W_PREVIOUS)
  if (previous === 0) store(words, q + Q_HEAD, next)
  else set(words, previous + W_NEXT, next)
  if (next === 0) set(words, q + Q_TAIL, previous)
  else set(words, next + W_PREVIOUS, previous)
}

/** The owner makes sure that its claimed record is in no list, so that it may be used again (R2). */
export function settle(agent: Agent, r: number): void {
  const { words } = agent
  while (load(words, r + W_LINKED) === 1) {
    const q = load(words, r + W_QUEUE)
    // A waker may take it out before this has the lock, and the object is then free to go; a requeue may move it on.
    if (!lockIfThere(agent, q, () => load(words, r + W_LINKED) === 1 && load(words, r + W_QUEUE) === q)) continue
    if (load(words, r + W_QUEUE) === q) unlink(words, q, r)
    unlockPinned(agent, q)
  }
}

function insert(words: Int32Array, q: number, r: number, ticket: number): void {
  let after = get(words, q + Q_TAIL)
  if (after !== 0 && isBefore(ticket, load(words, after + W_TICKET))) {
    // An old ticket: its place is near the head.
    after = 0
    for (let next = load(words, q + Q_HEAD); next !== 0 && isBefore(load(words, next + W_TICKET), ticket); next = get(words, next + W_NEXT))
      after = next
  }
  const next = after === 0 ? load(words, q + Q_HEAD) : get(words, after + W_NEXT)
  set(words, r + W_PREVIOUS, after)
  set(words, r + W_NEXT, next)
  if (next === 0) set(words, q + Q_TAIL, r)
  else set(words, next + W_PREVIOUS, r)
  if (after === 0) store(words, q + Q_HEAD, r)
  else set(words, after + W_NEXT, r)
}

/** Order of tickets; they wrap, and no two waiters of a queue are 2^31 tickets apart. */
function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** Makes the list anew from the records, and finishes a grant that the dead holder had begun. Under the lock; idempotent. */
function rebuild(agent: Agent, q: number, deadHolder: number): void {
  const { words } = agent
  recoverHeir(words, q, deadHolder)
  const waiters: number[] = []
  forEachRecord(words, agent.region.agents, (r) => {
    if (load(words, r + W_QUEUE) !== q || load(words, r + W_LINKED) === 0) return
    const state = load(words, r + W_STATE)
    if (isClaimable(state) || phaseOf(state) === LINK) {
      waiters.push(r)
      // Who requeues changes W_WANT, then W_QUEUE, and may have died in between. Where somebody waits, the queue's object lives.
      if ((peek(words, r + W_KIND) & KIND_PASSES) !== 0 && get(words, r + W_WANT) !== 0) set(words, r + W_WANT, load(words, q - 1))
    } else store(words, r + W_LINKED, 0)
  })
  waiters.sort((a, b) => (load(words, a + W_TICKET) - load(words, b + W_TICKET)) | 0)
  store(words, q + Q_HEAD, 0)
  set(words, q + Q_TAIL, 0)
  let highest = get(words, q + Q_TICKET)
  for (const r of waiters) {
    const ticket = load(words, r + W_TICKET)
    if (!isBefore(ticket, highest)) highest = (ticket + 1) | 0
    insert(words, q, r, ticket)
  }
  set(words, q + Q_TICKET, highest)
}

/** A holder that died in `grant`, after it had made a waiter the owner and before it had told it: the lock becomes free. */
function recoverHeir(words: Int32Array, q: number, deadHolder: number): void {
  const record = agentRecord(ownerId(deadHolder)) >> 2
  // The slot's next generation can't have begun: the reaper itself takes this lock before that, when there is an heir.
  if (generationOf(load(words, record + A_STATUS)) !== ((deadHolder >>> OWNER_GENERATION_SHIFT) & MAX_GENERATION)) return
  const heir = load(words, record + A_HEIR)
  if (heir === 0 || load(words, heir + W_QUEUE) !== q) return
  const state = load(words, heir + W_STATE)
  if (isClaimable(state) || phaseOf(state) === CANCELLED) revokeFrom(words, load(words, heir + W_LOCK), heir)
  store(words, record + A_HEIR, 0)
}
