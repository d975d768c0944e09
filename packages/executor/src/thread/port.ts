/** One agent's access to a pool's threads: names them, sends to them, waits for room and for answers. */
import { InvalidArgumentError, NotShareableError, type Region } from '@heddle/atomics'
import { load, now } from '@heddle/atomics/ops'
import { ClosedError } from '@heddle/channel'
import { BlockingNotAllowedError, type BlockingOptions, type CancelSignal, TimeoutError, type WaitOptions } from '@heddle/park'
import { Agent, BLOCKED, deadlineOf, Doorbell, isAbortSignal, runningFiber } from '@heddle/park/internal'
import { postedTo, T_STATE } from '../layout.js'
import { currentPool } from '../current.js'
import type { Pool } from '../pool.js'
import { QueueFullError } from '../errors.js'
import { checkSignal } from '../signal.js'
import type { Call, Submitter } from '../submitter.js'
import type { TaskTable } from '../task-table.js'
import { isTaskRef, type TaskRef } from '../tasks.js'
import { type Entry, SEND } from './entry.js'
import { Hub } from './hub.js'
import { assertMayBlock } from './inbox.js'
import { CLOSING, ENDED, isOf, OWNER_NUMBER, OWNER_RECORD, OWNER_REF, phaseOf, R_PARENT, R_WORKER, recordOf, stateOf } from './layout.js'
import { Outbox, type Road } from './outbox.js'
import { here, mainThread, registerThreads, Thread } from './thread.js'

/** One agent's side. */
export class Port implements Road {
  /** Ref of the thread that this agent is now; 0: none. */
  self = 0
  /** Ends a thread's worker; in the agent that started it. */
  kill: ((ref: number) => Promise<void>) | undefined
  /** Called before the thread blocks. */
  onBlock: (() => void) | undefined
  private hub: Hub | undefined
  private ids = 0
  private bell: Doorbell | undefined
  private readonly outboxes = new Map<number, Outbox>()
  /** By record: the thread that was named last. */
  private readonly threads: (Thread | undefined)[] = []

  constructor(
    readonly pool: Pool,
    /** This agent's own calls. */
    private readonly submitter: () => Submitter,
    private readonly table: TaskTable,
  ) {
    registerThreads()
  }

  /** This agent's own calls. */
  calls(): Submitter {
    return this.submitter()
  }

  /** A task's number. @throws InvalidArgumentError for what is no task */
  numberOf(task: TaskRef): number {
    if (!isTaskRef(task)) throw new InvalidArgumentError('the task must come from tasks(import.meta.url, { … })')
    return this.table.numberOf(task)
  }

  /** Ref of the thread that started a thread. */
  parentOf(ref: number): number {
    return this.open().get(recordOf(ref), R_PARENT)
  }

  get region(): Region {
    return this.pool.region
  }

  /** The pool's threads, which are made if need be. @throws RegionFullError */
  open(): Hub {
    return (this.hub ??= Hub.open(this.pool))
  }

  /** The pool's threads, if there have been any. */
  find(): Hub | undefined {
    return (this.hub ??= Hub.find(this.pool))
  }

  /** The thread of a ref; undefined for 0. */
  thread(ref: number): Thread | undefined {
    if (ref === 0) return undefined
    const record = recordOf(ref)
    if (ref === OWNER_REF && (currentPool.get()?.port === this || here.get().ports[0] === this)) return mainThread
    const known = this.threads[record]
    if (known?.ref === ref) return known
    return (this.threads[record] = new Thread(this, ref))
  }

  /** Keeps a thread as what its ref names. */
  know(thread: Thread): Thread {
    return (this.threads[recordOf(thread.ref)] = thread)
  }

  /** A new entry from this agent. */
  entry(kind: number, to: number, payload: unknown, slot = -1, seen = 0): Entry {
    return { kind, id: ++this.ids | 0, to, from: this.self, slot, seen, payload }
  }

  /** Part of `Road`. @throws ClosedError when it takes no more */
  post(ref: number, entry: Entry): boolean {
    const hub = this.open()
    const record = recordOf(ref)
    const state = hub.stateOf(record)
    if (!isOf(state, ref) || phaseOf(state) >= CLOSING) throw this.closed(ref, entry.payload)
    try {
      return hub.post(record, entry)
    } catch (error) {
      throw error instanceof ClosedError ? this.closed(ref, entry.payload) : error
    }
  }

  /** Part of `Road`. */
  wantRoom(ref: number): void {
    const hub = this.open()
    if (this.bell === undefined) {
      this.bell = Doorbell.open(this.region, () => this.flush())
      hub.setBell(Agent.of(this.region).id, this.bell.at)
    }
    hub.wantRoom(recordOf(ref))
  }

  /** See `Thread.send`. */
  send(ref: number, payload: unknown, options: (BlockingOptions & { wait?: boolean }) | undefined): void {
    const signal = options?.signal
    if (signal !== undefined && isAbortSignal(signal)) throw new TypeError("an AbortSignal can't fire while its thread is blocked: use sendAsync")
    const deadline = deadlineOf(options)
    checkSignal(signal)
    const entry = this.entry(SEND, ref, payload)
    const outbox = this.outbox(ref)
    if (outbox.tryOrWant(entry)) return
    if (options?.wait === false) throw new QueueFullError(`the mailbox of ${this.nameOf(ref)} is full`)
    assertMayBlock(options, 'send')
    const agent = Agent.of(this.region)
    const token = signal as CancelSignal | undefined
    const until = Math.min(deadline, token?.deadline ?? Infinity)
    const clean = token === undefined ? undefined : this.submitter().limit(Infinity, token, () => undefined)
    try {
      for (;;) {
        token?.expire?.()
        if (token?.isCancelled === true) throw token.reason
        if (now() >= until) throw new TimeoutError(`the mailbox of ${this.nameOf(ref)} was full until the time limit`)
        this.onBlock?.()
        agent.block(until)
        if (outbox.tryOrWant(entry)) return
      }
    } finally {
      clean?.()
    }
  }

  /** See `Thread.trySend`. */
  trySend(ref: number, payload: unknown): boolean {
    return this.outbox(ref).try(this.entry(SEND, ref, payload))
  }

  /** See `Thread.sendAsync`. */
  async sendAsync(ref: number, payload: unknown, options: WaitOptions | undefined): Promise<void> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    const entry = this.entry(SEND, ref, payload)
    const outbox = this.outbox(ref)
    if (outbox.try(entry)) return
    const agent = Agent.of(this.region)
    agent.hold()
    let stop: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const remove = outbox.enter(entry, resolve, reject)
        stop = this.submitter().limit(deadline, options?.signal, (reason) => {
          remove()
          reject(reason as Error)
        })
      })
    } finally {
      stop?.()
      agent.unhold()
    }
  }

  /** See `Thread.sendFiber`. */
  *sendFiber(ref: number, payload: unknown, options: WaitOptions | undefined): Generator<unknown, void> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    const entry = this.entry(SEND, ref, payload)
    const outbox = this.outbox(ref)
    if (outbox.try(entry)) return
    const waker = runningFiber.get()
    if (waker === undefined) throw new BlockingNotAllowedError('sendFiber() is for fibers: use sendAsync')
    let outcome: { readonly error?: { readonly reason: unknown } } | undefined
    const end = (reached: typeof outcome): void => {
      outcome ??= reached
      waker.wake()
    }
    const remove = outbox.enter(
      entry,
      () => end({}),
      (reason) => end({ error: { reason } }),
    )
    const stop = this.submitter().limit(deadline, options?.signal, (reason) => end({ error: { reason } }))
    const isOver = (): boolean => outcome !== undefined
    try {
      while (!isOver()) yield BLOCKED
    } finally {
      stop()
      remove()
    }
    const error = (outcome as { readonly error?: { readonly reason: unknown } } | undefined)?.error
    if (error !== undefined) throw error.reason
  }

  /**
   * Makes a call that a thread is to settle, and puts its entry into the thread's mailbox, at once or when there is room.
   * @returns how to take the entry out of the way if it has not been sent
   * @throws NotShareableError, RegionFullError
   */
  call(ref: number, kind: number, task: number, call: Call, args: readonly unknown[]): { readonly slot: number; readonly withdraw: () => void } {
    const submitter = this.submitter()
    const { pool } = this
    let withdraw = (): void => undefined
    const posted = submitter.submitPosted(
      call,
      postedTo(task, this.workerOf(ref)),
      (slot) => {
        const entry = this.entry(kind, ref, undefined, slot, load(pool.words, pool.slotAt(slot) + T_STATE))
        const outbox = this.outbox(ref)
        if (outbox.try(entry)) return
        withdraw = outbox.enter(
          entry,
          () => undefined,
          (error) => {
            // If not, it was settled in another way.
            if (submitter.tryCancel(slot, call)) call.reject(error)
          },
        )
      },
      args,
    )
    return { slot: posted, withdraw: () => withdraw() }
  }

  /** A request, or whatever else gets one answer, as a promise. */
  request(ref: number, kind: number, task: number, args: readonly unknown[], options: WaitOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const deadline = deadlineOf(options)
      const signal = options?.signal
      checkSignal(signal)
      if (deadline === Infinity && signal === undefined) {
        this.call(ref, kind, task, { resolve, reject }, args)
        return
      }
      const submitter = this.submitter()
      let stop = (): void => undefined
      const call: Call = {
        resolve: (value) => {
          stop()
          resolve(value)
        },
        reject: (error) => {
          stop()
          reject(error as Error)
        },
      }
      const { slot, withdraw } = this.call(ref, kind, task, call, args)
      stop = submitter.limit(deadline, signal, (reason) => {
        withdraw()
        if (!submitter.tryCancel(slot, call)) {
          submitter.requestCancel(slot, call)
          submitter.abandon(slot, call)
        }
        call.reject(reason)
      })
    })
  }

  /** Puts an entry of one's own into a mailbox, at once or when there is room; what can't travel is told as text. */
  report(ref: number, kind: number, payload: unknown): void {
    const ignore = (): void => undefined
    this.outbox(ref).enter(this.entry(kind, ref, payload), ignore, (reason) => {
      if (reason instanceof NotShareableError)
        this.outbox(ref).enter(this.entry(kind, ref, new Error(describe(payload), { cause: reason })), ignore, ignore)
    })
  }

  /** Takes no more messages into a thread's mailbox; whether it did. */
  closeThread(ref: number): boolean {
    const hub = this.find()
    const record = recordOf(ref)
    if (hub === undefined || record === OWNER_RECORD) return false
    for (;;) {
      const state = hub.stateOf(record)
      if (!isOf(state, ref) || phaseOf(state) >= CLOSING) return false
      if (hub.change(record, state, stateOf(ref, CLOSING))) break
    }
    hub.sender(record).close()
    hub.wake(record, true)
    hub.tellRoom(record)
    return true
  }

  /** The phase of a thread. */
  phaseOf(ref: number): number {
    const hub = this.find()
    const state = hub?.stateOf(recordOf(ref)) ?? 0
    return isOf(state, ref) ? phaseOf(state) : ENDED
  }

  /** What a thread is called. */
  nameOf(ref: number): string {
    return ref === OWNER_REF ? 'main' : (this.find()?.nameOf(recordOf(ref)) ?? '')
  }

  /** Why a thread takes nothing. */
  closed(ref: number, payload: unknown): ClosedError {
    const phase = this.phaseOf(ref)
    const what = phase === CLOSING ? 'was closed' : 'has ended'
    return new ClosedError(payload, undefined, `the thread ${this.nameOf(ref)} ${what} and takes no more messages`.replace('  ', ' '))
  }

  /** The executor ends here. */
  close(): void {
    const { hub } = this
    if (this.bell === undefined || hub === undefined) return
    hub.setBell(Agent.of(this.region).id, 0)
    this.bell.close()
  }

  private workerOf(ref: number): number {
    const record = recordOf(ref)
    return record === OWNER_RECORD ? OWNER_NUMBER : this.open().get(record, R_WORKER)
  }

  private outbox(ref: number): Outbox {
    const known = this.outboxes.get(ref)
    if (known !== undefined) return known
    // Those of threads that have ended, which nobody sends to any more.
    if (this.outboxes.size > 2 * this.threads.length + 8)
      for (const [other, outbox] of this.outboxes) if (outbox.isEmpty && this.phaseOf(other) === ENDED) this.outboxes.delete(other)
    const made = new Outbox(this, ref)
    this.outboxes.set(ref, made)
    return made
  }

  private flush(): void {
    for (const outbox of this.outboxes.values()) if (!outbox.isEmpty) outbox.look()
  }
}

function describe(value: unknown): string {
  try {
    return String(value)
  } catch {
    return typeof value
  }
}
