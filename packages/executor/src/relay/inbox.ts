/**
 * The calls that a worker was sent, in a pool of its own: from a message to a slot, and from the finished slot to a report.
 *
 * Invariants I1 The slots of its chunks are the inbox's, as a submitter's are (submitter.ts, I1).
 *            I2 S_ASLEEP is 1 but while results are taken: whoever finishes a call rings.
 */
import { load, or, set, store } from '@heddle/atomics/ops'
import { Agent, Doorbell } from '@heddle/park/internal'
import { QueueFullError } from '../errors.js'
import {
  CANCEL_REQUESTED,
  CHUNK_SLOTS,
  EACH,
  K_BELL,
  K_CANCELS,
  LEVEL_QUEUES,
  NORMAL_QUEUE,
  QUEUE_SHIFT,
  queueOf,
  S_ASLEEP,
  S_BELL,
  S_OWNER,
  T_CANCEL,
  T_STATE,
  T_TASK,
  TASK_MASK,
} from '../layout.js'
import { packThrown, putIn, takeOut, trim, writePosted } from '../payload.js'
import type { Pool } from '../pool.js'
import type { Queues } from '../queues.js'
import { enqueue, generationOf, release } from '../slot.js'
import { TaskRef } from '../tasks.js'
import type { TaskTable } from '../task-table.js'
import { announceWork } from '../wakeup.js'
import type { Report, ToWorker } from './protocol.js'

type Call = Extract<ToWorker, { heddle: 'call' }>
type Ended = Report['ended'][number]

/** The submitter that the inbox is in the worker's pool: the worker's own calls have another. */
const NUMBER = 0

/** One worker's inbox. */
export class Inbox {
  private readonly record: number
  private readonly bell: Doorbell
  private readonly free: number[] = []
  /** Slots here, by slots of the executor's pool, and back. */
  private readonly here = new Map<number, number>()
  private readonly there = new Map<number, number>()
  /** Numbers of tasks here, by their numbers there. */
  private readonly tasks = new Map<number, number>()
  private refused: Ended[] = []

  constructor(
    private readonly pool: Pool,
    private readonly queues: Queues,
    private readonly table: TaskTable,
    private readonly worker: number,
    /** Calls have ended. */
    onEnded: () => void,
  ) {
    const { words } = pool
    this.record = pool.submitterAt(NUMBER)
    this.bell = Doorbell.open(pool.region, onEnded)
    store(words, this.record + S_OWNER, Agent.of(pool.region).tag)
    store(words, this.record + S_BELL, this.bell.at)
    store(words, this.record + S_ASLEEP, 1)
  }

  /** Enters a call; gives the slot from which a posted one is to be run, or -1 when there is no room for the call: that is its outcome. */
  enter(call: Call): number {
    try {
      return this.tryEnter(call)
    } catch (error) {
      this.refused.push({ slot: call.slot, packet: packThrown(error as Error) })
      return -1
    }
  }

  private tryEnter(call: Call): number {
    const { pool } = this
    const { words } = pool
    const slot = this.free.pop() ?? this.takeSlot()
    const at = pool.slotAt(slot)
    if (call.name !== undefined && !this.tasks.has(call.task & TASK_MASK)) {
      const { module, name, family } = call.name
      this.tasks.set(call.task & TASK_MASK, this.table.numberOf(new TaskRef(module, name, () => undefined, family)))
    }
    const { packet } = call
    try {
      if (packet === undefined) writePosted(pool.region, at)
      else putIn(pool.region, at, packet.shape, packet.length, packet.body)
    } catch (error) {
      this.free.push(slot)
      throw error
    }
    this.here.set(call.slot, slot)
    this.there.set(slot, call.slot)
    // Whatever set it apart there, here it is one of the pool's.
    const queue = queueOf(call.task) < LEVEL_QUEUES ? queueOf(call.task) : NORMAL_QUEUE
    // Plain: the slot is the inbox's until it is queued.
    set(words, at + T_TASK, this.tasks.get(call.task & TASK_MASK)! | (call.task & EACH) | (queue << QUEUE_SHIFT))
    set(words, at + T_CANCEL, 0)
    enqueue(words, at + T_STATE, generationOf(load(words, at + T_STATE)))
    if (packet === undefined) return slot
    // There is room: the executor sends a call when the thread is free for it.
    this.queues.push(queue, slot)
    announceWork(pool, queue)
    return slot
  }

  /** A call is to end. */
  cancel(slot: number): void {
    const mine = this.here.get(slot)
    if (mine === undefined) return
    const { pool } = this
    or(pool.words, pool.slotAt(mine) + T_CANCEL, CANCEL_REQUESTED)
    store(pool.words, pool.workerAt(this.worker) + K_CANCELS, 1)
    pool.ring(pool.workerAt(this.worker) + K_BELL)
  }

  /** What has ended since it was asked last. */
  take(): Ended[] {
    const { pool } = this
    const { words } = pool
    const ended = this.refused
    this.refused = []
    store(words, this.record + S_ASLEEP, 0)
    pool.takeDone(NUMBER, (slot) => {
      const at = pool.slotAt(slot)
      const there = this.there.get(slot)!
      ended.push({ slot: there, packet: takeOut(pool.region, at) })
      this.there.delete(slot)
      this.here.delete(there)
      trim(pool.region, at)
      release(words, at + T_STATE, generationOf(load(words, at + T_STATE)))
      this.free.push(slot)
    })
    store(words, this.record + S_ASLEEP, 1)
    return ended
  }

  close(): void {
    this.bell.close()
  }

  private takeSlot(): number {
    const chunk = this.pool.takeChunk(NUMBER)
    if (chunk === -1) throw new QueueFullError('the worker has more open calls, with those that its tasks made, than a pool has slots')
    for (let i = CHUNK_SLOTS - 1; i > 0; i--) this.free.push(chunk * CHUNK_SLOTS + i)
    return chunk * CHUNK_SLOTS
  }
}
