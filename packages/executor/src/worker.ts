/** What a pool's worker runs. A host's worker module installs its host, then calls `serveWorker`. */
import { Region } from '@heddle/atomics'
import { store } from '@heddle/atomics/ops'
import { Agent, getHost } from '@heddle/park/internal'
import { currentPool } from './current.js'
import { Injector } from './injector.js'
import { K_AGENT, K_PHASE, WORKER_READY } from './layout.js'
import { registerKinds } from './kinds.js'
import { Loader } from './loader.js'
import { Pool } from './pool.js'
import { isPostedCall, type PostedCall, type WorkerData, type WorkerMessage } from './protocol.js'
import { Submitter } from './submitter.js'
import { TaskTable } from './task-table.js'
import { WorkerLoop } from './worker-loop.js'

/**
 * Takes tasks of the pool that this worker was started for, until the pool ends. Called once, by a host's worker module, after
 * `setHost`.
 */
export async function serveWorker(): Promise<void> {
  const parent = getHost().parent!()
  const say = (message: WorkerMessage): void => parent.post(message)
  registerKinds()
  // Calls that come before the loop is there wait. Listening also keeps the worker alive while it has nothing to do.
  const early: PostedCall[] = []
  let take = (call: PostedCall): void => void early.push(call)
  parent.onMessage((message) => {
    if (isPostedCall(message)) take(message)
  })
  try {
    const { pool: handle, number, setup } = parent.data as WorkerData
    const region = Region.attach(handle.buffer)
    Region.useAsDefault(region)
    const pool = Pool.fromHandle(handle)
    const record = pool.workerAt(number)
    store(pool.words, record + K_AGENT, Agent.of(region).tag)
    const table = new TaskTable(pool)
    const loader = new Loader(table)
    const injector = new Injector(pool.words, pool.base)
    let submitter: Submitter | undefined
    const loop = new WorkerLoop(
      pool,
      number,
      injector,
      loader,
      table,
      () => submitter,
      () => {
        say({ heddle: 'closed' })
        parent.close()
      },
    )
    currentPool.set({
      pool,
      table,
      number,
      submitter: () => {
        if (submitter === undefined) {
          submitter = Submitter.open(pool, injector, false)
          if (submitter === undefined) throw new Error('too many agents call tasks of this pool')
          submitter.onHungry = () => say({ heddle: 'hungry' })
          submitter.onIdle = () => loop.checkClosed()
          submitter.onBlock = (slot) => loop.takeOver(slot)
        }
        return submitter
      },
      context: () => loop.context(),
      executor: undefined,
    })
    if (setup !== undefined) await (await loader.loadNamed(setup))(...(setup.args as unknown[]))
    store(pool.words, record + K_PHASE, WORKER_READY)
    say({ heddle: 'ready' })
    loop.begin()
    take = (call) => loop.runPosted(call)
    for (const call of early) take(call)
  } catch (error) {
    say({ heddle: 'failed', message: error instanceof Error ? error.message : String(error), error: cloneable(error) })
  }
}

/** What of an error any host can post. */
function cloneable(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' || typeof error === 'function' ? String(error) : error
  const copy = new Error(error.message)
  copy.name = error.name
  if (error.stack !== undefined) copy.stack = error.stack
  return copy
}
