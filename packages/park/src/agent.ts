/**
 * An agent (JS thread) in one region, as waiting sees it: its records, what is ready, its timers, and its sleep.
 *
 * Two ways to sleep share the mode word (ready.ts): `block` sleeps in `Atomics.wait` on it, for a scheduler that has nothing to
 * run; on an event loop the agent has at most one `waitAsync` outstanding on it, whatever the number of promises that wait.
 *
 *   where the agent is                         MODE       who looks at the bits next
 *   running in `turn` or in `block`'s caller   RUNNING    the agent, before it sleeps or returns to its loop
 *   asleep in `block`                          IDLE       the agent, when it was rung or its next timer is due
 *   in user code or idle on its event loop     IDLE       `turn`, from the armed waitAsync (nothing tells that a turn ended)
 *   rung, not yet awake                        RUNG       the same
 *   nothing pending                            RUNNING    nobody needs to: there is no record to wake
 * Invariants A1 `interest` > 0 (a promise, a fiber or a bell is registered) and not inside `block` or `turn`: armed, or a turn is queued.
 *            A2 A promise wait that is not unref'ed holds the process (W5): `waitAsync` alone does not.
 * Pairs      A_BLOCKED with wake.ts; MODE with ready.ts.
 */
import { agentLocal, defer, effect, get, load, made, now, store, wait, waitAsync } from '@heddle/atomics/ops'
import { A_BLOCKED, A_MODE, A_STATUS, A_THREAD, type AgentIdentity, holdRegion, PHASE_ALIVE, STATUS_SHIFT } from '@heddle/atomics/internal'
import type { Region } from '@heddle/atomics'
import { ShutdownError } from './errors.js'
import { getHost } from './host.js'
import { CASE_RECHECK, IDLE, KIND_FIBER, KIND_MASK, NOTIFIED, RUNNING, W_KIND, W_NUMBER } from './layout.js'
import { drainReady, isReady } from './ready.js'
import { claim } from './record.js'
import { Slab } from './slab.js'
import { SpinBudget } from './spin.js'
import { type Due, type Timer, TimerWheel } from './timer-wheel.js'

/** What is told when its record may have been claimed. */
export interface Resumable {
  /** Looks at the record and goes on. */
  ready(): void
  /** The agent is about to block its thread: pass on a claim that this can't use meanwhile. True: look again when the thread is back. */
  yieldClaim?(): boolean
  /** The agent was declared dead: ends with `error`, and writes nothing to shared memory. */
  shutDown?(error: ShutdownError): void
}

/** A wait that is told when its time is over. A fiber's sleep has no record: only this tells it. */
export interface Sleeper extends Due {
  /** As in `Resumable`. */
  shutDown(error: ShutdownError): void
}

/** How long the poll of an engine without `waitAsync` waits between two looks, in ms: doubled from the first to the last while nothing comes. */
const POLL_FIRST_MS = 1
const POLL_LAST_MS = 16

/** A pending `waitAsync` (or look, where there is none): it can't be taken back, so it leads to the agent only while something is registered there. */
interface Line {
  agent: Agent | undefined
  isOpen: boolean
}

/** How long a thread sleeps at most while its fibers also wait in other regions than the one whose futex it sleeps on. */
const OTHER_REGIONS_MS = 1

/** This thread's agents that fibers wait with. */
const awaited = agentLocal(() => new Set<Agent>())

/** Outside of the class, so that the closure holds nothing but the line. */
function listenOn(line: Line): () => void {
  return () => {
    line.isOpen = false
    line.agent?.turn()
  }
}

/** The calling agent's side of waiting in one region. */
export class Agent {
  readonly words: Int32Array
  readonly id: number
  readonly generation: number
  /** What it writes into lock words. */
  readonly tag: number
  /** Word index of its record. */
  readonly record: number
  readonly slab: Slab
  private readonly ownWheel = new TimerWheel()
  wheel = this.ownWheel
  /** Its timers go by a simulated clock, which no host timer follows. */
  private isSimulated = false
  readonly spin: SpinBudget
  /** Its log of shared holds, once it has one (holds.ts). */
  holds: object | undefined = undefined
  /** By record number: who is to be told. */
  private readonly waiting: (Resumable | undefined)[] = []
  /** Records that became ready and were not told yet. */
  private readyList: number[] = []
  /** Records whose claim was declined while the thread blocks. */
  private readonly declined: number[] = []
  private interest = 0
  /** Those of them that are fibers, and the fibers that sleep. */
  private fibers = 0
  /** Waits that keep the process alive. */
  private held = 0
  private letGo: (() => void) | undefined
  private line: Line | undefined
  private turnQueued = false
  private inTurn = 0
  private pollDelay = POLL_FIRST_MS
  private hostTimer: (() => void) | undefined
  private hostTimerAt = Infinity
  /** Inside a thread's wait, with promises or fibers that can't run meanwhile. */
  private isBlocked = false
  /** It was declared dead and knows it: it leaves everything as it is. */
  isDead = false

  private constructor(
    readonly region: Region,
    private readonly identity: AgentIdentity,
  ) {
    this.words = region.words
    this.id = identity.id
    this.generation = identity.generation
    this.tag = identity.tag
    this.record = identity.at >> 2
    this.spin = new SpinBudget(this.words, this.record)
    // Not again, once it was declared dead: its slot may be somebody else's.
    this.assertAlive()
    // A host that was installed since may know the thread by another number than it registered with. Never 0: the slot would look free.
    const thread = effect(() => getHost().threadId())
    if (thread > 0) store(this.words, this.record + A_THREAD, thread)
    this.slab = new Slab(region, identity)
    made(this)
  }

  /** For checkers, when the agent has nothing more to do: what it still has. */
  leak(): string | undefined {
    const { used } = this.slab
    return used > 0 ? `agent ${this.id} still has ${used} waiter ${used === 1 ? 'record' : 'records'}` : undefined
  }

  /** The calling agent in a region; registers it on first use. @throws AgentLimitError */
  static of(region: Region): Agent {
    const identity = region.self.get()
    return (identity.extension ??= new Agent(region, identity)) as Agent
  }

  /** Takes a record for a wait of this kind. @throws RegionFullError */
  acquire(kind: number): number {
    const r = this.slab.acquire()
    // Most often it is the kind that it was. Who woke it last may read it still.
    if (get(this.words, r + W_KIND) !== kind) store(this.words, r + W_KIND, kind)
    return r
  }

  /** Has `resumable` told when the record's bit is set. Arms the event loop. */
  register(r: number, resumable: Resumable): void {
    this.waiting[get(this.words, r + W_NUMBER)] = resumable
    // Also where the engine does not keep a pending waitAsync: whoever awaits is reached from here only.
    if (this.interest++ === 0) holdRegion(this.region, true)
    if (this.isOfFiber(r)) this.addFiber()
    this.arm()
  }

  unregister(r: number): void {
    this.waiting[get(this.words, r + W_NUMBER)] = undefined
    if (this.isOfFiber(r)) this.removeFiber()
    if (--this.interest > 0) return
    holdRegion(this.region, false)
    if (this.line !== undefined) this.line.agent = undefined
  }

  /** Keeps the process alive until the matching `unhold`. */
  hold(): void {
    if (this.held++ === 0) this.letGo ??= effect(() => getHost().hold())
  }

  unhold(): void {
    if (--this.held !== 0) return
    // Not at once: the next wait usually follows, and a hold costs a host timer.
    defer(() => {
      if (this.held !== 0 || this.letGo === undefined) return
      effect(this.letGo)
      this.letGo = undefined
    })
  }

  /** A fiber sleeps until `deadline`. Whoever runs or cancels the timer calls `endSleep`. */
  beginSleep(deadline: number, sleeper: Sleeper): Timer {
    this.addFiber()
    return this.after(deadline, sleeper)
  }

  endSleep(): void {
    this.removeFiber()
  }

  /** A fiber of this thread waits for something that this agent will be told: whoever blocks the thread for its fibers looks here, too. */
  addFiber(): void {
    if (this.fibers++ === 0) awaited.get().add(this)
  }

  removeFiber(): void {
    if (--this.fibers === 0) awaited.get().delete(this)
  }

  /** Whether a fiber of this thread waits with another agent than this. */
  private get areFibersElsewhere(): boolean {
    return awaited.get().size > (this.fibers > 0 ? 1 : 0)
  }

  private isOfFiber(r: number): boolean {
    return (get(this.words, r + W_KIND) & KIND_MASK) === KIND_FIBER
  }

  /** Something of this agent became ready by its own doing. */
  makeReady(r: number): void {
    this.readyList.push(r)
    this.queueTurn()
  }

  /** Runs `callback`, or its `due`, when `deadline` (ms, as `now()`) has passed, on this agent. */
  after(deadline: number, callback: (() => void) | Sleeper): Timer {
    const timer = this.wheel.add(deadline, callback)
    if (deadline < this.hostTimerAt) this.setHostTimer()
    return timer
  }

  /**
   * Has new timers go by another wheel, whose clock is simulated, for as long as its caller runs: `undefined` goes back to the agent's own. What the
   * own wheel has waits meanwhile. @returns what was in its place
   */
  simulate(wheel: TimerWheel | undefined): TimerWheel | undefined {
    const former = this.isSimulated ? this.wheel : undefined
    this.isSimulated = wheel !== undefined
    this.wheel = wheel ?? this.ownWheel
    return former
  }

  /** Takes what is ready and tells it, and runs the timers that are due; never sleeps. @returns whether there was anything */
  poll(): boolean {
    this.collect()
    const any = this.tell()
    return this.wheel.size > 0 && this.wheel.next() <= now() ? this.wheel.advance() > 0 || any : any
  }

  /** As `poll`, and for every other region that a fiber of this thread waits in. */
  pollForFibers(): boolean {
    let any = this.poll()
    if (this.areFibersElsewhere) for (const other of awaited.get()) if (other !== this) any = other.poll() || any
    return any
  }

  /**
   * As `block`, also until something is ready that a fiber of this thread waits for in another region. A thread sleeps on one word: while there is
   * such a fiber it wakes every millisecond and looks.
   */
  blockForFibers(): void {
    if (!this.areFibersElsewhere) this.block()
    else if (!this.pollForFibers()) {
      const others = [...awaited.get()].filter((other) => other !== this)
      this.block(Math.min(now() + OTHER_REGIONS_MS, ...others.map(({ wheel }) => wheel.next())))
      for (const other of others) other.poll()
    }
  }

  /**
   * Sleeps the thread until something of this agent is ready or `until` (ms, as `now()`) has passed, and tells what is ready.
   * For schedulers; the caller may block and knows that it has nothing else to run.
   */
  block(until = Infinity): void {
    if (this.poll() || until <= now()) return
    const { words, record } = this
    if (!this.spin.until(() => isReady(words, record))) {
      // Nothing throws before the mode is RUNNING again and the loop is armed (A1).
      const deadline = Math.min(until, this.wheel.next())
      const since = now()
      store(words, record + A_MODE, IDLE)
      if (!isReady(words, record)) wait(words, record + A_MODE, IDLE, deadline === Infinity ? Infinity : Math.max(0, deadline - now()))
      this.assertAlive()
      store(words, record + A_MODE, RUNNING)
      if (isReady(words, record)) this.spin.slept(since)
    }
    try {
      this.poll()
    } finally {
      if (this.interest > 0) this.arm()
    }
  }

  /** Before the thread blocks in a wait of its own: others are told to prefer waiters that can run, and what was claimed here and can't run is offered to them. */
  enterBlocked(): void {
    if (this.interest === 0) return
    this.isBlocked = true
    store(this.words, this.record + A_BLOCKED, 1)
    this.collect()
    for (const r of [...this.readyList]) if (this.waiting[get(this.words, r + W_NUMBER)]?.yieldClaim?.() === true) this.declined.push(r)
  }

  /** @throws ShutdownError when it was declared dead meanwhile, before anything is written */
  exitBlocked(): void {
    this.assertAlive()
    if (this.isBlocked) {
      this.isBlocked = false
      store(this.words, this.record + A_BLOCKED, 0)
    }
    // What was declined may be free to take now, with nobody left to say so.
    for (let r = this.declined.pop(); r !== undefined; r = this.declined.pop())
      if (claim(this.words, r, NOTIFIED, CASE_RECHECK)) this.readyList.push(r)
    if (this.readyList.length > 0) this.queueTurn()
  }

  /**
   * The fence against an agent that was declared dead and runs on: it may not touch anything. After every return from a wait.
   * @throws ShutdownError
   */
  assertAlive(): void {
    if (this.isAlive()) return
    // The promises and fibers that wait are told on the event loop.
    if (this.interest > 0 || this.fibers > 0) this.queueTurn()
    throw this.shutdownError()
  }

  private isAlive(): boolean {
    if (!this.isDead && load(this.words, this.record + A_STATUS) === ((this.generation << STATUS_SHIFT) | PHASE_ALIVE)) return true
    this.isDead = true
    this.identity.extension = undefined
    return false
  }

  private shutdownError(): ShutdownError {
    return new ShutdownError(`agent ${this.id} was declared dead while it slept: what it waited for and held has been given to others`)
  }

  /** Ends everything that waits here, as far as it is in this agent's own memory. */
  private shutDown(): void {
    this.hostTimer?.()
    this.hostTimer = undefined
    const error = this.shutdownError()
    for (const one of [...this.waiting]) one?.shutDown?.(error)
    // What `after` has put there; those that have a record as well were told above.
    for (const target of [...this.ownWheel.targets(), ...(this.isSimulated ? this.wheel.targets() : [])]) (target as Sleeper).shutDown(error)
  }

  private collect(): void {
    if (isReady(this.words, this.record)) drainReady(this.words, this.record, this.slab.chunks, (r) => this.readyList.push(r))
  }

  private tell(): boolean {
    const list = this.readyList
    if (list.length === 0) return false
    this.readyList = []
    let told = 0
    try {
      while (told < list.length) this.waiting[get(this.words, list[told++]! + W_NUMBER)]?.ready()
    } finally {
      // A bell's callback threw: the others are told on the next turn.
      if (told < list.length) {
        this.readyList.push(...list.slice(told))
        this.queueTurn()
      }
    }
    return true
  }

  private queueTurn(): void {
    if (this.turnQueued) return
    this.turnQueued = true
    defer(() => {
      this.turnQueued = false
      this.turn()
    })
  }

  /** One look at everything, from the event loop: for the line that wakes it. */
  turn(): void {
    if (!this.isAlive()) {
      this.shutDown()
      return
    }
    store(this.words, this.record + A_MODE, RUNNING)
    this.inTurn++
    try {
      if (this.poll()) this.pollDelay = POLL_FIRST_MS
    } finally {
      this.inTurn--
      if (this.interest > 0) this.arm()
      this.setHostTimer()
    }
  }

  /** Makes sure that a wake reaches the event loop (A1). */
  private arm(): void {
    if (this.inTurn > 0) return
    const { words, record } = this
    store(words, record + A_MODE, IDLE)
    if (this.line?.isOpen === true) this.line.agent = this
    else this.listen()
    if (isReady(words, record)) this.queueTurn()
  }

  private listen(): void {
    const { words, record } = this
    const line: Line = { agent: this, isOpen: true }
    this.line = line
    const heard = listenOn(line)
    if (waitAsync === undefined) {
      const delay = this.pollDelay
      this.pollDelay = Math.min(delay * 2, POLL_LAST_MS)
      effect(() => getHost().setTimer(heard, delay))
      return
    }
    const outcome = waitAsync(words, record + A_MODE, IDLE)
    if (outcome.async) void outcome.value.then(heard)
    else {
      line.isOpen = false
      this.queueTurn()
    }
  }

  /** Keeps one host timer for the wheel's next deadline. */
  private setHostTimer(): void {
    if (this.isSimulated) return
    const next = this.wheel.next()
    if (next === this.hostTimerAt) return
    this.hostTimer?.()
    this.hostTimer = undefined
    this.hostTimerAt = next
    if (next === Infinity) return
    const fire = (): void => {
      this.hostTimer = undefined
      this.hostTimerAt = Infinity
      this.turn()
    }
    this.hostTimer = effect(() => getHost().setTimer(fire, Math.max(0, Math.ceil(next - now()))))
  }
}
