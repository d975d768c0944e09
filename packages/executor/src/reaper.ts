/**
 * What happens to the calls of a worker that died. Run by the agent that started the worker, after its thread has ended.
 *
 * Invariants I1 The worker's number is not given to another one before this is done: a STARTED slot that names it is its own.
 *            I2 Entries of the queue are hints: whatever the dead worker may have taken from it without starting it is entered again.
 */
import { isOwnerGone } from '@heddle/atomics/internal'
import { compareExchange, load, peek, store } from '@heddle/atomics/ops'
import type { Queues } from './queues.js'
import {
  CHUNK_SLOTS,
  K_ACTIVITY,
  K_AGENT,
  K_BELL,
  K_CANCELS,
  K_PHASE,
  K_RUNNING,
  K_STUCK_TASK,
  MAX_CHUNKS,
  MAX_SUBMITTERS,
  P_CHUNK_AT,
  P_CHUNK_DONE,
  P_CHUNK_OWNER,
  P_IDLE_BLOCKING,
  P_OWNER_BELL,
  POSTED_QUEUE,
  queueOf,
  S_ASLEEP,
  S_BELL,
  S_CHUNKS,
  S_OWNER,
  S_ROOT,
  S_WANTS_ROOM,
  SLOT_WORDS,
  T_STATE,
  T_SUBMITTER,
  T_TASK,
  targetOf,
  WORKER_DEAD,
} from './layout.js'
import { clear } from './payload.js'
import type { Pool } from './pool.js'
import { abandonQueued, crash, giveBack, phaseOf, QUEUED, refuse, releaseEnded, STARTED } from './slot.js'
import { announceWork, claimSleeper, endSpin, endWaking, ringAll } from './wakeup.js'

/** What became of a dead worker's calls. */
export interface Reaped {
  /** How many had started there. */
  readonly crashed: number
  /** HUNGRY_* of the workers that the others want and nobody is there. */
  readonly hungry: number
  /** Whether there was no room for all of them: `enterQueued` is to be tried again. */
  readonly again: boolean
}

/** Settles and requeues the calls of a dead worker. */
export function reapWorker(pool: Pool, queues: Queues, worker: number): Reaped {
  const { words } = pool
  const record = pool.workerAt(worker)
  store(words, record + K_PHASE, WORKER_DEAD)
  store(words, record + K_BELL, 0)
  endSpin(pool, worker)
  claimSleeper(pool, worker)
  claimSleeper(pool, worker, P_IDLE_BLOCKING)
  endWaking(pool, worker)
  store(words, record + K_RUNNING, 0)
  store(words, record + K_CANCELS, 0)
  // Who watches has said that it is stuck, or sees that something has changed (monitor.ts, M4).
  store(words, record + K_ACTIVITY, load(words, record + K_ACTIVITY) + 1)
  store(words, record + K_STUCK_TASK, 0)
  queues.mend(worker)
  let crashed = 0
  const told = new Set<number>()
  forEachSlot(pool, (slot, at) => {
    // Plain: in a chunk that somebody is just taking it is being written, and no slot has a call that ran here.
    const submitter = peek(words, at + T_SUBMITTER)
    if (crash(words, at + T_STATE, worker)) {
      crashed++
      told.add(submitter)
      pool.markDoneAgain(slot, submitter)
      return
    }
    giveBack(words, at + T_STATE, worker)
    // Plain: see enterQueued.
    const task = peek(words, at + T_TASK)
    // Its arguments were in the worker's messages.
    if (queueOf(task) === POSTED_QUEUE && targetOf(task) === worker) refuse(words, at + T_STATE, worker)
    if (phaseOf(load(words, at + T_STATE)) > STARTED) {
      // The worker may have died before it said so.
      told.add(submitter)
      pool.markDoneAgain(slot, submitter)
    }
  })
  for (const submitter of told) {
    const index = pool.submitterAt(submitter)
    store(words, index + S_ASLEEP, 0)
    pool.ring(index + S_BELL)
  }
  closeSubmitters(pool, load(words, record + K_AGENT))
  const { hungry, again } = enterQueued(pool, queues)
  // It may have been about to ring any of them.
  ringAll(pool)
  return { crashed, hungry, again }
}

/** Enters every call that waits into its queue, once more or again (I2). */
export function enterQueued(pool: Pool, queues: Queues): Omit<Reaped, 'crashed'> {
  const { words } = pool
  let hungry = 0
  let again = false
  forEachSlot(pool, (slot, at) => {
    if (phaseOf(load(words, at + T_STATE)) !== QUEUED) return
    // Plain: nobody changes it while the call waits; if it waits no more, the entry is harmless.
    const queue = queueOf(peek(words, at + T_TASK))
    if (queue === POSTED_QUEUE) return
    if (queues.push(queue, slot)) hungry |= announceWork(pool, queue)
    else again = true
  })
  return { hungry, again }
}

/** Gives back what dead agents had as submitters, as far as none of their calls still runs. `tag` 0: of all agents that are known to be dead. */
export function closeSubmitters(pool: Pool, tag: number): void {
  const { words } = pool
  for (let number = 0; number < MAX_SUBMITTERS; number++) {
    const owner = load(words, pool.submitterAt(number) + S_OWNER)
    if (owner === 0 || (owner !== ORPHAN && (tag === 0 ? !isOwnerGone(words, owner) : owner !== tag))) continue
    releaseSubmitter(pool, number)
  }
}

/** Gives back what an agent had as a submitter; what still runs of its calls keeps its place until it has ended, of which the agent that starts workers hears. */
export function releaseSubmitter(pool: Pool, number: number): void {
  const { words, base } = pool
  const record = pool.submitterAt(number)
  store(words, record + S_OWNER, ORPHAN)
  // Before it is looked who runs: whoever ends a call later finds its bit not set, and rings.
  store(words, record + S_BELL, load(words, base + P_OWNER_BELL))
  store(words, record + S_ASLEEP, 1)
  let running = false
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    // One that died between the two has no slots.
    if (load(words, base + P_CHUNK_OWNER + chunk) !== number + 1 || load(words, base + P_CHUNK_AT + chunk) === 0) continue
    store(words, base + P_CHUNK_DONE + chunk, 0)
    for (let i = 0; i < CHUNK_SLOTS; i++) {
      const at = pool.slotAt(chunk * CHUNK_SLOTS + i)
      if (!abandonQueued(words, at + T_STATE)) running = true
    }
  }
  if (running) return
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    // By one of those who do it at the same time, since the next owner's slots are nobody else's. One that dies here takes the chunk with it.
    if (compareExchange(words, base + P_CHUNK_OWNER + chunk, number + 1, RELEASED) !== number + 1) continue
    if (load(words, base + P_CHUNK_AT + chunk) !== 0) {
      const first = pool.slotAt(chunk * CHUNK_SLOTS)
      for (let i = 0; i < CHUNK_SLOTS; i++) releaseEnded(words, first + i * SLOT_WORDS + T_STATE)
      clear(pool.region, first, CHUNK_SLOTS)
    }
    store(words, base + P_CHUNK_DONE + chunk, 0)
    store(words, base + P_CHUNK_OWNER + chunk, 0)
  }
  for (let i = 0; i < 32; i++) store(words, record + S_CHUNKS + i, 0)
  store(words, record + S_ROOT, 0)
  store(words, record + S_ASLEEP, 0)
  store(words, record + S_WANTS_ROOM, 0)
  store(words, record + S_BELL, 0)
  store(words, record + S_OWNER, 0)
}

/** Gives back what agents had that are gone, if calls of theirs have ended meanwhile. */
export function releaseOrphans(pool: Pool): void {
  for (let number = 0; number < MAX_SUBMITTERS; number++)
    if (load(pool.words, pool.submitterAt(number) + S_OWNER) === ORPHAN) releaseSubmitter(pool, number)
}

/** Takes a chunk for a submitter, one of a dead agent's if there is no other; -1 when all are taken. @throws RegionFullError */
export function takeChunk(pool: Pool, number: number): number {
  const chunk = pool.takeChunk(number)
  if (chunk !== -1) return chunk
  closeSubmitters(pool, 0)
  return pool.takeChunk(number)
}

/** Whether another agent than the given submitter's uses the pool. */
export function hasOtherSubmitters(pool: Pool, number: number): boolean {
  for (let other = 0; other < MAX_SUBMITTERS; other++) {
    const owner = load(pool.words, pool.submitterAt(other) + S_OWNER)
    if (other !== number && owner !== 0 && owner !== ORPHAN && !isOwnerGone(pool.words, owner)) return true
  }
  return false
}

/** Ends every call that waits, for whomever: nobody will run it. */
export function refuseQueued(pool: Pool): void {
  const { words } = pool
  const told = new Set<number>()
  forEachSlot(pool, (slot, at) => {
    if (!refuse(words, at + T_STATE, NOBODY)) return
    const submitter = load(words, at + T_SUBMITTER)
    told.add(submitter)
    pool.markDoneAgain(slot, submitter)
  })
  for (const submitter of told) {
    store(words, pool.submitterAt(submitter) + S_ASLEEP, 0)
    pool.ring(pool.submitterAt(submitter) + S_BELL)
  }
}

/** The worker in the state of a call that none will run. */
export const NOBODY = 255

/** Owner word of a chunk that is being given back: no submitter's number. */
const RELEASED = -1

/** Owner word of a submitter whose agent is dead and one of whose calls still runs: no agent's tag. */
const ORPHAN = -1

/** Every slot that has memory. */
export function forEachSlot(pool: Pool, visit: (slot: number, at: number) => void): void {
  const { words, base } = pool
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    if (load(words, base + P_CHUNK_AT + chunk) === 0) continue
    for (let i = 0; i < CHUNK_SLOTS; i++) {
      const slot = chunk * CHUNK_SLOTS + i
      visit(slot, pool.slotAt(slot))
    }
  }
}
