/**
 * Runs the fibers of one agent: picks the next, steps it, and sleeps when none can run.
 *
 * Source     Priority bitmaps as in Linux's O(1) scheduler, with guaranteed shares instead of two arrays; slots with generations as in slabs.
 * Layout     `table.fibers[slot]` is the fiber that lives in a slot; `sets[level]` has the slots that are runnable; `nonempty` has a bit for each level
 *            whose set may not be empty. All of it is private to the agent: a wake from another thread arrives through park's ready bitmap in the
 *            region, and becomes a call of `Fiber.wake` on this agent (park/agent.ts).
 *   driven by      until                       when nothing is runnable
 *   run, join,     all, or one, have ended     park's `block`: the thread sleeps until something of this agent is ready, or a timer is due
 *   blockOn
 *   tick           the budget is used up       returns
 *   runAsync,      all, or one, have ended     back to the event loop; `wake` schedules the next turn
 *   joinAsync
 * Invariants S1 One loop at a time (`active`), and none inside a fiber: a fiber that could run the loop would wait for itself.
 *            S2 `runningFiber` is a fiber's waker while that fiber is stepped, and undefined when anything but hooks and joiners runs.
 *            S3 `external` counts the fibers that are blocked on what may come from outside (not LOCAL), `watched` the time limits and signals. While
 *               both are 0 only fibers and the event loop can wake fibers, so a blocking `run` with nothing runnable is a deadlock.
 *            S4 `clock` is read every few steps, not at each: at first after one, then at twice the distance as long as that stays below an eighth of
 *               the slice. A step that used up its slice is followed by a look at once. So the loop neither overruns its budget by
 *               much nor pays for the clock at each switch (25 to 45 ns in V8).
 * Progress   see priority.ts for the shares, ready-set.ts for the rotation: a runnable fiber is stepped after at most 32 * n others.
 */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import { canBlock, checkOptions, ownRegion, regionOf } from '@heddle/atomics/internal'
import { now } from '@heddle/atomics/ops'
import { BlockingNotAllowedError, type WaitOptions } from '@heddle/park'
import { Agent, BLOCKED, isAbortSignal, runningFiber } from '@heddle/park/internal'
import { type Choice, Replay, Seeded, type Trace } from './choice.js'
import { EventLoop } from './event-loop.js'
import { Fiber, type FiberBody } from './fiber.js'
import { begin, deliver, resume } from './fiber-body.js'
import {
  BLOCKED_PHASE,
  CANCELLED,
  CANCEL_BIT,
  CREATED,
  DELIVERED_BIT,
  FAILED_BIT,
  FINISHED,
  INTERVAL_MASK,
  INTERVAL_SHIFT,
  levelIn,
  LOCAL_BIT,
  PHASE_MASK,
  PREEMPTED,
  PREEMPT_BIT,
  READY,
  RUNNING,
  WAKE_BIT,
} from './fiber-bits.js'
import { FiberTable } from './fiber-table.js'
import { expiry, watch } from './limit.js'
import type { SchedulerHooks, SchedulerOptions, SpawnOptions } from './options.js'
import { adapted, LONGEST_INTERVAL, type Preemption, PREEMPTION } from './preemption.js'
import { LEVELS, levelOf, NORMAL_LEVEL, SHARE_MASK, SHARES } from './priority.js'
import { ReadySet } from './ready-set.js'
import { count, type SchedulerStats } from './stats.js'
import { deadlock, throwUnobserved } from './unobserved.js'
import { VirtualTime } from './virtual-time.js'

const IDLE = 0
const ENDED = 1
const SPENT = 2

const LONGEST_STRIDE = 32

/**
 * A scheduler of fibers (green threads) on the calling agent. Single-threaded use needs no worker.
 *
 * @example
 * const scheduler = new Scheduler()
 * for (const name of ['a', 'b']) {
 *   scheduler.spawn(function* () {
 *     for (let i = 0; i < 2; i++) {
 *       console.log(name, i)
 *       yield
 *     }
 *   })
 * }
 * scheduler.run() // a 0, b 0, a 1, b 1
 */
export class Scheduler {
  /** @internal The fiber that is being stepped. */
  current: Fiber | undefined = undefined
  /** @internal Runs it while promises wait. */
  readonly eventLoop: EventLoop
  private readonly table = new FiberTable()
  private readonly sets: ReadySet[] = []
  private nonempty = 0
  private turn = 0
  private live = 0
  private external = 0
  private watched = 0
  private active = false
  /** The preemption of the scheduler that runs around this one: it polled, and a callback of that runs this one. */
  private outer: (Pick<Preemption, 'look' | 'seen'> & { leaveTime: (() => void) | undefined }) | undefined
  private readonly timeSlice: number
  private readonly clock: () => number
  private readonly hooks: SchedulerHooks | undefined
  private readonly choice: Choice | undefined
  private readonly time: VirtualTime | undefined
  private readonly region: Region | undefined
  private cachedAgent: Agent | undefined
  /** Failed fibers whose error nobody has taken. */
  private readonly unobserved = new Set<Fiber>()
  /** What `runAsync` promises to tell when all have ended. */
  private readonly finishers: (() => void)[] = []
  private spawned = 0
  private finished = 0
  private cancelled = 0
  private failed = 0
  private steps = 0
  /** Steps before the loop looks at the clock and at what other threads made ready. */
  private stepsLeft = 1

  /** @throws InvalidArgumentError for a time slice that is not positive, or a seed that is no integer */
  constructor(options: SchedulerOptions = {}, choice?: Choice) {
    const { timeSlice = 10, seed } = checkOptions(options)
    if (options.region !== undefined) regionOf(options)
    if (!(timeSlice > 0)) throw new InvalidArgumentError(`timeSlice must be a positive number of ms, got ${String(timeSlice)}`)
    if (seed !== undefined && !Number.isInteger(seed)) throw new InvalidArgumentError(`seed must be an integer, got ${String(seed)}`)
    this.timeSlice = timeSlice
    this.region = options.region
    this.clock = options.clock ?? now
    this.hooks = options.hooks
    this.choice = choice ?? (seed === undefined ? undefined : new Seeded(seed))
    if (this.choice?.isAlone === true) this.time = new VirtualTime(this.choice.seed)
    for (let level = 0; level < LEVELS; level++) this.sets.push(new ReadySet(this.table.capacity))
    const wantsTurn = (): boolean => !this.active && this.nonempty !== 0
    const canJump = (): boolean => this.time !== undefined && !this.active && this.live > 0 && this.time.isPending
    this.eventLoop = new EventLoop({ wantsTurn, canJump, runTurn: () => this.runTurn() }, timeSlice)
  }

  /**
   * A scheduler whose schedule follows from the seed alone: the order of fibers, the moments of preemption, what `select` prefers, and time, see
   * virtual-time.ts. `trace()` has what it did. Not simulated: promises, other threads, `Date`, and timers and deadlines that were made outside of its fibers.
   */
  static deterministic(options: { seed: number } & Omit<SchedulerOptions, 'seed' | 'clock'>): Scheduler {
    return new Scheduler(options, new Seeded(options.seed, true))
  }

  /**
   * A scheduler that repeats a recorded schedule: spawn the same fibers and run it.
   * @throws InvalidArgumentError from the run, where the program does something else than when it was recorded
   */
  static replay(trace: Trace, options: Omit<SchedulerOptions, 'seed' | 'clock'> = {}): Scheduler {
    return new Scheduler(options, new Replay(trace))
  }

  /** What was chosen so far: pass it to `Scheduler.replay`. @throws InvalidArgumentError when the scheduler has no seed */
  trace(): Trace {
    if (this.choice === undefined) throw new InvalidArgumentError('only a scheduler with a seed records a trace')
    return this.choice.trace()
  }

  /**
   * Starts a fiber: `fn` is called, and the generator that it returns stepped, when the fiber's turn comes. Cost: a few
   * allocations; see the README for how to spawn cheaply.
   * @throws InvalidArgumentError for an unknown priority or what is no function
   */
  spawn<T>(fn: () => FiberBody<T>, options?: SpawnOptions): Fiber<T> {
    if (typeof fn !== 'function')
      throw new InvalidArgumentError('spawn takes a function that returns a generator: pass function* () { … }, not its result')
    return this.start(fn, options)
  }

  /**
   * Runs fibers until all have ended; blocks the thread while none can run.
   * @throws the error of a fiber that failed and was never joined, after all have ended (an `AggregateError` of several);
   *   `BlockingNotAllowedError` inside a fiber, and where it would have to block and the agent may not: use `runAsync()`;
   *   `DeadlockError` when the fibers that are left wait for one another, or for promises, which can't settle while the thread is blocked.
   *   After either error the fibers are as they were, and `runAsync()` can go on with them.
   */
  run(): void {
    this.drive(undefined, 'run')
    throwUnobserved(this.unobserved)
  }

  /**
   * Runs fibers on the event loop until all have ended, in turns of at most a time slice, so that timers, sockets and rendering go on.
   * The pending promise keeps the process alive. Rejects as `run` throws, for fibers that failed and were never joined.
   */
  runAsync(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.eventLoop.release()
        try {
          throwUnobserved(this.unobserved)
          resolve()
        } catch (error) {
          reject(error as Error)
        }
      }
      this.eventLoop.hold()
      if (this.live === 0) settle()
      else this.finishers.push(settle)
    })
  }

  /**
   * Runs fibers until none is runnable or the budget is used up; never blocks. For loops that are not heddle's, such as one of animation frames.
   * @param budgetMs default: the time slice. It is looked at every few steps, so one long step overruns it.
   * @returns whether there are fibers that have not ended
   */
  tick(budgetMs: number = this.timeSlice): boolean {
    if (!(budgetMs >= 0)) throw new InvalidArgumentError(`budgetMs must be a number of ms, 0 or more, got ${String(budgetMs)}`)
    this.enter('tick')
    try {
      this.loop(undefined, this.clock() + budgetMs)
    } finally {
      this.leave()
    }
    return this.live > 0
  }

  /**
   * Runs a generator as a fiber, and the scheduler until it has ended; returns its value. Blocks as `run` does.
   * @throws what it throws, and as `Fiber.join` does
   */
  blockOn<T>(generator: FiberBody<T> | (() => FiberBody<T>), options?: SpawnOptions): T {
    return this.joinBlocking(this.start(generator, options), undefined)
  }

  /** Figures and the fibers that live, with their names and states. O(fibers). */
  stats(): SchedulerStats {
    return count(this.table.fibers, {
      spawned: this.spawned,
      finished: this.finished,
      cancelled: this.cancelled,
      failed: this.failed,
      steps: this.steps,
    })
  }

  /** The fiber of an id. @throws DisposedError when it has ended, though its place may have been used again */
  fiber(id: number): Fiber {
    return this.table.find(id)
  }

  /** @internal Runs the loop until `fiber` has ended. */
  joinBlocking<T>(fiber: Fiber<T>, options: WaitOptions | undefined): T {
    if (fiber.isEnded) return fiber.take()
    if (options?.signal !== undefined && isAbortSignal(options.signal)) {
      throw new TypeError('a blocking join takes a CancelToken: an AbortSignal can not fire while the thread is blocked')
    }
    let expired: { error: unknown } | undefined
    const stop = options === undefined ? undefined : this.watch(options, (error) => (expired = { error }))
    try {
      this.drive(fiber, 'join', () => {
        if (expired !== undefined && !fiber.isEnded) throw expired.error
      })
    } finally {
      stop?.()
    }
    return fiber.take()
  }

  /** @internal See `Fiber.cancel`. */
  cancelFiber(fiber: Fiber, reason: unknown): boolean {
    const phase = fiber.bits & PHASE_MASK
    if (phase >= FINISHED) return false
    if (phase === CREATED) {
      this.sets[levelIn(fiber.bits)]!.remove(fiber.slot)
      fiber.content = reason
      this.end(fiber, CANCELLED)
      this.settleFinishers()
      return true
    }
    fiber.extend().reason = reason
    fiber.bits |= CANCEL_BIT
    if (phase === BLOCKED_PHASE) this.unblock(fiber)
    return true
  }

  /** @internal Blocked → ready. */
  unblock(fiber: Fiber): void {
    if ((fiber.bits & LOCAL_BIT) === 0) this.external--
    fiber.bits &= ~LOCAL_BIT
    this.makeReady(fiber, READY)
    if (this.eventLoop.isWaitedFor) this.eventLoop.queueTurn()
  }

  /** @internal Somebody takes the fiber's outcome: its error is not lost. */
  observe(fiber: Fiber): void {
    if ((fiber.bits & FAILED_BIT) !== 0) this.unobserved.delete(fiber)
  }

  /** @internal Calls `expire` once when the time limit has passed or the signal fires; returns how to stop that. */
  watch(options: WaitOptions, expire: (error: unknown) => void): () => void {
    let isOver = false
    const end = (): boolean => {
      if (isOver) return false
      isOver = true
      this.watched--
      return true
    }
    const start = (): (() => void) =>
      watch(this.agent, options, (error) => {
        if (end()) expire(error)
      })
    // Also from outside of its fibers.
    const stop = this.time === undefined || this.active ? start() : this.time.within(this.agent, start)
    // Not before: it may throw. If it has expired already, this makes up for what `end` took away.
    this.watched++
    return () => {
      if (end()) stop()
    }
  }

  /** Made when it is first needed: fibers that only yield and join one another need no shared memory. */
  private get agent(): Agent {
    return (this.cachedAgent ??= Agent.of(this.region ?? ownRegion()))
  }

  private start<T>(body: FiberBody<T> | (() => FiberBody<T>), options: SpawnOptions | undefined): Fiber<T> {
    const level = options === undefined ? NORMAL_LEVEL : levelOf(options.priority)
    const { table } = this
    const { capacity } = table
    const slot = table.take()
    if (table.capacity !== capacity) for (const set of this.sets) set.reserve(table.capacity)
    const fiber = new Fiber<T>(this, slot, table.generation(slot), level, body)
    table.fibers[slot] = fiber as Fiber
    this.live++
    this.spawned++
    this.sets[level]!.add(slot)
    this.nonempty |= 1 << level
    if (options !== undefined) {
      try {
        this.configure(fiber as Fiber, options)
      } catch (error) {
        this.cancelFiber(fiber as Fiber, error)
        throw error
      }
    }
    if (this.hooks !== undefined) this.hooks.spawn?.(fiber as Fiber)
    if (this.eventLoop.isWaitedFor) this.eventLoop.queueTurn()
    return fiber
  }

  private configure(fiber: Fiber, { name, signal, timeout }: SpawnOptions): void {
    if (name !== undefined) fiber.extend().name = name
    if (signal === undefined && timeout === undefined) return
    if (signal !== undefined && (isAbortSignal(signal) ? signal.aborted : signal.isCancelled)) {
      this.cancelFiber(fiber, signal.reason)
      return
    }
    const extras = fiber.extend()
    extras.expired = expiry(fiber, { signal, timeout }, this.clock())
    extras.unlisten = this.watch({ signal, timeout }, (reason) => {
      extras.expired = undefined
      this.cancelFiber(fiber, reason)
    })
  }

  /** Runs the loop until `until`, or every fiber, has ended, and sleeps in between. */
  private drive(until: Fiber | undefined, verb: string, check?: () => void): void {
    this.enter(verb)
    try {
      for (;;) {
        const why = this.loop(until, Infinity, check)
        if (why === ENDED || (until === undefined ? this.live === 0 : until.isEnded)) return
        check?.()
        if (why === IDLE) this.sleep(until)
      }
    } finally {
      this.leave()
    }
  }

  private enter(verb: string): void {
    if (runningFiber.get() !== undefined) {
      throw new BlockingNotAllowedError(`${verb}() would block the worker of the fiber that calls it: use yield* and joinFiber() in a fiber`)
    }
    if (this.active) throw new BlockingNotAllowedError(`${verb}() was called while this scheduler runs, from a callback or a hook of it`)
    this.active = true
    const state = PREEMPTION
    this.outer = { look: state.look, seen: state.seen, leaveTime: this.time?.enter(this.agent) }
    state.seen = this.clock()
    state.look = () => this.look(state)
  }

  private leave(): void {
    this.active = false
    this.outsideFibers()
    const state = PREEMPTION
    this.outer?.leaveTime?.()
    state.look = this.outer?.look
    state.seen = this.outer?.seen ?? 0
    state.armed = state.countdown = 1 << LONGEST_INTERVAL
    this.settleFinishers()
    this.eventLoop.queueTurn()
  }

  /** Steps fibers: until none is runnable, `until` has ended, or the clock has reached `budgetEnd`. */
  private loop(until: Fiber | undefined, budgetEnd: number, check?: () => void): number {
    const state = PREEMPTION
    let stride = 1
    this.stepsLeft = stride
    this.pollIfWanted(check)
    for (;;) {
      const fiber = this.pick()
      if (fiber === undefined) {
        this.outsideFibers()
        // What a fiber has woken by way of shared memory goes on without another turn of the loop around this one.
        this.pollIfWanted(check)
        if (this.nonempty === 0) return IDLE
        continue
      }
      this.step(fiber, state)
      if (this.hooks !== undefined) this.hooks.pause?.(fiber)
      if (until !== undefined && until.isEnded) return ENDED
      if (--this.stepsLeft > 0) continue
      this.outsideFibers()
      this.pollIfWanted(check)
      const before = state.seen
      const moment = (state.seen = this.clock())
      if (moment >= budgetEnd) return SPENT
      if ((moment - before) * 8 > this.timeSlice) stride = 1
      else if (stride < LONGEST_STRIDE) stride *= 2
      this.stepsLeft = stride
    }
  }

  /** What runs next is no fiber (S2). */
  private outsideFibers(): void {
    this.current = undefined
    runningFiber.set(undefined)
  }

  private pollIfWanted(check: (() => void) | undefined): void {
    if (this.external === 0 && this.watched === 0) return
    this.agent.pollForFibers()
    check?.()
  }

  /** The next fiber to step, out of its ready set. */
  private pick(): Fiber | undefined {
    for (;;) {
      const { nonempty } = this
      if (nonempty === 0) return undefined
      const favoured = SHARES[(this.turn = (this.turn + 1) & SHARE_MASK)]!
      const level = (nonempty & (1 << favoured)) !== 0 ? favoured : 31 - Math.clz32(nonempty & -nonempty)
      const set = this.sets[level]!
      const slot = this.choice === undefined ? set.take() : this.choice.take(set, this.table.fibers)
      if (slot >= 0) return this.table.fibers[slot]!
      this.nonempty = nonempty & ~(1 << level)
    }
  }

  private step(fiber: Fiber, state: Preemption): void {
    const { bits } = fiber
    const phase = bits & PHASE_MASK
    if (phase !== READY && phase !== CREATED && phase !== PREEMPTED) throw new Error(`${fiber.name} is ${fiber.state} and can not be stepped`)
    fiber.bits = (bits & ~(PHASE_MASK | PREEMPT_BIT)) | RUNNING
    this.steps++
    this.current = fiber
    runningFiber.set(fiber)
    state.sliceEnd = 0
    state.countdown = state.armed = this.choice === undefined ? 1 << ((bits >> INTERVAL_SHIFT) & INTERVAL_MASK) : this.choice.interval()
    if (this.hooks !== undefined) this.hooks.step?.(fiber)
    let result: IteratorResult<unknown>
    try {
      if (phase === CREATED) begin(fiber)
      result = (bits & CANCEL_BIT) === 0 ? resume(fiber) : deliver(fiber)
    } catch (error) {
      this.fail(fiber, error)
      return
    }
    if (result.done === true) {
      fiber.content = result.value
      this.end(fiber, FINISHED)
    } else if (result.value === BLOCKED) this.block(fiber)
    else this.makeReady(fiber, (fiber.bits & PREEMPT_BIT) === 0 ? READY : PREEMPTED)
  }

  /** A fiber yielded BLOCKED. */
  private block(fiber: Fiber): void {
    const { bits } = fiber
    // Woken before the yield (F2), or cancelled meanwhile (F3): it goes on at its next turn.
    if ((bits & (WAKE_BIT | CANCEL_BIT)) !== 0) {
      fiber.bits = bits & ~(WAKE_BIT | LOCAL_BIT)
      this.makeReady(fiber, READY)
      return
    }
    fiber.bits = (bits & ~PHASE_MASK) | BLOCKED_PHASE
    if ((bits & LOCAL_BIT) === 0) this.external++
  }

  private makeReady(fiber: Fiber, phase: number): void {
    const { bits, slot } = fiber
    const level = levelIn(bits)
    fiber.bits = (bits & ~PHASE_MASK) | phase
    this.sets[level]!.add(slot)
    this.nonempty |= 1 << level
  }

  /** A fiber's generator threw. */
  private fail(fiber: Fiber, error: unknown): void {
    fiber.content = error
    if ((fiber.bits & DELIVERED_BIT) !== 0 && error === fiber.extras!.reason) {
      this.end(fiber, CANCELLED)
      return
    }
    fiber.bits |= FAILED_BIT
    this.failed++
    // Until somebody takes it: a joiner may be cancelled before it does.
    this.unobserved.add(fiber)
    this.end(fiber, FINISHED)
  }

  /** Settles a fiber: its outcome is in `content`. */
  private end(fiber: Fiber, phase: number): void {
    const { slot } = fiber
    fiber.bits = (fiber.bits & ~PHASE_MASK) | phase
    this.table.release(slot)
    this.live--
    if (phase === FINISHED) this.finished++
    else this.cancelled++
    fiber.release()
    if (this.hooks !== undefined) this.hooks.end?.(fiber)
  }

  /** What a safepoint sees every few calls. */
  private look(state: Preemption): boolean {
    const fiber = this.current
    if (fiber === undefined) return false
    if (this.hooks !== undefined) this.hooks.safepoint?.(fiber)
    const { bits } = fiber
    if ((bits & CANCEL_BIT) !== 0) {
      fiber.bits = (bits & ~CANCEL_BIT) | DELIVERED_BIT
      throw fiber.extras!.reason
    }
    if (this.choice !== undefined) {
      fiber.bits |= PREEMPT_BIT
      return true
    }
    const moment = this.clock()
    const before = state.seen
    state.seen = moment
    this.throwIfExpired(fiber, moment)
    if (state.sliceEnd === 0) state.sliceEnd = before + this.timeSlice
    else this.adapt(fiber, state, moment - before)
    const level = levelIn(bits)
    if (moment < state.sliceEnd && (this.nonempty & ((1 << level) - 1)) === 0) return false
    fiber.bits |= PREEMPT_BIT
    this.stepsLeft = 1
    return true
  }

  private throwIfExpired({ extras }: Fiber, moment: number): void {
    const expired = extras?.expired?.(moment)
    if (extras === undefined || expired === undefined) return
    extras.unlisten?.()
    extras.expired = extras.unlisten = undefined
    this.current!.bits |= DELIVERED_BIT
    extras.reason = expired.reason
    throw expired.reason
  }

  /** Chooses how many safepoints a fiber passes before the next look, from how long the last ones took. */
  private adapt(fiber: Fiber, state: Preemption, gap: number): void {
    const interval = adapted((fiber.bits >> INTERVAL_SHIFT) & INTERVAL_MASK, state.armed, gap, this.timeSlice)
    fiber.bits = (fiber.bits & ~(INTERVAL_MASK << INTERVAL_SHIFT)) | (interval << INTERVAL_SHIFT)
    state.countdown = state.armed = 1 << interval
  }

  /** Nothing is runnable: sleeps until something of this agent is ready. */
  private sleep(until: Fiber | undefined): void {
    const isClosed = this.choice?.isClosed === true
    if (this.external > 0 || this.watched > 0) {
      if (this.time?.advance() === true || (isClosed && this.agent.pollForFibers())) return
      if (isClosed) throw deadlock(this.live, until)
    } else throw deadlock(this.live, until)
    if (!canBlock()) throw new BlockingNotAllowedError('the fibers that are left wait, and this agent may not block: use runAsync() or joinAsync()')
    this.agent.blockForFibers()
  }

  private settleFinishers(): void {
    if (this.live > 0 || this.finishers.length === 0) return
    for (const settle of this.finishers.splice(0)) settle()
  }

  private runTurn(): number {
    const begin = this.clock()
    this.enter('runAsync')
    try {
      if (this.nonempty === 0) this.time?.advance()
      this.loop(undefined, this.time === undefined ? begin + this.timeSlice : Infinity)
    } finally {
      this.leave()
    }
    return this.clock() - begin
  }
}
