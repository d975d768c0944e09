/**
 * Which worker is told of new work.
 *
 * Source     Go's scheduler (proc.go, "Worker thread parking/unparking"): a worker that looks for work counts as spinning; whoever
 *            adds work wakes a sleeper only when nobody spins, and who was woken or found work by spinning wakes another when there is more.
 * Layout     P_SPINNING, P_SLEEPING, P_WAKING  one bit for each worker
 * Invariants I1 A worker sets its own spinning and sleeping bits (P_SLEEPING; P_IDLE_BLOCKING for those that run blocking calls). A sleeper's is turned into a waking bit by whoever rings it: one wake for
 *               each sleep. The others are cleared by the worker itself, or by its reaper.
 *               A worker that begins to run a call takes its own sleeping bit away first, and answers for who had counted on it. The code of an async
 *               call that goes on can't be seen: sleepers without such calls are woken first, and a worker looks at the queues when one of its
 *               async calls ends.
 *            I2 A waker that dies before it rings leaves a sleeper without its bit: the reaper rings everybody.
 * Pairs      Adding: the queue's entry, then P_SPINNING and P_SLEEPING are read. Going to sleep: the sleeping bit is set, the spinning bit
 *            cleared, then the queues are looked at. One of them sees the other.
 * Rejected   A count of spinners: a worker that dies while it is counted would keep everybody from waking anybody.
 */
import { getHost } from '@heddle/park/internal'
import { and, exchange, load, or, peek } from '@heddle/atomics/ops'
import {
  HUNGRY_BLOCKING,
  HUNGRY_ISOLATED,
  HUNGRY_POOL,
  ISOLATED_QUEUE,
  K_BELL,
  K_RUNNING,
  LEVEL_QUEUES,
  MAX_WORKERS,
  NORMAL_QUEUE,
  P_HUNGRY,
  P_IDLE_BLOCKING,
  P_OWNER_BELL,
  P_SLEEPING,
  P_SPINNING,
  P_WAKING,
  P_WATCHER_ASLEEP,
  P_WATCHER_BELL,
  queueOf,
  S_BELL,
  S_WANTS_ROOM,
  T_TASK,
  WORKER_SET_WORDS,
} from './layout.js'
import { lowest, type Pool } from './pool.js'
import type { Queues } from './queues.js'

/**
 * After a call was added to a queue: wakes a worker that sleeps, unless one is looking already.
 * @returns HUNGRY_* for the kind of worker that is missing: nobody sleeps and nobody spins; 0 when none is
 */
export function announceWork(pool: Pool, queue: number = NORMAL_QUEUE): number {
  if (queue < LEVEL_QUEUES) return isSpinning(pool) || wakeOne(pool) ? 0 : HUNGRY_POOL
  if (queue === ISOLATED_QUEUE) return HUNGRY_ISOLATED
  return wakeOne(pool, P_IDLE_BLOCKING) ? 0 : HUNGRY_BLOCKING
}

/** How a worker enters a call again that it had claimed, and now everybody may take. */
export function giveBackTo(pool: Pool, queues: Pick<Queues, 'push'>): (slot: number) => void {
  const giveBack = (slot: number): void => {
    // Plain: the call waits, nobody changes what it is.
    const queue = queueOf(peek(pool.words, pool.slotAt(slot) + T_TASK))
    if (queues.push(queue, slot)) {
      const hungry = announceWork(pool, queue)
      if (hungry !== 0) callOwner(pool, hungry)
    } else getHost().setTimer(() => giveBack(slot), 1)
  }
  return giveBack
}

/** Tells the agent that starts workers which kind is missing, once until it has seen to it. */
export function callOwner(pool: Pool, hungry: number): void {
  const { words, base } = pool
  if ((load(words, base + P_HUNGRY) & hungry) !== 0 || (or(words, base + P_HUNGRY, hungry) & hungry) !== 0) return
  pool.ring(base + P_OWNER_BELL)
}

/** Whether any worker looks for work. */
function isSpinning(pool: Pool): boolean {
  const { words, base } = pool
  if (load(words, base + P_SPINNING) !== 0) return true
  const count = pool.maxWorkers
  for (let i = 1; i << 5 < count; i++) if (load(words, base + P_SPINNING + i) !== 0) return true
  return false
}

/** Whether the pool's workers may need every core: there are as many, and none of them has nothing to run. */
export function isCrowded(pool: Pool): boolean {
  const { words, base } = pool
  if (pool.maxWorkers < getHost().parallelism) return false
  for (let i = 0; i << 5 < pool.maxWorkers; i++) if ((load(words, base + P_SPINNING + i) | load(words, base + P_SLEEPING + i)) !== 0) return false
  return true
}

/** Wakes one worker of a set of sleepers, one without async calls if there is one; false when none sleeps. */
export function wakeOne(pool: Pool, sleepers: number = P_SLEEPING): boolean {
  const { words, base } = pool
  const count = sleepers === P_SLEEPING ? pool.maxWorkers : MAX_WORKERS
  // Mostly none sleeps while many calls are made: that much fits into the code of the caller.
  for (let i = 0; i << 5 < count; i++) if (load(words, base + sleepers + i) !== 0) return wakeBest(pool, sleepers, count)
  return false
}

function wakeBest(pool: Pool, sleepers: number, count: number): boolean {
  const { words, base } = pool
  let others = false
  for (let i = 0; i << 5 < count; i++) {
    for (let bits = load(words, base + sleepers + i); bits !== 0; bits &= bits - 1) {
      const worker = (i << 5) | lowest(bits)
      if (load(words, pool.workerAt(worker) + K_RUNNING) !== 0) others = true
      else if (wake(pool, worker, sleepers)) return true
    }
  }
  if (!others) return false
  // An async call may be computing there: it hears of the ring when that ends.
  for (let i = 0; i << 5 < count; i++)
    for (let bits = load(words, base + sleepers + i); bits !== 0; bits &= bits - 1) if (wake(pool, (i << 5) | lowest(bits), sleepers)) return true
  return false
}

function wake(pool: Pool, worker: number, sleepers: number): boolean {
  if (!claimSleeper(pool, worker, sleepers)) return false
  setWaking(pool, worker)
  pool.ring(pool.workerAt(worker) + K_BELL)
  tellWatcher(pool)
  return true
}

/** A worker begins to run: whoever watches for stuck workers, if anybody does, is to look again. */
export function tellWatcher(pool: Pool): void {
  const { words, base } = pool
  if (load(words, base + P_WATCHER_ASLEEP) !== 0 && exchange(words, base + P_WATCHER_ASLEEP, 0) !== 0) pool.ring(base + P_WATCHER_BELL)
}

/** A call of a submitter waits no more: it is rung if it waits for that. */
export function tellRoom(pool: Pool, submitter: number): void {
  const wants = pool.submitterAt(submitter) + S_WANTS_ROOM
  if (load(pool.words, wants) !== 0 && exchange(pool.words, wants, 0) !== 0) pool.ring(pool.submitterAt(submitter) + S_BELL)
}

/** Whether a worker of the pool has nothing to run. */
export function isResting(pool: Pool, worker: number): boolean {
  const { words, base } = pool
  const word = worker >>> 5
  return ((load(words, base + P_SPINNING + word) | load(words, base + P_SLEEPING + word)) & (1 << (worker & 31))) !== 0
}

/** Rings every worker, asleep or not. */
export function ringAll(pool: Pool): void {
  for (let worker = 0; worker < MAX_WORKERS; worker++) pool.ring(pool.workerAt(worker) + K_BELL)
}

/** The worker is about to sleep. */
export function setSleeping(pool: Pool, worker: number, sleepers: number = P_SLEEPING): void {
  or(pool.words, pool.base + sleepers + (worker >>> 5), 1 << (worker & 31))
}

/** The sleeper's bit is taken away; whether it was set. */
export function claimSleeper(pool: Pool, worker: number, sleepers: number = P_SLEEPING): boolean {
  const bit = 1 << (worker & 31)
  return (and(pool.words, pool.base + sleepers + (worker >>> 5), ~bit) & bit) !== 0
}

/** Somebody has told the worker to look. */
export function setWaking(pool: Pool, worker: number): void {
  or(pool.words, pool.base + P_WAKING + (worker >>> 5), 1 << (worker & 31))
}

/** The worker looks. */
export function endWaking(pool: Pool, worker: number): void {
  and(pool.words, pool.base + P_WAKING + (worker >>> 5), ~(1 << (worker & 31)))
}

/** Whether another worker has nothing to run, and less than half as many async calls as `waiting`: a new call is better off there. */
export function isLighterIdle(pool: Pool, self: number, waiting: number): boolean {
  const { words, base } = pool
  for (let i = 0; i << 5 < pool.maxWorkers; i++) {
    let bits = load(words, base + P_SPINNING + i) | load(words, base + P_SLEEPING + i) | load(words, base + P_WAKING + i)
    for (; bits !== 0; bits &= bits - 1) {
      const worker = (i << 5) | lowest(bits)
      if (worker !== self && load(words, pool.workerAt(worker) + K_RUNNING) * 2 < waiting) return true
    }
  }
  return false
}

/** Marks a worker as spinning, unless `limit` others are; whether it is. */
export function beginSpin(pool: Pool, worker: number, limit: number): boolean {
  const { words, base } = pool
  let others = 0
  for (let i = 0; i < WORKER_SET_WORDS && i << 5 < pool.maxWorkers; i++)
    for (let bits = load(words, base + P_SPINNING + i); bits !== 0; bits &= bits - 1) others++
  if (others >= limit) return false
  or(words, base + P_SPINNING + (worker >>> 5), 1 << (worker & 31))
  return true
}

/** The worker no longer spins. */
export function endSpin(pool: Pool, worker: number): void {
  and(pool.words, pool.base + P_SPINNING + (worker >>> 5), ~(1 << (worker & 31)))
}
