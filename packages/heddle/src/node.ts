/** heddle on Node: everything of every package, and a default executor. */
import { Executor as AnyExecutor, type ExecutorOptions, type JoinHandle, type MapOptions, type CallOptions, type TaskRef } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { defaultExecutor } from './default-executor.js'

export * from '@heddle/atomics'
export * from '@heddle/park'
export * from '@heddle/cancel'
export * from '@heddle/sync'
export * from '@heddle/channel'
export * from '@heddle/scheduler'
export * from '@heddle/executor'
export { nodeHost } from '@heddle/node'

/** A pool of workers that runs tasks in parallel: `Executor` of `@heddle/executor`, on Node's workers unless another host is given. */
export class Executor extends AnyExecutor {
  /** As `Executor.create` of `@heddle/executor`, with `host: nodeHost` as the default. */
  static override create(options: ExecutorOptions = {}): AnyExecutor {
    return super.create({ host: nodeHost, ...options })
  }
}

/**
 * Calls a task in a worker of the default executor (in a worker: of the executor that it belongs to). See `Executor.run`.
 * @example
 * ```ts file=squares.ts
 * export const squares = tasks(import.meta.url, { square: (x: number) => x * x })
 * ```
 * ```ts
 * import { squares } from './squares.js'
 * console.log(await run(squares.square, 12)) // 144
 * ```
 */
export function run<A extends unknown[], R>(task: TaskRef<A, R>, ...args: A): Promise<R> {
  return defaultExecutor(nodeHost).run(task, ...args)
}

/** Calls a task of the default executor and gives a handle of the call. See `Executor.spawn`. */
export function spawn<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): JoinHandle<R> {
  return defaultExecutor(nodeHost).spawn(task, args, options)
}

/** Calls a task of the default executor for each input. See `Executor.map`. */
export function map<T, R>(task: TaskRef<[T], R>, inputs: Iterable<T> | AsyncIterable<T>, options?: MapOptions): AsyncIterableIterator<R> {
  return defaultExecutor(nodeHost).map(task, inputs, options)
}
