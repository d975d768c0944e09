/** Calls whose functions may not be there yet: the first call of a task loads its module as part of running it; see load-gate.ts for those that come meanwhile. */
import { get } from '@heddle/atomics/ops'
import type { LoadGate } from './load-gate.js'
import type { Loader } from './loader.js'
import { T_STATE, T_TASK, TASK_MASK } from './layout.js'
import type { Pool } from './pool.js'
import type { PostedCall } from './protocol.js'
import { holdBack, start, startClaimed } from './slot.js'
import type { TaskFunction } from './tasks.js'

/** What it needs of the worker's loop. */
export interface LoadingLoop {
  readonly pool: Pool
  readonly loader: Loader
  readonly gate: LoadGate
  /** A call waits here from now on, and does no more. */
  busy(): void
  idle(): void
  callUnlessCancelled(slot: number, at: number, state: number, fn: TaskFunction, isBound?: boolean): void
  fail(slot: number, at: number, state: number, error: unknown): void
}

/** Runs a call that has started, once its function is there. */
export function loadAndCall(loop: LoadingLoop, slot: number, at: number, state: number, task: number): void {
  const { gate, loader } = loop
  if (!loader.isLoading(task)) {
    gate.begin()
    loop.busy()
    loader.load(task).then(
      (fn) => {
        gate.end()
        loop.callUnlessCancelled(slot, at, state, fn)
        loop.idle()
      },
      (error: unknown) => {
        gate.end()
        loop.fail(slot, at, state, error)
        loop.idle()
      },
    )
    return
  }
  const { words } = loop.pool
  const claimed = holdBack(words, at + T_STATE, state)
  if (claimed === 0) return
  loop.busy()
  gate.hold(slot)
  loader.load(task).then(
    () => {
      gate.release(slot)
      loop.idle()
    },
    (error: unknown) => {
      gate.forget(slot)
      const started = startClaimed(words, at + T_STATE, claimed)
      if (started !== 0) loop.fail(slot, at, started, error)
      loop.idle()
    },
  )
}

/** Runs a call whose arguments came in a message. */
export function callPosted(loop: LoadingLoop, worker: number, { slot, args }: PostedCall): void {
  const { loader, pool } = loop
  const at = pool.slotAt(slot)
  const state = start(pool.words, at + T_STATE, worker)
  if (state === 0) return
  // Plain: the slot is this worker's from STARTED to DONE.
  const task = get(pool.words, at + T_TASK) & TASK_MASK
  const call = (fn: TaskFunction): void => loop.callUnlessCancelled(slot, at, state, () => fn(...(args as never[])), true)
  const known = loader.loaded(task)
  if (known !== undefined) return call(known)
  loop.busy()
  loader.load(task).then(
    (fn) => {
      call(fn)
      loop.idle()
    },
    (error: unknown) => {
      loop.fail(slot, at, state, error)
      loop.idle()
    },
  )
}
