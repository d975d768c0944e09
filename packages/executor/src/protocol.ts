/** What a pool's owner and its workers tell each other outside the region: at start and end only. */
import type { Handle } from '@heddle/atomics'
import type { TaskName } from './task-table.js'

/** What a worker is started with. */
export interface WorkerData {
  readonly heddle: 'worker'
  readonly pool: Handle
  readonly number: number
  readonly setup: (TaskName & { readonly args: readonly unknown[] }) | undefined
}

/** What a worker is told: a call whose arguments the region can't carry. */
export interface PostedCall {
  readonly heddle: 'call'
  readonly slot: number
  readonly args: readonly unknown[]
}

/** What a worker says. */
export type WorkerMessage =
  | { readonly heddle: 'ready' }
  /** It could not start: its module, or the setup task. */
  | { readonly heddle: 'failed'; readonly message: string; readonly error: unknown }
  /** A call was made there while no worker slept. */
  | { readonly heddle: 'hungry' }
  /** Its work is done. */
  | { readonly heddle: 'closed' }

/** Whether a message is a call. */
export function isPostedCall(message: unknown): message is PostedCall {
  return typeof message === 'object' && message !== null && (message as { heddle?: unknown }).heddle === 'call'
}

/** Whether a message is one of a worker's, not the user's. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  return typeof message === 'object' && message !== null && typeof (message as { heddle?: unknown }).heddle === 'string'
}
