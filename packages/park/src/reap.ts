/**
 * What happens when an agent dies: everything that others wait for goes on without it (W3).
 *
 * An agent can die between any two of its operations: holding a queue's lock, between claiming a waiter and waking it, between
 * releasing a lock and waking its successor, or asleep. A reaper is any live agent that learns of the death.
 *
 *   phase of the dead agent    what holds
 *   FREE → DEAD                the thread died between claiming the slot and being ALIVE in it (atomics/agents.ts): it has nothing
 *   ALIVE → DEAD               one reaper won; its queue locks may be taken over (queue.ts rebuilds), what it owns may not yet
 *   DEAD → REAPED              its shared holds are returned (holds.ts), its own waiters are out, notifies that it had got and grants that it had not taken are passed on;
 *                              what still names it as owner was its own: whoever wants it takes it over, as poisoned
 *   REAPED → FREE              everybody who waits anywhere in the region has been told to look again; generation + 1
 * Invariants D1 Every step can be done twice. A reaper that dies is replaced: its id is in the status word of the slot that it was
 *               reaping from the same store that declared the death, and who reaps it begins that slot anew.
 *            D2 A waiter looks at its lock's owner after it became WAITING, and is told to look again after REAPED: it can't sleep
 *               on a lock whose owner is gone.
 *            D3 Who decided to wait before a death was counted, and became WAITING after the look at the records, sees the count.
 * Rejected   A list of the queues that an agent is working on (`intent`): telling every waiter to look again finds the same queues,
 *            costs nothing while nobody dies, and also covers wakes that were lost between release and claim.
 * Cost       One pass over all waiter records of the region, and a wake for each that waits. Deaths are rare.
 */
import { add, compareExchange, exchange, get, load, notify, store } from '@heddle/atomics/ops'
import {
  A_BLOCKED,
  A_HEIR,
  A_MODE,
  A_PIN,
  A_SPINNING,
  A_STATUS,
  A_THREAD,
  agentRecord,
  generationOf,
  H_DEATHS,
  H_SPINNING,
  MAX_GENERATION,
  PHASE_ALIVE,
  PHASE_DEAD,
  PHASE_FREE,
  PHASE_MASK,
  PHASE_REAPED,
  PHASE_RETIRED,
  REAPER_SHIFT,
  STATUS_SHIFT,
} from '@heddle/atomics/internal'
import type { Region } from '@heddle/atomics'
import type { Agent } from './agent.js'
import { finishCancelOf } from './cancel-tree.js'
import { returnHolds } from './holds.js'
import {
  BELL,
  CANCELLED,
  CASE_RECHECK,
  CASE_TOKEN,
  FREE,
  GRANTED,
  KIND_PASSES,
  NOTIFIED,
  W_KEY,
  W_KIND,
  W_LOCK,
  W_QUEUE,
  W_STATE,
  W_TOKEN,
  W_WANT,
  WAITING,
} from './layout.js'
import { revokeFrom } from './lock-word.js'
import { isHome } from './park-operation.js'
import { lockIfThere, settle, unlockPinned } from './queue.js'
import { raiseAll } from './ready.js'
import { caseOf, claim, phaseOf, release } from './record.js'
import { chunksOf, forEachRecord, forEachRecordOf } from './slab.js'
import { announce, claimOne, deliver } from './wake.js'

/** Whether the thread has a slot of the region, or has begun to take one, as far as anybody has noticed. */
export function isKnown(region: Region, threadId: number): boolean {
  if (threadId <= 0) return false
  for (let id = 1; id <= region.agents; id++) if (load(region.words, (agentRecord(id) >> 2) + A_THREAD) === threadId) return true
  return false
}

/** Reaps every agent of a thread that has ended; returns how many there were. A thread without a number (0) can't be told from others, so none. */
export function reapThread(agent: Agent, threadId: number): number {
  if (threadId <= 0) return 0
  const { words } = agent
  let reaped = 0
  for (let id = 1; id <= agent.region.agents; id++) {
    const record = agentRecord(id) >> 2
    // Before the number: a slot that is somebody else's by then has another generation.
    const status = load(words, record + A_STATUS)
    if (load(words, record + A_THREAD) !== threadId || id === agent.id) continue
    const phase = status & PHASE_MASK
    if (phase === PHASE_ALIVE) reaped += reap(agent, id, generationOf(status)) ? 1 : 0
    else if (phase === PHASE_FREE) declareDead(agent, id, status)
    // Being reaped by another, or claimed too late: the claim never became an agent.
    else compareExchange(words, record + A_THREAD, threadId, 0)
  }
  return reaped
}

/**
 * Declares an agent dead and gives back what it had.
 * @returns false when it was not alive with this generation, or another reaper was first
 */
export function reap(agent: Agent, id: number, generation: number): boolean {
  return declareDead(agent, id, (generation << STATUS_SHIFT) | PHASE_ALIVE)
}

function declareDead(agent: Agent, id: number, status: number): boolean {
  const generation = generationOf(status)
  if (compareExchange(agent.words, (agentRecord(id) >> 2) + A_STATUS, status, statusOf(agent, generation, PHASE_DEAD)) !== status) return false
  finish(agent, id, generation)
  return true
}

/** The status word of a slot that this agent reaps. */
function statusOf(agent: Agent, generation: number, phase: number): number {
  return (agent.id << REAPER_SHIFT) | (generation << STATUS_SHIFT) | phase
}

/** The steps from DEAD to FREE; every one can be done twice (D1). */
function finish(agent: Agent, id: number, generation: number): void {
  const { words } = agent
  const record = agentRecord(id) >> 2
  recoverHeir(agent, record)
  finishCancelOf(agent, record)
  agent.region.reclaim(id)
  returnHolds(words, record)
  const passed: number[] = []
  forEachRecordOf(words, record, (r) => giveBack(agent, r, passed))
  for (const main of passed) deliver(agent, main)
  store(words, record + A_STATUS, statusOf(agent, generation, PHASE_REAPED))
  recheckEverybody(agent)
  reapTheReaped(agent, id)
  if (exchange(words, record + A_SPINNING, 0) === 1) add(words, H_SPINNING, -1)
  store(words, record + A_BLOCKED, 0)
  store(words, record + A_PIN, 0)
  store(words, record + A_THREAD, 0)
  store(words, record + A_STATUS, generation === MAX_GENERATION ? PHASE_RETIRED : ((generation + 1) << STATUS_SHIFT) | PHASE_FREE)
}

/** It may have been granting a lock: taking over the lock of the heir's queue finishes or undoes that (queue.ts). */
function recoverHeir(agent: Agent, record: number): void {
  const { words } = agent
  const heir = load(words, record + A_HEIR)
  if (heir === 0) return
  const q = load(words, heir + W_QUEUE)
  // Another may take the lock over at any moment, and clears A_HEIR before it lets go: from then on the lock's object may go, too.
  if (lockIfThere(agent, q, () => load(words, record + A_HEIR) === heir)) unlockPinned(agent, q)
  // Whoever held the lock with an heir has cleared it; one that died after its unlock had finished the grant.
  store(words, record + A_HEIR, 0)
}

/** One record of the dead agent: out of its queue, and what it had been given goes to the next. */
function giveBack(agent: Agent, r: number, passed: number[]): void {
  const { words } = agent
  const state = load(words, r + W_STATE)
  const phase = phaseOf(state)
  if (phase === FREE) return
  // A waker may claim it while this looks: then that claim is passed on below.
  if (phase === WAITING && !claim(words, r, CANCELLED)) {
    giveBack(agent, r, passed)
    return
  }
  const q = load(words, r + W_QUEUE)
  if (q !== 0 && phase !== BELL) {
    settle(agent, r)
    if (phase === NOTIFIED && caseOf(state) !== CASE_RECHECK) {
      const next = passOn(agent, q, r)
      if (next !== 0) passed.push(next)
    }
    if (phase === GRANTED) revokeFrom(words, load(words, r + W_LOCK), r)
  }
  release(words, r)
}

/** The notify that a dead waiter had got goes to the next one in its queue, for the same key, if the queue lives. @returns its record, or 0 */
function passOn(agent: Agent, q: number, dead: number): number {
  const { words } = agent
  // Its owner is dead, and these were written before it was linked: plain reads.
  if ((get(words, dead + W_KIND) & KIND_PASSES) === 0) return 0
  const key = get(words, dead + W_KEY)
  const home = get(words, dead + W_WANT)
  if (!lockIfThere(agent, q, () => isHome(words, q, home))) return 0
  const next = claimOne(agent, q, load(words, dead + W_TOKEN), key === 0 ? undefined : (r) => get(words, r + W_KEY) === key)
  unlockPinned(agent, q)
  return next
}

/**
 * Tells everybody who waits to look again, and tells again everybody who was claimed: what the dead agent had released without waking
 * a successor, claimed without telling, or announced by half.
 */
function recheckEverybody(agent: Agent): void {
  const { words, region } = agent
  // Before the look at the records: who is not WAITING yet will see it after it is.
  add(words, H_DEATHS, 1)
  forEachRecord(words, region.agents, (r) => {
    const state = load(words, r + W_STATE)
    const phase = phaseOf(state)
    const told = phase === NOTIFIED || phase === GRANTED || (phase === CANCELLED && caseOf(state) === CASE_TOKEN)
    if (!told && !(phase === WAITING && claim(words, r, NOTIFIED, CASE_RECHECK))) return
    announce(agent, r)
    deliver(agent, r)
  })
  for (let id = 1; id <= region.agents; id++) {
    const record = agentRecord(id) >> 2
    if ((load(words, record + A_STATUS) & PHASE_MASK) !== PHASE_ALIVE) continue
    raiseAll(words, record, chunksOf(words, record))
    // Even where the mode says that it was rung: the dead agent may have said so and not done it.
    notify(words, record + A_MODE)
  }
}

/** The dead agent may have been a reaper itself: its work is begun anew. */
function reapTheReaped(agent: Agent, reaper: number): void {
  const { words } = agent
  for (let id = 1; id <= agent.region.agents; id++) {
    const record = agentRecord(id) >> 2
    const status = load(words, record + A_STATUS)
    const phase = status & PHASE_MASK
    if ((phase !== PHASE_DEAD && phase !== PHASE_REAPED) || status >>> REAPER_SHIFT !== reaper) continue
    const generation = generationOf(status)
    if (compareExchange(words, record + A_STATUS, status, statusOf(agent, generation, PHASE_DEAD)) === status) finish(agent, id, generation)
  }
}
