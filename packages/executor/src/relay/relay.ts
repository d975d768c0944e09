/**
 * Runs a pool's calls in workers that share no memory with the executor: on pages that are not cross-origin isolated.
 *
 * The pool is in a region of this agent's own, and for the rest of the executor all is as ever: calls are slots, wait in queues, are cancelled, counted
 * and reaped. For each worker something here stands in: it takes calls from the queues as a worker's loop would (worker-loop.ts), posts them,
 * and finishes their slots when the worker reports. In the worker (serve.ts) a loop of the same kind runs them, in a pool of the worker's own.
 *
 * Invariants R1 A worker's thread has at most one call that has not returned or begun to wait: `isFree` is taken with a call and given back by a report. So no
 *               call waits behind another while a worker is free. Posted calls are not counted: they go to the worker that was chosen.
 *            R2 `calls` has the slots that are STARTED in the name of the worker. After its end they are the reaper's.
 *            R3 All of it happens in one agent, so that nothing changes between a look at the queues and the sleeping bits that say the result.
 * Progress   A call that was sent counts as started: nothing tells whether it had begun when its worker dies, so it fails with it, and is run at most once.
 * Cost       One message each way: what `postMessage` takes, 50 to 100 µs for a call that is awaited.
 * Rejected   Several calls ahead of each worker: what waits behind a long call can't be had back from a thread that doesn't turn its event loop.
 */
import { load, peek, store } from '@heddle/atomics/ops'
import { Doorbell } from '@heddle/park/internal'
import type { Host, HostWorker, WorkerStart } from '@heddle/park'
import { Crew, type CrewHost, type CrewListener, type CrewOptions } from '../crew.js'
import type { Emitter } from '../events.js'
import {
  BLOCKING_QUEUE,
  CANCEL_REQUESTED,
  CLOSED,
  ISOLATED_QUEUE,
  K_AGENT,
  K_BELL,
  K_CANCELS,
  K_COMPLETED,
  K_FAILED,
  K_PHASE,
  K_RUNNING,
  isFor,
  NORMAL_QUEUE,
  P_IDLE_BLOCKING,
  P_LIMITED,
  P_SLEEPING,
  P_STATE,
  S_ASLEEP,
  S_BELL,
  T_CANCEL,
  T_STATE,
  T_SUBMITTER,
  T_TASK,
  TASK_MASK,
  WORKER_READY,
} from '../layout.js'
import { isThrownShape, putIn, takeOut, writeThrown } from '../payload.js'
import type { Pool } from '../pool.js'
import { isLeave, isPostedCall, type PostedCall, type WorkerData, type WorkerKind, type WorkerMessage } from '../protocol.js'
import type { Queues, WorkSource } from '../queues.js'
import { Sampler } from '../sampler.js'
import { finish, phaseOf, QUEUED, start, startSeen } from '../slot.js'
import type { TaskName, TaskTable } from '../task-table.js'
import { claimSleeper, endWaking, setSleeping, tellRoom } from '../wakeup.js'
import { isSpent, type WorkerRole } from '../worker-role.js'
import type { Packet, RelayedWorker, Report, ToWorker } from './protocol.js'

const KINDS: readonly { readonly kind: WorkerKind; readonly queue: number; readonly sleepers: number }[] = [
  { kind: 'pool', queue: NORMAL_QUEUE, sleepers: P_SLEEPING },
  { kind: 'blocking', queue: BLOCKING_QUEUE, sleepers: P_IDLE_BLOCKING },
  { kind: 'isolated', queue: ISOLATED_QUEUE, sleepers: P_SLEEPING },
]

/** One worker, as what stands in for it here. */
interface Member {
  readonly number: number
  readonly kind: WorkerKind
  readonly worker: HostWorker
  readonly role: WorkerRole
  readonly sampler: Sampler
  /** Its calls: the slot, and the state that says that they run there (R2). */
  readonly calls: Map<number, number>
  /** Calls that it was told to end. */
  readonly told: Set<number>
  /** Tasks whose names it knows. */
  readonly knows: Set<number>
  readonly listeners: ((message: unknown) => void)[]
  ready: boolean
  isFree: boolean
  started: number
  completed: number
  failed: number
  heapMb: number
  retired: boolean
  /** Nothing more is posted to it, once its calls have ended. */
  leaving: boolean
  ended: boolean
}

/** A crew whose workers are reached by messages. */
export class RelayedCrew extends Crew {
  private readonly relay: Relay

  constructor(pool: Pool, queues: Queues, table: TaskTable, host: Host, options: CrewOptions, listener: CrewListener, events: Emitter) {
    const relay = new Relay(pool, queues, table, host)
    super(pool, queues, relay, options, listener, events)
    this.relay = relay
  }

  override dispose(): void {
    this.relay.close()
    super.dispose()
  }
}

/** Stands in for the workers of one pool. */
class Relay implements CrewHost {
  private readonly members = new Set<Member>()
  private readonly bell: Doorbell
  private readonly isLimited: boolean
  readonly workerModule: URL | string

  constructor(
    private readonly pool: Pool,
    private readonly queues: Queues,
    private readonly table: TaskTable,
    private readonly host: Host,
  ) {
    this.workerModule = host.workerModule!
    this.isLimited = load(pool.words, pool.base + P_LIMITED) !== 0
    this.bell = Doorbell.open(pool.region, () => this.rung())
  }

  setTimer(callback: () => void, ms: number): () => void {
    return this.host.setTimer(callback, ms)
  }

  startWorker(module: URL | string, how: WorkerStart): HostWorker {
    const { number, kind, recycle, setup } = how.data as WorkerData
    const data: RelayedWorker = { heddle: 'relayed worker', number, kind, tellsHeap: recycle?.maxHeapMb !== undefined, setup }
    const worker = this.host.startWorker!(module, { ...how, data })
    const { pool } = this
    const record = pool.workerAt(number)
    store(pool.words, record + K_BELL, this.bell.at)
    store(pool.words, record + K_AGENT, 0)
    store(pool.words, record + K_COMPLETED, 0)
    store(pool.words, record + K_FAILED, 0)
    const member: Member = {
      number,
      kind,
      worker,
      role: { ...(kind === 'isolated' && { queue: ISOLATED_QUEUE }), ...recycle, heapMb: () => member.heapMb },
      sampler: new Sampler(pool, number),
      calls: new Map(),
      told: new Set(),
      knows: new Set(),
      listeners: [],
      ready: false,
      isFree: false,
      started: 0,
      completed: 0,
      failed: 0,
      heapMb: 0,
      retired: false,
      leaving: false,
      ended: false,
    }
    this.members.add(member)
    worker.onMessage((message) => this.heard(member, message))
    // Before the crew's own listener: the reaper finds nobody here who uses the slots.
    worker.onExit(() => this.members.delete(member))
    return {
      native: worker.native,
      get threadId() {
        return worker.threadId
      },
      post: (message, transfer) => this.told(member, message, transfer),
      onMessage: (listener) => void member.listeners.push(listener),
      onExit: (listener) => worker.onExit(listener),
      terminate: async () => worker.terminate(),
      ref: () => worker.ref(),
      unref: () => worker.unref(),
    }
  }

  close(): void {
    this.bell.close()
  }

  /** What the crew has for a worker. */
  private told(member: Member, message: unknown, transfer: readonly object[] | undefined): void {
    if (isPostedCall(message)) return this.post(member, message, transfer)
    if (!isLeave(message)) return
    if (message.heddle === 'retired') {
      member.leaving = true
      this.endIfDone(member)
    } else if (member.isFree && !member.retired && member.calls.size === 0 && !this.sourceOf(member.kind).hasWork()) this.retire(member)
  }

  /** What a worker says. */
  private heard(member: Member, message: unknown): void {
    const said = message as WorkerMessage | Report
    if (typeof said !== 'object' || said === null) return
    if (said.heddle === 'report') return this.take(member, said)
    if (said.heddle === 'ready') {
      store(this.pool.words, this.pool.workerAt(member.number) + K_PHASE, WORKER_READY)
      member.ready = member.isFree = true
    }
    for (const listener of member.listeners) listener(message)
    if (said.heddle === 'ready') this.look()
  }

  /** Calls were added, or are to end, or the pool takes no more. */
  private rung(): void {
    const { words } = this.pool
    for (const member of this.members) {
      const record = this.pool.workerAt(member.number)
      if (load(words, record + K_CANCELS) === 0) continue
      store(words, record + K_CANCELS, 0)
      for (const slot of member.calls.keys()) {
        if (member.told.has(slot) || (load(words, this.pool.slotAt(slot) + T_CANCEL) & CANCEL_REQUESTED) === 0) continue
        member.told.add(slot)
        this.say(member, { heddle: 'cancel', slot })
      }
    }
    this.look()
  }

  private sourceOf(kind: WorkerKind): WorkSource {
    return kind === 'pool' ? this.queues : this.queues.only(kind === 'blocking' ? BLOCKING_QUEUE : ISOLATED_QUEUE)
  }

  /** Gives calls to the workers that are free; says of the others that they sleep. */
  private look(): void {
    const { pool } = this
    for (const { kind, queue, sleepers } of KINDS) {
      const source = this.sourceOf(kind)
      for (let member = this.freest(kind); member !== undefined; member = this.freest(kind)) {
        const slot = source.pop()
        if (slot === -1) break
        this.send(member, slot, queue)
      }
      for (const member of this.members) {
        if (member.kind !== kind || !member.ready) continue
        endWaking(pool, member.number)
        if (member.isFree && !member.retired) {
          if (kind === 'isolated') this.retire(member)
          else setSleeping(pool, member.number, sleepers)
        } else claimSleeper(pool, member.number, sleepers)
      }
    }
    if (load(pool.words, pool.base + P_STATE) === CLOSED) for (const member of [...this.members]) this.endIfDone(member)
  }

  /** The free worker with the fewest calls that wait there. */
  private freest(kind: WorkerKind): Member | undefined {
    let best: Member | undefined
    for (const member of this.members) {
      if (member.kind !== kind || !member.isFree || member.retired) continue
      if (best === undefined || member.calls.size < best.calls.size) best = member
    }
    return best
  }

  private send(member: Member, slot: number, queue: number): void {
    const { pool } = this
    const { words } = pool
    const at = pool.slotAt(slot)
    const seen = load(words, at + T_STATE)
    // Plain: written before QUEUED, by this agent. An entry may be left of an earlier call.
    const task = peek(words, at + T_TASK)
    const state = phaseOf(seen) === QUEUED && isFor(queue, task) ? startSeen(words, at + T_STATE, member.number, seen) : 0
    if (state === 0) return
    const stamped = peek(words, at + T_CANCEL)
    if (stamped >>> 1 !== 0) member.sampler.begin(slot, stamped)
    member.isFree = false
    this.began(member, slot, state)
    const packet = takeOut(pool.region, at)
    this.say(member, { heddle: 'call', slot, task, name: this.nameFor(member, task), packet, args: undefined }, [packet.body.buffer])
    if (this.isLimited) tellRoom(pool, peek(words, at + T_SUBMITTER))
    if (isSpent(member.role, member.started)) this.retire(member)
  }

  private post(member: Member, { slot, args }: PostedCall, transfer: readonly object[] | undefined): void {
    const { words } = this.pool
    const at = this.pool.slotAt(slot)
    const task = peek(words, at + T_TASK)
    // It may throw: then nothing has happened yet.
    member.worker.post(
      { heddle: 'call', slot, task, name: this.table.nameOf(task & TASK_MASK), packet: undefined, args } satisfies ToWorker,
      transfer,
    )
    const state = start(words, at + T_STATE, member.number)
    if (state !== 0) this.began(member, slot, state)
  }

  private began(member: Member, slot: number, state: number): void {
    member.calls.set(slot, state)
    member.started++
    store(this.pool.words, this.pool.workerAt(member.number) + K_RUNNING, member.calls.size)
  }

  private nameFor(member: Member, task: number): TaskName | undefined {
    const number = task & TASK_MASK
    if (member.knows.has(number)) return undefined
    member.knows.add(number)
    return this.table.nameOf(number)
  }

  private say(member: Member, message: ToWorker, transfer?: readonly object[]): void {
    member.worker.post(message, transfer)
  }

  /** Finishes what a worker has ended. */
  private take(member: Member, { ended, isFree, heapMb }: Report): void {
    if (heapMb !== undefined) member.heapMb = heapMb
    for (const { slot, packet } of ended) this.finish(member, slot, packet)
    const { words } = this.pool
    const record = this.pool.workerAt(member.number)
    store(words, record + K_RUNNING, member.calls.size)
    store(words, record + K_COMPLETED, member.completed)
    store(words, record + K_FAILED, member.failed)
    // One that runs one call at a time is free when that has ended.
    if (!member.ended && (member.kind === 'pool' ? isFree : member.calls.size === 0)) member.isFree = true
    this.endIfDone(member)
    this.look()
  }

  private finish(member: Member, slot: number, { shape, length, body }: Packet): void {
    const { pool } = this
    const { words } = pool
    const at = pool.slotAt(slot)
    const state = member.calls.get(slot)
    if (state === undefined) return
    member.calls.delete(slot)
    member.told.delete(slot)
    let failed = isThrownShape(shape)
    try {
      putIn(pool.region, at, shape, length, body)
    } catch (error) {
      failed = true
      writeThrown(pool.region, at, error)
    }
    if (failed) member.failed++
    else member.completed++
    member.sampler.end(slot)
    const submitter = peek(words, at + T_SUBMITTER)
    if (!finish(words, at + T_STATE, state) || !pool.markDone(slot, submitter)) return
    const record = pool.submitterAt(submitter)
    if (load(words, record + S_ASLEEP) === 0) return
    store(words, record + S_ASLEEP, 0)
    pool.ring(record + S_BELL)
  }

  /** It takes no more calls. */
  private retire(member: Member): void {
    member.retired = true
    for (const listener of member.listeners) listener({ heddle: 'retiring' } satisfies WorkerMessage)
  }

  private endIfDone(member: Member): void {
    if (!member.ready || member.ended || member.calls.size > 0) return
    const { words, base } = this.pool
    const isOver = load(words, base + P_STATE) === CLOSED && !this.sourceOf(member.kind).hasWork()
    if (!member.leaving && !isOver) return
    member.ended = true
    member.isFree = false
    this.say(member, { heddle: 'end' })
  }
}
