/**
 * One agent's calls: from the call to its settlement.
 *
 * A call is written into a slot, the slot's number goes into the pool's queue, and a worker is woken if none is looking. Finished
 * calls are taken in bulk: while calls are open the agent looks by itself for a short time, between the microtasks of its turn, so
 * that a quick answer costs no sleep; after that it asks to be rung.
 *
 * Invariants I1 A slot is this submitter's from `takeChunk` on; its JS state (`calls`, `free`, `generation`) is changed here alone.
 *            I2 While calls are open, a `pump` microtask is queued, or S_ASLEEP is 1 and done bits were looked for after that. The bits are hints: a call
 *               whose slot says that it has ended may be settled without them, and one that was settled may be named by them.
 *               So it is also where a fiber waits for one: a scheduler may block the thread before a microtask runs.
 *            I3 The process is held (W5) only while asleep: with a microtask queued it can't end.
 * Pairs      A worker sets its done bits, then reads S_ASLEEP; `sleep` sets S_ASLEEP, then reads the bits. One sees the other.
 * Rejected   One microtask that polls until its time is up: it would keep the user's own microtasks waiting. Each round is short
 *            and queues the next.
 */
import { AgentLimitError } from '@heddle/atomics'
import { ShutdownError, type WaitOptions } from '@heddle/park'
import { Agent, Doorbell, getHost } from '@heddle/park/internal'
import { compareExchange, exchange, get, load, now, set, store } from '@heddle/atomics/ops'
import { ABANDONED, type Call, isOpen } from './call.js'
import { lostWith, QueueFullError, registerErrors, WorkerCrashedError } from './errors.js'
import {
  CANCEL_REQUESTED,
  CHUNK_SLOTS,
  K_BELL,
  K_CANCELS,
  K_STUCK,
  MAX_SUBMITTERS,
  queueOf,
  S_ASLEEP,
  S_BELL,
  S_OWNER,
  S_ROOT,
  S_WANTS_ROOM,
  stamp,
  T_CANCEL,
  T_STATE,
  T_TASK,
} from './layout.js'
import { Overflow } from './overflow.js'
import { clear, isPosted, isThrown, posterOf, readResult, trim, writeArguments, writePosted, writePrepared } from './payload.js'
import type { Pool } from './pool.js'
import { PostedLoads } from './posted-loads.js'
import { type PostedResult, PostedResults } from './posted-results.js'
import type { Queues } from './queues.js'
import { Room } from './room.js'
import { cancel, CRASHED, DONE, enqueue, GENERATION_UNIT, generationOf, PHASE_MASK, phaseOf, QUEUED, STARTED, STUCK, workerOf } from './slot.js'
import { closeSubmitters, NOBODY, releaseSubmitter, takeChunk } from './reaper.js'
import { Keeper } from './keeper.js'
import { limit } from './signal.js'
import { FOUND, Looker, NOT_YET } from './looker.js'
import { LookBudget } from './spin-budget.js'
import { Unseen } from './unseen.js'
import { announceWork, isCrowded } from './wakeup.js'

export type { Call } from './call.js'

/** One of so many calls is measured: a power of 2. */
const SAMPLE = 16
/** Queues microtasks: `queueMicrotask` of some hosts makes an object for each. */
const resolved = /* @__PURE__ */ Promise.resolve()

/** One agent's side of a pool. */
export class Submitter {
  /** Number of calls that are not settled. */
  open = 0
  completed = 0
  failed = 0
  /** Called when work was added and no worker was there to be woken: HUNGRY_*. */
  onHungry: ((hungry: number) => void) | undefined
  /** Called a turn of the event loop after a call failed whose error nobody has looked at. */
  onUnseen: ((call: Call) => void) | undefined
  /** Called before the thread blocks for a call. */
  onBlock: ((slot: number) => void) | undefined
  /** Called when the last open call was settled. */
  onIdle: (() => void) | undefined
  readonly loads = new PostedLoads()
  readonly posted = new PostedResults((call, isFulfilled) => this.ended(call, isFulfilled))
  /** Says why a worker died, for the errors of its calls. */
  crashReason: (worker: number) => unknown = () => undefined

  /** Open calls that are detached. */
  private background = 0
  private submitted = 0
  private readonly record: number
  private readonly bell: Doorbell
  private readonly calls: (Call | undefined)[] = []
  private readonly generations: number[] = []
  private readonly free: number[] = []
  private readonly overflow: Overflow
  /** How many more calls may wait. */
  readonly room: Room
  private readonly unseenCalls = new Unseen((call) => this.onUnseen?.(call))
  private readonly idlers: (() => void)[] = []
  /** Queued calls that the ring had no place for. */
  private unpushed: number[] = []
  private pumping = false
  private asleep = false
  /** Fibers that wait for calls. */
  private fibers = 0
  private readonly keeper: Keeper
  private readonly looks: boolean
  private readonly looker: Looker
  /** Slot of the call that was queued last. */
  private latest = 0
  private readonly agent: Agent
  private readonly settleDone = (slot: number): void => this.settle(slot)
  private readonly pumpTask = (): void => this.pump()

  private constructor(
    readonly pool: Pool,
    readonly number: number,
    private readonly queues: Queues,
    /** Whether to look for results before sleeping: not in an agent that has tasks to run meanwhile. */
    looks: boolean,
  ) {
    registerErrors()
    this.agent = Agent.of(pool.region)
    this.keeper = new Keeper(this.agent)
    this.record = pool.submitterAt(number)
    this.overflow = new Overflow(pool.region)
    const budget = new LookBudget(looks, pool.spin)
    this.looks = budget.looks
    const wants = (): void => void store(pool.words, this.record + S_WANTS_ROOM, 1)
    this.room = new Room(() => this.countWaiting(), wants)
    const rung = (): void => this.rung()
    this.looker = new Looker(budget, () => isCrowded(pool), rung)
    this.bell = Doorbell.open(pool.region, rung)
    store(pool.words, this.record + S_BELL, this.bell.at)
  }

  /** Makes the calling agent a submitter. @throws AgentLimitError when there are too many */
  static open(pool: Pool, queues: Queues, looks: boolean): Submitter {
    const { tag } = Agent.of(pool.region)
    for (let swept = false; ; swept = true) {
      for (let number = 0; number < MAX_SUBMITTERS; number++)
        if (compareExchange(pool.words, pool.submitterAt(number) + S_OWNER, 0, tag) === 0) return new Submitter(pool, number, queues, looks)
      if (swept) throw new AgentLimitError(`at most ${MAX_SUBMITTERS} agents can call tasks of one pool`)
      closeSubmitters(pool, 0)
    }
  }

  /** Calls a task. @throws NotShareableError @throws RegionFullError */
  submit(call: Call, task: number, args: readonly unknown[]): number {
    const { pool } = this
    this.room.left--
    const slot = this.free.pop() ?? this.takeSlot()
    if (slot === -1) {
      this.overflow.add(call, task, args)
      this.open++
      this.keepPumping()
      return -1
    }
    const at = pool.slotAt(slot)
    try {
      writeArguments(pool.region, at, args)
    } catch (error) {
      this.takeBack(slot, at)
      throw error
    }
    this.open++
    this.queue(slot, at, call, task)
    this.keepPumping()
    return slot
  }

  /**
   * Calls a task of one worker, which is told of it by a message.
   * @param post sends the message; what it throws ends the call
   * @param args the arguments; undefined: they travel in the message
   */
  submitPosted(call: Call, task: number, post: (slot: number) => void, args?: readonly unknown[]): number {
    const { pool } = this
    const slot = this.free.pop() ?? this.takeSlot()
    if (slot === -1) throw new QueueFullError('more calls are open than the pool has slots: wait for some before one with transferred arguments')
    const at = pool.slotAt(slot)
    const generation = this.generations[slot]!
    if (args === undefined) writePosted(pool.region, at)
    else {
      try {
        writeArguments(pool.region, at, args)
      } catch (error) {
        this.takeBack(slot, at)
        throw error
      }
    }
    this.calls[slot] = call
    set(pool.words, at + T_TASK, task)
    set(pool.words, at + T_CANCEL, 0)
    this.loads.begin(task)
    this.open++
    enqueue(pool.words, at + T_STATE, generation)
    this.keepPumping()
    try {
      post(slot)
    } catch (error) {
      this.tryCancel(slot, call)
      throw error
    }
    return slot
  }

  /** Takes back a call that hasn't started; whether it was so. */
  tryCancel(slot: number, call: Call): boolean {
    if (slot === -1) {
      if (!this.overflow.withdraw(call)) return false
      this.closed(call)
      return true
    }
    if (this.calls[slot] !== call) return false
    const generation = this.generations[slot]!
    if (!cancel(this.pool.words, this.pool.slotAt(slot) + T_STATE, generation)) return false
    this.forget(slot, call, (generation + GENERATION_UNIT) | 0)
    return true
  }

  /** Asks the task of a call that has started to end. */
  requestCancel(slot: number, call: Call): void {
    if (slot === -1 || this.calls[slot] !== call) return
    const { pool } = this
    const { words } = pool
    const at = pool.slotAt(slot)
    store(words, at + T_CANCEL, CANCEL_REQUESTED)
    const state = load(words, at + T_STATE)
    if (phaseOf(state) !== STARTED) return
    const worker = pool.workerAt(workerOf(state))
    store(words, worker + K_CANCELS, 1)
    pool.ring(worker + K_BELL)
  }

  /** A call failed that nobody waits for: if that is still so a turn later, `onUnseen` is told. */
  unseen(call: Call): void {
    this.unseenCalls.add(call)
  }

  /** A call that is no longer to keep the process alive. */
  detach(call: Call): void {
    call.detached = true
    this.background++
    if (this.open <= this.background) this.keeper.letGo()
  }

  /** How many calls wait for a slot. */
  get overflowing(): number {
    return this.overflow.length
  }

  /** Forgets a call that has started: its result will be dropped. */
  abandon(slot: number, call: Call): void {
    if (slot === -1 || this.calls[slot] !== call) return
    this.calls[slot] = ABANDONED
    this.closed(call)
  }

  /** Calls `end` with a TimeoutError at the deadline or with the signal's reason when it fires; returns how to stop that. */
  limit(deadline: number, signal: WaitOptions['signal'], end: (reason: unknown) => void): () => void {
    return limit(this.agent, deadline, signal, end)
  }

  /** Rejects every open call; what still runs is nobody's any more. */
  rejectAll(reason: () => unknown): void {
    const { calls } = this
    const rejected: Call[] = [...this.overflow.withdrawAll(), ...this.posted.giveUp()]
    for (let slot = 0; slot < calls.length; slot++) {
      const call = calls[slot]
      if (!isOpen(call)) continue
      rejected.push(call)
      calls[slot] = ABANDONED
    }
    this.open = this.background = 0
    this.failed += rejected.length
    for (const call of rejected) call.reject(reason())
    this.idle()
  }

  /** Resolves when no call is open. */
  async whenIdle(): Promise<void> {
    if (this.open > 0) await new Promise<void>((resolve) => this.idlers.push(resolve))
  }

  /** Cancels every call that has not started. */
  cancelQueued(reason: () => unknown): void {
    const { calls } = this
    for (const call of this.overflow.withdrawAll()) {
      this.closed(call)
      call.reject(reason())
    }
    for (let slot = 0; slot < calls.length; slot++) {
      const call = calls[slot]
      if (isOpen(call) && this.tryCancel(slot, call)) call.reject(reason())
    }
  }

  /**
   * Blocks the thread until `settled()`; settles whatever finishes meanwhile. False: the time was up.
   * @param slot what is waited for: a worker runs it itself if nobody has started it
   */
  blockUntil(settled: () => boolean, until: number, slot: number): boolean {
    try {
      if (slot !== -1 && !settled()) this.onBlock?.(slot)
      for (;;) {
        this.takeDone()
        if (settled()) return true
        if (now() >= until) return false
        store(this.pool.words, this.record + S_ASLEEP, 1)
        if (load(this.pool.words, this.record + S_ROOT) === 0) this.agent.block(until)
        this.awake()
      }
    } finally {
      // I2: what is still open is looked for again.
      if (this.open > 0) this.keepPumping()
      if (this.fibers > 0) this.askForFibers()
    }
  }

  /** A fiber begins to wait for a call: settles what has ended, and is rung for the rest. Until `endFiber`. */
  beginFiber(): void {
    this.fibers++
    this.agent.addFiber()
    this.askForFibers()
  }

  endFiber(): void {
    this.fibers--
    this.agent.removeFiber()
  }

  /** Asks to be rung, whether a microtask is queued or not (I2). */
  private askForFibers(): void {
    this.asleep = true
    store(this.pool.words, this.record + S_ASLEEP, 1)
    this.takeDone()
  }

  /** Whether open calls keep the process alive. */
  setKeepsAlive(keeps: boolean): void {
    this.keeper.keeps = keeps
    if (!keeps) this.keeper.letGo()
    else if (this.asleep && this.open > 0) this.hold()
  }

  /** Takes what is finished; whether there was anything. */
  takeDone(): boolean {
    if (load(this.pool.words, this.record + S_ROOT) === 0) return false
    this.pool.takeDone(this.number, this.settleDone)
    if (this.unpushed.length > 0) this.pushAgain()
    return true
  }

  /** Takes no more calls, in this agent: what was open is nobody's any more. */
  close(): void {
    this.keeper.letGo()
    this.bell.close()
    releaseSubmitter(this.pool, this.number)
  }

  private takeSlot(): number {
    const chunk = takeChunk(this.pool, this.number)
    if (chunk === -1) return -1
    const first = chunk * CHUNK_SLOTS
    for (let i = CHUNK_SLOTS - 1; i >= 0; i--) {
      const slot = first + i
      // The former owner of the chunk may have left any generation.
      this.generations[slot] = generationOf(load(this.pool.words, this.pool.slotAt(slot) + T_STATE))
      this.calls[slot] = undefined
      if (i > 0) this.free.push(slot)
    }
    return first
  }

  /** A slot that no call was made of: its arguments could not be written, or not wholly. */
  private takeBack(slot: number, at: number): void {
    trim(this.pool.region, at)
    this.free.push(slot)
  }

  private queue(slot: number, at: number, call: Call, task: number): void {
    const { pool } = this
    const { words } = pool
    this.calls[slot] = call
    this.latest = slot
    // Plain: the slot is this submitter's until it is queued.
    set(words, at + T_TASK, task)
    set(words, at + T_CANCEL, (++this.submitted & (SAMPLE - 1)) === 0 ? stamp(now()) : 0)
    enqueue(words, at + T_STATE, this.generations[slot]!)
    this.enter(slot, queueOf(task))
  }

  private enter(slot: number, queue: number): void {
    if (this.queues.push(queue, slot)) {
      const hungry = announceWork(this.pool, queue)
      if (hungry !== 0) this.onHungry?.(hungry)
    } else {
      this.unpushed.push(slot)
      this.pushLater()
    }
  }

  /** How many calls of this agent wait for a worker. */
  private countWaiting(): number {
    const { calls, pool } = this
    let waiting = this.overflow.length
    for (let slot = 0; slot < calls.length; slot++)
      if (isOpen(calls[slot]) && phaseOf(load(pool.words, pool.slotAt(slot) + T_STATE)) === QUEUED) waiting++
    return waiting
  }

  private pushAgain(): void {
    // Plain: the slots are this submitter's, and their tasks stay until they are settled here.
    for (const slot of this.unpushed.splice(0)) this.enter(slot, queueOf(get(this.pool.words, this.pool.slotAt(slot) + T_TASK)))
  }

  private pushLater(): void {
    if (this.unpushed.length === 1) getHost().setTimer(() => this.pushAgain(), 1)
  }

  private settle(slot: number): void {
    const { pool } = this
    const at = pool.slotAt(slot)
    const state = load(pool.words, at + T_STATE)
    const phase = phaseOf(state)
    if (phase !== DONE && phase !== CRASHED) return phase >= STUCK ? this.lose(slot, workerOf(state), phase === STUCK) : undefined
    const call = this.calls[slot]
    // Settled before its bit was seen, or announced twice.
    if (call === undefined) return
    if (phase === CRASHED && workerOf(state) !== NOBODY) clear(pool.region, at, 1)
    const generation = this.generations[slot]!
    if (phase === DONE && call !== ABANDONED && isPosted(pool.region, at)) {
      this.calls[slot] = undefined
      this.posted.end(call, slot, generation, posterOf(pool.region, at))
      return this.reuse(slot, at, generation + GENERATION_UNIT)
    }
    this.posted.forget(slot, generation)
    if (call === ABANDONED) {
      this.calls[slot] = undefined
      return this.reuse(slot, at, generation + GENERATION_UNIT)
    }
    let value: unknown
    let ok = false
    try {
      if (phase === DONE) {
        value = readResult(pool.region, at)
        ok = !isThrown(pool.region, at)
      } else if (workerOf(state) === NOBODY) value = new ShutdownError('the executor ended before the task started')
      else value = new WorkerCrashedError('the worker ended while the task ran there', { cause: this.crashReason(workerOf(state)) })
    } catch (error) {
      value = error
    }
    this.calls[slot] = undefined
    this.ended(call, ok)
    // The state stays what it is until the slot's next call: see slot.ts.
    this.reuse(slot, at, generation + GENERATION_UNIT)
    if (ok) call.resolve(value as never)
    else call.reject(value)
  }

  /** A worker has posted a result. */
  hear(result: PostedResult): void {
    this.posted.hear(result, isOpen(this.calls[result.slot]) && this.generations[result.slot] === result.generation)
  }

  /** The worker is given up on, and may run on: the slot is left alone until it has ended. */
  private lose(slot: number, worker: number, isStuck: boolean): void {
    const call = this.calls[slot]
    if (!isOpen(call)) return
    this.abandon(slot, call)
    this.failed++
    call.reject(lostWith(load(this.pool.words, this.pool.workerAt(worker) + K_STUCK), isStuck))
  }

  private ended(call: Call, isFulfilled: boolean): void {
    this.closed(call)
    if (isFulfilled) this.completed++
    else this.failed++
  }

  /** One open call less. */
  private closed(call: Call): void {
    this.open--
    if (call.detached === true) this.background--
    this.room.tell()
    // Asleep, nobody would notice.
    if (this.open === 0 && this.asleep) this.idle()
  }

  private forget(slot: number, call: Call, generation: number): void {
    this.calls[slot] = undefined
    this.closed(call)
    this.reuse(slot, this.pool.slotAt(slot), generation)
  }

  private reuse(slot: number, at: number, generation: number): void {
    trim(this.pool.region, at)
    this.loads.end(get(this.pool.words, at + T_TASK))
    this.generations[slot] = generation | 0
    const next = this.overflow.next()
    if (next === undefined) {
      this.free.push(slot)
      return
    }
    try {
      writePrepared(this.pool.region, at, next.args)
    } catch (error) {
      // The region is full: that call fails, the slot is as free as before.
      this.closed(next.call)
      this.failed++
      this.takeBack(slot, at)
      next.call.reject(error)
      return
    }
    next.call.submitted?.(slot)
    this.queue(slot, at, next.call, next.task)
  }

  private keepPumping(): void {
    if (this.pumping) return
    this.pumping = true
    if (this.asleep && this.fibers === 0) this.awake()
    this.looker.restart()
    void resolved.then(this.pumpTask)
  }

  private rung(): void {
    this.room.tell()
    if (!this.asleep) return
    this.awake()
    this.takeDone()
    if (this.open === 0) return this.idle()
    this.keepPumping()
    if (this.fibers > 0) this.askForFibers()
  }

  private idle(): void {
    this.keeper.letGo()
    this.onIdle?.()
    if (this.idlers.length > 0) for (const resolve of this.idlers.splice(0)) resolve()
  }

  private awake(): void {
    this.asleep = false
    exchange(this.pool.words, this.record + S_ASLEEP, 0)
  }

  private pump(): void {
    if (this.takeReady()) this.looker.restart()
    else if (this.looks && this.open > 0) {
      const outcome = this.look()
      if (outcome === FOUND) {
        this.takeReady()
        this.looker.restart()
      } else if (outcome !== NOT_YET) return this.sleep()
    }
    if (this.open === 0) {
      this.pumping = false
      this.idle()
    } else if (this.looks) void resolved.then(this.pumpTask)
    else this.sleep()
  }

  /**
   * The slot of the only open call, -1 when there are several. Its state says when it has ended, in the cache line that the result is in, and the bits
   * that say so again stay: as long as calls are made one by one, neither side touches the other's words for it.
   */
  private lone(): number {
    return this.open === 1 && isOpen(this.calls[this.latest]) ? this.latest : -1
  }

  /** Settles what has ended; whether there was anything. */
  private takeReady(): boolean {
    const slot = this.lone()
    if (slot === -1) return this.takeDone()
    this.settle(slot)
    return this.open === 0
  }

  private look(): number {
    const { words } = this.pool
    const slot = this.lone()
    if (slot === -1) return this.looker.look(words, this.record + S_ROOT, -1, 0)
    return this.looker.look(words, this.pool.slotAt(slot) + T_STATE, PHASE_MASK, STARTED)
  }

  private sleep(): void {
    this.pumping = false
    this.asleep = true
    store(this.pool.words, this.record + S_ASLEEP, 1)
    if (load(this.pool.words, this.record + S_ROOT) === 0) return this.hold()
    const before = this.open
    this.takeDone()
    // Somebody has submitted meanwhile.
    if (this.pumping) return
    if (this.open === before) this.hold()
    else if (this.open > 0) this.keepPumping()
  }

  private hold(): void {
    if (this.open > this.background) this.keeper.hold()
  }
}
