/** What schedulers and fibers are made with. */
import type { Region } from '@heddle/atomics'
import type { WaitOptions } from '@heddle/park'
import type { Fiber } from './fiber.js'
import type { Priority } from './priority.js'

/** What a scheduler tells whoever observes it; each may be absent, and costs nothing then. They must not throw. */
export interface SchedulerHooks {
  /** A fiber was spawned. */
  spawn?(fiber: Fiber): void
  /** A fiber is about to run, until it yields, waits or ends. */
  step?(fiber: Fiber): void
  /** It runs no more: its `state` says whether it waits, may go on, or has ended. */
  pause?(fiber: Fiber): void
  /** The running fiber has passed so many safepoints that one of them has looked at the clock and the flags. */
  safepoint?(fiber: Fiber): void
  /** A fiber has ended; its `state` says how. */
  end?(fiber: Fiber): void
}

/** Settings of a scheduler. */
export interface SchedulerOptions {
  /** Where the fibers' waits live: the region of the locks and channels that they use. Default: `Region.default`, when first needed. */
  region?: Region
  /** How long a fiber may run before `safepoint()` asks it to yield, in ms; default 10. Also the budget of a turn on the event loop. */
  timeSlice?: number
  /** Picks among the fibers of a level at random, the same way for the same seed (an integer); for tests. Default: in rotation. */
  seed?: number
  /** The clock of slices and budgets, in ms; default: a monotonic one. */
  clock?: () => number
  hooks?: SchedulerHooks
}

/** What a fiber is spawned with. */
export interface SpawnOptions {
  /** Default: `normal`. */
  priority?: Priority
  /** For people: in `stats()`, errors and traces. */
  name?: string
  /** Cancels the fiber with a `TimeoutError` when it has not ended so many ms after it was spawned; loops learn it at their safepoints. */
  timeout?: number
  /** Cancels the fiber with its reason. A `CancelToken` reaches loops too, at their safepoints. */
  signal?: WaitOptions['signal']
}
