/** An open call, as its submitter knows it. */
import type { EncodedValue } from '@heddle/atomics/internal'

/** What is told how a call ended. */
export interface Call {
  /** It keeps nothing alive. */
  detached?: boolean
  /** Whether its error has been seen by nobody so far. */
  readonly isUnseen?: boolean
  /** It waited for a slot, and has one now. */
  submitted?(slot: number): void
  resolve(value: never): void
  reject(error: unknown): void
}

/** A call that waits for a slot. */
export interface Waiting {
  readonly call: Call
  readonly task: number
  readonly args: EncodedValue
}

/** In place of a call that somebody has given up while a worker runs it: the slot is not free yet. */
export const ABANDONED: Call = { resolve: () => undefined, reject: () => undefined }

/** Whether somebody waits for what is in a slot. */
export function isOpen(call: Call | undefined): call is Call {
  return call !== undefined && call !== ABANDONED
}
