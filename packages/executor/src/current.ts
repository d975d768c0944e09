/** The pool that the calling worker belongs to. */
import { agentLocal } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'
import type { Pool } from './pool.js'
import type { Submitter } from './submitter.js'
import type { CurrentTask } from './task-context.js'
import type { TaskTable } from './task-table.js'
import type { Port } from './thread/port.js'

/** What a worker has of its pool. */
export interface CurrentPool {
  readonly pool: Pool
  readonly table: TaskTable
  /** Number of this worker. */
  readonly number: number
  /** Made on first use. */
  submitter(): Submitter
  /** The context of the call whose function runs now. */
  context(): CurrentTask | undefined
  /** Its way to the pool's threads. */
  readonly port?: Port
  /** What `Executor.current()` made. */
  executor: object | undefined
}

/** Set in workers only. */
export const currentPool = agentLocal<CurrentPool | undefined>(() => undefined)

/**
 * Whether this is the process's main thread. A module that defines tasks and also uses them does the latter only where this is true:
 * workers import the module for its tasks.
 */
export const isMainThread: boolean = /* @__PURE__ */ isMain()

function isMain(): boolean {
  return getHost().threadId() === 0
}
