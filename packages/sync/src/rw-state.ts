/** The words of a reader-writer lock and the steps on them; rw-lock.ts has the table of states and the invariants. */
import type { Region } from '@heddle/atomics'
import { and, compareExchange, get, load, or } from '@heddle/atomics/ops'
import {
  type Agent,
  announce,
  canRun,
  choose,
  claimOne,
  deliver,
  firstOf,
  FLAGS_MASK,
  type Hold,
  Holds,
  LOCKED_BIT,
  lockIfThere,
  lockQueue,
  mayHaveWaiters,
  nextOf,
  NOTIFIED,
  ownerOf,
  PARKED_BIT,
  phaseOf,
  QUEUE_BYTES,
  unlink,
  unlockPinned,
  unlockQueue,
  W_KEY,
  W_QUEUE,
  W_STATE,
} from '@heddle/park/internal'

/** The owner is an upgradable reader. */
export const UPGRADABLE_BIT = 8
/** The owner writes. */
export const WRITING_BIT = 1 << 29
/** Words from the header to the queue of who waits for readers to leave, to the options, and to the readers' bits. */
export const DRAIN_OFFSET = (8 + QUEUE_BYTES) >> 2
export const OPTIONS_OFFSET = DRAIN_OFFSET + (QUEUE_BYTES >> 2)
export const READERS_OFFSET = OPTIONS_OFFSET + 1
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
  // The writer that finds it clear may dispose of the lock before this.
  if (!lockIfThere(agent, lock.drain, () => load(words, lock.object) === lock.header)) return
  const main = claimOne(agent, lock.drain, 0)
  unlockPinned(agent, lock.drain)
  if (main !== 0) deliver(agent, main)
}

/**
 * The readers at the front of the queue may come in, and when all of them have, whoever is behind them may try for the word: they are
 * told to look. They stay in the queue until they have looked, so that a writer is not told before.
 * @param free whether the caller owns the word, and gives it back
 * @param own the caller's record, which waits no more; 0 for none
 */
export function passOn(agent: Agent, lock: RwWords, free: boolean, own: number): void {
  const { words } = agent
  const q = lock.state + 1
  if (free && compareExchange(words, lock.state, agent.tag, 0) === agent.tag) return
  if ((load(words, lock.state) & PARKED_BIT) === 0 && !free) return
  const claimed: number[] = []
  lockQueue(agent, q)
  if (own !== 0 && load(words, own + W_QUEUE) === q) unlink(words, q, own)
  if (free) freeWord(agent, lock.state)
  const told = tellReaders(agent, q, claimed)
  if (firstOf(words, q) === 0) and(words, lock.state, ~PARKED_BIT)
  else if (!told) {
    // With the word taken by an upgradable reader, only readers can use a wake.
    const taken = (load(words, lock.state) & LOCKED_BIT) !== 0
    const next = claimOne(agent, q, 0, taken ? (r) => get(words, r + W_KEY) === READER_KEY && r === firstOf(words, q) : undefined)
    if (next !== 0) claimed.push(next)
  }
  unlockQueue(agent, q)
  for (const main of claimed) deliver(agent, main)
}

/** The word loses its owner, the caller, and keeps its flags. Under the queue's lock. */
function freeWord(agent: Agent, state: number): void {
  const { words, tag } = agent
  for (let word = load(words, state); ownerOf(word) === tag; word = load(words, state))
    if (compareExchange(words, state, word, word & FLAGS_MASK) === word) return
}

/** Tells the readers at the front that can run. Under the queue's lock. @returns whether there are any, told now or before */
function tellReaders(agent: Agent, q: number, claimed: number[]): boolean {
  const { words } = agent
  let any = false
  // W_KEY was written before the record was linked: a plain read under the queue's lock.
  for (let r = firstOf(words, q); r !== 0 && get(words, r + W_KEY) === READER_KEY; r = nextOf(words, r)) {
    if (!canRun(agent, r)) continue
    const state = load(words, r + W_STATE)
    const chosen = choose(words, r, 0) !== -1
    if (chosen) {
      announce(agent, r)
      claimed.push(r)
    }
    any ||= chosen || phaseOf(state) === NOTIFIED
  }
  return any
}
