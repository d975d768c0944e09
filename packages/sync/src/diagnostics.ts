/**
 * Finding a cycle of owners, in regions made with `diagnostics`.
 *
 * Source     Wait-for graphs (Holt, "Some Deadlock Properties of Computer Systems", 1972; Knapp, "Deadlock Detection in Distributed
 *            Databases", 1987: the AND model). The nodes are agents. A thread waits for the one owner of an exclusive word, or, as the owner of a
 *            RwLock's word, for all its readers to leave; it needs all of them, so every cycle is a deadlock.
 * Invariants G1 Only waits of threads are edges. A blocked thread runs nothing: neither its own code nor its promises and fibers, so whatever its
 *               agent holds, by whichever of the three it was taken, stays held. An agent whose promise or fiber waits is not blocked: other
 *               code of it may release what it holds, and who of the agent holds it can't be told. So a cycle through such a wait is not
 *               reported unless the agent's thread is blocked, too; then the thread's wait is the edge.
 *            G2 The graph is read while others run, twice: owners, readers and waits in a true cycle don't change between.
 *               A bit that a reader sets and takes back on finding the lock closed (rw-lock.ts, W1) is set by a thread that runs: it is gone
 *               before that thread waits.
 *            G3 A grant to a promise of an agent that has not taken it is no hold: the agent declines it before its thread sleeps.
 *            G4 An edge is made by the thread that begins to wait, and nobody blocked becomes an owner or a reader. So the last of a cycle to
 *               wait sees all of it; two that wait at one moment may both report it.
 * Not seen   Who waits for what nobody owns (permits, counts, events, barriers, a notify), who spins on a SpinMutex, and a cycle that is closed by
 *            a notify from outside of it, which moves a Condvar's waiter to a mutex.
 * Cost       A pass over the waiter records of each agent on the way; only where a thread is about to sleep, and only with `diagnostics`.
 */
import { load } from '@heddle/atomics/ops'
import { agentRecord, isOwnerGone, ownerId } from '@heddle/atomics/internal'
import {
  type Agent,
  cancel,
  forEachRecordOf,
  GRANTED,
  KIND_MASK,
  KIND_THREAD,
  LOCKED_BIT,
  ownerOf,
  phaseOf,
  W_AGENT,
  W_KEY,
  W_KIND,
  W_LOCK,
  W_QUEUE,
  W_STATE,
  WAITING,
} from '@heddle/park/internal'
import { DeadlockError } from './errors.js'
import { DRAIN_OFFSET, isClosed, READER_KEY, READERS_OFFSET } from './rw-state.js'

/** What a thread sleeps for. */
interface Wait {
  /** Byte offset of the object. */
  readonly place: number
  /** The ids of the agents that have to act, and whether they read. */
  readonly owners: readonly number[]
  readonly readers: boolean
}

/** Whether the agent has a lock only by a grant to a promise or fiber of it, not taken so far (G3). */
function isOnlyGranted(words: Int32Array, owner: number, lock: number): boolean {
  let granted = false
  forEachRecordOf(words, agentRecord(ownerId(owner)) >> 2, (r) => {
    granted ||= phaseOf(load(words, r + W_STATE)) === GRANTED && load(words, r + W_LOCK) === lock
  })
  return granted
}

/** Whom a waiting record of a thread waits for; undefined when nobody in particular. */
function waitOf(agent: Agent, r: number): Wait | undefined {
  const { words } = agent
  const q = load(words, r + W_QUEUE)
  const lock = load(words, r + W_LOCK)
  if (lock !== 0) {
    if (q !== lock + 1) return undefined
    const word = load(words, lock)
    // Readers come in beside an upgradable reader: this one has been told, or is about to be.
    const isOpen = load(words, r + W_KEY) === READER_KEY ? !isClosed(word) : (word & LOCKED_BIT) === 0
    const owner = ownerOf(word)
    if (isOpen || isOwnerGone(words, word) || isOnlyGranted(words, owner, lock)) return undefined
    return { place: lock * 4 - 4, owners: [ownerId(owner)], readers: false }
  }
  const object = q - DRAIN_OFFSET
  // Who waits for readers has put the header of the lock there: it is that queue, and of a lock that lives.
  if (object <= 0 || load(words, object) === 0 || load(words, object) !== load(words, r + W_KEY)) return undefined
  const owners: number[] = []
  const bits = object + READERS_OFFSET
  for (let id = 1; id <= agent.region.agents; id++) if ((load(words, bits + (id >> 5)) & (1 << (id & 31))) !== 0) owners.push(id)
  return { place: object * 4, owners, readers: true }
}

/** The record that the thread of an agent sleeps on, or 0. */
function sleepingRecord(words: Int32Array, id: number): number {
  let found = 0
  forEachRecordOf(words, agentRecord(id) >> 2, (r) => {
    if (
      phaseOf(load(words, r + W_STATE)) === WAITING &&
      (load(words, r + W_KIND) & KIND_MASK) === KIND_THREAD &&
      ownerId(load(words, r + W_AGENT)) === id
    )
      found = r
  })
  return found
}

/** A way from a waiting record back to the agent that asks, in words; the first that is found, depth first. */
function wayBack(agent: Agent, id: number, record: number, seen: Set<number>): string | undefined {
  const { words } = agent
  const state = load(words, record + W_STATE)
  const wait = waitOf(agent, record)
  if (wait === undefined || load(words, record + W_STATE) !== state) return undefined
  const who = `agent ${id}${id === agent.id ? ' (this one)' : ''}`
  for (const owner of wait.owners) {
    const step = wait.readers
      ? `${who} waits to write under the lock at byte ${wait.place}, which agent ${owner} reads`
      : `${who} waits for the lock at byte ${wait.place}, which agent ${owner} holds`
    if (owner === agent.id) return step
    if (seen.has(owner)) continue
    seen.add(owner)
    const next = sleepingRecord(words, owner)
    const rest = next === 0 ? undefined : wayBack(agent, owner, next, seen)
    if (rest !== undefined) return `${step}; ${rest}`
  }
  return undefined
}

/** The cycle that a thread's wait closes, in words; undefined when there is none. */
function findCycle(agent: Agent, record: number): string | undefined {
  const look = (): string | undefined => wayBack(agent, agent.id, record, new Set([agent.id]))
  const first = look()
  return first !== undefined && look() === first ? first : undefined
}

/**
 * Ends the wait of a thread that closes a cycle: those in it would never go on. Nothing for waits of promises and fibers (G1). For regions with
 * `diagnostics` only.
 * @param abandon mends what the wait leaves, once its record is cancelled
 * @throws DeadlockError that names the cycle
 */
export function refuseCycle(agent: Agent, record: number, abandon: () => void): void {
  const { words } = agent
  if ((load(words, record + W_KIND) & KIND_MASK) !== KIND_THREAD) return
  const cycle = findCycle(agent, record)
  if (cycle === undefined || !cancel(words, record)) return
  abandon()
  throw new DeadlockError(`this wait would never end: ${cycle}`)
}
