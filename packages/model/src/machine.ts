/**
 * Runs modelled threads: plain functions, suspended by replay and throw.
 *
 * A thread's function runs on the JS stack until an operation at which another thread is to go on. That thread then runs *on top
 * of it*, inside the operation's call; when the one below is to go on, those above are stopped by a throw and will be run again
 * from their top, with the logged results of what they did. So a thread that is not preempted is never run twice, and a switch
 * back to a thread that still is on the stack costs one throw.
 *
 * Invariants I1 Live threads form the JS stack; `current` is the topmost.
 *            I2 An operation is logged when, and only when, it has taken effect; a replay performs none of them again.
 *            I3 After a suspension every operation of that thread throws again, so `finally` and `catch` blocks change nothing.
 * Rejected   Real workers driven through `Atomics.wait` (a switch costs 50 µs); transforming functions to generators (the
 *            checked code would not be the code that ships).
 */
import { Fate } from './fate.js'
import { addThread, MemorySum } from './fingerprint.js'
import { Lanes } from './lanes.js'
import { type BufferCells, Buffers, Cell, Memory } from './memory.js'
import { GET, TURN } from './codes.js'
import { describe } from './native.js'
import { Random } from './random.js'
import { Diverged, type Search } from './search.js'
import { DEAD, DONE, LOOPING, NEW, PENDING, READS, READY, SPINNING, type SpawnOptions, SUSPENDED, Thread, type Watched } from './thread.js'
import type { FindingKind, ModelOptions } from './types.js'

/** Receives every operation of an execution that is looked at closely. */
export type Tracer = (thread: Thread, name: string, cell: string, value: unknown, detail: string) => void

export interface Failure {
  kind: FindingKind
  message: string
  cause?: unknown
}

/** A signature is the operation's code and, below it, the index that it was done at. */
const OPERATION = 2 ** 30

export class Machine {
  current: Thread | null = null
  ended = true
  failure: Failure | null = null
  /** A word turned out to be shared after operations on it had been let pass. */
  stale = false
  steps = 0
  stepsTotal = 0
  longest = 0
  clock = 0
  threads: Thread[] = []
  readonly buffers = new Buffers()
  memory = new Memory(1, this.buffers)
  /** The search wants to know states again when it meets them. */
  readonly caching: boolean
  /** Of the calls of a recorded history that have ended: which ones. */
  callsEnded = 0
  private readonly sum = new MemorySum()
  private readonly bodyLanes = new Lanes()
  private readonly lanes = new Lanes()
  readonly locals = new Map<object, unknown>()
  setupRandom = new Random(1)
  /** What the body made that may be left in disorder. */
  made: object[] = []
  tracer: Tracer | null = null
  /** Every access is a scheduling point: for replays, which can't know yet what is shared. */
  everywhere = false
  /** The earlier access of a race that was found: a thread, and a place in its log. */
  raced: { thread: number; place: number } | null = null
  readonly fate: Fate
  historyCell = new Cell('the history', 1)
  execution = 0
  private last = -1
  private target: Thread | null = null
  private auditing = false
  private spawning: { run: (argument: number) => unknown; options: SpawnOptions }[] = []
  private cellThreads = 0

  constructor(
    public search: Search,
    readonly options: ModelOptions,
  ) {
    this.fate = new Fate(this)
    this.caching = search.caching
  }

  /** Forgets the former execution. The body runs next, then `run`. */
  begin(): void {
    this.execution++
    this.current = null
    this.ended = false
    this.failure = null
    this.raced = null
    this.steps = 0
    this.clock = 0
    this.callsEnded = 0
    this.made = []
    this.buffers.begin(this.execution)
    this.sum.reset()
    this.bodyLanes.reset()
    this.threads = []
    this.spawning = []
    this.locals.clear()
    this.setupRandom = new Random(this.options.seed ?? 1)
    this.last = -1
    this.target = null
    this.search.begin(this.threads, this.execution)
  }

  spawn(run: (argument: number) => unknown, options: SpawnOptions): number {
    return this.spawning.push({ run, options }) - 1
  }

  /** Runs the threads that were spawned until nobody can go on. */
  run(): void {
    const count = this.spawning.length
    if (this.cellThreads !== count) {
      if (this.cellThreads !== 0)
        return this.fail('nondeterminism', `the body spawned ${count} threads, and ${this.cellThreads} in the execution before`)
      this.cellThreads = count
      this.memory = new Memory(count, this.buffers)
      this.historyCell = new Cell('the history', count)
    }
    this.memory.begin()
    this.fate.begin(count, this.execution)
    this.historyCell.in(this.execution)
    for (const { run, options } of this.spawning) {
      const id = this.threads.length
      const thread = new Thread(id, options.name ?? String.fromCharCode(65 + id), run, options, count)
      const { twins, reaper = false } = options
      if (twins !== undefined || reaper)
        thread.elder = this.threads.findLast(({ options: other }) => (reaper ? other.reaper === true : other.twins === twins)) ?? null
      this.threads.push(thread)
    }
    this.search.start()
    for (const thread of this.threads) this.prepare(thread)
    while (!this.ended) {
      const next = this.take()
      if (next === null) break
      this.enter(next)
    }
    this.ended = true
    this.search.close()
    this.stepsTotal += this.steps
    if (this.steps > this.longest) this.longest = this.steps
  }

  /** `before` runs in one piece, logged like the rest of the thread. */
  private prepare(thread: Thread): void {
    if (!thread.options.before) return
    this.current = thread
    thread.preparing = true
    try {
      thread.options.before()
    } catch (error) {
      if (error !== SUSPENDED) this.fail('assertion', `thread ${thread.name} threw ${describe(error)} before it started`, error)
    }
    thread.preparing = false
    this.current = null
  }

  fail(kind: FindingKind, message: string, cause?: unknown): void {
    if (this.failure === null) this.failure = { kind, message, cause }
    this.ended = true
  }

  // Running threads.

  private enter(thread: Thread): void {
    const below = this.current
    this.current = thread
    thread.position = 0
    thread.live = true
    thread.unwinding = false
    thread.locals = null
    thread.microtasks = []
    thread.callbacks.clear()
    thread.made = []
    thread.nextCallback = 0
    try {
      thread.options.before?.()
      const result = thread.run(thread.reaps)
      if (!thread.unwinding) {
        if (!this.auditing) thread.result = result
        if (isAsynchronous(result))
          this.stop(
            thread,
            'nondeterminism',
            `thread ${thread.name} returned a promise: the checker runs plain functions; use callbacks where the code under check has them`,
          )
        this.turns(thread)
        this.finish(thread)
      } else if (!this.ended) {
        this.fail(
          'nondeterminism',
          `thread ${thread.name} swallowed the suspension: a catch block caught what the checker throws to stop it, and went on without a further operation`,
        )
      }
    } catch (error) {
      if (!thread.unwinding && error !== SUSPENDED) this.fail('assertion', `thread ${thread.name} threw ${describe(error)}`, error)
    }
    thread.live = false
    this.current = below
  }

  /** Asks what was made in this execution whether it is left as it should be. Who died takes nothing back: that is a reaper's, if there is one. */
  lookForLeaks(): void {
    const { threads, made, fate } = this
    if (fate.hasUnreaped) return
    for (const object of [...made, ...threads.flatMap((thread) => (thread.state === DONE ? thread.made : []))]) {
      const one = object as { leak?: () => string | undefined; isLocked?: boolean; isDisposed?: boolean }
      if (one.isDisposed === true) continue
      const left = one.leak?.() ?? (one.isLocked === true ? `a ${object.constructor.name} is still locked` : undefined)
      if (left !== undefined) return this.fail('leak', `everybody has finished, but ${left}`)
    }
  }

  /** Runs every finished thread once more against its log: a body that is not deterministic shows even where nothing was preempted. */
  audit(): void {
    for (const thread of this.threads) {
      if (thread.state !== DONE || this.failure !== null) continue
      this.auditing = true
      this.enter(thread)
      this.auditing = false
      if (this.failure === null && thread.unwinding)
        this.fail('nondeterminism', `thread ${thread.name} did more operations when it was run again with the same results`)
    }
    this.current = null
  }

  private finish(thread: Thread): void {
    if (thread.position < thread.length) {
      this.fail('nondeterminism', `thread ${thread.name} did fewer operations when it was run again with the same results`)
      return
    }
    if (this.auditing) return
    if (this.fate.mayDie(thread) && this.search.choose(2) === 1) this.fate.bury(thread)
    if (thread.state !== DEAD) thread.state = DONE
  }

  /** Callbacks of a thread whose function returned. */
  private turns(thread: Thread): void {
    this.microtasks(thread)
    for (;;) {
      let turn: [number, 'ok' | 'timed-out']
      if (thread.position < thread.length) turn = this.replay(thread, TURN, 0) as [number, 'ok' | 'timed-out']
      else {
        if (thread.turns.length === 0 && thread.pending.length === 0) return
        if (!thread.turnGranted) {
          thread.state = LOOPING
          thread.granted = false
          this.handOver(thread)
        }
        thread.granted = false
        thread.turnGranted = false
        turn = thread.turns.shift()!
        this.note(thread, TURN, 0, turn)
        this.tracer?.(thread, 'turn', '', turn[1], '')
      }
      const callback = thread.callbacks.get(turn[0])
      thread.callbacks.delete(turn[0])
      callback?.(turn[1])
      this.microtasks(thread)
    }
  }

  private microtasks(thread: Thread): void {
    for (let task = thread.microtasks.shift(); task !== undefined; task = thread.microtasks.shift()) task()
  }

  /** Stops the running thread: unwinds its function. */
  private unwind(thread: Thread): never {
    thread.unwinding = true
    throw SUSPENDED
  }

  /** The running thread stands at an operation; returns when it is its turn. */
  handOver(thread: Thread): void {
    if (thread.state !== READY) this.last = -1
    for (;;) {
      const next = this.take()
      if (next === thread) return
      if (next === null) this.unwind(thread)
      if (next.live) {
        this.target = next
        this.unwind(thread)
      }
      this.enter(next)
      if (this.ended) this.unwind(thread)
    }
  }

  private take(): Thread | null {
    const next = this.target
    if (next === null) return this.pick()
    this.target = null
    return next
  }

  /** Ends the execution with a failure, from inside an operation. */
  stop(thread: Thread, kind: FindingKind, message: string): never {
    this.fail(kind, message)
    this.unwind(thread)
  }

  // Scheduling.

  private pick(): Thread | null {
    try {
      return this.decide()
    } catch (error) {
      if (!(error instanceof Diverged)) throw error
      this.fail('nondeterminism', error.message)
      return null
    }
  }

  private decide(): Thread | null {
    const { search, threads, fate } = this
    for (;;) {
      search.close()
      if (this.ended) return null
      let run = 0
      let environment = 0
      for (const thread of threads) {
        const runs = this.canRun(thread)
        if (runs) run |= 1 << thread.id
        if (fate.maySuffer(thread, runs)) environment |= 1 << (threads.length + thread.id)
      }
      let forced = false
      if (run === 0) {
        const stalled = fate.stalled()
        if (stalled === null) {
          this.ended = true
          return null
        }
        // What may happen anyway (a death, a spurious wake, an early timeout) may come before what happens because nothing else does.
        forced = stalled.run !== 0 || (stalled.environment !== 0 && (environment === 0 || search.choose(2) === 0))
        if (forced) ({ run, environment } = stalled)
      }
      if (this.caching) this.fingerprint()
      const id = search.schedule(run, environment, this.last, forced)
      if (id < 0) {
        this.ended = true
        return null
      }
      const thread = threads[id % threads.length]!
      if (forced) for (let actor = 0; actor < threads.length * 2; actor++) search.order(search.clockOf(actor))
      if (id < threads.length) {
        this.last = id
        this.resume(thread)
        return thread
      }
      fate.suffer(thread, forced)
    }
  }

  /** Tells the search which state this is. */
  private fingerprint(): void {
    const { lanes, sum, fate } = this
    const races = this.options.races !== false
    lanes.reset()
    lanes.addLanes(this.bodyLanes)
    lanes.add(sum.a)
    lanes.add(sum.b)
    lanes.addNumber(this.clock)
    fate.addTo(lanes, races)
    for (const thread of this.threads) addThread(lanes, thread, races)
    this.search.stateA = lanes.a
    this.search.stateB = lanes.b
  }

  /** Bytes of a buffer were written. */
  wrote(cells: BufferCells, from: number, length: number): void {
    if (!this.caching) return
    for (let word = from >> 2; word << 2 < from + length; word++) this.sum.word(cells.cell(word, this.execution), cells.words[word]!)
  }

  /** An atomic write published a clock. */
  published(cell: Cell, clock: readonly number[]): void {
    if (this.caching && this.options.races !== false) this.sum.clock(cell, clock)
  }

  canRun(thread: Thread): boolean {
    switch (thread.state) {
      case NEW:
        return (thread.options.reaper !== true || this.fate.hasDead) && thread.elder?.state !== NEW
      case READY:
        return true
      case SPINNING:
        return thread.watched.some(hasChanged)
      case LOOPING:
        return thread.turns.length > 0
      default:
        return false
    }
  }

  /** The picked thread can go on: what it waited for lies before its event. */
  private resume(thread: Thread): void {
    const { search } = this
    if (thread.state === NEW) {
      if (thread.options.reaper === true) this.fate.reap(thread)
      if (thread.elder !== null) search.order(thread.elder.started!)
      thread.started = search.current!.clock
    } else if (thread.state === SPINNING) {
      for (const { cell } of thread.watched) search.touch(cell.in(this.execution), false)
      thread.readCount = 0
      thread.cycles.fill(0)
      thread.lanes.add(READY)
    } else if (thread.state === LOOPING) {
      this.fate.beginTurn(thread)
      thread.turnGranted = true
    }
    if (thread.wakeClock !== null) {
      search.order(thread.wakeClock)
      thread.wakeClock = null
    }
    thread.state = READY
    thread.granted = true
  }

  /** Calls a part of the body as what it is: no thread. */
  outside<T>(act: () => T): T {
    const { current } = this
    this.current = null
    try {
      return act()
    } finally {
      this.current = current
    }
  }

  /** A value that the search chooses, for a thread or for the body. */
  choose(thread: Thread | null, options: number): number {
    try {
      const value = this.search.choose(options)
      if (thread === null) this.bodyLanes.add(value)
      return value
    } catch (error) {
      if (thread === null || !(error instanceof Diverged)) throw error
      return this.stop(thread, 'nondeterminism', error.message)
    }
  }

  // Logging.

  /** The logged result of an operation that is done again. */
  replay(thread: Thread, operation: number, index: number): unknown {
    const at = thread.position++
    const signature = operation * OPERATION + index
    if (thread.signatures[at] !== signature) {
      this.stop(
        thread,
        'nondeterminism',
        `thread ${thread.name} did another operation at its step ${at} when it was run again with the same results: it keeps state outside of shared memory (a JS field, a closure), reads a clock or draws a random number`,
      )
    }
    const value = thread.log[at]
    if (value === PENDING) {
      this.tracer?.(thread, 'wait', '', thread.wakeResult, 'returns')
      return (thread.log[at] = thread.wakeResult)
    }
    return value
  }

  /** Logs an operation that took effect. */
  note(thread: Thread, operation: number, index: number, value: unknown): void {
    const at = thread.length
    const signature = operation * OPERATION + index
    thread.signatures[at] = signature
    thread.log[at] = value
    if (this.caching) {
      thread.lanes.add(signature)
      thread.lanes.addValue(value)
    }
    const { cycles } = thread
    for (let p = 1; p <= 4; p++) cycles[p] = at >= p && thread.signatures[at - p] === signature && thread.log[at - p] === value ? cycles[p]! + 1 : 0
    thread.position = thread.length = at + 1
  }

  // Visibility.

  /** Every operation comes here first when it is not replayed. */
  arrive(thread: Thread): void {
    if (thread.unwinding || this.ended) this.unwind(thread)
    if (++this.steps > (this.options.maxSteps ?? 20_000))
      this.stop(thread, 'livelock', `more than ${this.options.maxSteps ?? 20_000} operations in one execution (maxSteps)`)
    const { cycles } = thread
    if ((cycles[1]! >= 3 || cycles[2]! >= 6 || cycles[3]! >= 9 || cycles[4]! >= 12) && !thread.preparing && thread.freedAt !== thread.length) {
      const period = cycles[1]! >= 3 ? 1 : cycles[2]! >= 6 ? 2 : cycles[3]! >= 9 ? 3 : 4
      if (looksAround(thread, period)) this.spin(thread, period)
    }
  }

  /** Blocks until a word read in the last `period` reads changes. */
  spin(thread: Thread, period: number): void {
    thread.watched = []
    for (let back = 1; back <= Math.min(period, thread.readCount, READS); back++) {
      const at = (thread.readCount - back) & (READS - 1)
      thread.watched.push({ cell: thread.readCells[at]!, version: thread.readVersions[at]! })
    }
    thread.freedAt = thread.length
    if (thread.watched.some(hasChanged)) {
      thread.lanes.add(SPINNING)
      return
    }
    thread.state = SPINNING
    thread.granted = false
    this.handOver(thread)
  }

  /** Lets an atomic access (or a `peek`) happen when it is its turn; says whether the search has to know of it. */
  admit(thread: Thread, cell: Cell, write: boolean, upper: Cell | null = null): boolean {
    if (thread.preparing) return false
    let visible = this.isVisible(thread, cell, write)
    if (upper !== null && this.isVisible(thread, upper, write)) visible = true
    if (visible) this.point(thread)
    return visible
  }

  /** Whether an atomic access (or a `peek`) to the cell is a scheduling point; keeps the books on who shares what. */
  isVisible(thread: Thread, cell: Cell, write: boolean): boolean {
    if (cell.first !== thread.id || (write && !cell.written)) this.share(thread, cell, write)
    if ((cell.multi && cell.written) || this.everywhere) return true
    cell.hidden = true
    return false
  }

  /** The same for plain accesses, which are scheduling points only where somebody peeks. */
  isPlainVisible(thread: Thread, cell: Cell, write: boolean): boolean {
    if (cell.first !== thread.id || (write && !cell.written)) this.share(thread, cell, write)
    if ((cell.peeked && cell.multi && cell.written) || this.everywhere) return true
    cell.hiddenPlain = true
    return false
  }

  private share(thread: Thread, cell: Cell, write: boolean): void {
    const before = cell.multi && cell.written
    if (cell.first < 0) cell.first = thread.id
    else if (cell.first !== thread.id) cell.multi = true
    if (write) cell.written = true
    if (!before && cell.multi && cell.written && (cell.hidden || (cell.peeked && cell.hiddenPlain))) this.stale = true
  }

  /** A scheduling point: returns when the thread may perform the operation that it stands at. */
  point(thread: Thread): void {
    if (thread.granted) thread.granted = false
    else {
      this.handOver(thread)
      thread.granted = false
    }
  }

  /** The cells of a view; null when it is not shared. */
  cells(view: ArrayBufferView): BufferCells | null {
    return this.memory.of(view)
  }

  /** The time, as the running thread may see it. */
  now(thread: Thread): number {
    if (this.fate.clockMatters && !thread.preparing) {
      this.point(thread)
      this.fate.touchClock(false)
    }
    return this.clock
  }

  advance(thread: Thread | null, milliseconds: number): void {
    if (thread !== null && this.fate.clockMatters && !thread.preparing) {
      this.point(thread)
      this.fate.touchClock(true)
    }
    this.clock += milliseconds
  }
}

/** Changed, not different: had it to differ, a word that changes back would put the spinning thread to sleep again unseen by the search. */
function hasChanged({ cell, version }: Watched): boolean {
  return cell.version !== version
}

/** Whether a lap of so many operations would ever see what others do: laps of plain reads alone are straight code that reads a field several times. */
function looksAround({ signatures, length }: Thread, period: number): boolean {
  for (let at = length - period; at < length; at++) if (Math.floor(signatures[at]! / OPERATION) !== GET) return true
  return false
}

function isAsynchronous(result: unknown): boolean {
  return typeof result === 'object' && result !== null && typeof (result as { then?: unknown }).then === 'function'
}
