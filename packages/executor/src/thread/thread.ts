/** A thread, as its users see it. */
import { InvalidArgumentError, registerCloneable, registerErrorClass } from '@heddle/atomics'
import { agentLocal } from '@heddle/atomics/ops'
import { ClosedError } from '@heddle/channel'
import type { BlockingOptions, WaitOptions } from '@heddle/park'
import { currentPool } from '../current.js'
import { JoinHandle } from '../join-handle.js'
import type { TaskRef } from '../tasks.js'
import { ThreadLimitError } from './errors.js'
import { JOIN, KILL, REQUEST, RUN } from './entry.js'
import { Inbox, type MessageHandler } from './inbox.js'
import { CLOSING, ENDED, MAX_THREADS, NO_TASK, OWNER_RECORD, OWNER_REF, phaseOf, refOf, STARTING, VACANT } from './layout.js'
import type { Message } from './message.js'
import type { Port } from './port.js'

/** How a thread stands. */
export type ThreadState = 'starting' | 'running' | 'closing' | 'ended'

/** How a message is sent. */
export interface SendOptions extends BlockingOptions {
  /** `false`: a full mailbox is a `QueueFullError`, at once. Default: wait for room. */
  wait?: boolean
}

/** What the calling agent is: its ports, and its own messages. */
export interface Place {
  /** Ports of the executors that this agent started. */
  readonly ports: Port[]
  /** Messages for this agent, as the thread that it is now. */
  inbox: Inbox | undefined
  /** The thread that it is now, in a worker for threads. */
  self: Thread | undefined
  /** By port: begins to receive what is sent to this agent. */
  readonly onInbox: (() => void)[]
}

/** The calling agent. */
export const here = agentLocal<Place>(() => ({ ports: [], inbox: undefined, self: undefined, onInbox: [] }))

/** The messages of an agent that started executors, or may do so. */
export function ownInbox(): Inbox {
  const place = here.get()
  if (place.inbox !== undefined) return place.inbox
  place.inbox = new Inbox((error) =>
    queueMicrotask(() => {
      throw error
    }),
  )
  for (const attach of place.onInbox) attach()
  return place.inbox
}

/**
 * A thread: a worker that runs one task and has a mailbox. What `executor.thread` returns to whoever started it; what `currentThread()`, `mainThread`,
 * `message.from`, `thread.parent` and `activeThreads()` give; and it may be passed to other agents inside arguments and messages.
 *
 * It lives until its task has ended; while `onMessage` handlers are there (or with `keepAlive`), until it is closed. Messages of one sender arrive in the
 * order in which they were sent. A mailbox holds 1,000 messages; then whoever sends waits. A thread that has ended takes nothing more: what is sent to it
 * is refused with `ClosedError`, and never reaches another one.
 *
 * `recv`, `tryRecv` and `onMessage` of the thread that the caller is give all of its messages; those of another thread give what that one has sent to
 * the caller.
 * @example
 * ```ts file=worker.ts
 * export const work = tasks(import.meta.url, {
 *   async sum() {
 *     let sum = 0
 *     for await (const message of currentThread()!) sum += message.payload as number
 *     return sum
 *   },
 * })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { work } from './worker.js'
 * const executor = await Executor.start({ host: nodeHost })
 * const thread = await executor.thread(work.sum)
 * for (const n of [1, 2, 3]) await thread.sendAsync(n)
 * thread.close()
 * console.log(await thread.joinAsync()) // 6
 * ```
 */
export class Thread<R = unknown> {
  /** @internal */
  constructor(
    private readonly port: Port | undefined,
    /** @internal What names it in its pool; 0: the main thread of whoever asks. */
    readonly ref: number,
    private readonly handle?: JoinHandle<R>,
    private readonly label?: string,
  ) {}

  /** A number that no other thread of the executor has or had; 0: the main thread. */
  get id(): number {
    return this.target === OWNER_REF ? 0 : this.target >>> 0
  }

  /** What whoever started it called it: its task's name when it was given none; `main`. */
  get name(): string {
    return this.label ?? (this.target === OWNER_REF ? 'main' : this.way().nameOf(this.target))
  }

  /** How it stands. One load. */
  get state(): ThreadState {
    const { target } = this
    if (target === OWNER_REF) return 'running'
    const phase = this.way().phaseOf(target)
    return phase === STARTING ? 'starting' : phase === CLOSING ? 'closing' : phase === ENDED ? 'ended' : 'running'
  }

  /** The thread that started it (the main thread, where that was a worker of the pool); undefined for the main thread, and when it has ended. */
  get parent(): Thread | undefined {
    const { target } = this
    if (target === OWNER_REF || this.state === 'ended') return undefined
    const port = this.way()
    return port.thread(port.parentOf(target))
  }

  /**
   * Sends a message: when it returns, the message is in the mailbox. Blocks the calling thread while the mailbox is full.
   * @throws ClosedError with the message as `value`, when the thread was closed or has ended; NotShareableError naming the path to what can't travel;
   *   QueueFullError with `wait: false`; TimeoutError, the token's reason, BlockingNotAllowedError where the mailbox is full
   */
  send(message: unknown, options?: SendOptions): void {
    this.way().send(this.target, message, options)
  }

  /** As `send`, as a promise. A pending one keeps the process alive. */
  sendAsync(message: unknown, options?: WaitOptions): Promise<void> {
    return this.way().sendAsync(this.target, message, options)
  }

  /** As `send`, in a fiber: `yield* thread.sendFiber(message)`. */
  sendFiber(message: unknown, options?: WaitOptions): Generator<unknown, void> {
    return this.way().sendFiber(this.target, message, options)
  }

  /** Sends a message if there is room; never waits. @returns whether it was sent. @throws ClosedError, NotShareableError */
  trySend(message: unknown): boolean {
    return this.way().trySend(this.target, message)
  }

  /**
   * Sends a message and gives the reply to it; waits where the mailbox is full. Settles exactly once.
   * @param options `timeout` and `signal` end the wait: a message that no one has looked at is taken back
   * @throws (as a rejection) what its handler threw or rejected with; WorkerCrashedError when the thread dies; ClosedError when it was closed or ends without
   *   a reply; TimeoutError, the signal's reason, NotShareableError
   */
  request<T = unknown>(message: unknown, options?: WaitOptions): Promise<T> {
    return this.ask(REQUEST, NO_TASK, [message], options) as Promise<T>
  }

  /**
   * Runs a task in the thread, beside its own task, when its event loop turns (or while it waits in `recv`). The thread stays until the task has ended.
   * @throws (as a rejection) as `executor.run`; ClosedError when the thread was closed or has ended
   */
  run<A extends unknown[], T>(task: TaskRef<A, T>, ...args: A): Promise<T> {
    try {
      if (this.target === OWNER_REF) throw new InvalidArgumentError('run() is for threads that an executor started, not for the main thread')
      return this.ask(RUN, this.way().numberOf(task as unknown as TaskRef), args, undefined) as Promise<T>
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Calls back for each message, on the thread's event loop, while it blocks in a `join`, and at its safepoints (outside of fibers): a long loop that calls
   * `safepoint()` gets its messages. What a handler throws (or its promise rejects with) rejects the request, or is the executor's event `task-error`;
   * the thread goes on. See `Message`.
   * @returns how to stop
   */
  onMessage(callback: (message: Message) => unknown): () => void {
    return this.inbox('onMessage').listen(callback as MessageHandler, this.filter())
  }

  /**
   * Receives a message; blocks the thread until there is one.
   * @throws ClosedError when the thread was closed and nothing is left; TimeoutError, the token's reason, BlockingNotAllowedError
   */
  recv(options?: BlockingOptions): Message {
    return this.inbox('recv').recv(this.filter(), options)
  }

  /** As `recv`, as a promise. A pending one keeps the process alive. */
  async recvAsync(options?: WaitOptions): Promise<Message> {
    return this.inbox('recvAsync').recvAsync(this.filter(), options)
  }

  /** As `recv`, in a fiber: `const message = yield* thread.recvFiber()`. */
  recvFiber(options?: WaitOptions): Generator<unknown, Message> {
    return this.inbox('recvFiber').recvFiber(this.filter(), options)
  }

  /** Receives a message if there is one; undefined when there is none now. Never waits. @throws ClosedError when none will come */
  tryRecv(): Message | undefined {
    return this.inbox('tryRecv').tryRecv(this.filter())
  }

  /** Receives until the thread is closed and nothing is left. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      let message: Message
      try {
        message = await this.recvAsync()
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ERR_CLOSED') return
        throw error
      }
      yield message
    }
  }

  /** Receives until the thread is closed and nothing is left; blocks the thread. */
  *[Symbol.iterator](): Generator<Message, void, undefined> {
    for (;;) {
      let message: Message
      try {
        message = this.recv()
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ERR_CLOSED') return
        throw error
      }
      yield message
    }
  }

  /**
   * Blocks the calling thread until this one has ended; gives what its task returned, or throws what it threw.
   * @throws WorkerCrashedError when it died; TimeoutError, the token's reason, BlockingNotAllowedError; ClosedError, for whoever did not start the
   *   thread and asks when it has ended
   */
  join(options?: BlockingOptions): R {
    return this.joining().join(options)
  }

  /** As `join`, as a promise. A pending one keeps the process alive. */
  async joinAsync(options?: WaitOptions): Promise<R> {
    return this.joining().joinAsync(options)
  }

  /** As `join`, in a fiber. */
  joinFiber(options?: WaitOptions): Generator<unknown, R> {
    return this.joining().joinFiber(options)
  }

  /**
   * Takes no more messages: the thread handles those that it has, then its `recv`s throw `ClosedError`, its `for await` ends, its handlers keep it alive no
   * longer. Closing again, or a thread that has ended, does nothing.
   */
  close(): void {
    if (this.target === OWNER_REF) throw new InvalidArgumentError('the main thread can not be closed')
    this.way().closeThread(this.target)
  }

  /** Ends the thread's worker at once; resolves when it has ended. Joins and requests reject with `WorkerCrashedError`. */
  async terminate(): Promise<void> {
    const { target } = this
    if (target === OWNER_REF) throw new InvalidArgumentError('the main thread can not be terminated')
    const port = this.way()
    if (port.phaseOf(target) === ENDED) return
    if (port.kill !== undefined) return port.kill(target)
    await port.request(OWNER_REF, KILL, NO_TASK, [target], undefined)
  }

  /** Says that nobody will join: the thread no longer keeps the process alive. For whoever started it. */
  detach(): void {
    if (this.handle === undefined) throw new InvalidArgumentError('detach() is for whoever started the thread')
    this.handle.detach()
  }

  /** Closes it and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    if (this.handle !== undefined) await this.handle.joinAsync()
  }

  /** @internal Whether both name the same thread. */
  is(other: Thread): boolean {
    return this === other || (this.target === other.target && this.way().pool.at === other.way().pool.at)
  }

  /** @internal It could not be started: nobody will join it. */
  forget(): void {
    this.handle?.onSettled(() => undefined)
  }

  /** @internal What names it in values. */
  reference(): [pool: number, ref: number] {
    return [this.way().pool.at, this.target]
  }

  /** Sends a message to every thread that runs but the caller, waiting where a mailbox is full; returns to how many. @throws as `send`, but for ClosedError */
  static broadcast(message: unknown, options?: SendOptions): number {
    let count = 0
    for (const thread of others()) {
      try {
        thread.send(message, options)
        count++
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ERR_CLOSED') throw error
      }
    }
    return count
  }

  /** As `broadcast`, as a promise. */
  static async broadcastAsync(message: unknown, options?: WaitOptions): Promise<number> {
    const sent = await Promise.all(
      others().map((thread) =>
        thread.sendAsync(message, options).then(
          () => 1,
          (error: unknown) => {
            if ((error as { code?: unknown }).code !== 'ERR_CLOSED') throw error
            return 0
          },
        ),
      ),
    )
    return sent.reduce((sum: number, n) => sum + n, 0)
  }

  private get target(): number {
    return this.ref === 0 ? OWNER_REF : this.ref
  }

  /** How the caller reaches it. */
  private way(): Port {
    const port = this.port ?? currentPool.get()?.port ?? here.get().ports[0]
    if (port === undefined) throw new InvalidArgumentError('no executor has been started here: nothing is sent to the main thread by itself')
    return port
  }

  private ask(kind: number, task: number, args: readonly unknown[], options: WaitOptions | undefined): Promise<unknown> {
    try {
      return this.way().request(this.target, kind, task, args, options)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** Whether the caller is this thread. */
  private get isSelf(): boolean {
    const worker = currentPool.get()
    if (this.target !== OWNER_REF) return here.get().self?.is(this) === true
    return this.port === undefined ? worker === undefined : here.get().ports.includes(this.port)
  }

  private inbox(verb: string): Inbox {
    const place = here.get()
    const inbox = currentPool.get() === undefined || place.ports.length > 0 ? ownInbox() : place.inbox
    if (inbox === undefined) throw new InvalidArgumentError(`${verb}() is for threads: a worker of the pool has no mailbox`)
    return inbox
  }

  private filter(): Thread | undefined {
    return this.isSelf ? undefined : this
  }

  private joining(): JoinHandle<R> {
    if (this.handle !== undefined) return this.handle
    if (this.target === OWNER_REF) throw new InvalidArgumentError('nobody joins the main thread')
    if (this.isSelf) throw new InvalidArgumentError('a thread can not join itself')
    const port = this.way()
    const handle = new JoinHandle<R>(port.calls(), this.name)
    handle.submitted(port.call(this.target, JOIN, NO_TASK, handle, []).slot)
    return handle
  }
}

/** The thread that started the executor: of the executor that the calling worker belongs to, or the caller itself. */
export const mainThread: Thread = /* @__PURE__ */ new Thread(undefined, 0)

/** The thread that the caller is: in a worker for threads that one, outside of workers `mainThread`; undefined in a worker of the pool. */
export function currentThread(): Thread | undefined {
  return currentPool.get() === undefined ? mainThread : here.get().self
}

/** The threads that run besides the main thread, of the executor that the caller belongs to or of those that it started. */
export function activeThreads(): Thread[] {
  const own = currentPool.get()?.port
  const threads: Thread[] = []
  for (const port of own === undefined ? here.get().ports : [own]) {
    const hub = port.find()
    if (hub === undefined) continue
    for (let record = OWNER_RECORD + 1; record <= MAX_THREADS; record++) {
      const state = hub.stateOf(record)
      if (phaseOf(state) !== VACANT && phaseOf(state) !== ENDED) threads.push(port.thread(refOf(state, record))!)
    }
  }
  return threads
}

/** Whom a broadcast goes to. */
function others(): Thread[] {
  const { self } = here.get()
  return activeThreads().filter((thread) => self === undefined || !thread.is(self))
}

const registered = agentLocal(() => {
  for (const type of [ClosedError, ThreadLimitError]) registerErrorClass(type as new (...args: never[]) => Error)
  registerCloneable('heddle.Thread', Thread as unknown as new () => Thread, {
    encode: (thread: Thread) => thread.reference(),
    decode: ([pool, ref]: [number, number]) => {
      const own = currentPool.get()?.port
      const port = own?.pool.at === pool ? own : here.get().ports.find((one) => one.pool.at === pool)
      if (port === undefined) throw new InvalidArgumentError('a thread of another executor: it can be used where its executor is')
      return port.thread(ref)!
    },
  })
  return true
})

/** Lets threads be part of values in this agent. */
export function registerThreads(): void {
  registered.get()
}
