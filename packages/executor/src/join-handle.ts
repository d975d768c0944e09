/** A spawned call, as its spawner holds it. */
import { BlockingNotAllowedError, type BlockingOptions, CancelledError, type CancelSignal, TimeoutError, type WaitOptions } from '@heddle/park'
import { canBlock } from '@heddle/atomics/internal'
import { BLOCKED, deadlineOf, isAbortSignal, runningFiber } from '@heddle/park/internal'
import { checkSignal } from './signal.js'
import type { Call, Submitter } from './submitter.js'

/** How a spawned call stands. */
export type JoinState = 'pending' | 'fulfilled' | 'rejected' | 'cancelled'

let ids = 0

/**
 * What `spawn` returns: waits for the task, cancels it, tells how it stands. Belongs to the agent that spawned.
 * A call that fails while nobody joins it is the executor's event `task-error`.
 */
export class JoinHandle<R> implements Call {
  /** Unique in this agent. */
  readonly id: number = ++ids
  /** What the spawner called it; its task's name when it was given none. */
  readonly name: string
  /** @internal */
  detached = false
  private current: JoinState = 'pending'
  private value: unknown = undefined
  private slot = -1
  /** Why it was cancelled after its task had started. */
  private cancelReason: { readonly reason: unknown } | undefined = undefined
  /** Somebody waits for the outcome, or has seen it. */
  private observed = false
  private readonly listeners: (() => void)[] = []

  /** @internal */
  constructor(
    /** @internal */
    readonly submitter: Submitter,
    name: string,
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

  /** What it failed with or was cancelled with, or undefined. An error that was asked for is no `task-error`. */
  error(): unknown {
    if (this.current === 'pending' || this.current === 'fulfilled') return undefined
    this.observed = true
    return this.value
  }

  /**
   * Blocks the thread until the task has ended; gives its result or throws its error.
   * @throws TimeoutError, the token's reason; BlockingNotAllowedError in an agent or a fiber that may not block; TypeError for an AbortSignal
   */
  join(options?: BlockingOptions): R {
    if (this.current === 'pending') {
      if (!canBlock()) throw new BlockingNotAllowedError('this agent may not block: use joinAsync')
      if (runningFiber.get() !== undefined && options?.blockFiber !== true)
        throw new BlockingNotAllowedError('this would block the worker under a fiber: use joinFiber, or pass { blockFiber: true }')
      const signal = options?.signal
      if (signal !== undefined && isAbortSignal(signal)) throw new TypeError("an AbortSignal can't fire while its thread is blocked: use joinAsync")
      const deadline = deadlineOf(options)
      checkSignal(signal)
      const token = signal as CancelSignal | undefined
      // Its callback waits for the loop; what counts is that the token's wake ends the sleep.
      const clean = token === undefined ? undefined : this.submitter.limit(Infinity, token, () => undefined)
      try {
        const isOver = (): boolean => this.current !== 'pending' || token?.isCancelled === true
        this.submitter.blockUntil(isOver, Math.min(deadline, token?.deadline ?? Infinity), this.slot)
      } finally {
        clean?.()
      }
      if (this.isPending) {
        token?.expire?.()
        if (token?.isCancelled === true) throw token.reason
        throw new TimeoutError('the task did not end within the time limit of join')
      }
    }
    return this.outcome()
  }

  /** Waits for the task's end on the event loop. The promise rejects with the task's error, `TimeoutError`, or the signal's reason. */
  async joinAsync(options?: WaitOptions): Promise<R> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    if (this.current === 'pending') {
      await new Promise<void>((resolve, reject) => {
        const stop = this.onSettled(() => {
          clean()
          resolve()
        })
        const clean = this.submitter.limit(deadline, options?.signal, (reason) => {
          stop()
          clean()
          reject(reason as Error)
        })
      })
    }
    return this.outcome()
  }

  /** Suspends the fiber until the task has ended: `const r = yield* handle.joinFiber()`. Throws in the fiber what `joinAsync` rejects with. */
  *joinFiber(options?: WaitOptions): Generator<unknown, R> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    if (this.current === 'pending') {
      const waker = runningFiber.get()
      if (waker === undefined) throw new BlockingNotAllowedError('joinFiber() is for fibers: use joinAsync')
      let ended: { readonly reason: unknown } | undefined
      const stop = this.onSettled(() => waker.wake())
      const clean = this.submitter.limit(deadline, options?.signal, (reason) => {
        ended = { reason }
        waker.wake()
      })
      try {
        this.submitter.beginFiber()
        while (this.isPending && ended === undefined) yield BLOCKED
      } finally {
        this.submitter.endFiber()
        stop()
        clean()
      }
      // Assigned by the listener, which the compiler can't see.
      const late = ended as { readonly reason: unknown } | undefined
      if (this.isPending && late !== undefined) throw late.reason
    }
    return this.outcome()
  }

  /**
   * Asks the call to end. One that has not started never runs, and ends at once with `reason`. A task that runs learns of it: a
   * fiber where it waits or yields, a function at its next `safepoint()`, an async function by `currentTask().signal`; its call ends when
   * the task does, with `reason` if the task ended by that, and as the task ended otherwise.
   * @param reason what joins throw; default a `CancelledError`
   * @returns whether the call had yet to end
   */
  cancel(reason: unknown = new CancelledError('the task was cancelled')): boolean {
    if (this.current !== 'pending') return false
    this.observed = true
    if (this.submitter.tryCancel(this.slot, this)) this.settleWith('cancelled', reason)
    else {
      this.cancelReason ??= { reason }
      this.submitter.requestCancel(this.slot, this)
    }
    return true
  }

  /** Says that nobody will join: the call no longer keeps the process alive, its result is dropped; its error is still a `task-error`. */
  detach(): void {
    if (this.current === 'pending' && !this.detached) this.submitter.detach(this)
  }

  /** @internal Calls back when it has ended, at once if it has; returns how to stop that. */
  whenSettled(listener: () => void): () => void {
    if (this.current !== 'pending') {
      listener()
      return () => undefined
    }
    this.listeners.push(listener)
    return () => {
      const index = this.listeners.indexOf(listener)
      if (index !== -1) this.listeners.splice(index, 1)
    }
  }

  /** @internal As `whenSettled`, by somebody who takes the outcome. */
  onSettled(listener: () => void): () => void {
    this.observed = true
    return this.whenSettled(listener)
  }

  /** @internal The call ends for its spawner, whatever the task does. */
  giveUp(reason: unknown): void {
    if (this.current !== 'pending') return
    if (!this.submitter.tryCancel(this.slot, this)) {
      this.submitter.requestCancel(this.slot, this)
      this.submitter.abandon(this.slot, this)
    }
    this.settleWith('cancelled', reason)
  }

  /** @internal */
  resolve(value: R): void {
    this.settleWith('fulfilled', value)
  }

  /** @internal */
  reject(error: unknown): void {
    if (this.cancelReason !== undefined && error instanceof CancelledError) this.settleWith('cancelled', this.cancelReason.reason)
    else this.settleWith('rejected', error)
  }

  /** @internal Whether an error that it ended with would go unseen. */
  get isUnseen(): boolean {
    return this.current === 'rejected' && !this.observed
  }

  /** @internal What it ended with, once it has. */
  outcome(): R {
    this.observed = true
    if (this.current === 'fulfilled') return this.value as R
    throw this.value
  }

  /** As a call, so that the compiler does not think that it stays what it was. */
  private get isPending(): boolean {
    return this.current === 'pending'
  }

  private settleWith(state: JoinState, value: unknown): void {
    if (this.current !== 'pending') return
    this.current = state
    this.value = value
    for (const listener of this.listeners.splice(0)) listener()
    if (this.isUnseen) this.submitter.unseen(this)
  }
}
