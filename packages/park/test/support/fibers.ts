/** The smallest scheduler of fibers: what `runningFiber` and BLOCKED ask of one, and nothing more. */
import type { Waker } from '@heddle/park'
import { BLOCKED, runningFiber } from '@heddle/park/internal'

/** One generator under way. */
export class TestFiber<T> implements Waker {
  readonly end: Promise<T>
  readonly iterator: Iterator<unknown, T, unknown>
  /** Steps that it took, and whether it waits to be woken. */
  steps = 0
  isBlocked = false
  private woken = false
  private resolve!: (value: T) => void
  private reject!: (error: unknown) => void

  constructor(
    private readonly fibers: Fibers,
    body: () => { [Symbol.iterator](): Iterator<unknown, T, unknown> },
  ) {
    this.end = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.iterator = fibers.as(this, () => body()[Symbol.iterator]())
  }

  wake(): void {
    this.woken = true
    if (!this.isBlocked) return
    this.isBlocked = false
    this.fibers.schedule(this)
  }

  /** One step: to the next yield. */
  step(act: () => IteratorResult<unknown, T> = () => this.iterator.next()): void {
    this.steps++
    this.woken = false
    try {
      const result = this.fibers.as(this, act)
      if (result.done === true) this.resolve(result.value)
      else if (result.value === BLOCKED && !this.woken) this.isBlocked = true
      else this.fibers.schedule(this)
    } catch (error) {
      this.reject(error)
    }
  }
}

/** Runs fibers on the microtask queue. */
export class Fibers {
  as<R>(fiber: Waker, act: () => R): R {
    runningFiber.set(fiber)
    try {
      return act()
    } finally {
      runningFiber.set(undefined)
    }
  }

  schedule(fiber: { step(): void }): void {
    queueMicrotask(() => fiber.step())
  }

  /** Starts a fiber; its first step is taken at once. */
  start<T>(body: () => { [Symbol.iterator](): Iterator<unknown, T, unknown> }): TestFiber<T> {
    const fiber = new TestFiber(this, body)
    fiber.step()
    return fiber
  }

  async run<T>(body: () => { [Symbol.iterator](): Iterator<unknown, T, unknown> }): Promise<T> {
    return this.start(body).end
  }
}
