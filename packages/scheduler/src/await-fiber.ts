/** Letting others run, and awaiting promises, from inside a fiber. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { FiberOperation, WaitOptions, Waker } from '@heddle/park'
import { type BLOCKED, runningFiber } from '@heddle/park/internal'
import { currentFiber } from './current.js'
import { LOCAL_BIT } from './fiber-bits.js'
import { BLOCKED_RESULT, type FiberIterator, LimitedWait } from './limited-wait.js'
import { safepoint } from './preemption.js'

/** What `yield*` of `yieldNow` and `checkpoint` takes: it yields at most once. */
export interface FiberPause {
  [Symbol.iterator](): Iterator<undefined, void, unknown>
}

const YIELDED: IteratorYieldResult<undefined> = { done: false, value: undefined }
const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined }

class Pause implements FiberPause, Iterator<undefined, void, unknown> {
  private hasYielded = false

  next(): IteratorResult<undefined, void> {
    if (this.hasYielded) return OVER
    this.hasYielded = true
    return YIELDED
  }

  [Symbol.iterator](): this {
    return this
  }
}

/** A pause that is over: it has no state, so there is one. */
const NO_PAUSE: FiberPause & Iterator<undefined, void, unknown> = {
  [Symbol.iterator]: () => NO_PAUSE,
  next: () => OVER,
}

/**
 * Lets the other runnable fibers have their turn: `yield* yieldNow()`. A plain `yield` does the same and costs less; this one says what it is for.
 */
export function yieldNow(): FiberPause {
  return new Pause()
}

/**
 * A preemption point that yields by itself: `yield* checkpoint()` lets others run when the time slice is over or somebody more urgent is ready,
 * and otherwise goes on at once. Cost: about 10 ns when it does not yield.
 * @throws the reason, once, when the fiber was cancelled.
 */
export function checkpoint(): FiberPause {
  return safepoint() ? new Pause() : NO_PAUSE
}

const WAITING = 1
const FULFILLED = 2
const REJECTED = 3

class AwaitFiber<T> implements FiberIterator<T> {
  private state = 0
  /** The waker while it waits, then the value or the error. */
  private outcome: unknown = undefined
  constructor(private readonly promise: PromiseLike<T>) {}

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED, T> {
    if (this.state === 0) this.start()
    if (this.state === FULFILLED) return { done: true, value: this.outcome as T }
    if (this.state === REJECTED) throw this.outcome
    const fiber = currentFiber()
    if (fiber !== undefined) fiber.bits |= LOCAL_BIT
    return BLOCKED_RESULT
  }

  // The promise can't be told that nobody waits any more; its end wakes a fiber that then looks again, which is harmless.
  throw(error: unknown): never {
    throw error
  }

  return(value?: unknown): IteratorReturnResult<T> {
    return { done: true, value: value as T }
  }

  private start(): void {
    const waker = runningFiber.get()
    if (waker === undefined) throw new InvalidArgumentError('awaitFiber() works inside a fiber only: use await here')
    this.state = WAITING
    this.outcome = waker
    this.promise.then(
      (value) => this.settle(FULFILLED, value),
      (error: unknown) => this.settle(REJECTED, error),
    )
  }

  private settle(state: number, outcome: unknown): void {
    const waker = this.outcome as Waker
    this.state = state
    this.outcome = outcome
    waker.wake()
  }
}

/**
 * Awaits a promise in a fiber: `const response = yield* awaitFiber(fetch(url))`. Only the fiber waits; others of its scheduler go on. The scheduler
 * has to run on the event loop (`runAsync`, `joinAsync`, or `tick` now and then): a promise can't settle while `run` blocks the thread.
 *
 * @param promise what to await
 * @param options `timeout` in ms and a signal, which end the wait; the promise itself goes on
 * @throws what the promise was rejected with, from the `yield*`; `TimeoutError`; the signal's reason.
 * @example
 * const scheduler = new Scheduler()
 * scheduler.spawn(function* () {
 *   const value = yield* awaitFiber(Promise.resolve(7))
 *   console.log(value) // 7
 * })
 * await scheduler.runAsync()
 */
export function awaitFiber<T>(promise: PromiseLike<T>, options?: WaitOptions): FiberOperation<T> {
  return options === undefined ? new AwaitFiber(promise) : new LimitedWait<T>(new AwaitFiber<T>(promise), options, 'awaitFiber')
}
