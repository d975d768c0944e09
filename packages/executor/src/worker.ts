/** What a pool's worker runs. A host's worker module installs its host, then calls `serveWorker`. */
import { Region } from '@heddle/atomics'
import { load, store } from '@heddle/atomics/ops'
import type { Host } from '@heddle/park'
import { Agent, getHost } from '@heddle/park/internal'
import { currentPool } from './current.js'
import {
  BLOCKING_QUEUE,
  ISOLATED_QUEUE,
  K_AGENT,
  K_PHASE,
  OBSERVED_LEAKS,
  P_OBSERVED,
  POSTED_QUEUE,
  WORKER_BLOCKING,
  WORKER_READY,
} from './layout.js'
import { registerKinds } from './kinds.js'
import { LeakWatch } from './leaks.js'
import { Loader } from './loader.js'
import { isMonitorData, serveMonitor } from './monitor.js'
import { Pool } from './pool.js'
import { Queues } from './queues.js'
import { isLeave, isPostedCall, type WorkerData, type WorkerKind, type WorkerMessage } from './protocol.js'
import { isRelayedWorker } from './relay/protocol.js'
import { serveRelayed } from './relay/serve.js'
import { Submitter } from './submitter.js'
import { Port } from './thread/port.js'
import { ThreadLoop } from './thread/thread-loop.js'
import { TaskTable } from './task-table.js'
import { callOwner, giveBackTo } from './wakeup.js'
import { WorkerLoop } from './worker-loop.js'

/** Where a worker's calls come from, if not from the queues of the pool. */
const QUEUES_OF: { readonly [kind in WorkerKind]: number | undefined } = {
  pool: undefined,
  blocking: BLOCKING_QUEUE,
  isolated: ISOLATED_QUEUE,
  thread: POSTED_QUEUE,
}

/**
 * Takes tasks of the pool that this worker was started for, until the pool ends. Called once, by a host's worker module, after
 * `setHost`.
 */
export async function serveWorker(): Promise<void> {
  const parent = getHost().parent!()
  const say = (message: WorkerMessage): void => parent.post(message)
  registerKinds()
  // Calls that come before the loop is there wait. Listening also keeps the worker alive while it has nothing to do.
  const early: unknown[] = []
  let take = (message: unknown): void => void early.push(message)
  parent.onMessage((message) => take(message))
  const begin = (listener: (message: never) => void): void => {
    take = listener as (message: unknown) => void
    for (const message of early.splice(0)) take(message)
  }
  try {
    if (isRelayedWorker(parent.data)) return await serveRelayed(parent, parent.data, begin)
    if (isMonitorData(parent.data)) return serveMonitor(parent.data)
    const { pool: handle, number, kind, thread, recycle, setup } = parent.data as WorkerData
    const region = Region.attach(handle.buffer)
    Region.useAsDefault(region)
    const pool = Pool.fromHandle(handle)
    const record = pool.workerAt(number)
    store(pool.words, record + K_AGENT, Agent.of(region).tag)
    const table = new TaskTable(pool)
    const loader = new Loader(table, true)
    const own = QUEUES_OF[kind]
    const queues = new Queues(pool, kind === 'pool' ? number : -1)
    let submitter: Submitter | undefined
    const leaks = leakWatch(pool, table, say)
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
        leaks,
        post: (result, transfer) => parent.post(result, transfer),
        onRetiring: () => {
          queues.giveAway()
          say({ heddle: 'retiring' })
        },
      },
    )
    const calls = (): Submitter => {
      if (submitter === undefined) {
        submitter = Submitter.open(pool, queues, false)
        leaks?.allow(1)
        submitter.onHungry = (hungry) => callOwner(pool, hungry)
        submitter.onIdle = () => loop.checkClosed()
        submitter.onBlock = (slot) => {
          if (!loop.takeOver(slot)) port.onBlock?.()
        }
      }
      return submitter
    }
    const port = new Port(pool, calls, table)
    currentPool.set({
      pool,
      table,
      number,
      port,
      submitter: calls,
      context: () => loop.context(),
      executor: undefined,
    })
    if (setup !== undefined) await (await loader.loadNamed(setup))(...(setup.args as unknown[]))
    store(pool.words, record + K_PHASE, kind === 'blocking' || kind === 'thread' ? WORKER_BLOCKING : WORKER_READY)
    say({ heddle: 'ready' })
    loop.begin()
    if (thread !== undefined) new ThreadLoop(port, thread, number, loop, loader)
    begin((message: unknown) => {
      if (isPostedCall(message)) loop.runPosted(message)
      else if (isLeave(message)) {
        if (message.heddle === 'leave') loop.leave()
        else loop.forget()
      }
    })
  } catch (error) {
    say({ heddle: 'failed', message: error instanceof Error ? error.message : String(error), error: cloneable(error) })
  }
}

function leakWatch(pool: Pool, table: TaskTable, say: (message: WorkerMessage) => void): LeakWatch | undefined {
  if ((load(pool.words, pool.base + P_OBSERVED) & OBSERVED_LEAKS) === 0) return undefined
  return new LeakWatch(
    pool.region,
    (task) => table.nameOf(task).name,
    (leak) => say({ heddle: 'leak', leak }),
  )
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
