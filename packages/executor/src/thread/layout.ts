/**
 * Memory of a pool's threads: one block, made when the first thread is started, or when a worker first sends something to the pool's owner.
 *
 * Layout     the bells of all agents, one word each, by the agent's number · records, RECORD_WORDS each: 0 is the owner's, the others belong to
 *            workers of the kind 'thread'
 *   phase      meaning                                            next
 *   VACANT     no worker                                          STARTING, by the owner, which starts a worker
 *   STARTING   a thread whose task has not been called            RUNNING, by its worker · CLOSING · ENDED, by the owner when it could not begin
 *   RUNNING    takes messages                                     CLOSING, by anybody's close · ENDED
 *   CLOSING    takes no more, and handles those that it has       ENDED, by its worker
 *   ENDED      its worker is idle                                 STARTING with the next generation, by the owner: the worker is used again
 *   Any phase becomes VACANT by the owner, after the worker's thread has ended.
 * Invariants R1 A thread is named by a *ref*: generation and record. The state word holds generation and phase, so that one compare-exchange tells a
 *               thread from its successors. Every entry in a mailbox bears the ref that it is for; a worker drops what is for others.
 *            R2 A record's mailbox is made once and stays until the pool is disposed of: whoever sends to a thread that has ended writes to
 *               memory that is a mailbox still.
 *            R3 Only the owner gives a record its next generation, and only when the last one's worker says ENDED or is dead. It marks a dead one VACANT
 *               and closes its mailbox before it settles the calls that were posted to it: a call posted later finds the mailbox closed.
 * Pairs      A sender puts an entry into the mailbox, then reads R_ASLEEP; the receiver sets R_ASLEEP, then looks into the mailbox. One sees the other.
 *            A sender that finds no room sets R_WANTED, then tries again; the receiver takes an entry, then reads R_WANTED. The same.
 */

/** Of the pool's own words: word index of the block; 0: none. And how many messages a mailbox holds. Written once each. */
export const P_THREADS = 33
export const P_MAILBOX = 34
/** In P_HUNGRY: somebody calls the owner as a thread. */
export const HUNGRY_THREADS = 8

/** In a call's T_TASK: a message, no task. */
export const NO_TASK = 0xfff

/** Records besides the owner's. */
export const MAX_THREADS = 192
export const OWNER_RECORD = 0
/** The ref of the owner. */
export const OWNER_REF = 1 << 8
/** In place of a worker's number in calls that are posted to the owner: no worker's. */
export const OWNER_NUMBER = 255

export const RECORD_WORDS = 64
/** PHASE bits 0–7 · generation bits 8–31. */
export const R_STATE = 0
/** Number of its worker. Written by the owner before STARTING. */
export const R_WORKER = 1
/** Byte offset of its mailbox, a channel; 0: not made. */
export const R_MAILBOX = 2
/** Where to ring it. */
export const R_BELL = 3
/** AWAKE: it looks by itself. ASLEEP: ring it for every entry. DROWSY: nobody there wants messages, ring it for what it must do. */
export const R_ASLEEP = 4
/** Ref of the thread that started it. */
export const R_PARENT = 5
/** How many entries in its mailbox are no messages. One that dies after it counted and before it sent leaves it too high: nothing but looks in vain. */
export const R_ORDERS = 6
/** 1: somebody waits for room in its mailbox. */
export const R_WANTED = 7
/** 1: it stays when nobody in it listens, until it is closed. Written by the owner before STARTING, as the next. */
export const R_STAYS = 9
/** Number of the worker that asked for it. If that dies before it has sent what the thread is to begin with, the owner closes the thread. */
export const R_ASKER = 10
/** Its name: how many UTF-16 units, and the units. Plain: written before STARTING. */
export const R_NAME_LENGTH = 8
export const R_NAME = 16
export const NAME_UNITS = (RECORD_WORDS - R_NAME) * 2

export const VACANT = 0
export const STARTING = 1
export const RUNNING = 2
export const CLOSING = 3
export const ENDED = 4

export const AWAKE = 0
export const ASLEEP = 1
export const DROWSY = 2

const PHASE_MASK = 0xff
const GENERATION_MASK = ~0xff

/** The phase in a state word. */
export function phaseOf(state: number): number {
  return state & PHASE_MASK
}
/** The record that a ref names. */
export function recordOf(ref: number): number {
  return ref & PHASE_MASK
}
/** Whether a state is of the thread that a ref names. */
export function isOf(state: number, ref: number): boolean {
  return ((state ^ ref) & GENERATION_MASK) === 0 && phaseOf(state) !== VACANT
}
/** The state of a ref's thread in a phase. */
export function stateOf(ref: number, phase: number): number {
  return (ref & GENERATION_MASK) | phase
}
/** The ref of a record's thread, by the record's state. */
export function refOf(state: number, record: number): number {
  return (state & GENERATION_MASK) | record
}
/** The ref of the thread that comes after a state in its record. Never 0 in its generation: a ref of 0 names nobody. */
export function nextRef(state: number, record: number): number {
  const next = ((state & GENERATION_MASK) + 0x100) | 0
  return (next === 0 ? 0x100 : next) | record
}
