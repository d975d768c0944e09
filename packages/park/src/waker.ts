/**
 * How a wait and a fiber scheduler meet, without knowing each other.
 *
 * A scheduler puts the waker of the fiber that it is about to step into `runningFiber`. An operation that must wait keeps that
 * waker, registers itself, and yields `BLOCKED`; the scheduler then leaves the fiber alone until `wake()` was called, which may
 * happen before it sees the yield. Anything else that a fiber yields means "let others run".
 */
import { agentLocal } from '@heddle/atomics/ops'

/** Something that can be told to go on. */
export interface Waker {
  /** Makes what waits runnable again; harmless when it is already. Callable from the agent that made the waker only. */
  wake(): void
}

/** What a fiber yields when it must not be resumed before its waker is called. */
export const BLOCKED: unique symbol = Symbol('heddle.blocked')

/** The waker of the fiber that this agent is stepping now, or undefined outside fibers. */
export const runningFiber = agentLocal<Waker | undefined>(() => undefined)
