/**
 * The threads of a pool, in the agent that started it: gives them records and workers, ends them, keeps idle workers for the next.
 *
 * Invariants H1 Records change owner here alone (layout.ts, R3): whoever else wants a thread asks for it by an order in the owner's mailbox.
 *            H2 A worker keeps its record for life. When it has died the record is VACANT, its mailbox closed, before its calls are settled; emptied after.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { CLOSED, EMPTY } from '@heddle/channel'
import { type Host, ShutdownError, type WaitOptions } from '@heddle/park'
import { deadlineOf } from '@heddle/park/internal'
import type { Emitter } from '../events.js'
import { JoinHandle } from '../join-handle.js'
import { checkSignal } from '../signal.js'
import type { TaskRef } from '../tasks.js'
import { type Entry, KILL, SPAWN, START } from './entry.js'
import { ThreadLimitError } from './errors.js'
import type { Hub } from './hub.js'
import type { Arrival, Inbox } from './inbox.js'
import {
  ENDED,
  isOf,
  MAX_THREADS,
  nextRef,
  NO_TASK,
  OWNER_NUMBER,
  OWNER_RECORD,
  OWNER_REF,
  phaseOf,
  R_ASKER,
  R_ASLEEP,
  R_BELL,
  R_ORDERS,
  R_PARENT,
  R_STATE,
  R_STAYS,
  R_WORKER,
  recordOf,
  refOf,
  STARTING,
  stateOf,
  VACANT,
} from './layout.js'
import { Mail, refuseCall } from './mail.js'
import { Mailbox, type Resident } from './mailbox.js'
import type { Message } from './message.js'
import type { Port } from './port.js'
import { Reply } from './reply.js'
import { here, Thread } from './thread.js'

/** How a thread is started. */
export interface ThreadOptions {
  /** What `thread.name` is; cut to 96 characters where others read it. Default: the task's name. */
  name?: string
  /** It stays when its task has ended, also without handlers, until it is closed: for threads that only `run` tasks. Default false. */
  keepAlive?: boolean
  /** Cancels the thread's task, as in `executor.spawn`; the thread ends for whoever joins it with the signal's reason. */
  signal?: WaitOptions['signal']
}

/** Who has the workers. */
export interface ThreadCrew {
  /** Starts a worker for threads with this record; undefined when there are as many workers as there can be. */
  addThread(record: number): { readonly number: number; readonly started: Promise<void> } | undefined
  /** Ends a worker that has nothing to do. */
  dismiss(number: number): void
  /** Ends a worker at once; resolves when it has ended. */
  kill(number: number): Promise<void>
}

/** The owner's side. */
export class ThreadOwner implements Resident {
  private mailbox: Mailbox | undefined
  private attachedTo: Inbox | undefined
  private readonly requests = new Set<Message>()
  /** By record: the worker, and its start. */
  private readonly workers = new Map<number, { readonly number: number; readonly started: Promise<void> }>()
  /** Records whose worker is about to end. */
  private readonly leaving = new Set<number>()
  private timer: (() => void) | undefined
  /** Refs of threads that had ended when the timer last went. */
  private idle = new Set<number>()
  private isOver = false
  private isClosing = false

  constructor(
    readonly port: Port,
    private readonly crew: ThreadCrew,
    private readonly host: Host,
    private readonly events: Emitter,
    private readonly maxThreads: number,
    private readonly idleTimeout: number,
  ) {
    port.self = OWNER_REF
    port.kill = (ref) => this.kill(ref)
    port.onBlock = () => this.beforeBlock()
    here.get().ports.push(port)
    here.get().onInbox.push(() => this.attach())
  }

  /** Begins to receive what is sent to this agent. */
  listen(): void {
    if (this.isOver) return
    if (this.mailbox === undefined) {
      this.mailbox = new Mailbox(this.port.open(), OWNER_RECORD, this, false)
      this.attach()
    }
    this.mailbox.stir()
  }

  /** This agent is about to block. */
  beforeBlock(): void {
    this.mailbox?.beforeBlock()
  }

  /** Its messages go to what this agent's inbox is now. */
  private attach(): void {
    const { inbox } = here.get()
    if (this.mailbox === undefined || inbox === undefined || inbox === this.attachedTo) return
    this.attachedTo = inbox
    inbox.addSource(this.mailbox)
  }

  /** Starts a thread, for this agent. */
  async start<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options: ThreadOptions): Promise<Thread<R>> {
    const number = this.port.numberOf(task as unknown as TaskRef)
    checkSignal(options.signal)
    const name = options.name ?? task.name
    const { ref, started } = this.allocate(name, options.keepAlive === true, OWNER_REF, OWNER_NUMBER)
    const thread = begin<R>(this.port, ref, number, args, name, options)
    try {
      await started
    } catch (error) {
      thread.forget()
      throw error
    }
    return thread
  }

  /** Takes no more messages into any thread. */
  closeAll(): void {
    this.isClosing = true
    this.forEach((record, state) => {
      if (phaseOf(state) !== ENDED) this.port.closeThread(refOf(state, record))
    })
  }

  /** The pool has ended: workers that wait for a next thread end. */
  dismissAll(): void {
    this.timer?.()
    this.forEach((record, state) => {
      if (phaseOf(state) === ENDED) this.dismiss(record)
    })
  }

  /** A worker has died, and its calls were not settled yet. */
  workerEnding(number: number): void {
    const hub = this.port.find()
    if (hub === undefined) return
    for (const [record, worker] of this.workers) {
      if (worker.number !== number) continue
      hub.set(record, R_STATE, stateOf(hub.stateOf(record), VACANT))
      hub.sender(record).close()
    }
  }

  /** A worker has died, and its calls were settled. */
  workerEnded(number: number): void {
    const hub = this.port.find()
    if (hub === undefined) return
    for (const [record, worker] of this.workers) {
      if (worker.number !== number) continue
      this.workers.delete(record)
      this.leaving.delete(record)
      const receiver = hub.receiver(record)
      for (let entry = receiver.tryRecv(); entry !== EMPTY && entry !== CLOSED; entry = receiver.tryRecv()) this.refuse(entry)
      hub.set(record, R_ORDERS, 0)
      hub.set(record, R_BELL, 0)
      hub.set(record, R_ASLEEP, 0)
      hub.tellRoom(record)
    }
    // It may have been about to ring any of them, or have died in the middle of a send to one.
    hub.ring(OWNER_RECORD)
    this.forEach((record, state) => {
      if (phaseOf(state) === STARTING && hub.get(record, R_ASKER) === number) this.port.closeThread(refOf(state, record))
      hub.ring(record)
      hub.tellRoom(record)
    })
  }

  /** The executor has ended: `isLast` when nobody else uses its memory. */
  dispose(isLast: boolean): void {
    if (this.isOver) return
    this.isOver = true
    this.timer?.()
    const place = here.get()
    const index = place.ports.indexOf(this.port)
    if (index !== -1) {
      place.ports.splice(index, 1)
      place.onInbox.splice(index, 1)
    }
    if (this.mailbox !== undefined) {
      place.inbox?.removeSource(this.mailbox)
      this.mailbox.close()
    }
    this.port.close()
    if (isLast) this.port.find()?.dispose()
  }

  /** Part of `Resident`. */
  get inbox(): Inbox | undefined {
    return here.get().inbox
  }

  /** Part of `Resident`. */
  isFor(ref: number): boolean {
    return ref === OWNER_REF
  }

  /** Part of `Resident`. */
  arrival(entry: Entry): Arrival {
    return new Mail(this.port, entry, OWNER_NUMBER, this.requests)
  }

  /** Part of `Resident`. */
  order(entry: Entry): void {
    if (entry.kind === SPAWN || entry.kind === KILL) {
      const reply = Reply.start(this.port.pool, entry.slot, entry.seen, OWNER_NUMBER)
      if (reply !== undefined) void this.serve(entry, reply)
    } else this.unreadable(entry, entry.payload)
  }

  /** Part of `Resident`. */
  refuse(entry: Entry): void {
    refuseCall(this.port, entry, OWNER_NUMBER, () => this.port.closed(entry.to, undefined))
  }

  /** Part of `Resident`. */
  unreadable(entry: Entry, error: unknown): void {
    const from = this.port.thread(entry.from)
    this.events.emit('task-error', { error, task: from?.name ?? '', id: from?.id ?? 0 })
  }

  /** Part of `Resident`. */
  drained(): void {
    // The owner's mailbox is never closed.
  }

  private async serve(entry: Entry, reply: Reply): Promise<void> {
    try {
      const args = reply.arguments()
      if (entry.kind === SPAWN) {
        const [name, stays, asker] = args as [string, boolean, number]
        if (this.isClosing || this.isOver) throw new ShutdownError('the executor takes no more threads: it was shut down')
        const { ref } = this.allocate(name, stays, entry.from === 0 ? OWNER_REF : entry.from, asker)
        // At once, also while this thread blocks in a join: a worker that can't be started fails the call that begins the thread.
        reply.resolve(ref)
      } else {
        await this.kill(args[0] as number)
        reply.resolve(undefined)
      }
    } catch (error) {
      reply.reject(error)
    }
  }

  /** A record, with a worker, for a new thread. @throws ThreadLimitError */
  private allocate(name: string, stays: boolean, parent: number, asker: number): { readonly ref: number; readonly started: Promise<void> } {
    this.listen()
    const hub = this.port.open()
    const record = this.choose(hub)
    const state = hub.stateOf(record)
    const ref = nextRef(state, record)
    const worker = this.workers.get(record) ?? this.hire(record)
    hub.set(record, R_WORKER, worker.number)
    hub.set(record, R_PARENT, parent)
    hub.set(record, R_ASKER, asker)
    hub.set(record, R_STAYS, stays ? 1 : 0)
    hub.setName(record, name)
    hub.reopen(record)
    hub.set(record, R_STATE, stateOf(ref, STARTING))
    this.watchIdle()
    return { ref, started: worker.started }
  }

  private choose(hub: Hub): number {
    let running = 0
    let vacant = 0
    let ended = 0
    for (let record = OWNER_RECORD + 1; record <= MAX_THREADS; record++) {
      const phase = phaseOf(hub.stateOf(record))
      if (phase === ENDED && this.workers.has(record)) ended ||= record
      else if (phase === VACANT && !this.workers.has(record)) vacant ||= record
      else if (!this.leaving.has(record)) running++
    }
    if (running >= this.maxThreads || (ended === 0 && vacant === 0))
      throw new ThreadLimitError(
        `${running} threads run already: wait for one to end, or start the executor with a larger maxThreads (${this.maxThreads})`,
      )
    return ended === 0 ? vacant : ended
  }

  private hire(record: number): { readonly number: number; readonly started: Promise<void> } {
    const worker = this.crew.addThread(record)
    if (worker === undefined) throw new ThreadLimitError('as many workers run already as an executor can have: threads and workers together')
    this.workers.set(record, worker)
    return worker
  }

  private async kill(ref: number): Promise<void> {
    const record = recordOf(ref)
    const state = this.port.open().stateOf(record)
    const worker = this.workers.get(record)
    if (worker === undefined || !isOf(state, ref) || phaseOf(state) === ENDED) return
    await this.crew.kill(worker.number)
  }

  private dismiss(record: number): void {
    const worker = this.workers.get(record)
    if (worker !== undefined) this.crew.dismiss(worker.number)
  }

  /** Workers without a thread for a whole `idleTimeout` end. */
  private watchIdle(): void {
    if (this.timer !== undefined || this.idleTimeout === Infinity || this.isOver) return
    this.timer = this.host.setTimer(() => {
      this.timer = undefined
      const before = this.idle
      this.idle = new Set()
      const hub = this.port.open()
      this.forEach((record, state) => {
        if (phaseOf(state) !== ENDED) return
        const ref = refOf(state, record)
        if (!before.has(ref)) this.idle.add(ref)
        // Nobody's, as that of one that has died; no other thread gets it before the worker has ended.
        else if (hub.change(record, state, stateOf(ref, VACANT))) {
          this.leaving.add(record)
          this.dismiss(record)
        }
      })
      if (this.workers.size > 0) this.watchIdle()
    }, this.idleTimeout)
  }

  private forEach(visit: (record: number, state: number) => void): void {
    const hub = this.port.find()
    if (hub !== undefined) for (const record of this.workers.keys()) visit(record, hub.stateOf(record))
  }
}

/** Gives a thread that has a worker its task. */
function begin<R>(port: Port, ref: number, task: number, args: readonly unknown[], name: string, options: ThreadOptions): Thread<R> {
  const handle = new JoinHandle<R>(port.calls(), name)
  try {
    handle.submitted(port.call(ref, START, task, handle, args).slot)
  } catch (error) {
    port.closeThread(ref)
    throw error
  }
  const { signal } = options
  if (signal !== undefined) handle.whenSettled(port.calls().limit(deadlineOf(undefined), signal, (reason) => handle.giveUp(reason)))
  return port.know(new Thread<R>(port, ref, handle, name)) as Thread<R>
}

/** Starts a thread, for an agent that did not start the executor: its owner gives it a worker. */
export async function startElsewhere<A extends unknown[], R>(
  port: Port,
  worker: number,
  task: TaskRef<A, R>,
  args: A,
  options: ThreadOptions,
): Promise<Thread<R>> {
  const number = port.numberOf(task as unknown as TaskRef)
  checkSignal(options.signal)
  const name = options.name ?? task.name
  const ref = (await port.request(OWNER_REF, SPAWN, NO_TASK, [name, options.keepAlive === true, worker], { signal: options.signal })) as number
  return begin<R>(port, ref, number, args, name, options)
}

/** Checks what `thread` was given. @throws InvalidArgumentError */
export function checkThread(args: unknown, options: ThreadOptions): void {
  if (!Array.isArray(args)) throw new InvalidArgumentError(`thread takes the task's arguments as an array, got ${typeof args}`)
  if (options.name !== undefined && typeof options.name !== 'string') throw new InvalidArgumentError('the name of a thread must be a string')
}
