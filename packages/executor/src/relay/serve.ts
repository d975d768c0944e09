/** What a worker runs whose executor shares no memory with it: a loop over a pool of its own, filled by messages. See relay.ts. */
import { privateRegion } from '@heddle/atomics/internal'
import { store } from '@heddle/atomics/ops'
import { DeadlockError, type HostParent } from '@heddle/park'
import { getHost } from '@heddle/park/internal'
import { type CurrentPool, currentPool } from '../current.js'
import { CLOSED, P_STATE } from '../layout.js'
import { Loader } from '../loader.js'
import { Pool } from '../pool.js'
import { Queues } from '../queues.js'
import { Submitter } from '../submitter.js'
import { TaskTable } from '../task-table.js'
import { giveBackTo } from '../wakeup.js'
import { WorkerLoop } from '../worker-loop.js'
import { Inbox } from './inbox.js'
import type { RelayedWorker, Report, ToWorker } from './protocol.js'

/** Begins to take calls. @param begin gives all messages, those that came already first */
export async function serveRelayed(
  parent: HostParent,
  data: RelayedWorker,
  begin: (listener: (message: ToWorker) => void) => void,
  region = privateRegion(),
): Promise<void> {
  const { number, setup, tellsHeap } = data
  const pool = new Pool({ region, maxWorkers: number + 1 })
  const queues = new Queues(pool)
  const table = new TaskTable(pool)
  const loader = new Loader(table, true)
  let submitter: Submitter | undefined
  /** It was given a call since it said that it is free. */
  let owes = false

  const report = (isFree: boolean): void => {
    const ended = inbox.take()
    if (!isFree && ended.length === 0) return
    const heapMb = tellsHeap ? (getHost().heapBytes?.() ?? 0) / 2 ** 20 : undefined
    parent.post(
      { heddle: 'report', ended, isFree, heapMb } satisfies Report,
      ended.map(({ packet }) => packet.body.buffer),
    )
  }
  const inbox = new Inbox(pool, queues, table, number, () => report(false))
  const closed = (): void => {
    report(false)
    inbox.close()
    parent.post({ heddle: 'closed' })
    parent.close()
  }
  // Whoever finds no call has ended those that it had begun, or left them waiting.
  const source = {
    pop(): number {
      const slot = queues.pop()
      // One whose module is being loaded has not begun: no other is to wait behind it.
      if (slot !== -1 || !owes || loop.gate.isLoading) return slot
      owes = false
      report(true)
      return -1
    },
    hasWork: () => queues.hasWork(),
  }
  const local: CurrentPool = {
    pool,
    table,
    number,
    submitter(): Submitter {
      if (submitter === undefined) {
        submitter = Submitter.open(pool, queues, false)
        submitter.onIdle = () => void loop.checkClosed()
        submitter.onBlock = (slot) => {
          if (!loop.takeOver(slot))
            throw new DeadlockError('without shared memory the calls of a task run in its own worker: it can not block for one, use joinAsync')
        }
      }
      return submitter
    },
    context: () => loop.context(),
    executor: undefined,
  }
  const loop = new WorkerLoop(pool, number, source, loader, table, () => submitter, giveBackTo(pool, queues), closed, { local })
  currentPool.set(local)
  if (setup !== undefined) await (await loader.loadNamed(setup))(...(setup.args as unknown[]))
  parent.post({ heddle: 'ready' })
  loop.begin()
  const take = (call: Extract<ToWorker, { heddle: 'call' }>): void => {
    owes ||= call.args === undefined
    const slot = inbox.enter(call)
    if (slot === -1) {
      report(owes)
      owes = false
    } else if (call.args !== undefined) loop.runPosted({ heddle: 'call', slot, args: call.args })
  }
  begin((message) => {
    switch (message.heddle) {
      case 'call':
        take(message)
        break
      case 'cancel':
        inbox.cancel(message.slot)
        break
      case 'end':
        store(pool.words, pool.base + P_STATE, CLOSED)
        loop.checkClosed()
        break
    }
  })
}
