/** Waiting for a fiber's end: in a fiber, and as a promise. `Scheduler.joinBlocking` is the third way. */
import { InvalidArgumentError } from '@heddle/atomics'
import { DeadlockError, type FiberOperation, type WaitOptions, type Waker } from '@heddle/park'
import { runningFiber } from '@heddle/park/internal'
import type { Fiber } from './fiber.js'
import { LOCAL_BIT } from './fiber-bits.js'
import { BLOCKED_RESULT, type FiberIterator, LimitedWait } from './limited-wait.js'

/** `yield*` of it suspends the running fiber until `fiber` has ended. */
class JoinFiber<T> implements FiberIterator<T> {
  private waker: Waker | undefined = undefined
  constructor(private readonly fiber: Fiber<T>) {}

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED_RESULT.value, T> {
    const { fiber } = this
    if (fiber.isEnded) return { done: true, value: fiber.take() }
    if (this.waker === undefined) this.start()
    const { current } = fiber.scheduler
    // A fiber of another scheduler may be woken by what its own scheduler knows nothing of.
    if (current !== undefined && current === this.waker) current.bits |= LOCAL_BIT
    return BLOCKED_RESULT
  }

  throw(error: unknown): never {
    this.stop()
    throw error
  }

  return(value?: unknown): IteratorReturnResult<T> {
    this.stop()
    return { done: true, value: value as T }
  }

  private start(): void {
    const waker = runningFiber.get()
    if (waker === undefined) throw new InvalidArgumentError('joinFiber() works inside a fiber only: use join() or joinAsync() here')
    if (waker === this.fiber) throw new DeadlockError(`${this.fiber.name} joins itself`)
    this.fiber.addJoiner(waker)
    this.waker = waker
  }

  private stop(): void {
    if (this.waker !== undefined) this.fiber.removeJoiner(this.waker)
  }
}

/** See `Fiber.joinFiber`. */
export function joinFiber<T>(fiber: Fiber<T>, options: WaitOptions | undefined): FiberOperation<T> {
  return options === undefined ? new JoinFiber(fiber) : new LimitedWait<T>(new JoinFiber<T>(fiber), options, 'joinFiber')
}

/** See `Fiber.joinAsync`. */
export function joinAsync<T>(fiber: Fiber<T>, options: WaitOptions | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const { scheduler } = fiber
    let stopWatching: (() => void) | undefined
    const settle = (): void => {
      stopWatching?.()
      scheduler.eventLoop.release()
      try {
        resolve(fiber.take())
      } catch (error) {
        reject(error as Error)
      }
    }
    const joiner: Waker = { wake: settle }
    if (options !== undefined) {
      stopWatching = scheduler.watch(options, (error) => {
        fiber.removeJoiner(joiner)
        scheduler.eventLoop.release()
        reject(error as Error)
      })
    }
    scheduler.eventLoop.hold()
    if (fiber.isEnded) settle()
    else fiber.addJoiner(joiner)
  })
}
