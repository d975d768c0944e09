/**
 * Waking: which waiter, and how it learns of it.
 *
 * Invariants V1 A notify claims exactly one waiter, or finds none (W1). A claim that can't run now is taken back while another
 *               waiter can (V2), never dropped.
 *            V2 A promise or fiber whose agent is blocked in a thread's wait can't run: it is chosen only when nobody else is there.
 * Pairs      The waker sets the ready bit, then reads A_BLOCKED; an agent about to block writes A_BLOCKED, then drains its bits
 *            (agent.ts, enterBlocked): one of them sees the other.
 *            The waker claims, then reads KIND_ASLEEP; a thread about to sleep writes it, then reads its state (`wait` does): likewise.
 *            The bit and the claim come before the queue's unlock, the ring after it: a waker that dies in between leaves a claimed
 *            record that nobody told, and its reaper tells it.
 */
import { get, load, notify, peek, store } from '@heddle/atomics/ops'
import { A_BLOCKED, agentRecord, ownerId } from '@heddle/atomics/internal'
import type { Agent } from './agent.js'
import { KIND_ASLEEP, KIND_MASK, KIND_THREAD, W_AGENT, W_KIND, W_STATE, W_TOKEN, W_WANT } from './layout.js'
import { firstOf, nextOf, unlink } from './queue.js'
import { choose, isClaimable, mainOf, putBack } from './record.js'
import { ring, setReady } from './ready.js'

/** Word index of the agent record that a waiter record belongs to. */
export function agentOf(words: Int32Array, r: number): number {
  return agentRecord(ownerId(get(words, r + W_AGENT))) >> 2
}

/** Whether a waiter could go on at once if it were chosen now (V2). */
export function canRun(agent: Agent, main: number): boolean {
  // Only KIND_ASLEEP may change meanwhile.
  if ((peek(agent.words, main + W_KIND) & KIND_MASK) === KIND_THREAD) return true
  // Also for the caller's own: about to block, it passes on what its promises were given, and not to one another.
  return load(agent.words, agentOf(agent.words, main) + A_BLOCKED) === 0
}

/** Marks a claimed waiter ready where that takes a bit. Before the queue's unlock; `deliver` follows after it. */
export function announce(agent: Agent, main: number): void {
  // A reaper announces claims of others too, whose owners may have gone on and use the record anew.
  if ((peek(agent.words, main + W_KIND) & KIND_MASK) === KIND_THREAD) return
  const owner = agentOf(agent.words, main)
  if (owner !== agent.record) setReady(agent.words, owner, main)
}

/** Tells the agent of a claimed waiter. After the queue's unlock. */
export function deliver(agent: Agent, main: number): void {
  const { words } = agent
  // The owner may have gone on by itself and used the record for something else: then this wakes nobody, or once too often.
  const kind = load(words, main + W_KIND)
  if ((kind & KIND_MASK) === KIND_THREAD) {
    if ((kind & KIND_ASLEEP) !== 0) notify(words, main + W_STATE)
    return
  }
  const owner = agentOf(words, main)
  if (owner === agent.record) agent.makeReady(main)
  else ring(words, owner)
}

/**
 * Chooses and claims the first waiter that can run (the first of all when none can), with a token for it. Under the queue's lock.
 * @returns the claimed record, to be delivered after the unlock; 0 when nobody waits
 */
export function claimOne(agent: Agent, q: number, token: number, matches?: (r: number) => boolean): number {
  const { words } = agent
  const main = claimRunnable(agent, q, token, matches)
  if (main !== 0) return main
  // Nobody can run at once: the first of all gets it, and goes on when its agent is back.
  for (let r = firstOf(words, q), next = 0; r !== 0; r = next) {
    next = nextOf(words, r)
    if ((matches === undefined || matches(r)) && chooseRecord(agent, r, token) !== -1) {
      unlink(words, q, r)
      return mainOf(words, r)
    }
  }
  return 0
}

/** As `claimOne`, but 0 also when somebody waits and none of them can run. */
export function claimRunnable(agent: Agent, q: number, token: number, matches?: (r: number) => boolean): number {
  const { words } = agent
  for (let r = firstOf(words, q), next = 0; r !== 0; r = next) {
    next = nextOf(words, r)
    if (matches !== undefined && !matches(r)) continue
    const main = mainOf(words, r)
    if (!isClaimable(load(words, main + W_STATE))) continue
    if (!canRun(agent, main)) continue
    const before = chooseRecord(agent, r, token)
    if (before === -1) continue
    if (canRun(agent, main) || !putBack(words, main, before, linkCase(words, r))) {
      unlink(words, q, r)
      return main
    }
    lookAgain(agent, main)
  }
  return 0
}

/**
 * A claim was taken back: the owner looks at the record, when it is back. A token that was cancelled meanwhile found it claimed, and left
 * it to whoever looks next.
 */
export function lookAgain(agent: Agent, main: number): void {
  ring(agent.words, agentOf(agent.words, main))
}

/** Claims every waiter that matches, at most `count`; appends them to `claimed`. Under the queue's lock. */
export function claimMany(agent: Agent, q: number, token: number, count: number, claimed: number[], matches?: (r: number) => boolean): void {
  while (claimed.length < count) {
    const main = claimOne(agent, q, token, matches)
    if (main === 0) return
    claimed.push(main)
  }
}

/** Chooses a record, or the main record of a link, and gives it a token. @returns its former state, or -1 */
function chooseRecord(agent: Agent, r: number, token: number): number {
  const { words } = agent
  const main = mainOf(words, r)
  store(words, r + W_TOKEN, token)
  const before = choose(words, main, linkCase(words, r))
  if (before !== -1) announce(agent, main)
  return before
}

/** The case that a claim through `r` carries: a link's own number, 0 for a record that stands for itself. */
function linkCase(words: Int32Array, r: number): number {
  // Written before the record is linked: plain reads under the queue's lock.
  return mainOf(words, r) === r ? 0 : get(words, r + W_WANT)
}
