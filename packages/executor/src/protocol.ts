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

/** What a worker says. */
export type WorkerMessage =
  | { readonly heddle: 'ready' }
  /** It could not start: its module, or the setup task. */
  | { readonly heddle: 'failed'; readonly message: string; readonly error: unknown }
  /** A call was made there while no worker slept. */
  | { readonly heddle: 'hungry' }
  /** Its work is done. */
  | { readonly heddle: 'closed' }

/** Whether a message is one of these, not the user's. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  return typeof message === 'object' && message !== null && typeof (message as { heddle?: unknown }).heddle === 'string'
}
