/** heddle on Bun: everything of every package, and a default executor. */
import type { Executor as AnyExecutor } from '@heddle/executor'
import { bunHost } from '@heddle/bun'
import { bind, type Bound } from './default-executor.js'

export * from '@heddle/atomics'
export * from '@heddle/park'
export * from '@heddle/cancel'
export * from '@heddle/sync'
export * from '@heddle/channel'
export * from '@heddle/scheduler'
export * from '@heddle/executor'
export { bunHost }

const bound = /* @__PURE__ */ bind(bunHost)

/** A pool of workers that runs tasks in parallel: `Executor` of `@heddle/executor`, with `bunHost` unless another host is given. */
export const Executor: Bound['Executor'] = bound.Executor
export type Executor = AnyExecutor

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
export const run: Bound['run'] = bound.run

/** Calls a task of the default executor and gives a handle of the call. See `Executor.spawn`. */
export const spawn: Bound['spawn'] = bound.spawn

/** Calls a task of the default executor for each input. See `Executor.map`. */
export const map: Bound['map'] = bound.map

/** Runs `body` with a scope of the default executor that waits for its calls, and cancels them when one fails. See `Executor.scope`. */
export const scope: Bound['scope'] = bound.scope

/**
 * Starts a thread of the default executor: a worker that runs one task and has a mailbox. See `Executor.thread` and `Thread`.
 * @example
 * ```ts file=counter.ts
 * export const counter = tasks(import.meta.url, {
 *   count() {
 *     let n = 0
 *     currentThread()!.onMessage((message) => message.reply((n += message.payload as number)))
 *   },
 * })
 * ```
 * ```ts
 * import { counter } from './counter.js'
 * const worker = await thread(counter.count)
 * worker.send(1)
 * console.log(await worker.request(2)) // 3
 * worker.close()
 * ```
 */
export const thread: Bound['thread'] = bound.thread
