/** What the waits of this package share: the results that they yield, and their time limits and signals. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { FiberOperation, WaitOptions, Waker } from '@heddle/park'
import { BLOCKED, runningFiber } from '@heddle/park/internal'
import type { Fiber } from './fiber.js'

/** What a wait is to `yield*`. */
export interface FiberIterator<T> extends FiberOperation<T>, Iterator<typeof BLOCKED, T, unknown> {
  next(): IteratorResult<typeof BLOCKED, T>
  throw(error: unknown): never
  return(value?: unknown): IteratorReturnResult<T>
}

/** One object for every wait: nobody writes to it. */
export const BLOCKED_RESULT: IteratorYieldResult<typeof BLOCKED> = { done: false, value: BLOCKED }

/** A wait with a time limit or a signal: the inner one, given up when the limit comes first. */
export class LimitedWait<T> implements FiberIterator<T> {
  private stopWatching: (() => void) | undefined
  private expired: { error: unknown } | undefined

  constructor(
    private readonly inner: FiberIterator<T>,
    private readonly options: WaitOptions,
    private readonly verb: string,
  ) {}

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED, T> {
    if (this.stopWatching === undefined) this.start()
    let isOver = true
    try {
      const result = this.inner.next()
      if (result.done !== true) {
        if (this.expired !== undefined) this.inner.throw(this.expired.error)
        isOver = false
      }
      return result
    } finally {
      if (isOver) this.stopWatching!()
    }
  }

  throw(error: unknown): never {
    this.stopWatching?.()
    return this.inner.throw(error)
  }

  return(value?: unknown): IteratorReturnResult<T> {
    this.stopWatching?.()
    return this.inner.return(value)
  }

  private start(): void {
    // Only a scheduler of this package puts a waker there that has one.
    const fiber = runningFiber.get() as Fiber | Waker | undefined
    if (fiber === undefined || !('scheduler' in fiber)) throw new InvalidArgumentError(`${this.verb}() works inside a fiber only`)
    this.stopWatching = fiber.scheduler.watch(this.options, (error) => {
      this.expired = { error }
      fiber.wake()
    })
  }
}
