/** A spawned call, as its spawner holds it. */
import { BlockingNotAllowedError, type BlockingOptions, CancelledError, TimeoutError, type WaitOptions } from '@heddle/park'
import { canBlock } from '@heddle/atomics/internal'
import { BLOCKED, deadlineOf, isAbortSignal, runningFiber } from '@heddle/park/internal'
import { checkSignal } from './signal.js'
import type { Call, Submitter } from './submitter.js'

/** How a spawned call stands. */
export type JoinState = 'pending' | 'fulfilled' | 'rejected' | 'cancelled'

let ids = 0

/**
 * What `spawn` returns: waits for the task, takes it back, tells how it stands. Belongs to the agent that spawned.
 * A rejected call whose handle nobody joins is silent; `error()` tells.
 */
export class JoinHandle<R> implements Call {
  /** Unique in this agent. */
  readonly id: number = ++ids
  /** What the spawner called it. */
  readonly name: string | undefined
  /** @internal */
  detached = false
  private current: JoinState = 'pending'
  private value: unknown = undefined
  private slot = -1
  private readonly listeners: (() => void)[] = []

  /** @internal */
  constructor(
    private readonly submitter: Submitter,
    name?: string,
  ) {
    this.name = name
  }

  /** @internal */
  submitted(slot: number): void {
    this.slot = slot
  }

  /** How it stands. */
  get state(): JoinState {
    return this.current
  }

  /** What it failed with, or undefined. */
  error(): unknown {
    return this.current === 'rejected' || this.current === 'cancelled' ? this.value : undefined
  }

  /**
   * Blocks the thread until the task has ended; gives its result or throws its error.
   * @throws TimeoutError, BlockingNotAllowedError in an agent or a fiber that may not block
   */
  join(options?: BlockingOptions): R {
    if (this.current === 'pending') {
      if (!canBlock()) throw new BlockingNotAllowedError('this agent may not block: use joinAsync')
      if (runningFiber.get() !== undefined && options?.blockFiber !== true)
        throw new BlockingNotAllowedError('this would block the worker under a fiber: use joinFiber, or pass { blockFiber: true }')
      if (options?.signal !== undefined && isAbortSignal(options.signal))
        throw new TypeError("an AbortSignal can't fire while its thread is blocked: use joinAsync")
      if (!this.submitter.blockUntil(() => this.current !== 'pending', deadlineOf(options), this.slot))
        throw new TimeoutError('the task did not end within the time limit of join')
    }
    return this.outcome()
  }

  /** Waits for the task's end on the event loop. The promise rejects with the task's error, `TimeoutError`, or the signal's reason. */
  async joinAsync(options?: WaitOptions): Promise<R> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    if (this.current === 'pending') {
      await new Promise<void>((resolve, reject) => {
        const clean = this.submitter.limit(deadline, options?.signal, reject)
        this.listeners.push(() => {
          clean()
          resolve()
        })
      })
    }
    return this.outcome()
  }

  /** Suspends the fiber until the task has ended: `const r = yield* handle.joinFiber()`. */
  *joinFiber(): Generator<unknown, R> {
    while (this.current === 'pending') {
      const waker = runningFiber.get()
      if (waker === undefined) throw new BlockingNotAllowedError('joinFiber() is for fibers: use joinAsync')
      this.listeners.push(() => waker.wake())
      yield BLOCKED
    }
    return this.outcome()
  }

  /**
   * Takes the call back if it has not started: then joins end with `reason` (default `CancelledError`), and the task never runs.
   * @returns whether it was so; false for a task that has started or ended
   */
  cancel(reason: unknown = new CancelledError('the task was cancelled before it started')): boolean {
    if (this.current !== 'pending' || !this.submitter.tryCancel(this.slot, this)) return false
    this.settleWith('cancelled', reason)
    return true
  }

  /** Says that nobody will join: the call no longer keeps the process alive, its result and its error are dropped. */
  detach(): void {
    if (this.current === 'pending' && !this.detached) this.submitter.detach(this)
  }

  /** @internal Calls back when it has ended. */
  whenSettled(listener: () => void): void {
    if (this.current === 'pending') this.listeners.push(listener)
    else listener()
  }

  /** @internal The call ends for its spawner, whatever the task does. */
  giveUp(reason: unknown): void {
    if (this.current !== 'pending' || this.cancel(reason)) return
    this.submitter.abandon(this.slot, this)
    this.settleWith('cancelled', reason)
  }

  /** @internal */
  resolve(value: R): void {
    this.settleWith('fulfilled', value)
  }

  /** @internal */
  reject(error: unknown): void {
    this.settleWith('rejected', error)
  }

  private settleWith(state: JoinState, value: unknown): void {
    if (this.current !== 'pending') return
    this.current = state
    this.value = value
    for (const listener of this.listeners.splice(0)) listener()
  }

  /** @internal What it ended with, once it has. */
  outcome(): R {
    if (this.current === 'fulfilled') return this.value as R
    throw this.value
  }
}
