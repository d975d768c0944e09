/** Blocking the thread for something that runs elsewhere, or in fibers. */
import { InvalidArgumentError } from '@heddle/atomics'
import { type BlockingOptions, BlockingNotAllowedError } from '@heddle/park'
import { type FiberBody, Scheduler } from '@heddle/scheduler'
import { JoinHandle } from './join-handle.js'

/**
 * Blocks the thread until a spawned call, or a fiber, has ended, and gives its result: synchronous code calls asynchronous tasks. A generator (or a function that
 * makes one) is run as a fiber, on this thread.
 * @throws what the task or fiber throws; `BlockingNotAllowedError` where the agent may not block, and for a promise: it can't settle while its own
 *   thread is blocked, so do the work in a task; `TimeoutError` and the token's reason, for a call; InvalidArgumentError
 * @example
 * ```ts file=work.ts
 * export const work = tasks(import.meta.url, { square: (x: number) => x * x })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { work } from './work.js'
 * const executor = await Executor.start({ host: nodeHost })
 * console.log(blockOn(executor.spawn(work.square, [12]))) // 144
 * ```
 */
export function blockOn<R>(what: JoinHandle<R> | FiberBody<R> | (() => FiberBody<R>), options?: BlockingOptions): R {
  if (what instanceof JoinHandle) return what.join(options)
  if (typeof what === 'object' && what !== null && typeof (what as { then?: unknown }).then === 'function')
    throw new BlockingNotAllowedError('a promise of this thread can not settle while the thread is blocked: spawn a task and block on its handle')
  if (typeof what !== 'function' && typeof (what as Partial<FiberBody<R>> | null)?.next !== 'function')
    throw new InvalidArgumentError(`blockOn takes a handle that spawn returned, or a generator, got ${typeof what}`)
  return new Scheduler().blockOn(what)
}
