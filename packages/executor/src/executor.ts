/** The pool as its users see it. */
import { capabilities, type Handle, InvalidArgumentError, SharedMemoryError } from '@heddle/atomics'
import { canBlock, ownRegion, privateRegion } from '@heddle/atomics/internal'
import { load, store } from '@heddle/atomics/ops'
import { BlockingNotAllowedError, setHost, ShutdownError, type WaitOptions } from '@heddle/park'
import { deadlineOf, getHost } from '@heddle/park/internal'
import { levelOf } from '@heddle/scheduler/internal'
import { Crew } from './crew.js'
import { currentPool } from './current.js'
import type { ChunkOutcome } from './each.js'
import { QueueFullError, stuckError, WorkerStartError } from './errors.js'
import { Emitter, type ExecutorEvent, type ExecutorEvents } from './events.js'
import { JoinHandle } from './join-handle.js'
import {
  BLOCKING_QUEUE,
  CLOSED,
  EACH,
  HEARS,
  ISOLATED_QUEUE,
  LEVEL_QUEUES,
  MAX_WORKERS,
  NORMAL_QUEUE,
  P_STATE,
  postedTo,
  QUEUE_SHIFT,
  queueOf,
  TASK_MASK,
} from './layout.js'
import { assertNotLoading } from './loader.js'
import { LocalCrew, type Workforce } from './local-crew.js'
import { mapTask, type MapOptions } from './map.js'
import { Observation, type StuckListener } from './observation.js'
import { type CallOptions, type ExecutorOptions, isObserved, settingsOf, type ShutdownOptions } from './options.js'
import { Pool } from './pool.js'
import type { PostedResult } from './posted-results.js'
import { Queues } from './queues.js'
import { hasOtherSubmitters, refuseQueued } from './reaper.js'
import { RelayedCrew } from './relay/relay.js'
import { type ExecutorStats, statsOf } from './stats.js'
import { runScope, type Scope, type ScopeOptions } from './scope.js'
import { checkSignal } from './signal.js'
import { type Call, Submitter } from './submitter.js'
import { TaskTable } from './task-table.js'
import { isTaskRef, type TaskRef } from './tasks.js'
import type { Thread } from './thread/thread.js'
import { checkThread, startElsewhere, type ThreadOptions, ThreadOwner } from './thread/thread-owner.js'
import { OWNER_NUMBER } from './thread/layout.js'
import { Port } from './thread/port.js'
import type { ExecutorTrace } from './trace.js'
import { checkAttached, notPosted, transfersOf, unmark } from './transfer.js'
import { callOwner } from './wakeup.js'

/** What `thread` takes after the task: its arguments, which may be left out where it has none, and settings. */
export type ThreadArguments<A extends unknown[]> = A extends [] ? [args?: [], options?: ThreadOptions] : [args: A, options?: ThreadOptions]

/** What keeps memory from being shared. */
function whyRelayed(): string {
  const { sharedMemory, missing } = capabilities()
  return sharedMemory ? `Shared memory is missing: the '${getHost().name}' host says that its workers get none.` : missing[0]!
}

function refuseToBlock(): never {
  throw new BlockingNotAllowedError('without shared memory results come as messages, which need the event loop: use joinAsync')
}

let captured: { resolve: (value: never) => void; reject: (error: unknown) => void } | undefined
const capture = (resolve: (value: never) => void, reject: (error: unknown) => void): void => {
  captured = { resolve, reject }
}

/**
 * A pool of workers that runs tasks in parallel.
 *
 * Calls and results travel through region memory; a value that can't travel is refused at the call, with the path to it. Nothing that
 * was accepted is lost: every call settles exactly once, with the task's result, its error, or the reason why there is none.
 * The process stays alive while calls are open, and ends by itself when none are, without a shutdown.
 * @example
 * ```ts file=work.ts
 * export const work = tasks(import.meta.url, { square: (x: number) => x * x })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { work } from './work.js'
 * const executor = await Executor.start({ host: nodeHost })
 * console.log(await executor.run(work.square, 12)) // 144
 * ```
 */
export class Executor {
  private ending: Promise<void> | undefined
  /** The task of the last call, while calls are accepted: nothing else is to be checked of it. */
  private accepted: TaskRef | undefined
  private acceptedNumber = 0
  private readonly emitter: Emitter
  /** Whether calls may be posted to its workers, and HEARS if these may post results: then what is handed over is not copied. */
  private readonly posts: boolean
  private readonly hears: number
  /** Of the agent that started the executor, if its workers share memory with it; of the others, its way to them. */
  private threads: ThreadOwner | undefined
  private port: Port | undefined

  /** Not for users: `Executor.start`. */
  protected constructor(
    private readonly pool: Pool,
    private readonly submitter: Submitter,
    private readonly table: TaskTable,
    private readonly crew: Workforce | undefined,
    emitter = new Emitter(),
    private readonly observation?: Observation,
  ) {
    this.posts = crew instanceof Crew
    this.hears = this.posts && !(crew instanceof RelayedCrew) ? HEARS : 0
    this.emitter = emitter
    submitter.onUnseen = (call) => {
      if (call instanceof JoinHandle) emitter.emit('task-error', { error: call.error(), task: call.name, id: call.id })
    }
  }

  /**
   * Makes an executor; resolves when its first workers take calls.
   * @throws WorkerStartError when a worker or its setup fails, or the host can't start workers; InvalidArgumentError
   */
  static async start(options: ExecutorOptions = {}): Promise<Executor> {
    const executor = this.create(options)
    try {
      await executor.crew!.begin()
    } catch (error) {
      await executor.terminate()
      throw error
    }
    return executor
  }

  /** As `start`, without waiting for the first workers: what they fail with, the calls fail with. */
  static create(options: ExecutorOptions = {}): Executor {
    assertNotLoading('Executor.start()')
    if (options.host !== undefined) setHost(options.host)
    const host = options.host ?? getHost()
    const settings = settingsOf(options, host)
    const isLocal = settings.max === 0
    if (!isLocal && (host.startWorker === undefined || host.workerModule === undefined)) {
      throw new WorkerStartError(
        `the '${host.name}' host starts no workers: pass { host: nodeHost } from '@heddle/node' (or your platform's host), or import from 'heddle'`,
      )
    }
    const numbers = Math.min(Math.max(1, settings.max) * (settings.recycle === undefined && !settings.observation.replaces ? 1 : 2), MAX_WORKERS - 63)
    const isRelayed = !isLocal && !(host.sharesMemory ?? capabilities().sharedMemory)
    if (isRelayed && options.region !== undefined) throw new SharedMemoryError(`A region needs shared memory. ${whyRelayed()}`)
    if (isRelayed && isObserved(settings.observation))
      throw new SharedMemoryError(`stuckAfter, leaks, hooks and trace need shared memory. ${whyRelayed()}`)
    const region = options.region ?? (isRelayed ? privateRegion() : ownRegion())
    const { spin, blocks } = settings
    const pool = new Pool({ region, maxWorkers: numbers, isLimited: settings.queueLimit !== Infinity, spin, blocks: blocks && !isRelayed })
    const queues = new Queues(pool)
    const submitter = Submitter.open(pool, queues, !isLocal && !isRelayed)
    submitter.room.setLimit(settings.queueLimit)
    const emitter = new Emitter()
    const table = new TaskTable(pool)
    const name = options.name ?? 'heddle'
    const listener = {
      giveUp: (reason: Error): void => {
        executor.accepted = undefined
        submitter.rejectAll(() => reason)
      },
      reaped: (worker: number): void => {
        submitter.takeDone()
        submitter.posted.lost(worker, crew.reasonOf(worker))
      },
      result: (result: PostedResult): void => submitter.hear(result),
      progress: () => submitter.completed + submitter.failed,
      added: (): void => observation?.watchWorkers(),
      ending: (worker: number): void => {
        observation?.heard()
        executor.threads?.workerEnding(worker)
      },
      ended: (worker: number): void => executor.threads?.workerEnded(worker),
      called: (): void => executor.threads?.listen(),
    }
    const setup = options.setup === undefined ? undefined : (({ module, name, family }) => ({ module, name, family, args: [] }))(options.setup)
    const crewOptions = { ...settings, numbers, name, setup, native: options.native }
    const crew: Workforce = isLocal
      ? new LocalCrew(pool, queues, table, submitter, name, () => executor, options.deterministic?.seed)
      : isRelayed
        ? new RelayedCrew(pool, queues, table, host, crewOptions, listener, emitter)
        : new Crew(pool, queues, host, crewOptions, listener, emitter)
    if (isRelayed) submitter.onBlock = refuseToBlock
    const stuck: StuckListener = (worker, task, ms) => {
      emitter.emit('task-stuck', { worker, task, ms })
      if (settings.observation.replaces) crew.giveUpOn?.(worker, stuckError(task, ms))
    }
    submitter.onHungry = (hungry) => crew.grow(hungry)
    submitter.crashReason = (worker) => crew.reasonOf(worker)
    const observation = isRelayed ? undefined : new Observation(pool, table, host, settings.observation, (worker) => crew.nameOf(worker), stuck)
    const executor = new this(pool, submitter, table, crew, emitter, observation)
    if (crew instanceof Crew && !isRelayed) {
      executor.threads = new ThreadOwner(new Port(pool, () => submitter, table), crew, host, emitter, settings.maxThreads, settings.idleTimeout)
      submitter.onBlock = () => executor.threads?.beforeBlock()
    }
    if (isLocal) void crew.begin()
    return executor
  }

  /**
   * Opens the executor that a handle names, in any agent that its owner gave it to: the calls that are made here run in that executor's workers. For
   * workers that the program started itself. `shutdown` of what this returns ends the calls of this agent, not the executor.
   * @throws DisposedError when the executor has ended, AgentLimitError when 128 agents use it already
   * @example
   * ```ts check
   * import { workerData } from 'node:worker_threads'
   * import { setHost } from '@heddle/park'
   * import { nodeHost } from '@heddle/node'
   * import { work } from './work.js'
   * // main: new Worker(file, { workerData: executor.toHandle() })
   * setHost(nodeHost)
   * const executor = Executor.fromHandle(workerData)
   * await executor.run(work.square, 12)
   * ```
   */
  static fromHandle(handle: Handle): Executor {
    const pool = Pool.fromHandle(handle)
    const submitter = Submitter.open(pool, new Queues(pool), true)
    submitter.onHungry = (hungry) => callOwner(pool, hungry)
    return new this(pool, submitter, new TaskTable(pool), undefined)
  }

  /** What `fromHandle` opens this executor with; structured clone carries it to other workers. @throws SharedMemoryError where workers share no memory with this agent */
  toHandle(): Handle {
    if (this.crew instanceof RelayedCrew) throw new SharedMemoryError(whyRelayed())
    return this.pool.toHandle()
  }

  /** The executor that the calling worker belongs to; undefined outside workers. */
  static current(): Executor | undefined {
    const here = currentPool.get()
    if (here === undefined) return undefined
    return (here.executor ??= new this(here.pool, here.submitter(), here.table, undefined)) as Executor
  }

  /**
   * Calls a task in a worker.
   * @returns a promise of its result; rejects with the task's own error, `WorkerCrashedError`, `TaskNotFoundError`, `WorkerStartError`
   *          or `ShutdownError`
   * @throws NotShareableError naming the path to an argument that can't travel; InvalidArgumentError for what is no task
   */
  run<A extends unknown[], R>(task: TaskRef<A, R>, ...args: A): Promise<R> {
    const number = this.numberOf(task as unknown as TaskRef)
    this.assertRoom()
    const promise = new Promise<R>(capture as (resolve: (value: R) => void, reject: (error: unknown) => void) => void)
    const objects = this.posts ? transfersOf(args) : undefined
    if (objects === undefined) this.submitter.submit(captured!, number | this.hears, args)
    else this.post(captured!, number | this.hears, args, objects)
    return promise
  }

  /**
   * As `run`, for calls that are joined in other ways, taken back, or limited in time.
   * @throws NotShareableError, InvalidArgumentError, and the signal's reason when it has fired already
   */
  spawn<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): JoinHandle<R> {
    return this.call(task, args, options, options?.isolate === true ? ISOLATED_QUEUE : levelOf(options?.priority))
  }

  /**
   * As `spawn`, in a worker that does nothing else until the call has ended: for work that blocks its thread or runs for long, which would keep
   * the pool's workers from other calls. Such workers are started when none is free, up to `maxBlocking`, and end when they are idle.
   * @throws as `spawn`
   */
  spawnBlocking<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): JoinHandle<R> {
    return this.call(task, args, options, BLOCKING_QUEUE)
  }

  /**
   * Starts a thread: a worker that runs one task and has a mailbox, for what lives long. Resolves when its worker is there. A worker whose thread has ended
   * is used for the next one: what a task leaves in global objects and modules, and timers that it does not clear, stay.
   * @throws (as a rejection) ThreadLimitError when `maxThreads` run already; WorkerStartError, in the agent that started the executor; as `spawn`. What keeps its
   *   task from beginning (a module that doesn't load) is what `join` throws
   * @example
   * ```ts file=greet.ts
   * export const greet = tasks(import.meta.url, {
   *   hello(greeting: string) {
   *     currentThread()!.onMessage((message) => message.reply(`${greeting} ${String(message.payload)}`))
   *   },
   * })
   * ```
   * ```ts
   * import { nodeHost } from '@heddle/node'
   * import { greet } from './greet.js'
   * const executor = await Executor.start({ host: nodeHost })
   * const thread = await executor.thread(greet.hello, ['hello'])
   * console.log(await thread.request('world')) // hello world
   * thread.close()
   * ```
   */
  async thread<A extends unknown[], R>(task: TaskRef<A, R>, ...[args, options = {}]: ThreadArguments<A>): Promise<Thread<R>> {
    this.numberOf(task as unknown as TaskRef)
    const given = (args ?? []) as A
    checkThread(given, options)
    if (this.threads !== undefined) return this.threads.start(task, given, options)
    const here = currentPool.get()
    const isRelayed = this.crew === undefined ? here?.pool === this.pool && here.port === undefined : this.crew instanceof RelayedCrew
    if (isRelayed) throw new SharedMemoryError(`Threads need shared memory. ${whyRelayed()}`)
    if (this.crew !== undefined) throw new InvalidArgumentError('an executor with workers: 0 has no threads')
    const port = here?.pool === this.pool ? here.port! : (this.port ??= new Port(this.pool, () => this.submitter, this.table))
    return startElsewhere(port, here?.number ?? OWNER_NUMBER, task, given, options)
  }

  /**
   * As `spawn`, but where that would throw `QueueFullError` it waits until there is room.
   * @throws (as a rejection) as `spawn`, and while it waits the signal's reason and, after `timeout`, TimeoutError
   */
  async spawnAsync<A extends unknown[], R>(task: TaskRef<A, R>, args: A, options?: CallOptions): Promise<JoinHandle<R>> {
    const deadline = deadlineOf(options)
    // Others may have taken the room in the meantime.
    while (!this.submitter.room.hasSome()) await this.waitForRoom(deadline, options?.signal)
    return this.spawn(task, args, options)
  }

  /**
   * Resolves when fewer calls of this agent wait for a worker than `queueLimit`; at once without a limit.
   * @throws (as a rejection) TimeoutError, the signal's reason
   */
  async room(options?: WaitOptions): Promise<void> {
    const deadline = deadlineOf(options)
    if (!this.submitter.room.hasSome()) await this.waitForRoom(deadline, options?.signal)
  }

  /** Starts workers until there are `count` (default and at most: the most that there may be); resolves when they take calls. */
  async warm(count = Infinity): Promise<void> {
    await this.owned('warm').warm(count)
  }

  /**
   * Calls the task once for each input, a bounded number at a time, and gives the results as they come: in the order of the inputs,
   * or, with `ordered: false`, in the order in which they end. Inputs are only asked for when there is room, results that nobody takes
   * hold back the inputs. Leaving the loop, or a failure, takes back what has not started and closes the inputs.
   * @throws InvalidArgumentError; from the iteration, what a task, the inputs or the signal failed with
   * @example
   * import { nodeHost } from '@heddle/node'
   * import { work } from './work.js' // as above
   * const executor = await Executor.start({ host: nodeHost })
   * for await (const square of executor.map(work.square, [1, 2, 3])) console.log(square) // 1, 4, 9
   */
  map<T, R>(task: TaskRef<[T], R>, inputs: Iterable<T> | AsyncIterable<T>, options: MapOptions = {}): AsyncIterableIterator<R> {
    this.numberOf(task as unknown as TaskRef)
    return mapTask(
      (batch) =>
        options.chunk === undefined || options.chunk === 1
          ? this.call(task, [batch[0]!], undefined, NORMAL_QUEUE, this.hears)
          : this.spawnEach(task, batch),
      inputs,
      options,
      2 * this.pool.maxWorkers,
      (signal, fired) => this.submitter.limit(Infinity, signal, fired),
    )
  }

  /**
   * Runs `body` with a scope whose calls end before the scope does: it is left when the body and all calls that it spawned have ended. The first
   * that fails, the body included, cancels the others, and is what the scope fails with. In a task the scope is cancelled with the task.
   * @param options `timeout` and `signal` cancel the scope
   * @throws (as a rejection) the first failure, TimeoutError, the signal's reason
   * @example
   * import { nodeHost } from '@heddle/node'
   * import { work } from './work.js' // as above
   * const executor = await Executor.start({ host: nodeHost })
   * const sum = await executor.scope(async (scope) => {
   *   const [a, b] = [scope.spawn(work.square, [3]), scope.spawn(work.square, [4])]
   *   return (await a.joinAsync()) + (await b.joinAsync())
   * })
   * console.log(sum) // 25
   */
  async scope<T>(body: (scope: Scope) => Promise<T> | T, options?: ScopeOptions): Promise<T> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    return runScope(this, body, (fired) => this.submitter.limit(deadline, options?.signal, fired))
  }

  /**
   * Listens to what happens to the executor: `worker-start`, `worker-exit`, `task-stuck`, `task-leak`, `task-error`. On Node the same go to `diagnostics_channel`s
   * named `heddle:worker-start` and so on.
   * @returns how to stop listening
   * @throws InvalidArgumentError for what is no event, or no function
   * @example
   * import { nodeHost } from '@heddle/node'
   * const executor = await Executor.start({ host: nodeHost })
   * executor.on('task-error', ({ task, error }) => console.error(`${task} failed and nobody waited for it`, error))
   */
  on<E extends ExecutorEvent>(event: E, listener: (detail: ExecutorEvents[E]) => void): () => void {
    return this.emitter.on(event, listener)
  }

  /**
   * What the workers did last, as a trace in Chrome's format: `JSON.stringify` it into a file, and open that in Perfetto (https://ui.perfetto.dev). A
   * lane for each worker shows its tasks, the steps of its fibers, when it slept, and what it stole; lanes below it the async calls and fibers that
   * waited there. Each worker keeps its last events only. With the option `trace` they are written down from the start, otherwise from the first
   * `trace()` on; free until then. Cost: O(events).
   * @throws InvalidArgumentError in other agents than the one that started the executor, and after its end; SharedMemoryError
   */
  trace(): ExecutorTrace {
    this.owned('trace')
    if (this.observation === undefined) throw new SharedMemoryError(whyRelayed())
    if (this.pool.isDisposed) throw new InvalidArgumentError('the executor has ended, and its trace with it: ask for it before shutdown()')
    return this.observation.trace()
  }

  /** Figures, as of now. Looks at every slot in use: for people and tests, not for each call. */
  stats(): ExecutorStats {
    return statsOf(this.pool, this.submitter, this.crew)
  }

  /**
   * Ends the executor: takes no more calls, lets what was accepted end (or, with `drain: false`, only what has started; the rest rejects
   * with `ShutdownError`), then ends the workers. What still runs after `timeout` rejects with `ShutdownError`.
   * Later calls, and `shutdown` again, give the same promise.
   */
  shutdown(options: ShutdownOptions = {}): Promise<void> {
    this.accepted = undefined
    return (this.ending ??= this.end(options.drain ?? true, options.timeout ?? 5000))
  }

  /** Whether `shutdown` or `terminate` has been called. */
  get isShutDown(): boolean {
    return this.ending !== undefined
  }

  /** Ends the workers at once; every open call rejects with `ShutdownError`. */
  async terminate(): Promise<void> {
    const crew = this.owned('terminate')
    this.accepted = undefined
    this.ending ??= Promise.resolve()
    this.submitter.rejectAll(() => new ShutdownError('the executor was terminated'))
    await crew.terminate()
    await this.observation?.close()
    this.dispose()
  }

  /** Open calls keep the process alive (the default). */
  ref(): void {
    this.submitter.setKeepsAlive(true)
  }

  /** Open calls don't keep the process alive: it may end before they do. */
  unref(): void {
    this.submitter.setKeepsAlive(false)
  }

  /** As `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  /** @param hears HEARS when nobody will block for the result */
  private call<A extends unknown[], R>(
    task: TaskRef<A, R>,
    args: A,
    options: CallOptions | undefined,
    queue: number,
    hears = canBlock() ? 0 : this.hears,
  ): JoinHandle<R> {
    const { submitter } = this
    const number = this.numberOf(task as unknown as TaskRef) | (queue << QUEUE_SHIFT) | hears
    if (!Array.isArray(args)) throw new InvalidArgumentError(`spawn takes the task's arguments as an array, got ${typeof args}`)
    if (queue >= LEVEL_QUEUES && this.crew instanceof LocalCrew)
      throw new InvalidArgumentError('an executor with workers: 0 has no workers of their own for calls')
    const handle = new JoinHandle<R>(submitter, options?.name ?? task.name)
    const deadline = deadlineOf(options)
    const signal = options?.signal
    checkSignal(signal)
    this.assertRoom()
    const marked = this.posts && queue < LEVEL_QUEUES ? transfersOf(args) : undefined
    const objects = options?.transfer === undefined ? marked : [...new Set([...options.transfer, ...(marked ?? [])])]
    handle.submitted(objects === undefined ? submitter.submit(handle, number, args) : this.post(handle, number, args, objects))
    if (signal !== undefined || deadline !== Infinity) handle.whenSettled(submitter.limit(deadline, signal, (reason) => handle.giveUp(reason)))
    return handle
  }

  /** @throws QueueFullError */
  private assertRoom(): void {
    if (!this.submitter.room.hasSome())
      throw new QueueFullError('as many calls wait for a worker as queueLimit allows: await executor.room() or spawnAsync(), or catch this error')
  }

  private async waitForRoom(deadline: number, signal: WaitOptions['signal']): Promise<void> {
    checkSignal(signal)
    await new Promise<void>((resolve, reject) => {
      const stop = this.submitter.limit(deadline, signal, reject)
      this.submitter.room.whenSome(() => {
        stop()
        resolve()
      })
    })
  }

  private spawnEach<T, R>(task: TaskRef<[T], R>, inputs: readonly T[]): JoinHandle<ChunkOutcome<R>> {
    const number = this.numberOf(task as unknown as TaskRef)
    const handle = new JoinHandle<ChunkOutcome<R>>(this.submitter, task.name)
    handle.submitted(this.submitter.submit(handle, number | EACH, [inputs]))
    return handle
  }

  private post(handle: Call, task: number, args: readonly unknown[], transfer: readonly object[]): number {
    const crew = this.owned('transfer')
    if (queueOf(task) === ISOLATED_QUEUE || queueOf(task) === BLOCKING_QUEUE)
      throw new InvalidArgumentError('transfer goes with spawn to the workers of the pool: not with isolate or spawnBlocking')
    const worker = crew.chooseForPost(this.submitter.loads)
    return this.submitter.submitPosted(handle, postedTo(task & (TASK_MASK | HEARS), worker), (slot) => {
      try {
        checkAttached(transfer)
        crew.post(worker, { heddle: 'call', slot, args }, transfer)
      } catch (cause) {
        throw notPosted('arguments', cause)
      }
      for (const arg of args) unmark(arg)
    })
  }

  private async end(drain: boolean, timeout: number): Promise<void> {
    const { crew, submitter } = this
    if (!drain) submitter.cancelQueued(() => new ShutdownError('the executor was shut down before the task started'))
    let late = false
    const stop = submitter.limit(deadlineOf({ timeout }), undefined, () => {
      late = true
      submitter.rejectAll(() => new ShutdownError(`the executor was shut down; the task did not end within ${timeout} ms`))
      void crew?.terminate()
    })
    this.threads?.closeAll()
    // Calls that were posted can't be seen by workers that are about to end.
    await submitter.whenIdle()
    const closed = crew?.close()
    this.threads?.dismissAll()
    await closed
    await this.observation?.close()
    stop()
    // Terminated meanwhile.
    if (this.pool.isDisposed) return
    // Results that came with the last worker's end.
    submitter.takeDone()
    if (!late) submitter.rejectAll(() => crew?.broken ?? new ShutdownError('the executor was shut down before the task ended'))
    this.dispose()
  }

  private dispose(): void {
    const { crew, pool, submitter } = this
    if (pool.isDisposed) return
    if (crew === undefined) return submitter.close()
    store(pool.words, pool.base + P_STATE, CLOSED)
    refuseQueued(pool)
    const isLast = !hasOtherSubmitters(pool, submitter.number)
    this.threads?.dispose(isLast)
    submitter.close()
    crew.dispose()
    // Other agents may look at its words: the memory is theirs then, too.
    if (isLast) pool.dispose()
  }

  private owned(verb: string): Workforce {
    if (this.crew === undefined) throw new InvalidArgumentError(`${verb} is for the agent that started the executor`)
    return this.crew
  }

  /** What every call checks first. */
  private numberOf(task: TaskRef): number {
    if (task === this.accepted) return this.acceptedNumber
    if (this.ending !== undefined) throw new ShutdownError('the executor takes no more calls: it was shut down')
    const broken = this.crew?.broken
    if (broken !== undefined) throw broken
    assertNotLoading('a task')
    if (!isTaskRef(task))
      throw new InvalidArgumentError('the task must come from tasks(import.meta.url, { … }): a plain function can’t be found by a worker')
    if (this.crew === undefined && currentPool.get()?.pool !== this.pool && load(this.pool.words, this.pool.base + P_STATE) === CLOSED)
      throw new ShutdownError('the executor has ended')
    const number = this.table.numberOf(task)
    // In a worker each call is checked: the worker may be loading a module.
    if (this.crew !== undefined) {
      this.accepted = task
      this.acceptedNumber = number
    }
    return number
  }
}
