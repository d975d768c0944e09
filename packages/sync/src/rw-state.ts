/** The words of a reader-writer lock and the steps on them; rw-lock.ts has the table of states and the invariants. */
import type { Region } from '@heddle/atomics'
import { and, compareExchange, get, load, or } from '@heddle/atomics/ops'
import {
  type Agent,
  claimMany,
  claimOne,
  deliver,
  firstOf,
  FLAGS_MASK,
  type Hold,
  Holds,
  LOCKED_BIT,
  lockQueue,
  mayHaveWaiters,
  nextOf,
  ownerOf,
  PARKED_BIT,
  unlockQueue,
  W_KEY,
} from '@heddle/park/internal'

/** The owner is an upgradable reader. */
export const UPGRADABLE_BIT = 8
/** The owner writes. */
export const WRITING_BIT = 1 << 29
/** Words of readers' bits: enough for 255 agents. */
export const READER_WORDS = 8
/** W_KEY of a record that waits to read, in the lock's queue. */
export const READER_KEY = 1

/** Where a lock's words are; a lock itself. */
export interface RwWords {
  readonly region: Region
  /** Word index of the object's header, and its value. */
  readonly object: number
  readonly header: number
  /** Word index of the state; its queue follows. */
  readonly state: number
  /** Word index of the queue of who waits for readers to leave. */
  readonly drain: number
  /** Word index of the readers' bits. */
  readonly readers: number
}

/** Whether readers are kept out. */
export function isClosed(word: number): boolean {
  return (word & (LOCKED_BIT | UPGRADABLE_BIT)) === LOCKED_BIT
}

/** Whether nobody reads. */
export function isClear(lock: RwWords): boolean {
  const { words, agents } = lock.region
  const last = lock.readers + (agents >> 5)
  for (let word = lock.readers; word <= last; word++) if (load(words, word) !== 0) return false
  return true
}

/** The agent's holds of the lock. @throws RegionFullError */
export function holdOf(agent: Agent, lock: RwWords): Hold {
  return Holds.of(agent).find(lock.object, lock.header, lock.readers + (agent.id >> 5), 1 << (agent.id & 31))
}

/**
 * Comes in as a reader, unless the lock is closed.
 * @param join an agent that reads already comes in all the same
 * @returns the state word, or -1
 */
export function tryEnter(agent: Agent, lock: RwWords, hold: Hold, join: boolean): number {
  const { words } = agent
  if (hold.count > 0) {
    const word = load(words, lock.state)
    if (isClosed(word) && !join) return -1
    hold.count++
    return word
  }
  or(words, hold.word, hold.mask)
  const word = load(words, lock.state)
  if (isClosed(word)) {
    clearBit(agent, lock, hold)
    return -1
  }
  hold.count = 1
  return word
}

/** Ends one hold of a reader. */
export function leave(agent: Agent, lock: RwWords, hold: Hold): void {
  if (--hold.count === 0) clearBit(agent, lock, hold)
}

/** W4. */
function clearBit(agent: Agent, lock: RwWords, hold: Hold): void {
  const { words } = agent
  and(words, hold.word, ~hold.mask)
  // Of those that leave at one time, the last to clear its bit sees all others clear.
  if (!isClosed(load(words, lock.state)) || !mayHaveWaiters(words, lock.drain) || !isClear(lock)) return
  lockQueue(agent, lock.drain)
  const main = claimOne(agent, lock.drain, 0)
  unlockQueue(agent, lock.drain)
  if (main !== 0) deliver(agent, main)
}

/**
 * The readers at the front of the queue may come in, and whoever is behind them may try for the word: they are told to look.
 * @param free whether the caller owns the word, and gives it back
 */
export function passOn(agent: Agent, lock: RwWords, free: boolean): void {
  const { words } = agent
  const q = lock.state + 1
  if (free && compareExchange(words, lock.state, agent.tag, 0) === agent.tag) return
  if ((load(words, lock.state) & PARKED_BIT) === 0 && !free) return
  const claimed: number[] = []
  lockQueue(agent, q)
  const front = new Set<number>()
  // W_KEY was written before the record was linked: a plain read under the queue's lock.
  for (let r = firstOf(words, q); r !== 0 && get(words, r + W_KEY) === READER_KEY; r = nextOf(words, r)) front.add(r)
  if (front.size > 0) claimMany(agent, q, 0, Infinity, claimed, (r) => front.has(r))
  const flags = firstOf(words, q) === 0 ? FLAGS_MASK & ~PARKED_BIT : FLAGS_MASK
  if (free) {
    for (let word = load(words, lock.state); ownerOf(word) === agent.tag; word = load(words, lock.state))
      if (compareExchange(words, lock.state, word, word & flags) === word) break
  }
  if (firstOf(words, q) === 0) and(words, lock.state, ~PARKED_BIT)
  else if ((load(words, lock.state) & LOCKED_BIT) === 0) {
    const next = claimOne(agent, q, 0)
    if (next !== 0) claimed.push(next)
  }
  unlockQueue(agent, q)
  for (const main of claimed) deliver(agent, main)
}
