/**
 * The life of a call: one word, one named transition each.
 *
 * Layout     T_STATE  bits 0–3 phase · bits 4–11 worker · bits 12–31 generation
 *   phase      meaning                                             left by
 *   FREE       nobody's call                                       its submitter: → QUEUED
 *   QUEUED     waits for a worker                                  a worker: → STARTED · its submitter: → FREE (cancelled) · a reaper: → CRASHED when
 *                                                                  nobody can run it any more
 *   CLAIMED    waits in a worker, which loads the task's module    the worker: → QUEUED, → STARTED when it fails · its submitter: → FREE · a reaper: → QUEUED
 *   STARTED    runs, or waits in the worker for something          the worker: → DONE, or → CLAIMED before user code ran · a reaper: → CRASHED
 *   DONE       the payload is the result                           its submitter: → QUEUED with the next generation, or → FREE
 *   CRASHED    the worker died                                     the same
 *   STUCK      the worker is given up on because of this call,     a reaper, after the worker's thread has ended: → CRASHED. The submitter settles the call
 *   DOOMED     or of another that had started there                at once; the slot stays the worker's, which may still write to it
 * Invariants I1 FREE, DONE or CRASHED → QUEUED, and DONE or CRASHED → FREE, each with the next generation, belong to the submitter alone, who need not
 *               say that it has taken a result before it needs the slot again; every other step is one compare-exchange, so that a call is run at most once and settled exactly once.
 *            I2 The slot's other words belong to the submitter in FREE, to nobody (readable by all) in QUEUED and CLAIMED, to the
 *               worker in STARTED, and to the submitter again from DONE or CRASHED on: plain accesses.
 * Pairs      QUEUED publishes the arguments to the worker whose compare-exchange saw it; DONE publishes the result.
 * Rejected   Claiming several entries in advance: workers take one entry at a time, which costs one compare-exchange more than taking
 *            several and leaves nothing behind a long task that others can't have.
 */
import { compareExchange, load, store } from '@heddle/atomics/ops'

export const FREE = 0
export const QUEUED = 1
export const CLAIMED = 2
export const STARTED = 3
export const DONE = 4
export const CRASHED = 5
export const STUCK = 6
export const DOOMED = 7

export const PHASE_MASK = 0xf
const WORKER_SHIFT = 4
/** What is added to a generation for the next call. */
export const GENERATION_UNIT = 1 << 12
const GENERATION_MASK = ~(GENERATION_UNIT - 1)

/** The phase in a state word. */
export function phaseOf(state: number): number {
  return state & PHASE_MASK
}
/** The worker in a state word. */
export function workerOf(state: number): number {
  return (state >>> WORKER_SHIFT) & 0xff
}
/** The generation in a state word; comparable only. */
export function generationOf(state: number): number {
  return state & GENERATION_MASK
}

/** FREE, DONE or CRASHED → QUEUED, by the submitter, with a generation that the slot has not had. */
export function enqueue(words: Int32Array, index: number, generation: number): void {
  store(words, index, generation | QUEUED)
}
/** QUEUED → STARTED, by a worker; the new state, or 0 when the call isn't to be run any more. */
export function start(words: Int32Array, index: number, worker: number): number {
  const state = load(words, index)
  return (state & PHASE_MASK) === QUEUED ? startSeen(words, index, worker, state) : 0
}
/** As `start`, from a state that was seen to be QUEUED: what was read of the slot since is of that very call. */
export function startSeen(words: Int32Array, index: number, worker: number, state: number): number {
  const started = (state & GENERATION_MASK) | (worker << WORKER_SHIFT) | STARTED
  return compareExchange(words, index, state, started) === state ? started : 0
}
/** STARTED → CLAIMED, by the worker, before user code ran; the new state, or 0 when it was declared dead. */
export function holdBack(words: Int32Array, index: number, started: number): number {
  const claimed = (started & ~PHASE_MASK) | CLAIMED
  return compareExchange(words, index, started, claimed) === started ? claimed : 0
}
/** CLAIMED → STARTED, by the worker that holds it; the new state, or 0 when the call isn't to be run any more. */
export function startClaimed(words: Int32Array, index: number, claimed: number): number {
  const started = (claimed & ~PHASE_MASK) | STARTED
  return compareExchange(words, index, claimed, started) === claimed ? started : 0
}
/** STARTED → DONE, by the worker; false when it was declared dead. */
export function finish(words: Int32Array, index: number, started: number): boolean {
  return compareExchange(words, index, started, (started & GENERATION_MASK) | DONE) === started
}
/** STARTED → STUCK or DOOMED, by whoever gives up on the worker; false when it has ended, or another call runs in its place. */
export function giveUpOn(words: Int32Array, index: number, started: number, phase: typeof STUCK | typeof DOOMED): boolean {
  return compareExchange(words, index, started, (started & ~PHASE_MASK) | phase) === started
}
/** STARTED, STUCK or DOOMED by this worker → CRASHED, by a reaper; whether it was so. */
export function crash(words: Int32Array, index: number, worker: number): boolean {
  const state = load(words, index)
  const phase = state & PHASE_MASK
  if ((phase !== STARTED && phase < STUCK) || workerOf(state) !== worker) return false
  return compareExchange(words, index, state, (state & ~PHASE_MASK) | CRASHED) === state
}
/** QUEUED → CRASHED, by a reaper: nobody will run it any more. Whether it was so. */
export function refuse(words: Int32Array, index: number, worker: number): boolean {
  const state = load(words, index)
  if ((state & PHASE_MASK) !== QUEUED) return false
  return compareExchange(words, index, state, (state & GENERATION_MASK) | (worker << WORKER_SHIFT) | CRASHED) === state
}
/** CLAIMED by this worker → QUEUED, by the worker or a reaper; whether it was so. */
export function giveBack(words: Int32Array, index: number, worker: number): boolean {
  const state = load(words, index)
  if ((state & PHASE_MASK) !== CLAIMED || workerOf(state) !== worker) return false
  return compareExchange(words, index, state, (state & GENERATION_MASK) | QUEUED) === state
}
/** QUEUED or CLAIMED → FREE, by the submitter; false when a worker has started it. */
export function cancel(words: Int32Array, index: number, generation: number): boolean {
  for (;;) {
    const state = load(words, index)
    const phase = state & PHASE_MASK
    if ((state & GENERATION_MASK) !== generation || (phase !== QUEUED && phase !== CLAIMED)) return false
    if (compareExchange(words, index, state, (generation + GENERATION_UNIT) | FREE) === state) return true
  }
}
/** DONE or CRASHED → FREE, by the submitter; returns the next generation. */
export function release(words: Int32Array, index: number, generation: number): number {
  const next = (generation + GENERATION_UNIT) | 0
  store(words, index, next | FREE)
  return next
}
/** QUEUED or CLAIMED → FREE for a submitter that is dead; false while a worker runs the call. */
export function abandonQueued(words: Int32Array, index: number): boolean {
  if (cancel(words, index, load(words, index) & GENERATION_MASK)) return true
  const phase = load(words, index) & PHASE_MASK
  return phase !== STARTED && phase < STUCK
}
/** DONE or CRASHED → FREE for a submitter that is dead. */
export function releaseEnded(words: Int32Array, index: number): void {
  const state = load(words, index)
  const phase = state & PHASE_MASK
  if (phase === DONE || phase === CRASHED) release(words, index, state & GENERATION_MASK)
}
