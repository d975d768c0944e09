/**
 * What an executor and its workers tell each other where they share no memory.
 *
 * A call is known by its slot in the executor's own pool. Its payload travels as the slot holds it, encoded, so that values and errors are the
 * same as where memory is shared.
 */
import type { WorkerData, WorkerKind } from '../protocol.js'
import type { TaskName } from '../task-table.js'

/** A slot's payload: see payload.ts. */
export interface Packet {
  readonly shape: number
  readonly length: number
  readonly body: Int32Array<ArrayBuffer>
}

/** What a worker is started with. */
export interface RelayedWorker {
  readonly heddle: 'relayed worker'
  readonly number: number
  readonly kind: WorkerKind
  /** Whether to say how large the heap is. */
  readonly tellsHeap: boolean
  readonly setup: WorkerData['setup']
}

/** What a worker is told. */
export type ToWorker =
  /** A call: its T_TASK, with the task's name the first time; its arguments encoded, or, when they are posted, as they are. */
  | {
      readonly heddle: 'call'
      readonly slot: number
      readonly task: number
      readonly name: TaskName | undefined
      readonly packet: Packet | undefined
      readonly args: readonly unknown[] | undefined
    }
  /** The call is to end. */
  | { readonly heddle: 'cancel'; readonly slot: number }
  /** Nothing more comes. */
  | { readonly heddle: 'end' }

/** What a worker says beside `WorkerMessage`: calls that have ended, and whether its thread is free for another. */
export interface Report {
  readonly heddle: 'report'
  readonly ended: readonly { readonly slot: number; readonly packet: Packet }[]
  readonly isFree: boolean
  readonly heapMb: number | undefined
}

/** Whether a worker is started for an executor with which it shares no memory. */
export function isRelayedWorker(data: unknown): data is RelayedWorker {
  return (data as { heddle?: unknown }).heddle === 'relayed worker'
}
