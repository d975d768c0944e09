/** All drills of the stress. */
import { barriers, events, groups, latches, semaphores } from './counts.js'
import type { Drill } from './drill.js'
import { conditions, mutexes, reentrant, rwLocks, shared, spinMutexes } from './locks.js'
import { lazies, onceCells } from './once.js'

export const drills: readonly Drill[] = [
  mutexes,
  spinMutexes,
  reentrant,
  rwLocks,
  shared,
  conditions,
  semaphores,
  events,
  latches,
  groups,
  barriers,
  onceCells,
  lazies,
]
