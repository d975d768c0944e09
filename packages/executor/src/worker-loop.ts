/**
 * What a worker does: takes calls from the pool's queue, runs them, and sleeps on its event loop when there are none.
 *
 * Invariants I1 User code runs between `start` and `finish` of its slot only, or in continuations of its own promises.
 *            I2 A worker that returns to its event loop has set its sleeping bit and looked at the queue after that, or queued its next round.
 * Pairs      wakeup.ts for work, submitter.ts for results.
 * Progress   An uninterrupted run of tasks lets the event loop turn every TURN_MS: timers, sockets and output of tasks that wait go on.
 */
import { Agent, Doorbell, getHost } from '@heddle/park/internal'
import { exchange, get, load, now, peek, store } from '@heddle/atomics/ops'
import type { WorkSource } from './queues.js'
import {
  BLOCKING_QUEUE,
  CANCEL_REQUESTED,
  CLOSED,
  K_STOLEN,
  EACH,
  K_BELL,
  K_CANCELS,
  K_COMPLETED,
  K_FAILED,
  K_PARKED,
  K_RUNNING,
  isFor,
  ISOLATED_QUEUE,
  LEVEL_QUEUES,
  NORMAL_QUEUE,
  POSTED_QUEUE,
  P_IDLE_BLOCKING,
  P_LIMITED,
  P_OBSERVED,
  P_SLEEPING,
  P_STATE,
  queueOf,
  S_ASLEEP,
  S_BELL,
  T_CANCEL,
  T_STATE,
  T_SUBMITTER,
  T_TASK,
  TASK_MASK,
} from './layout.js'
import { CancelledError } from '@heddle/park'
import type { Fiber, Scheduler } from '@heddle/scheduler'
import { PREEMPTION, priorityOf } from '@heddle/scheduler/internal'
import { type CurrentPool, currentPool } from './current.js'
import { callEach } from './each.js'
import { WorkerCrashedError } from './errors.js'
import { isGenerator, isPlain, isPromiseLike, type Loader } from './loader.js'
import { isPosted, isThrown, readArguments, scalarAt, scalarCount, writeResult, writeThrown } from './payload.js'
import { callPosted, loadAndCall } from './load-call.js'
import { LoadGate } from './load-gate.js'
import { Observer } from './observer.js'
import type { Pool } from './pool.js'
import { postResult } from './posted-results.js'
import { Sampler } from './sampler.js'
import type { PostedCall } from './protocol.js'
import { finish, giveBack, phaseOf, QUEUED, start, startSeen } from './slot.js'
import { Spinner } from './spinner.js'
import type { Submitter } from './submitter.js'
import { TaskContext } from './task-context.js'
import type { TaskTable } from './task-table.js'
import type { TaskFunction } from './tasks.js'
import { isSpent, schedulerFor, type WorkerRole } from './worker-role.js'
import { announceWork, callOwner, claimSleeper, endWaking, isLighterIdle, setSleeping, tellRoom, wakeOne } from './wakeup.js'

/** An uninterrupted run of tasks longer than this lets the event loop turn, in ms. */
const TURN_MS = 2
/** Tasks between two looks at the clock, at most. */
const CLOCK_TASKS = 16
/** How long a worker with async calls leaves new ones to workers that have fewer. */
const GIVE_WAY_MS = 5

/** A worker's main loop. */
export class WorkerLoop {
  private readonly queue: number
  /** Word of the pool with the set of those workers of its kind that sleep. */
  private readonly sleepers: number
  /** It runs one call at a time. */
  private readonly takesOne: boolean
  private readonly isLimited: boolean
  /** It takes no more calls from queues; and, since its owner knows of it, none by message. */
  private retired: boolean
  private forgotten = false
  private readonly record: number
  private readonly bell: Doorbell
  private readonly roundTask = (): void => this.round()
  /** Made for the first fiber. */
  private scheduler: Scheduler | undefined
  /** When this worker began to leave calls to others; 0: it doesn't. */
  private gaveWayAt = 0
  /** It was woken, or found what it looked for: see `passOn`. */
  private passesOn = true
  private queued = false
  private sleeping = false
  /** It sleeps, or just did, without its event loop. */
  private isBlocked = false
  private closed = false
  /** Calls that started here and wait for a promise. */
  private waiting = 0
  /** Calls that have started here. */
  private started = 0
  private readonly local: CurrentPool | undefined
  /** Who is told of what happens here, if anybody observes the pool. */
  private observer: Observer | undefined
  /** There is something to do around each call: an observer, or code that is no task's. */
  private isSpecial: boolean
  /** TURN_MS, where the clock may have a part in what runs when. */
  private readonly turnMs: number
  private readonly sampler: Sampler
  /** @internal */
  readonly gate: LoadGate
  private readonly waitingCalls = new Set<TaskContext>()
  /** Word index of the slot whose function runs now; 0: none does. */
  private at = 0
  private slot = 0
  private running: TaskContext | undefined
  /** Whether the running function was told that it is to end. */
  private told = false
  private completed = 0
  private failed = 0
  private parked = 0
  private readonly spinner: Spinner

  constructor(
    /** @internal */
    readonly pool: Pool,
    private readonly number: number,
    private readonly source: WorkSource,
    /** @internal */
    readonly loader: Loader,
    private readonly table: TaskTable,
    /** This worker's own calls. */
    private readonly submitter: () => Submitter | undefined,
    /** A call goes back to its queue. */
    private readonly onGivenBack: (slot: number) => void,
    private readonly onClosed: () => void,
    private readonly role: WorkerRole = {},
  ) {
    this.local = role.local
    this.isSpecial = role.local !== undefined
    this.turnMs = role.seed === undefined ? TURN_MS : Infinity
    this.sampler = new Sampler(pool, number)
    const giveBackCall = (slot: number): void => {
      if (giveBack(pool.words, pool.slotAt(slot) + T_STATE, number)) this.onGivenBack(slot)
    }
    this.gate = new LoadGate(() => this.later(), giveBackCall)
    this.queue = role.queue ?? NORMAL_QUEUE
    this.sleepers = this.queue === BLOCKING_QUEUE ? P_IDLE_BLOCKING : P_SLEEPING
    this.takesOne = this.queue >= LEVEL_QUEUES
    // A worker for threads gets its calls from a mailbox, and takes none from queues.
    this.retired = this.queue === POSTED_QUEUE
    this.isLimited = load(pool.words, pool.base + P_LIMITED) !== 0
    this.record = pool.workerAt(number)
    this.bell = Doorbell.open(pool.region, () => this.rung())
    store(pool.words, this.record + K_BELL, this.bell.at)
    // In an agent with code of its own, calls come by that code.
    this.spinner = new Spinner(pool, number, this.sleepers, role.local === undefined)
  }

  /** Begins to take calls. */
  begin(): void {
    // Plain functions learn at their safepoints that they are to end; a scheduler puts its own look there while it steps fibers.
    PREEMPTION.look = () => this.look()
    endWaking(this.pool, this.number)
    this.observe()
    // Messages have come before: they are taken before it may block.
    if (this.pool.blocks) this.later()
    else this.round()
  }

  /** Looks who observes: that may have changed. */
  private observe(): void {
    const observed = load(this.pool.words, this.pool.base + P_OBSERVED)
    if (observed === (this.observer?.observed ?? 0)) return this.observer?.rung()
    this.observer = observed === 0 ? undefined : new Observer(this.pool, this.number, observed, this.source, this.role.leaks)
    this.isSpecial = this.local !== undefined || observed !== 0
    // Fibers that run already go on unobserved.
    this.scheduler = undefined
  }

  /** The context of the call whose function runs now. */
  context(): TaskContext | undefined {
    if (this.at === 0) return undefined
    return (this.running ??= this.contextOf(this.slot, this.at))
  }

  private contextOf(slot: number, at: number): TaskContext {
    const { words } = this.pool
    const task = get(words, at + T_TASK)
    return new TaskContext(words, at, slot, this.number, this.table.nameOf(task & TASK_MASK), priorityOf(queueOf(task)))
  }

  /** At a safepoint outside of fibers. */
  private look(): boolean {
    this.observer?.active()
    if (this.at === 0 || this.told || (load(this.pool.words, this.at + T_CANCEL) & CANCEL_REQUESTED) === 0) return false
    this.told = true
    this.context()!.throwIfCancelled()
    return false
  }

  /** Calls that wait here and are to end are told so. */
  private lookAtCancels(): void {
    const { words } = this.pool
    if (load(words, this.record + K_CANCELS) === 0) return
    store(words, this.record + K_CANCELS, 0)
    for (const call of [...this.waitingCalls]) call.look()
  }

  private rung(): void {
    endWaking(this.pool, this.number)
    this.observe()
    this.lookAtCancels()
    if (!this.sleeping) return
    this.endSleep()
    if (!this.queued && !this.isBlocked) this.round()
  }

  private goOn(): void {
    this.endSleep()
    this.later()
  }

  /** Whether nobody has rung it yet. */
  private endSleep(): boolean {
    this.sleeping = false
    this.passesOn = true
    this.observer?.unpark()
    return claimSleeper(this.pool, this.number, this.sleepers)
  }

  // Before a call that no round starts. A sleeper's bit promises that a ring brings it to the queues, which it can't keep until the call's function
  // returns, if ever; whoever has counted on it already gets another.
  private stir(): void {
    if (!this.sleeping) return
    if (!this.endSleep()) this.passOn()
    this.later()
  }

  private later(): void {
    if (this.queued) return
    this.queued = true
    this.publish()
    getHost().nextTurn(this.roundTask)
  }

  private round(): void {
    let before: number
    do {
      before = this.started
      this.takeCalls()
    } while (this.pool.blocks && this.blocks(this.started === before))
  }

  /** With `idle: 'block'`: sleeps without the event loop until it is rung; whether there are calls. */
  private blocks(isRested: boolean): boolean {
    if (!this.sleeping || this.waiting > 0 || (this.submitter()?.open ?? 0) > 0) return false
    // The loop turns between calls and sleep, and when it is rung for something else: what was printed and sent goes out, messages come in.
    this.isBlocked = isRested
    if (isRested) Agent.of(this.pool.region).block()
    this.isBlocked = false
    if (isRested && !this.sleeping && this.source.hasWork()) return true
    if (this.sleeping) this.goOn()
    else this.later()
    return false
  }

  private takeCalls(): void {
    this.queued = false
    if (this.closed) return
    const { source } = this
    let begun = now()
    let looked = begun
    let stride = 1
    let left = 1
    for (;;) {
      // What goes on by itself, and ends in `idle`.
      if (this.retired || (this.takesOne && this.waiting > 0) || this.gate.isClosed) return this.publish()
      if (this.waiting > 0 && this.givesWay()) return
      const slot = source.pop()
      if (slot !== -1) {
        this.gaveWayAt = 0
        if (this.passesOn) this.passOn()
        this.run(slot)
        if (isSpent(this.role, this.started)) this.retire()
        if (--left > 0) continue
        // The clock is read after each long task, and after up to CLOCK_TASKS short ones.
        const time = now()
        if (time - begun > this.turnMs && !this.retired) return this.later()
        stride = (time - looked) * 8 > TURN_MS ? 1 : Math.min(CLOCK_TASKS, stride * 2)
        left = stride
        looked = time
        continue
      }
      this.publish()
      if (this.queue === ISOLATED_QUEUE) return this.retire()
      if (this.checkClosed()) return
      if (!this.spin()) break
      begun = looked = this.spinner.clock
    }
    this.sleep()
  }

  /** Takes no more calls, whatever waits. */
  stop(): void {
    if (this.closed) return
    this.closed = true
    this.bell.close()
  }

  /** Its retirement is known: nothing more will be posted here. */
  forget(): void {
    this.forgotten = true
    this.checkClosed()
  }

  /** Takes no more calls, and ends when those that wait here have ended. */
  private retire(): void {
    this.retired = true
    this.publish()
    this.role.onRetiring?.()
    // The pool may have ended.
    this.checkClosed()
  }

  /** Ends the worker if it has nothing to do. */
  leave(): void {
    if (this.closed || this.retired || this.waiting > 0 || (this.submitter()?.open ?? 0) > 0) return
    // Nobody counts on it from here on; who did before has rung it. One that blocks was rung for this very message.
    if (this.sleeping ? !claimSleeper(this.pool, this.number, this.sleepers) : !this.pool.blocks || !this.queued) return
    this.sleeping = false
    if (this.source.hasWork()) this.later()
    else this.retire()
  }

  /**
   * A worker with async calls leaves new ones to another worker that has far fewer and nothing to run: started calls can't move, and the
   * first worker to look would otherwise collect them all. It sleeps meanwhile, so that the other one can do the same, for GIVE_WAY_MS at
   * most, since the other one may be slow to come.
   */
  private givesWay(): boolean {
    if (this.takesOne || this.pool.maxWorkers === 1 || !this.source.hasWork() || !isLighterIdle(this.pool, this.number, this.waiting)) return false
    const time = now()
    if (this.gaveWayAt === 0) this.gaveWayAt = time
    else if (time - this.gaveWayAt > GIVE_WAY_MS) return false
    wakeOne(this.pool)
    this.publish()
    setSleeping(this.pool, this.number, this.sleepers)
    this.sleeping = true
    this.observer?.park()
    getHost().setTimer(() => this.rung(), GIVE_WAY_MS)
    return true
  }

  /** Looks for work for a moment; whether there is some. */
  private spin(): boolean {
    // Promises of tasks that wait, and answers to calls of their own, need the event loop.
    if (this.takesOne || this.waiting > 0) return false
    const found = this.spinner.look(this.source)
    this.passesOn ||= found
    return found
  }

  /**
   * With a call in hand, and others waiting: another worker looks. Whoever added them may have woken nobody, because this one was looking, and this
   * one may be busy for long from now on.
   */
  private passOn(): void {
    this.passesOn = false
    if ((this.pool.maxWorkers === 1 && !this.takesOne) || !this.source.hasWork()) return
    const hungry = announceWork(this.pool, this.queue)
    if (hungry !== 0) callOwner(this.pool, hungry)
  }

  private sleep(): void {
    setSleeping(this.pool, this.number, this.sleepers)
    this.spinner.end()
    this.sleeping = true
    store(this.pool.words, this.record + K_PARKED, ++this.parked)
    this.observer?.park()
    if (!this.source.hasWork() && !this.mayClose()) return
    this.goOn()
  }

  /** Ends the loop if the pool has ended, or this worker has retired, and nothing is left to do here; whether it has. */
  checkClosed(): boolean {
    if (this.closed || !this.mayClose() || (!this.retired && this.source.hasWork())) return this.closed
    this.closed = true
    this.bell.close()
    this.submitter()?.close()
    this.onClosed()
    return true
  }

  private mayClose(): boolean {
    if (!this.forgotten && load(this.pool.words, this.pool.base + P_STATE) !== CLOSED) return false
    return this.waiting === 0 && (this.submitter()?.open ?? 0) === 0
  }

  private publish(): void {
    const { words } = this.pool
    store(words, this.record + K_COMPLETED, this.completed)
    store(words, this.record + K_FAILED, this.failed)
    if (this.source.stolen !== undefined) store(words, this.record + K_STOLEN, this.source.stolen)
    this.observer?.flush()
  }

  private run(slot: number): void {
    const { pool } = this
    const at = pool.slotAt(slot)
    const seen = load(pool.words, at + T_STATE)
    // Plain: written before QUEUED. An entry is a hint, perhaps left of an earlier call in the slot: the one that waits there now may be for others.
    const task = peek(pool.words, at + T_TASK)
    const state = phaseOf(seen) === QUEUED && isFor(this.queue, task) ? startSeen(pool.words, at + T_STATE, this.number, seen) : 0
    if (state === 0) return
    this.started++
    const number = task & TASK_MASK
    const fn = this.loader.loaded(number)
    // Plain: the slot is this worker's from STARTED to DONE; a bit that its submitter sets at the same time makes no difference to the time.
    const stamped = peek(pool.words, at + T_CANCEL)
    // A call that is held back until its module is there begins anew.
    if (stamped >>> 1 !== 0 && (fn !== undefined || !this.loader.isLoading(number))) this.sampler.begin(slot, stamped)
    if (this.isLimited) tellRoom(pool, get(pool.words, at + T_SUBMITTER))
    if (fn === undefined) return loadAndCall(this, slot, at, state, number)
    this.call(slot, at, state, fn)
  }

  /**
   * A task of this worker is about to block for a call of its own: it is run right here if it is still queued, since all workers may be
   * blocked in the same way. Plain functions only: what is to be waited for could not go on under a blocked thread. Returns whether it was run.
   */
  takeOver(slot: number): boolean {
    const { words } = this.pool
    const at = this.pool.slotAt(slot)
    // Plain: the slot is this agent's own, and its task stays until it is settled here.
    const task = get(words, at + T_TASK)
    const fn = this.loader.loaded(task & TASK_MASK)
    if (fn === undefined || !isPlain(fn) || queueOf(task) >= LEVEL_QUEUES) return false
    const state = start(words, at + T_STATE, this.number)
    if (state === 0) return false
    this.call(slot, at, state, fn)
    return true
  }

  /** A call whose arguments came in a message. */
  runPosted(call: PostedCall): void {
    callPosted(this, this.number, call)
  }

  private call(slot: number, at: number, state: number, fn: TaskFunction, isBound = false): void {
    if (this.at !== 0 || this.isSpecial) this.callInside(slot, at, state, fn, isBound)
    else this.callNow(slot, at, state, fn, isBound)
  }

  /** A call that runs inside another one's function, or between code that is no task's: what was current is so again afterwards. */
  private callInside(slot: number, at: number, state: number, fn: TaskFunction, isBound: boolean): void {
    const { local, at: outerAt, slot: outerSlot, running, told } = this
    const outerPool = currentPool.get()
    if (local !== undefined) currentPool.set(local)
    const observer = this.observer?.begin(slot, get(this.pool.words, at + T_TASK))
    this.callNow(slot, at, state, fn, isBound)
    observer?.leave(slot, outerAt === 0 ? 0 : outerSlot + 1)
    if (local !== undefined) currentPool.set(outerPool)
    this.at = outerAt
    this.slot = outerSlot
    this.running = running
    this.told = told
  }

  private callNow(slot: number, at: number, state: number, fn: TaskFunction, isBound: boolean): void {
    const { region } = this.pool
    this.at = at
    this.slot = slot
    this.running = undefined
    this.told = false
    let result: unknown
    try {
      if (isBound) result = fn()
      else if (isPosted(region, at)) throw new WorkerCrashedError('the worker that the arguments were posted to ended before the task started')
      else if ((get(region.words, at + T_TASK) & EACH) !== 0) result = this.each(slot, at, fn)
      else
        switch (scalarCount(region, at)) {
          case 0:
            result = fn()
            break
          case 1:
            result = fn(scalarAt(region, at, 0))
            break
          case 2:
            result = fn(scalarAt(region, at, 0), scalarAt(region, at, 1))
            break
          default:
            result = fn(...readArguments(region, at))
        }
    } catch (error) {
      this.at = 0
      return this.fail(slot, at, state, error)
    }
    this.at = 0
    const context = this.running as TaskContext | undefined
    if (typeof result !== 'object' || result === null) this.succeed(slot, at, state, result)
    else if (isGenerator(result)) this.runFiber(slot, at, state, result, context)
    else if (isPromiseLike(result)) this.wait(slot, at, state, result, context)
    else this.succeed(slot, at, state, result)
  }

  private each(slot: number, at: number, fn: TaskFunction): unknown {
    const [inputs] = readArguments(this.pool.region, at) as [unknown[]]
    const call = (input: unknown): unknown => {
      const result = fn(input)
      const isFiber = typeof result === 'object' && result !== null && isGenerator(result)
      return isFiber ? this.spawnFiber(result, (this.running ??= this.contextOf(slot, at))) : result
    }
    return callEach(call, inputs, (result) => typeof result === 'object' && result !== null && isPromiseLike(result))
  }

  private runFiber(slot: number, at: number, state: number, body: Generator, running: TaskContext | undefined): void {
    const context = running ?? this.contextOf(slot, at)
    this.wait(slot, at, state, this.spawnFiber(body, context), context)
  }

  private spawnFiber(body: Generator, context: TaskContext): Promise<unknown> {
    this.scheduler ??= schedulerFor(this.pool.region, this.role, this.observer)
    const fiber = this.scheduler.spawn(() => body, { name: context.name, priority: context.priority })
    context.runsAs(fiber as Fiber)
    return fiber.joinAsync()
  }

  /** @internal See `LoadingLoop`. */
  busy(): void {
    store(this.pool.words, this.record + K_RUNNING, ++this.waiting)
  }

  /** @internal */
  idle(): void {
    store(this.pool.words, this.record + K_RUNNING, --this.waiting)
    this.publish()
    if (this.waiting === 0 && !this.checkClosed() && this.takesOne) this.later()
    // Whoever was woken for what waits may be deep in the code of an async call.
    if (this.sleeping && this.source.hasWork()) this.goOn()
  }

  /** @internal After a wait in which it may have been asked to end, before its function has begun. */
  callUnlessCancelled(slot: number, at: number, state: number, fn: TaskFunction, isBound = false): void {
    this.stir()
    if ((load(this.pool.words, at + T_CANCEL) & CANCEL_REQUESTED) === 0) this.call(slot, at, state, fn, isBound)
    else this.fail(slot, at, state, new CancelledError('the task was cancelled before it started'))
  }

  private wait(slot: number, at: number, state: number, promise: PromiseLike<unknown>, running: TaskContext | undefined): void {
    const context = running ?? this.contextOf(slot, at)
    this.busy()
    this.waitingCalls.add(context)
    // The ring may have come before it was in the set.
    context.look()
    promise.then(
      (value) => {
        this.waitingCalls.delete(context)
        this.succeed(slot, at, state, value)
        this.idle()
      },
      (error: unknown) => {
        this.waitingCalls.delete(context)
        this.fail(slot, at, state, error)
        this.idle()
      },
    )
  }

  private succeed(slot: number, at: number, state: number, value: unknown): void {
    try {
      if (typeof value !== 'object' || !postResult(this.pool, this.number, this.role.post, slot, state, value))
        writeResult(this.pool.region, at, value)
    } catch (error) {
      return this.fail(slot, at, state, error)
    }
    this.completed++
    this.finish(slot, at, state)
  }

  /** @internal */
  fail(slot: number, at: number, state: number, error: unknown): void {
    writeThrown(this.pool.region, at, error)
    this.failed++
    this.finish(slot, at, state)
  }

  private finish(slot: number, at: number, state: number): void {
    const { pool } = this
    const { words } = pool
    this.sampler.end(slot)
    if (this.isSpecial) this.observer?.end(slot, isThrown(pool.region, at))
    const submitter = get(words, at + T_SUBMITTER)
    if (!finish(words, at + T_STATE, state)) return void (this.retired = true)
    if (!pool.markDone(slot, submitter)) return
    const record = pool.submitterAt(submitter)
    if (load(words, record + S_ASLEEP) !== 0 && exchange(words, record + S_ASLEEP, 0) !== 0) pool.ring(record + S_BELL)
  }
}
