/** What a worker is for, and when it has done its part. */
import type { Region } from '@heddle/atomics'
import { Scheduler } from '@heddle/scheduler'
import type { CurrentPool } from './current.js'
import { ISOLATED_QUEUE } from './layout.js'
import type { LeakWatch } from './leaks.js'
import type { Observer } from './observer.js'
import type { Post } from './posted-results.js'

/** What sets a worker apart from the others. */
export interface WorkerRole {
  /** Where its calls come from, if not from those of the pool: BLOCKING_QUEUE, one at a time, or ISOLATED_QUEUE, one and no more. */
  readonly queue?: number
  /** How many calls it runs before it retires. */
  readonly afterTasks?: number | undefined
  /** Its heap in MB, and how large it may grow before it retires. */
  readonly heapMb?: (() => number) | undefined
  readonly maxHeapMb?: number | undefined
  /** Called when it takes no more calls. */
  readonly onRetiring?: () => void
  /** Looks for what calls leave behind, in a pool where somebody wants to know. */
  readonly leaks?: LeakWatch | undefined
  /** Posts a result to the agent that started the worker. @throws what the platform throws for what it can't post */
  readonly post?: Post
  /** Its fibers' schedule and clock follow from it. */
  readonly seed?: number | undefined
  /** In an agent with code of its own: what is current while a function runs. */
  readonly local?: CurrentPool
}

/** The scheduler of a worker's fibers. */
export function schedulerFor(region: Region, { seed }: WorkerRole, observer: Observer | undefined): Scheduler {
  const options = { region, ...(observer !== undefined && { hooks: observer.fibers }) }
  return seed === undefined ? new Scheduler(options) : Scheduler.deterministic({ ...options, seed })
}

/** Calls between two looks at the heap: a power of 2. */
const HEAP_TASKS = 256

/** Whether a worker in which so many calls have started is to take no more. */
export function isSpent({ queue, afterTasks, maxHeapMb, heapMb }: WorkerRole, started: number): boolean {
  if (queue === ISOLATED_QUEUE) return started > 0
  if (afterTasks !== undefined && started >= afterTasks) return true
  return maxHeapMb !== undefined && (started & (HEAP_TASKS - 1)) === 0 && heapMb !== undefined && heapMb() > maxHeapMb
}
