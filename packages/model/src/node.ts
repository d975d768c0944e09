/** One decision of an execution: who does the next event, or which value is chosen. */
import type { Cell } from './memory.js'
import { type Accesses, type Known, NOTHING } from './state-cache.js'

/** An event's accesses: cells, and whether each was written. */
interface Footprint {
  cells: Cell[]
  writes: boolean[]
}

export class Node {
  // A choice: `value` of `options`; options is 0 for a scheduling node.
  options = 0
  value = 0

  // The state before the event, as bit masks of actors.
  run = 0
  environment = 0
  previous = -1
  preemptions = 0
  backtrack = 0
  done = 0
  asleep = 0
  /** Nobody could go on: all that may happen here is tried, and nothing that slept before or was tried here is asleep behind it. */
  forced = false
  asleepFootprints: (Footprint | null)[] = []

  // The event. The actor is a thread, or (from the number of threads on) what may happen to one.
  thread = -1
  index = 0
  clock: number[] = []
  before: number[] = []
  footprint: Footprint = { cells: [], writes: [] }
  /** Its accesses are still to be recorded. */
  open = true
  /** Operations that the thread of the node before had done when this node was reached. */
  left = 0
  races: Node[] = []
  /** The state before the event, in the cache, and what all that was explored from it did. */
  known: Known | undefined = undefined
  below: Accesses = NOTHING
  starters = 0
}

/** Whether choosing `thread` at `node` preempts one that could go on. */
export function cost(node: Node, thread: number): number {
  return thread !== node.previous && node.previous >= 0 && ((node.run >> node.previous) & 1) === 1 && ((node.run >> thread) & 1) === 1 ? 1 : 0
}

/** Whether switching threads here is no preemption. */
export function isFree({ run, previous }: Node): boolean {
  return previous < 0 || ((run >> previous) & 1) === 0
}

/** Whether the event is one that happens to a thread, rather than one that a thread does: it ends nobody's turn. */
export function happens({ environment, thread }: Node): boolean {
  return ((environment >> thread) & 1) === 1
}

/** Whether the order of two events matters. */
export function dependent(a: Footprint, b: Footprint): boolean {
  for (let i = 0; i < a.cells.length; i++) {
    for (let j = 0; j < b.cells.length; j++) if (a.cells[i] === b.cells[j] && (a.writes[i]! || b.writes[j]!)) return true
  }
  return false
}
