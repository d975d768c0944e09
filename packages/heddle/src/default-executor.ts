/** What acts on the executor that the calling agent has without making one: `run`, `spawn`, `map`, and `Executor` with a host. */
import {
  type CallOptions,
  Executor,
  type ExecutorOptions,
  type JoinHandle,
  type MapOptions,
  type Scope,
  type ScopeOptions,
  type TaskRef,
  type Thread,
  type ThreadArguments,
} from '@heddle/executor'
import { agentLocal } from '@heddle/atomics/ops'
import type { Host } from '@heddle/park'

const own = agentLocal<Executor | undefined>(() => undefined)

/**
 * In a worker: the executor that it belongs to. Elsewhere: this agent's default executor, made on first use; it starts workers when
 * calls find nobody free, up to the number of processors, and needs no shutdown.
 */
function defaultExecutor(host: Host): Executor {
  const here = Executor.current()
  if (here !== undefined) return here
  let mine = own.get()
  if (mine === undefined || mine.isShutDown) own.set((mine = Executor.create({ host })))
  return mine
}

/** What is bound to a host. */
export interface Bound {
  readonly Executor: typeof Executor
  readonly run: <A extends unknown[], R>(task: TaskRef<A, R>, ...args: A) => Promise<R>
  readonly spawn: <A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions) => JoinHandle<R>
  readonly map: <T, R>(task: TaskRef<[T], R>, inputs: Iterable<T> | AsyncIterable<T>, options?: MapOptions) => AsyncIterableIterator<R>
  readonly thread: <A extends unknown[], R>(task: TaskRef<A, R>, ...rest: ThreadArguments<A>) => Promise<Thread<R>>
  readonly scope: <T>(body: (scope: Scope) => Promise<T> | T, options?: ScopeOptions) => Promise<T>
}

/** Binds all of it to a host. Nothing is started. */
export function bind(host: Host): Bound {
  class ExecutorOnHost extends Executor {
    static override create(options: ExecutorOptions = {}): Executor {
      return super.create({ host, ...options })
    }
  }
  return {
    Executor: ExecutorOnHost,
    run: (task, ...args) => defaultExecutor(host).run(task, ...args),
    spawn: (task, args, options) => defaultExecutor(host).spawn(task, args, options),
    map: (task, inputs, options) => defaultExecutor(host).map(task, inputs, options),
    thread: async (task, ...rest) => defaultExecutor(host).thread(task, ...rest),
    scope: (body, options) => defaultExecutor(host).scope(body, options),
  }
}
