/** The pool that the calling worker belongs to. */
import { agentLocal } from '@heddle/atomics/ops'
import type { Pool } from './pool.js'
import type { Submitter } from './submitter.js'
import type { TaskTable } from './task-table.js'

/** What a worker has of its pool. */
export interface CurrentPool {
  readonly pool: Pool
  readonly table: TaskTable
  /** Number of this worker. */
  readonly number: number
  /** Made on first use. */
  submitter(): Submitter
  /** What `Executor.current()` made. */
  executor: object | undefined
}

/** Set in workers only. */
export const currentPool = agentLocal<CurrentPool | undefined>(() => undefined)
