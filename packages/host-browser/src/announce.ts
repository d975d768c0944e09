/** A worker's side of being known: its number, and the lock that tells of its death. */
import { threadNumber } from '@heddle/atomics/internal'
import type { Locks } from './dom.js'
import { lockName, type Hello, webLocks, workerScope } from './protocol.js'

let announced: Promise<void> | undefined

/**
 * For a worker that you started yourself: tells the agent that called `adopt(worker)` who this thread is, so that its death can be
 * noticed and what it held be given to others. Resolves when that is in place; call it before the worker uses shared objects. Workers of an
 * executor do so by themselves. The worker's creator sees one message that is not its own: `{ heddleWorker: 'hello', … }`.
 * @throws TypeError outside dedicated workers
 * @example
 * ```ts ignore: it runs in a browser only
 * // worker.js
 * import { announce } from '@heddle/browser'
 * await announce()
 * ```
 */
export function announce(): Promise<void> {
  return (announced ??= hello())
}

async function hello(): Promise<void> {
  const scope = workerScope()
  if (scope === undefined) throw new TypeError('announce() is for dedicated workers')
  const thread = threadNumber.get()
  const locks = webLocks()
  if (locks !== undefined) await takeLock(locks, lockName(thread))
  scope.postMessage({ heddleWorker: 'hello', thread, lock: locks === undefined ? undefined : lockName(thread) } satisfies Hello)
}

/** Takes a lock for as long as this thread lives. */
function takeLock(locks: Locks, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const held = (): Promise<never> => {
      resolve()
      return new Promise<never>(() => undefined)
    }
    locks.request(name, held).catch(reject)
  })
}
