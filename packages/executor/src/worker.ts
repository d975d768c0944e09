/** What a pool's worker runs. A host's worker module installs its host, then calls `serveWorker`. */
import { Region } from '@heddle/atomics'
import { store } from '@heddle/atomics/ops'
import type { Host } from '@heddle/park'
import { Agent, getHost } from '@heddle/park/internal'
import { currentPool } from './current.js'
import { BLOCKING_QUEUE, ISOLATED_QUEUE, K_AGENT, K_PHASE, WORKER_READY } from './layout.js'
import { registerKinds } from './kinds.js'
import { Loader } from './loader.js'
import { Pool } from './pool.js'
import { Queues } from './queues.js'
import { isLeave, isPostedCall, type Leave, type PostedCall, type WorkerData, type WorkerMessage } from './protocol.js'
import { Submitter } from './submitter.js'
import { TaskTable } from './task-table.js'
import { callOwner, giveBackTo } from './wakeup.js'
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
  let leave = (_: Leave): void => undefined
  let take = (call: PostedCall): void => void early.push(call)
  parent.onMessage((message) => {
    if (isPostedCall(message)) take(message)
    else if (isLeave(message)) leave(message)
  })
  try {
    const { pool: handle, number, kind, recycle, setup } = parent.data as WorkerData
    const region = Region.attach(handle.buffer)
    Region.useAsDefault(region)
    const pool = Pool.fromHandle(handle)
    const record = pool.workerAt(number)
    store(pool.words, record + K_AGENT, Agent.of(region).tag)
    const table = new TaskTable(pool)
    const loader = new Loader(table)
    const own = kind === 'pool' ? undefined : kind === 'blocking' ? BLOCKING_QUEUE : ISOLATED_QUEUE
    const queues = new Queues(pool, kind === 'pool' ? number : -1)
    let submitter: Submitter | undefined
    const loop = new WorkerLoop(
      pool,
      number,
      own === undefined ? queues : queues.only(own),
      loader,
      table,
      () => submitter,
      giveBackTo(pool, queues),
      () => {
        say({ heddle: 'closed' })
        parent.close()
      },
      {
        ...(own !== undefined && { queue: own }),
        ...recycle,
        heapMb: heapMb(getHost()),
        onRetiring: () => {
          queues.giveAway()
          say({ heddle: 'retiring' })
        },
      },
    )
    currentPool.set({
      pool,
      table,
      number,
      submitter: () => {
        if (submitter === undefined) {
          submitter = Submitter.open(pool, queues, false)
          submitter.onHungry = (hungry) => callOwner(pool, hungry)
          submitter.onIdle = () => loop.checkClosed()
          submitter.onBlock = (slot) => void loop.takeOver(slot)
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
    leave = ({ heddle }) => (heddle === 'leave' ? loop.leave() : loop.forget())
    take = (call) => loop.runPosted(call)
    for (const call of early) take(call)
  } catch (error) {
    say({ heddle: 'failed', message: error instanceof Error ? error.message : String(error), error: cloneable(error) })
  }
}

function heapMb(host: Host): (() => number) | undefined {
  return host.heapBytes === undefined ? undefined : () => host.heapBytes!() / 2 ** 20
}

/** What of an error any host can post. */
function cloneable(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' || typeof error === 'function' ? String(error) : error
  const copy = new Error(error.message)
  copy.name = error.name
  if (error.stack !== undefined) copy.stack = error.stack
  return copy
}
