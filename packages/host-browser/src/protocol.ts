/** What a browser's worker and the agent that started it tell each other before and beside what the executor says. */
import { browser, type Locks, type WorkerScope } from './dom.js'

/** A worker's first message: its script runs, and what tells of its death is in place. */
export interface Hello {
  readonly heddleWorker: 'hello'
  /** Its thread number, chosen by itself. */
  readonly thread: number
  /** The Web Lock that it holds for as long as it lives; undefined where there are no Web Locks. */
  readonly lock: string | undefined
}

/** The answer: what `WorkerStart.data` was. */
export interface Start {
  readonly heddleWorker: 'start'
  readonly name: string | undefined
  readonly data: unknown
}

/** Its script loaded and threw, or could not take its lock. */
export interface Failed {
  readonly heddleWorker: 'failed'
  readonly message: string
}

function kindOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null ? (message as { heddleWorker?: unknown }).heddleWorker : undefined
}

/** Whether a message is a worker's first one. */
export function isHello(message: unknown): message is Hello {
  return kindOf(message) === 'hello'
}

/** Whether a message is the answer to it. */
export function isStart(message: unknown): message is Start {
  return kindOf(message) === 'start'
}

/** Whether a message says that the worker could not begin. */
export function isFailed(message: unknown): message is Failed {
  return kindOf(message) === 'failed'
}

/** The page's locks, where the browser has them. They need a secure context, as shared memory does. */
export function webLocks(): Locks | undefined {
  return browser.navigator.locks
}

/** What a browser calls the lock of a thread. */
export function lockName(thread: number): string {
  return `heddle thread ${thread}`
}

/** The scope of a dedicated worker; undefined in a window. */
export function workerScope(): WorkerScope | undefined {
  const { DedicatedWorkerGlobalScope: Scope } = browser
  const here: unknown = globalThis
  return Scope !== undefined && here instanceof Scope ? here : undefined
}
