/**
 * What a scheduling state is, as a number of 64 bits: two executions whose states are equal go on in the same ways.
 *
 * A thread is a function of the results that its operations gave, so its log stands for its stack and its variables; shared memory is
 * its words. Everything else that decides what may happen next is added: who sleeps where and in which order, deadlines and the clock,
 * deaths, what a spinning thread has seen of the words that it watches, calls of a recorded history that have ended. The race check
 * looks at the past, so with it the clocks of happens-before belong to the state, too.
 *
 * Source     State hashing by words: Zobrist (1970), as in model checkers since Spin's hash compaction (Wolper & Leroy, 1993).
 * Invariants I1 A word that no thread has written in this execution adds nothing: what the body wrote before is the same in all of them
 *               (but for its choices, which are added).
 *            I2 Everything that replays restore is a function of the log, and so is not added: callbacks, locals, effects.
 * Rejected   Comparing whole states: a region's memory at every state is a gigabyte. Two states of a million are taken for equal
 *            wrongly with a probability of 3 in 100,000,000.
 */
import { type Lanes, mix, SEED_A, SEED_B } from './lanes.js'
import type { Cell } from './memory.js'
import { DEAD, DONE, NEW, READS, SPINNING, type Thread, type Waiter } from './thread.js'

/** What the words and the published clocks of an execution add up to: each word's part is replaced when it changes. */
export class MemorySum {
  a = 0
  b = 0

  reset(): void {
    this.a = 0
    this.b = 0
  }

  /** A word has this value now. */
  word(cell: Cell, value: number): void {
    const a = mix(mix(SEED_A, cell.id), value)
    const b = mix(mix(SEED_B, cell.id), value)
    this.a ^= cell.partA ^ a
    this.b ^= cell.partB ^ b
    cell.partA = a
    cell.partB = b
  }

  /** A word's last write carries this clock now. */
  clock(cell: Cell, clock: readonly number[]): void {
    let a = mix(SEED_B, ~cell.id)
    let b = mix(SEED_A, ~cell.id)
    for (const epoch of clock) {
      a = mix(a, epoch)
      b = mix(b, epoch ^ SEED_B)
    }
    this.a ^= cell.clockA ^ a
    this.b ^= cell.clockB ^ b
    cell.clockA = a
    cell.clockB = b
  }
}

function addWaiter(lanes: Lanes, waiter: Waiter): void {
  lanes.add(waiter.id)
  lanes.addNumber(waiter.deadline)
  if (waiter.queue === null) return
  lanes.add(waiter.queue.id)
  lanes.add(waiter.queue.waiters.indexOf(waiter))
}

/** A thread's own part: its log, and what the world has done to it since. */
export function addThread(lanes: Lanes, thread: Thread, races: boolean): void {
  const { state } = thread
  lanes.add(state)
  if (state === NEW && thread.length === 0) return
  lanes.addLanes(thread.lanes)
  lanes.add(
    thread.early +
      (thread.spurious << 8) +
      (Number(thread.declaredDead) << 16) +
      (Number(thread.askedAt === thread.length) << 17) +
      (Number(thread.freedAt === thread.length) << 18) +
      (thread.stuck << 20),
  )
  if (races) for (const epoch of thread.hb) lanes.add(epoch)
  for (const [id, outcome] of thread.turns) {
    lanes.add(id)
    lanes.add(outcome === 'ok' ? 1 : 2)
  }
  for (const { id } of thread.aborts) lanes.add(~id)
  if (thread.waiter !== null) addWaiter(lanes, thread.waiter)
  for (const waiter of thread.pending) addWaiter(lanes, waiter)
  if (state === DONE || state === DEAD) return
  // What it watches, or would watch if it began to spin now: only whether that has changed decides anything.
  if (state === SPINNING) for (const { cell, version } of thread.watched) lanes.add(Number(cell.version === version))
  for (let back = Math.min(thread.readCount, READS); back > 0; back--) {
    const at = (thread.readCount - back) & (READS - 1)
    lanes.add(Number(thread.readCells[at]!.version === thread.readVersions[at]!))
  }
}
