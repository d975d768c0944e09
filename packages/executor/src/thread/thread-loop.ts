/**
 * What a worker for threads does: lives one thread after another. Begins a thread with the entry START, gives its messages to its inbox, runs tasks beside
 * its own, ends it, and leaves nothing of it to the next.
 *
 *   a thread's life here      ends by
 *   its task runs             the task's end: → it stays, or ends
 *   it stays                  while handlers are there (or R_STAYS), until it was closed and all messages are handled; while handlers' promises and tasks of `run`
 *                             are open in any case
 *   it ends                   the mailbox is closed; requests without a reply are rejected; joins are answered; ENDED
 */
import { get, load } from '@heddle/atomics/ops'
import { ClosedError } from '@heddle/channel'
import { awaitFiber } from '@heddle/scheduler'
import { PREEMPTION } from '@heddle/scheduler/internal'
import { CANCEL_REQUESTED, T_CANCEL, T_STATE, T_TASK, TASK_MASK } from '../layout.js'
import { isGenerator, isPromiseLike, type Loader } from '../loader.js'
import { readArguments } from '../payload.js'
import { startSeen } from '../slot.js'
import type { TaskFunction } from '../tasks.js'
import type { WorkerLoop } from '../worker-loop.js'
import { type Entry, FAILED, JOIN, START } from './entry.js'
import type { Hub } from './hub.js'
import { type Arrival, closedInbox, Inbox } from './inbox.js'
import { CLOSING, ENDED, isOf, OWNER_REF, phaseOf, R_STAYS, RUNNING, STARTING, stateOf } from './layout.js'
import { Mail, refuseCall } from './mail.js'
import { Mailbox, type Resident } from './mailbox.js'
import type { Message } from './message.js'
import type { Port } from './port.js'
import { Reply } from './reply.js'
import { here } from './thread.js'

/** What a thread's task came to. */
interface Outcome {
  readonly error: boolean
  readonly value: unknown
}

/** One thread, while it lives. */
class Life {
  readonly requests = new Set<Message>()
  readonly joins: Reply[] = []
  /** Its task was called, and has ended. */
  begun = false
  done = false
  /** The mailbox was closed and everything in it taken. */
  drained = false
  /** Tasks of `run` that are open. */
  tasks = 0
  outcome: Outcome | undefined
  /** Ends the wait of a thread that stays. */
  leave: (() => void) | undefined

  constructor(
    readonly ref: number,
    readonly inbox: Inbox,
  ) {}
}

/** The threads of one worker. */
export class ThreadLoop implements Resident {
  private readonly hub: Hub
  private readonly mailbox: Mailbox
  private life: Life | undefined

  constructor(
    private readonly port: Port,
    private readonly record: number,
    /** Number of the worker. */
    private readonly number: number,
    private readonly loop: WorkerLoop,
    private readonly loader: Loader,
  ) {
    this.hub = port.open()
    this.mailbox = new Mailbox(this.hub, record, this, true)
    port.onBlock = () => this.mailbox.beforeBlock()
    const look = PREEMPTION.look
    PREEMPTION.look = () => {
      this.mailbox.look()
      return look === undefined ? false : look()
    }
  }

  /** Part of `Resident`. */
  get inbox(): Inbox | undefined {
    return this.life?.inbox
  }

  /** Part of `Resident`. */
  isFor(ref: number): boolean {
    if (this.life !== undefined) return this.life.ref === ref
    const state = this.hub.stateOf(this.record)
    if (!isOf(state, ref) || phaseOf(state) === ENDED) return false
    // Whoever has found it among the active threads may be faster than its START.
    this.live(ref)
    return true
  }

  /** Part of `Resident`. */
  order(entry: Entry): void {
    const life = this.life!
    if (entry.kind === JOIN) {
      const reply = Reply.start(this.port.pool, entry.slot, entry.seen, this.number)
      if (reply !== undefined) life.joins.push(reply)
      return
    }
    const { words } = this.port.pool
    const at = this.port.pool.slotAt(entry.slot)
    const state = startSeen(words, at + T_STATE, this.number, entry.seen)
    if (entry.kind === START) life.begun = true
    else if (state !== 0) life.tasks++
    else return
    const call = (): void => (entry.kind === START ? this.begin(life, entry.slot, at, state) : this.run(life, entry.slot, at, state))
    // Not inside a round of the mailbox: the task's own safepoints take messages, too. Microtasks don't run while `recv` blocks.
    if (life.inbox.isBusy) call()
    else queueMicrotask(call)
  }

  /** Part of `Resident`. */
  arrival(entry: Entry): Arrival {
    return new Mail(this.port, entry, this.number, this.life!.requests)
  }

  /** Part of `Resident`. */
  refuse(entry: Entry): void {
    const { life } = this
    if (entry.kind === JOIN && life?.outcome !== undefined && life.ref === entry.to) {
      const reply = Reply.start(this.port.pool, entry.slot, entry.seen, this.number)
      if (reply !== undefined) answer(reply, life.outcome)
    } else refuseCall(this.port, entry, this.number, ended)
  }

  /** Part of `Resident`. */
  unreadable(_: Entry, reason: unknown): void {
    this.tell(reason)
  }

  /** Part of `Resident`. */
  drained(state: number): void {
    const { life, hub, record } = this
    if (life === undefined) {
      // Whoever was to send its START could not, or has died.
      if (phaseOf(state) === CLOSING) hub.change(record, state, stateOf(state, ENDED))
      return
    }
    life.drained = true
    life.inbox.close(closedInbox)
    if (!life.begun) this.end(life, { error: false, value: undefined })
    else this.check(life)
  }

  private live(ref: number): Life {
    const place = here.get()
    const inbox = new Inbox((error) => this.tell(error))
    const life = new Life(ref, inbox)
    inbox.onChange = () => this.check(life)
    this.life = life
    this.port.self = ref
    place.self = this.port.thread(ref)
    place.inbox = inbox
    inbox.addSource(this.mailbox)
    for (const attach of place.onInbox) attach()
    return life
  }

  private begin(life: Life, slot: number, at: number, state: number): void {
    const { record } = this
    this.hub.change(record, stateOf(life.ref, STARTING), stateOf(life.ref, RUNNING))
    const { words, region } = this.port.pool
    if (state === 0) return this.end(life, { error: false, value: undefined })
    // Plain: the slot is this worker's from here on.
    const task = get(words, at + T_TASK) & TASK_MASK
    const call = (fn: TaskFunction): void => {
      if ((load(words, at + T_CANCEL) & CANCEL_REQUESTED) !== 0) this.end(life, { error: false, value: undefined })
      const main = (): unknown => {
        try {
          return this.after(life, fn(...(readArguments(region, at) as never[])))
        } catch (error) {
          return this.fail(life, error)
        }
      }
      this.loop.callUnlessCancelled(slot, at, state, main, true)
    }
    this.withFunction(task, call, (error) => {
      const failed = (): Promise<never> => this.fail(life, error)
      this.loop.callUnlessCancelled(slot, at, state, failed, true)
    })
  }

  private run(life: Life, slot: number, at: number, state: number): void {
    const { words, region } = this.port.pool
    const task = get(words, at + T_TASK) & TASK_MASK
    const done = (): void => {
      life.tasks--
      this.check(life)
    }
    const call = (fn: () => unknown): void => {
      let called = false
      const bound = (): unknown => {
        called = true
        return following(fn, done)
      }
      this.loop.callUnlessCancelled(slot, at, state, bound, true)
      if (!called) done()
    }
    this.withFunction(
      task,
      (fn) => call(() => fn(...(readArguments(region, at) as never[])) as unknown),
      (error) =>
        call(() => {
          throw error
        }),
    )
  }

  /** Loads a task's function if need be. */
  private withFunction(task: number, call: (fn: TaskFunction) => void, failed: (error: unknown) => void): void {
    const fn = this.loader.loaded(task)
    if (fn === undefined) this.loader.load(task).then(call, failed)
    else call(fn)
  }

  /** What the call of a thread's task gives: its result, when the thread has ended. */
  private after(life: Life, result: unknown): unknown {
    if (typeof result === 'object' && result !== null) {
      if (isGenerator(result)) return this.fiber(life, result)
      if (isPromiseLike(result))
        return result.then(
          (value) => this.stay(life, value),
          (error: unknown) => this.fail(life, error),
        )
    }
    life.done = true
    if (!this.mayEnd(life)) return this.stay(life, result)
    this.end(life, { error: false, value: result })
    return result
  }

  private *fiber(life: Life, body: Generator): Generator<unknown, unknown> {
    let value: unknown
    let failed: { readonly error: unknown } | undefined
    let whole = false
    try {
      value = yield* body
      whole = true
    } catch (error) {
      failed = { error }
      whole = true
    } finally {
      // Its generator was closed.
      if (!whole) this.end(life, { error: false, value: undefined })
    }
    return yield* awaitFiber(failed === undefined ? this.stay(life, value) : this.fail(life, failed.error)) as Generator<unknown, unknown>
  }

  /** The thread goes on after its task, as long as it has reason to. */
  private async stay(life: Life, value: unknown): Promise<unknown> {
    life.done = true
    if (!this.mayEnd(life)) await new Promise<void>((resolve) => (life.leave = resolve))
    this.end(life, { error: false, value })
    return value
  }

  /** The thread's task failed: it ends as soon as what runs beside has ended. */
  private async fail(life: Life, error: unknown): Promise<never> {
    life.done = true
    life.outcome = { error: true, value: error }
    this.closeMailbox(life)
    if (!this.mayEnd(life)) await new Promise<void>((resolve) => (life.leave = resolve))
    this.end(life, life.outcome)
    throw error
  }

  private mayEnd(life: Life): boolean {
    if (life.tasks > 0) return false
    if (life.outcome !== undefined) return true
    if (life.inbox.pending > 0) return false
    if (life.inbox.hasHandlers) return life.drained
    return this.hub.get(this.record, R_STAYS) === 0 || life.drained || phaseOf(this.hub.stateOf(this.record)) === CLOSING
  }

  private check(life: Life): void {
    if (life !== this.life || !life.done || !this.mayEnd(life)) return
    life.leave?.()
  }

  private closeMailbox(life: Life): void {
    this.port.closeThread(life.ref)
  }

  private end(life: Life, outcome: Outcome): void {
    if (life !== this.life) return
    const { hub, record, port } = this
    const place = here.get()
    life.outcome = outcome
    this.closeMailbox(life)
    for (const arrival of life.inbox.reset(closedInbox)) arrival.open()?.abandon(ended())
    for (const message of [...life.requests]) message.abandon(new ClosedError(undefined, undefined, 'the thread ended without a reply'))
    life.inbox.removeSource(this.mailbox)
    this.mailbox.empty()
    for (const join of life.joins) answer(join, outcome)
    this.life = undefined
    port.self = 0
    place.self = undefined
    place.inbox = undefined
    // Nothing of it may come after: from here on the record may be another thread's.
    hub.change(record, stateOf(life.ref, CLOSING), stateOf(life.ref, ENDED))
    hub.tellRoom(record)
    queueMicrotask(() => {
      if (this.life !== undefined) return
      if (this.loop.checkClosed()) this.mailbox.close()
      else this.mailbox.stir()
    })
  }

  /** Tells the owner of an error that no request can be told of. */
  private tell(error: unknown): void {
    this.port.report(OWNER_REF, FAILED, error)
  }
}

function ended(): ClosedError {
  return new ClosedError(undefined, undefined, 'the thread has ended')
}

function answer(reply: Reply, { error, value }: Outcome): void {
  if (error) return reply.reject(value)
  try {
    reply.resolve(value)
  } catch (reason) {
    reply.reject(reason)
  }
}

/** Calls a function, and calls back when what it has begun has ended. */
function following(fn: () => unknown, done: () => void): unknown {
  let result: unknown
  try {
    result = fn()
  } catch (error) {
    done()
    throw error
  }
  if (typeof result === 'object' && result !== null) {
    if (isGenerator(result)) return followingFiber(result, done)
    if (isPromiseLike(result)) {
      const promise = Promise.resolve(result)
      promise.then(done, done)
      return promise
    }
  }
  done()
  return result
}

function* followingFiber(body: Generator, done: () => void): Generator<unknown, unknown> {
  try {
    return (yield* body) as unknown
  } finally {
    done()
  }
}
