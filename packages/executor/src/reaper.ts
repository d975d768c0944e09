/**
 * What happens to the calls of a worker that died. Run by the agent that started the worker, after its thread has ended.
 *
 * Invariants I1 The worker's number is not given to another one before this is done: a STARTED slot that names it is its own.
 *            I2 Entries of the queue are hints: whatever the dead worker may have taken from it without starting it is entered again.
 */
import { load, store } from '@heddle/atomics/ops'
import type { Injector } from './injector.js'
import {
  CHUNK_SLOTS,
  K_AGENT,
  K_BELL,
  K_PHASE,
  K_RUNNING,
  MAX_CHUNKS,
  MAX_SUBMITTERS,
  P_CHUNK_AT,
  P_CHUNK_DONE,
  P_CHUNK_OWNER,
  S_ASLEEP,
  S_BELL,
  S_CHUNKS,
  S_OWNER,
  S_ROOT,
  T_STATE,
  T_SUBMITTER,
  WORKER_DEAD,
} from './layout.js'
import type { Pool } from './pool.js'
import { abandonQueued, crash, giveBack, phaseOf, QUEUED, releaseEnded, STARTED } from './slot.js'
import { announceWork, claimSleeper, endSpin, endWaking, ringAll } from './wakeup.js'

/** Settles and requeues the calls of a dead worker; returns how many had started there. */
export function reapWorker(pool: Pool, injector: Injector, worker: number): number {
  const { words } = pool
  const record = pool.workerAt(worker)
  store(words, record + K_PHASE, WORKER_DEAD)
  store(words, record + K_BELL, 0)
  endSpin(pool, worker)
  claimSleeper(pool, worker)
  endWaking(pool, worker)
  store(words, record + K_RUNNING, 0)
  let crashed = 0
  const told = new Set<number>()
  forEachSlot(pool, (slot, at) => {
    const submitter = load(words, at + T_SUBMITTER)
    if (crash(words, at + T_STATE, worker)) {
      crashed++
      told.add(submitter)
      pool.markDoneAgain(slot, submitter)
      return
    }
    giveBack(words, at + T_STATE, worker)
    const phase = phaseOf(load(words, at + T_STATE))
    if (phase === QUEUED) {
      if (injector.push(slot)) announceWork(pool)
    } else if (phase > STARTED) {
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
  // It may have been about to ring any of them.
  ringAll(pool)
  return crashed
}

/** Gives back what dead agents had as submitters, as far as none of their calls still runs. `tag` 0: those that are closed already. */
export function closeSubmitters(pool: Pool, tag: number): void {
  const { words, base } = pool
  for (let number = 0; number < MAX_SUBMITTERS; number++) {
    const record = pool.submitterAt(number)
    const owner = load(words, record + S_OWNER)
    if (owner === 0 || (owner !== tag && owner !== ORPHAN)) continue
    store(words, record + S_OWNER, ORPHAN)
    store(words, record + S_BELL, 0)
    let running = false
    for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
      if (load(words, base + P_CHUNK_OWNER + chunk) !== number + 1) continue
      for (let i = 0; i < CHUNK_SLOTS; i++) {
        const at = pool.slotAt(chunk * CHUNK_SLOTS + i)
        if (!abandonQueued(words, at + T_STATE)) running = true
      }
    }
    if (running) continue
    for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
      if (load(words, base + P_CHUNK_OWNER + chunk) !== number + 1) continue
      for (let i = 0; i < CHUNK_SLOTS; i++) releaseEnded(words, pool.slotAt(chunk * CHUNK_SLOTS + i) + T_STATE)
      store(words, base + P_CHUNK_DONE + chunk, 0)
      store(words, base + P_CHUNK_OWNER + chunk, 0)
    }
    for (let i = 0; i < 32; i++) store(words, record + S_CHUNKS + i, 0)
    store(words, record + S_ROOT, 0)
    store(words, record + S_ASLEEP, 0)
    store(words, record + S_OWNER, 0)
  }
}

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
