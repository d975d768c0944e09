/**
 * Identity of agents (JS threads) in a region: who may own a lock word, and whether that owner still lives.
 *
 * Layout     layout.ts, AGENT_*. A record's status word is `phase | generation << 4 | reaper << 20`.
 *   phase    meaning
 *   FREE     nobody's; the generation is the one that the next owner gets
 *   ALIVE    an agent of that generation runs (or ran until a moment ago and nobody has noticed)
 *   DEAD     declared dead; a reaper gives back what it had (park/reap.ts)
 *   REAPED   what it waited for and had been granted is given back; what it owned may now be taken over, as poisoned
 *   RETIRED  the generation would wrap: the slot is never used again
 *   and A_THREAD, which claims the slot before the status says that it is taken:
 *   FREE  0       nobody's
 *   FREE  thread  claimed by that thread, which is about to become ALIVE, or died before it was: a reaper of the thread recycles the slot
 *   …     thread  its agent's, from then until the reaper's last but one store
 * Invariants I1 FREE → ALIVE is a compare-exchange by the agent itself, once A_THREAD says whose the slot is; ALIVE → DEAD by anybody,
 *               FREE → DEAD by a reaper of the thread that claimed it, DEAD → REAPED → FREE (generation + 1) by the reaper alone.
 *            I2 A tag (agent id and generation) is never reused, so "its status word still says ALIVE with this generation"
 *               is the whole test for a live owner.
 *            I3 The status that FREE → ALIVE expects was read before A_THREAD was claimed. So a claim that was made too late (the slot was used by
 *               another meanwhile) or taken away (this thread was declared dead, and runs on) never becomes an agent: the generation differs.
 *            I4 A_THREAD is 0 only in a slot that is FREE, or in the reaper's last step before that: never while an agent has it. A thread
 *               without a number claims by a random negative one; nobody can tell of its death, so what it leaves is not recycled.
 * Pairs      The status word's store of FREE publishes the reaper's clean-up to the next owner of the slot.
 * Rejected   The thread's number after the status: a death in between leaves a slot that nobody can give back. The number inside the status
 *            word: it holds the generation, which every test for a live owner compares. One 64-bit word for both: 32-bit loads of half of
 *            it are not ordered with it by the language.
 */
import { agentLocal, compareExchange, limits, load, pause, random, wait } from '#ops'
import { canBlock } from './can-block.js'
import { platformThreadNumber } from './capabilities.js'
import { AgentLimitError } from './errors.js'
import {
  AGENT_BYTES,
  AGENT_TABLE_AT,
  A_PIN,
  A_STATUS,
  A_THREAD,
  H_AGENTS,
  H_AGENTS_USED,
  LOCKED_BIT,
  MAX_GENERATION,
  OWNER_GENERATION_SHIFT,
  OWNER_SHIFT,
  PHASE_ALIVE,
  PHASE_DEAD,
  PHASE_FREE,
  PHASE_MASK,
  STATUS_SHIFT,
} from './layout.js'

/** The calling agent as one region knows it. */
export class AgentIdentity {
  /** What a higher layer keeps for this agent and region (park's `Agent`). */
  extension: object | undefined = undefined
  /** Owner bits with LOCKED set: what this agent writes into a lock word. */
  readonly tag: number
  constructor(
    /** 1 … 255. */
    readonly id: number,
    /** How often the slot was used before. */
    readonly generation: number,
    /** Byte offset of the record. */
    readonly at: number,
  ) {
    this.tag = (generation << OWNER_GENERATION_SHIFT) | (id << OWNER_SHIFT) | LOCKED_BIT
  }
}

/**
 * The platform's number for the calling thread, by which its creator tells of its death: that of `node:worker_threads` where there is
 * such a module, until park's setHost says another; 0 for none. An agent that has one can be reaped from its first step on.
 */
export const threadNumber = agentLocal(platformThreadNumber)

/** Byte offset of an agent's record. */
export function agentRecord(id: number): number {
  return AGENT_TABLE_AT + (id - 1) * AGENT_BYTES
}

/** The generation in a status word. */
export function generationOf(status: number): number {
  return (status >>> STATUS_SHIFT) & MAX_GENERATION
}

/** Which agent a lock word names; 0 for none. */
export function ownerId(word: number): number {
  return (word >>> OWNER_SHIFT) & 0xff
}

/** The status word that a live owner of `word` has. */
function aliveStatus(word: number): number {
  return (((word >>> OWNER_GENERATION_SHIFT) & MAX_GENERATION) << STATUS_SHIFT) | PHASE_ALIVE
}

/** Whether the owner named in a lock word is alive. One atomic load; false for a word without an owner. */
export function isOwnerAlive(words: Int32Array, word: number): boolean {
  const id = ownerId(word)
  return id !== 0 && load(words, (agentRecord(id) >> 2) + A_STATUS) === aliveStatus(word)
}

/**
 * Takes a free slot of the agent table for the calling agent. O(agents), once per agent and region.
 * @throws AgentLimitError when every slot is taken.
 */
export function registerAgent(words: Int32Array): AgentIdentity {
  const capacity = load(words, H_AGENTS)
  const number = threadNumber.get()
  const thread = number > 0 ? number : -1 - (random() >>> 2)
  for (let id = 1; id <= capacity; id++) {
    const generation = claimSlot(words, agentRecord(id) >> 2, thread)
    if (generation === -1) continue
    for (let used = load(words, H_AGENTS_USED); used < id; used = load(words, H_AGENTS_USED)) compareExchange(words, H_AGENTS_USED, used, id)
    return new AgentIdentity(id, generation, agentRecord(id))
  }
  throw new AgentLimitError(`all ${capacity} agent slots of this region are taken: create the region with a larger \`agents\` (at most 255)`)
}

/** Takes a slot for the calling thread. @returns its generation, or -1 when it is somebody's */
function claimSlot(words: Int32Array, record: number, thread: number): number {
  for (;;) {
    const status = load(words, record + A_STATUS)
    if ((status & PHASE_MASK) !== PHASE_FREE || compareExchange(words, record + A_THREAD, 0, thread) !== 0) return -1
    if (compareExchange(words, record + A_STATUS, status, status | PHASE_ALIVE) === status) return generationOf(status)
    compareExchange(words, record + A_THREAD, thread, 0)
  }
}

/** Whether an agent other than `mine` has a slot, or is about to. */
export function isShared(words: Int32Array, mine: number | undefined): boolean {
  const used = load(words, H_AGENTS)
  for (let id = 1; id <= used; id++) if (id !== mine && load(words, (agentRecord(id) >> 2) + A_THREAD) !== 0) return true
  return false
}

/** Longest sleep between two looks at a pin, in ms. */
const NAP = 1

/**
 * Waits until no agent is about to lock a queue in these bytes. For who disposes of an object, between the clearing of its header and the
 * reuse of its memory.
 *
 * An agent that does not know whether a queue's object still lives (the reaper of one that waited there; a waiter that was chosen, and
 * is in the list no more) writes A_PIN, then looks, then locks. Whoever disposes clears what it looks at, then reads A_PIN: one of them
 * sees the other. A pin lasts as long as a queue's lock: a few dozen instructions.
 */
export function awaitPins(words: Int32Array, at: number, bytes: number): void {
  const used = load(words, H_AGENTS_USED)
  const from = at >> 2
  const to = (at + bytes) >> 2
  for (let id = 1; id <= used; id++) {
    const record = agentRecord(id) >> 2
    for (let round = 0; ; round++) {
      const pin = load(words, record + A_PIN)
      // One that died with its pin does nothing any more.
      if (pin < from || pin >= to || (load(words, record + A_STATUS) & PHASE_MASK) !== PHASE_ALIVE) break
      if (round < limits.queueSpin || !canBlock()) pause()
      else wait(words, record + A_PIN, pin, NAP)
    }
  }
}

/**
 * Whether the owner named in a lock word is dead and reaped, so that what it owned may be taken over (as poisoned). While its
 * reaping is under way this says no: a grant that it never took is still to be given back, and whoever waits is woken after.
 */
export function isOwnerGone(words: Int32Array, word: number): boolean {
  const id = ownerId(word)
  if (id === 0) return false
  const status = load(words, (agentRecord(id) >> 2) + A_STATUS)
  if (generationOf(status) !== ((word >>> OWNER_GENERATION_SHIFT) & MAX_GENERATION)) return true
  const phase = status & PHASE_MASK
  return phase !== PHASE_ALIVE && phase !== PHASE_DEAD
}
