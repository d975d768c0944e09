/**
 * A fiber: a generator with a place in a scheduler, a state, and a result that is settled once.
 *
 * Layout     plain objects. `bits` packs the phase and what else is known in a word, and stays a small integer in every engine; `content`
 *            is what the fiber runs while it lives and its outcome afterwards. So a fiber takes 64 bytes next to its generator.
 *            bits 0–2 phase · 3–4 level · 5 WAKE · 6 CANCEL · 7 DELIVERED · 8 FAILED · 9 PREEMPT · 10 LOCAL · 11–13 interval (preemption.ts) ·
 *            14 GENERATOR · 15–29 generation
 *   phase      meaning                              leaves by
 *   created    spawned; its function was not called  step → running; cancel → cancelled
 *   ready      runnable, and has run before          step → running
 *   preempted  ready, after a safepoint told it so   step → running
 *   running    being stepped by this agent           yield → ready or preempted; yield BLOCKED → blocked; return, throw → finished, cancelled
 *   blocked    waits for its `wake`                  wake, cancel → ready
 *   finished   returned, or threw an error           –
 *   cancelled  ended by the reason of its cancel     –
 * Invariants F1 A fiber is in its level's ready set exactly when it is created, ready or preempted.
 *            F2 WAKE: woken while it ran, so its next yield of BLOCKED does not block. Never cleared by anything else: a wake that comes before
 *               the yield is not lost, and one too many makes the operation look again (park's waits are Mesa).
 *            F3 CANCEL: a reason waits in `extras` to be thrown into the fiber, once: at its next safepoint or when it is next stepped. A fiber
 *               with CANCEL set does not block. After DELIVERED, ending by that very reason is `cancelled`; by anything else, `finished`.
 *            F4 `content` is a function until the first step, the iterator that it returned until the end, then the value, the error or the reason.
 *            F5 Slot and generation name one fiber for ever (fiber-table.ts).
 *            F6 GENERATOR: `content` is a generator with the engine's own `next`, which the scheduler then calls without looking it up: every
 *               generator function's generators are another hidden class, so that lookup would miss V8's inline caches (5 to 9 ns).
 *            F7 LOCAL: what it waits for can only come from this agent (a fiber that it joins, a promise that it awaits).
 *            F8 `more` is what a fiber has beyond that: nothing, or its only joiner, or `FiberExtras`, which then has the joiners too.
 */
import { CancelledError, type FiberOperation, type WaitOptions, type Waker } from '@heddle/park'
import { idOf } from './fiber-table.js'
import type { FiberLocal } from './fiber-local.js'
import {
  BLOCKED_PHASE,
  CANCELLED,
  CREATED,
  FAILED_BIT,
  FINISHED,
  GENERATION_SHIFT,
  INTERVAL_SHIFT,
  LEVEL_SHIFT,
  levelIn,
  PHASE_MASK,
  RUNNING,
  WAKE_BIT,
} from './fiber-bits.js'
import { joinAsync, joinFiber } from './join.js'
import { FIRST_INTERVAL } from './preemption.js'
import { type Priority, PRIORITIES } from './priority.js'
import type { Scheduler } from './scheduler.js'

/** What a fiber is doing. */
export type FiberState = 'created' | 'ready' | 'running' | 'blocked' | 'preempted' | 'finished' | 'cancelled'

/** What a fiber runs: a generator, or any iterator that is stepped like one. */
export type FiberBody<T> = Iterator<unknown, T, never>

const STATES: readonly FiberState[] = ['created', 'ready', 'running', 'blocked', 'preempted', 'finished', 'cancelled']

/** What few fibers have. */
export class FiberExtras {
  name: string | undefined = undefined
  locals: Map<FiberLocal<unknown>, unknown> | undefined = undefined
  /** Why it was cancelled. */
  reason: unknown = undefined
  /** Whether its time is over or its token cancelled at a moment, for safepoints. */
  expired: ((moment: number) => { reason: unknown } | undefined) | undefined = undefined
  /** Stops listening to the time limit and the signal that cancel it. */
  unlisten: (() => void) | undefined = undefined
  /** Who waits for its end. */
  joiners: Waker[] = []
}

/**
 * A green thread: what `Scheduler.spawn` returns. It belongs to the agent that spawned it.
 *
 * @example
 * const scheduler = new Scheduler()
 * const answer = scheduler.spawn(function* () {
 *   yield* yieldNow()
 *   return 42
 * })
 * answer.join() // 42
 */
export class Fiber<T = unknown> implements Waker {
  /** @internal */
  bits: number
  /** @internal */
  content: unknown
  /** The only joiner, or what a fiber has that has more than that (F8). */
  private more: Waker | FiberExtras | undefined = undefined

  /** @internal Made by `Scheduler.spawn`. */
  constructor(
    /** @internal */
    readonly scheduler: Scheduler,
    /** @internal */
    readonly slot: number,
    generation: number,
    level: number,
    body: (() => FiberBody<T>) | FiberBody<T>,
  ) {
    this.bits = CREATED | (level << LEVEL_SHIFT) | (FIRST_INTERVAL << INTERVAL_SHIFT) | (generation << GENERATION_SHIFT)
    this.content = body
  }

  /** A number that no other fiber of the scheduler ever has; `Scheduler.fiber(id)` finds it while it lives. */
  get id(): number {
    return idOf(this.slot, this.bits >> GENERATION_SHIFT)
  }

  /** The name it was given, or `fiber` and its id. */
  get name(): string {
    return this.extras?.name ?? `fiber ${this.id}`
  }

  /** The priority it was spawned with. */
  get priority(): Priority {
    return PRIORITIES[levelIn(this.bits)]!
  }

  /** What it is doing. A fiber that threw an error is `finished`; one that ended by the reason of its cancel is `cancelled`. */
  get state(): FiberState {
    return STATES[this.bits & PHASE_MASK]!
  }

  /** Whether it is finished or cancelled. */
  get isEnded(): boolean {
    return (this.bits & PHASE_MASK) >= FINISHED
  }

  /**
   * Runs the scheduler until this fiber has ended, and returns its value. Blocks the thread while nothing can run.
   *
   * @param options `timeout` in ms and a `CancelToken`
   * @throws what the fiber threw, or the reason of its cancel; `TimeoutError`, the signal's reason; `BlockingNotAllowedError` inside a fiber
   *   (use `joinFiber`) and where the agent would have to block and may not (use `joinAsync`); `DeadlockError` when nothing can ever wake
   *   the fibers that are left. The fiber goes on after an error of the wait.
   */
  join(options?: WaitOptions): T {
    return this.scheduler.joinBlocking(this, options)
  }

  /**
   * A promise of the fiber's value. Until it settles the scheduler runs on the event loop, as by `runAsync`.
   * @param options `timeout` in ms and a signal, which end the wait, not the fiber
   */
  joinAsync(options?: WaitOptions): Promise<T> {
    return joinAsync(this, options)
  }

  /**
   * Waits inside another fiber: `const value = yield* fiber.joinFiber()`.
   * @param options `timeout` in ms and a signal, which end the wait, not the fiber
   * @throws as `join` does, from the `yield*`; `DeadlockError` when a fiber joins itself.
   */
  joinFiber(options?: WaitOptions): FiberOperation<T> {
    return joinFiber(this, options)
  }

  /**
   * Asks the fiber to end. One that has not started never will. Any other gets the reason thrown into it once, at its next safepoint or
   * where it yields or is blocked: the wait that it is in ends without having consumed anything, `finally` blocks run and may wait, and a fiber
   * that catches the reason goes on.
   *
   * @param reason what is thrown; default: a new `CancelledError`
   * @returns whether the fiber had yet to end
   */
  cancel(reason: unknown = new CancelledError(`${this.name} was cancelled`)): boolean {
    return this.scheduler.cancelFiber(this, reason)
  }

  /**
   * Makes the fiber runnable when it is blocked; the operation that blocks it looks again. For operations that park fibers, on the fiber's own
   * agent only. Harmless at any time.
   */
  wake(): void {
    const phase = this.bits & PHASE_MASK
    if (phase === BLOCKED_PHASE) this.scheduler.unblock(this)
    else if (phase === RUNNING) this.bits |= WAKE_BIT
  }

  /** @internal The value, or throws what it ended with. */
  take(): T {
    this.scheduler.observe(this)
    if ((this.bits & PHASE_MASK) === CANCELLED || (this.bits & FAILED_BIT) !== 0) throw this.content
    return this.content as T
  }

  /** @internal Has `joiner` woken when the fiber ends. */
  addJoiner(joiner: Waker): void {
    if (this.more === undefined) this.more = joiner
    else this.extend().joiners.push(joiner)
  }

  /** @internal */
  removeJoiner(joiner: Waker): void {
    const { more } = this
    if (more === joiner) this.more = undefined
    else if (more instanceof FiberExtras) {
      const index = more.joiners.indexOf(joiner)
      if (index >= 0) more.joiners.splice(index, 1)
    }
  }

  /** @internal It has ended: lets go of what only a fiber that lives needs, and wakes who waits. */
  release(): void {
    const { more } = this
    if (more === undefined) return
    if (more instanceof FiberExtras) {
      more.unlisten?.()
      more.locals = undefined
      for (const joiner of more.joiners.splice(0)) joiner.wake()
    } else {
      this.more = undefined
      more.wake()
    }
  }

  /** @internal */
  get extras(): FiberExtras | undefined {
    const { more } = this
    return more instanceof FiberExtras ? more : undefined
  }

  /** @internal */
  extend(): FiberExtras {
    const { more } = this
    if (more instanceof FiberExtras) return more
    const extras = new FiberExtras()
    if (more !== undefined) extras.joiners.push(more)
    return (this.more = extras)
  }
}
