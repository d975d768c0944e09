/** Sleeping: a wait that nobody wakes, in the three modes, on the agent's timer wheel or the thread's own wait. */
import { InvalidArgumentError } from '@heddle/atomics'
import { ownRegion } from '@heddle/atomics/internal'
import { now } from '@heddle/atomics/ops'
import { Agent, type Sleeper } from './agent.js'
import { WAITING } from './layout.js'
import type { ShutdownError } from './errors.js'
import { type AsyncOptions, block, BLOCKED_RESULT, type FiberOperation, FiberWait, Operation, promise, wakerFor } from './operation.js'
import type { BlockingOptions, CancelSignal } from './options.js'
import { setPhase } from './record.js'
import { cancelTimer, type Timer } from './timer-wheel.js'
import type { BLOCKED, Waker } from './waker.js'

/** What may end a sleep early. */
export interface SleepOptions {
  /** Ends the sleep with the signal's reason; a token where the thread blocks. */
  signal?: AbortSignal | CancelSignal
}

/** A record that nobody knows of; a recheck after a death is answered by sleeping on. */
class SleepOperation extends Operation<void> {
  begin(): boolean {
    setPhase(this.agent.words, this.record, WAITING)
    return false
  }
  resume(): boolean {
    return this.begin()
  }
  override timedOut(): boolean {
    return true
  }
}

const SLEPT: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * A fiber's sleep that only time ends, and its fiber's scheduler: nobody else can wake it, so it has a timer and no record, and there may be a hundred
 * thousand.
 */
class SleepFiber implements FiberOperation<void>, Iterator<typeof BLOCKED, void, unknown>, Sleeper {
  private timer: Timer | undefined = undefined
  /** How long, in ms, until it begins; then the waker; an error when the agent was declared dead. */
  private what: unknown

  constructor(
    private readonly agent: Agent,
    ms: number,
  ) {
    this.what = ms
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<typeof BLOCKED, void> {
    if (this.timer === undefined) this.start()
    else if (!this.timer.isPending) {
      if (this.what instanceof Error) throw this.what
      return SLEPT
    }
    return BLOCKED_RESULT
  }

  throw(error: unknown): never {
    this.stop()
    throw error
  }

  return(): IteratorReturnResult<void> {
    this.stop()
    return SLEPT
  }

  /** Part of `Due`. */
  due(): void {
    this.agent.endSleep()
    ;(this.what as Waker).wake()
  }

  /** The agent was declared dead. */
  shutDown(error: ShutdownError): void {
    this.stop()
    const waker = this.what as Waker
    this.what = error
    waker.wake()
  }

  private start(): void {
    const waker = wakerFor('sleepFiber()')
    const deadline = now() + (this.what as number)
    this.what = waker
    this.timer = this.agent.beginSleep(deadline, this)
  }

  private stop(): void {
    if (this.timer !== undefined && cancelTimer(this.timer)) this.agent.endSleep()
  }
}

function checkDuration(ms: number): number {
  if (typeof ms !== 'number' || !(ms >= 0))
    throw new InvalidArgumentError(`a sleep takes a number of milliseconds, 0 or more, or a moment, got ${String(ms)}`)
  return ms
}

function operationIn(signal: SleepOptions['signal']): SleepOperation {
  const region = signal !== undefined && 'region' in signal ? signal.region : ownRegion()
  return new SleepOperation(Agent.of(region))
}

/** Blocks the thread for `ms` milliseconds, never less. @throws BlockingNotAllowedError, the token's reason */
export function sleep(ms: number, options?: SleepOptions & Pick<BlockingOptions, 'blockFiber'>): void {
  block(operationIn(options?.signal), { ...options, timeout: checkDuration(ms) }, 'sleepAsync()')
}

/** Resolves after `ms` milliseconds, never earlier. Keeps the process alive unless `ref` is false. */
export function sleepAsync(ms: number, options?: SleepOptions & Pick<AsyncOptions, 'ref'>): Promise<void> {
  return promise(
    () => {
      checkDuration(ms)
      return operationIn(options?.signal)
    },
    { ...options, timeout: ms },
  )
}

/** Suspends the fiber for `ms` milliseconds, never less: `yield* sleepFiber(10)`. */
export function sleepFiber(ms: number, options?: SleepOptions): FiberOperation<void> {
  checkDuration(ms)
  const signal = options?.signal
  // A sleep without end has no timer.
  if (signal === undefined && ms < Infinity) return new SleepFiber(Agent.of(ownRegion()), ms)
  return new FiberWait(operationIn(signal), { signal, timeout: ms }, 'sleepFiber()')
}

/** The time until a moment given in milliseconds since the epoch, or as a Date; NaN for what is neither. */
function until(at: number | Date): number {
  const moment = typeof at === 'number' ? at : at instanceof Date ? at.getTime() : NaN
  return Math.max(0, moment - now())
}

/** Blocks the thread until a moment (milliseconds since the epoch, or a Date); returns at once when it has passed. */
export function sleepUntil(at: number | Date, options?: SleepOptions & Pick<BlockingOptions, 'blockFiber'>): void {
  sleep(until(at), options)
}

/** As `sleepUntil`, as a promise. */
export function sleepUntilAsync(at: number | Date, options?: SleepOptions & Pick<AsyncOptions, 'ref'>): Promise<void> {
  return sleepAsync(until(at), options)
}

/** As `sleepUntil`, in a fiber. */
export function sleepUntilFiber(at: number | Date, options?: SleepOptions): FiberOperation<void> {
  return sleepFiber(until(at), options)
}
