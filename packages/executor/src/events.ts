/** What an executor tells of itself. */
import { InvalidArgumentError } from '@heddle/atomics'
import { getHost } from '@heddle/park/internal'
import type { TaskLeak } from './leaks.js'

/** What an executor's events carry. */
export interface ExecutorEvents {
  /** A worker takes calls from now on. To the agent that started the executor. */
  'worker-start': { readonly worker: number; readonly name: string }
  /** A worker has ended. To the agent that started the executor. */
  'worker-exit': {
    readonly worker: number
    readonly name: string
    /** Whether it ended because it was to: after its work, by a shutdown. */
    readonly expected: boolean
    /** Why it ended, when it was not to. */
    readonly reason: unknown
    /** How many calls had started there and fail with it. */
    readonly crashed: number
  }
  /** A task has passed no safepoint and has not ended for longer than `stuckAfter`. To the agent that started the executor. */
  'task-stuck': { readonly worker: number; readonly task: string; readonly ms: number }
  /**
   * Calls have ended and left something behind in their worker; with the option `leaks`. To the agent that started the executor, and before or after the
   * calls settle.
   */
  'task-leak': { readonly worker: number } & TaskLeak
  /**
   * A spawned call failed, and by the next turn of the event loop nobody had joined its handle, asked for its `error()`, or cancelled it. To the
   * agent that spawned it. (A promise of `run` that nobody handles is the engine's to report.)
   */
  'task-error': { readonly error: unknown; readonly task: string; readonly id: number }
}

/** Names of an executor's events. */
export type ExecutorEvent = keyof ExecutorEvents

const NAMES: readonly ExecutorEvent[] = ['worker-start', 'worker-exit', 'task-stuck', 'task-leak', 'task-error']

type Listener = (detail: never) => void

/** One agent's listeners of one executor. */
export class Emitter {
  private readonly listeners = new Map<ExecutorEvent, Set<Listener>>()

  /** Adds a listener; returns how to take it away. @throws InvalidArgumentError for what is no event */
  on<E extends ExecutorEvent>(event: E, listener: (detail: ExecutorEvents[E]) => void): () => void {
    if (!NAMES.includes(event)) throw new InvalidArgumentError(`an executor's events are ${NAMES.join(', ')}, got '${event}'`)
    if (typeof listener !== 'function') throw new InvalidArgumentError(`a listener must be a function, got ${typeof listener}`)
    let mine = this.listeners.get(event)
    if (mine === undefined) this.listeners.set(event, (mine = new Set()))
    // Each `on` is a listener of its own, also of a function that listens already.
    const own = (detail: ExecutorEvents[E]): void => listener(detail)
    mine.add(own)
    return () => void mine.delete(own)
  }

  /** Tells the listeners, and the platform where it listens. What a listener throws is reported as uncaught and keeps nobody else from being told. */
  emit<E extends ExecutorEvent>(event: E, detail: ExecutorEvents[E]): void {
    getHost().publish?.(`heddle:${event}`, detail)
    for (const listener of [...(this.listeners.get(event) ?? [])]) {
      try {
        listener(detail as never)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
