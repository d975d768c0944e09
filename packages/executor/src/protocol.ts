/** What a pool's owner and its workers tell each other outside the region: at start and end only. */
import type { Handle } from '@heddle/atomics'
import type { TaskLeak } from './leaks.js'
import type { PostedResult } from './posted-results.js'
import type { TaskName } from './task-table.js'

/** What a worker is for: the pool's calls; blocking calls, one at a time; one call, with which it ends; or threads, one after another. */
export type WorkerKind = 'pool' | 'blocking' | 'isolated' | 'thread'

/** When a worker ends and another takes its place. */
export interface Recycling {
  readonly afterTasks?: number
  readonly maxHeapMb?: number
}

/** What a worker is started with. */
export interface WorkerData {
  readonly heddle: 'worker'
  readonly pool: Handle
  readonly number: number
  readonly kind: WorkerKind
  /** Of a worker for threads: its record (thread/layout.ts). */
  readonly thread?: number
  readonly recycle: Recycling | undefined
  readonly setup: (TaskName & { readonly args: readonly unknown[] }) | undefined
}

/** What a worker is told: a call whose arguments the region can't carry. */
export interface PostedCall {
  readonly heddle: 'call'
  readonly slot: number
  readonly args: readonly unknown[]
}

/** What a worker is told: to retire if it still has nothing to do; or that nothing is posted to it any more, now that it has retired. */
export interface Leave {
  readonly heddle: 'leave' | 'retired'
}

/** What a worker says. */
export type WorkerMessage =
  | { readonly heddle: 'ready' }
  /** It could not start: its module, or the setup task. */
  | { readonly heddle: 'failed'; readonly message: string; readonly error: unknown }
  /** It takes no more calls, and ends when those that wait there have ended. */
  | { readonly heddle: 'retiring' }
  /** Calls that ran there left something behind. */
  | { readonly heddle: 'leak'; readonly leak: TaskLeak }
  | PostedResult
  /** Its work is done. */
  | { readonly heddle: 'closed' }

/** Whether a message is a call. */
export function isPostedCall(message: unknown): message is PostedCall {
  return typeof message === 'object' && message !== null && (message as { heddle?: unknown }).heddle === 'call'
}

/** Whether a message is about the worker's end. */
export function isLeave(message: unknown): message is Leave {
  if (typeof message !== 'object' || message === null) return false
  const { heddle } = message as { heddle?: unknown }
  return heddle === 'leave' || heddle === 'retired'
}

/** Whether a message is one of a worker's, not the user's. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  return typeof message === 'object' && message !== null && typeof (message as { heddle?: unknown }).heddle === 'string'
}
