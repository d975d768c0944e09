/**
 * Preemption points: where a fiber learns that its time is over, that it was cancelled, or that something more urgent waits.
 *
 * A call is one decrement. When the countdown ends, one look at the clock and the flags follows, and the countdown begins again: at 64
 * calls for code that passes often, at fewer for a fiber whose calls lie so far apart that 64 of them would take longer than a quarter of
 * its time slice. Each fiber remembers its own countdown (`INTERVAL_SHIFT` in fiber.ts); a new one begins at 8.
 *
 * Invariants P1 What is here belongs to the agent; a scheduler sets all of it before it steps a fiber, and puts it back when it stops.
 *            P2 `sliceEnd` is 0 until the step's first look, which sets it from `seen`, the last moment at which the clock was read: at or
 *               before the step's beginning. So starting a step reads no clock, and a slice is never longer than it should be, only shorter.
 */
/** Calls between two looks, at most: 2^6. */
export const LONGEST_INTERVAL = 6
/** Calls before the first look of a new fiber: 2^3. */
export const FIRST_INTERVAL = 3

/** The countdown for a fiber of whose safepoints the last `armed` took `gap` ms, as log2: so that all of it takes less than a quarter of the slice. */
export function adapted(interval: number, armed: number, gap: number, timeSlice: number): number {
  const each = gap / armed
  const most = timeSlice / 4
  if (interval < LONGEST_INTERVAL && (2 << interval) * each <= most) return interval + 1
  while (interval > 0 && (1 << interval) * each > most) interval--
  return interval
}

/** What the calling agent's safepoints work with. */
export interface Preemption {
  /** Calls left before the next look. */
  countdown: number
  /** Calls between the last look (or the step's beginning) and the next. */
  armed: number
  /** When the running step's time slice ends, in ms of the scheduler's clock; 0 until the first look. */
  sliceEnd: number
  /** When the clock was last read. */
  seen: number
  /** The look: of the scheduler that runs, else of whoever runs plain functions (an executor); undefined for nobody. */
  look: (() => boolean) | undefined
}

/**
 * One object for the module, so for the agent: what it holds is set anew whenever a scheduler begins to run (P1), and nothing else depends on it.
 * That is why it need not be an `AgentLocal`, whose check for the first use is a third of a safepoint. Spelled as a constant, so that the build keeps
 * it one and V8 folds it into `safepoint`.
 */
export const PREEMPTION: Preemption = { countdown: 64, armed: 64, sliceEnd: 0, seen: 0, look: undefined }

/**
 * A preemption point. Returns true when the running fiber should let others run: its time slice is over, or a more urgent fiber is ready.
 *
 * Call it in loops that run long: `if (safepoint()) yield`. Helpers and plain functions that a fiber calls may call it too, for the sake of
 * what it throws: the reason, once, when the fiber was cancelled. Outside fibers it returns false. Never blocks. Cost: under 2 ns, and one
 * look at the clock (about 40 ns) every 64 calls.
 *
 * @example
 * const scheduler = new Scheduler()
 * const fiber = scheduler.spawn(function* () {
 *   let sum = 0
 *   for (let i = 0; i < 1e6; i++) {
 *     sum += i
 *     if (safepoint()) yield
 *   }
 *   return sum
 * })
 * fiber.join() // 499999500000
 */
export function safepoint(): boolean {
  return --PREEMPTION.countdown > 0 ? false : look()
}

function look(): boolean {
  PREEMPTION.countdown = PREEMPTION.armed
  return PREEMPTION.look === undefined ? false : PREEMPTION.look()
}

/**
 * Iterates with a preemption point before each element, so that a plain `for` loop, which can't suspend its fiber, is at least reached by
 * cancellation and time limits. To let others run as well, call `safepoint()` in the loop: `if (safepoint()) yield`.
 *
 * @throws from the loop: what `safepoint()` throws; the iterable is closed first.
 * @example
 * let sum = 0
 * for (const x of preemptible([1, 2, 3])) sum += x // 6
 */
export function* preemptible<T>(iterable: Iterable<T>): Generator<T, void, undefined> {
  for (const element of iterable) {
    safepoint()
    yield element
  }
}
