/**
 * Watches for workers that are stuck: in a thread of its own, since the one that started the pool may be blocked, and a pool's only worker may be the one.
 *
 * Source     Go's sysmon (proc.go), which also sleeps while nothing runs.
 *   worker                                 counts as
 *   asleep, without calls that wait        idle
 *   K_ACTIVITY has changed                 alive
 *   it has not                             asked, by K_PING and its bell: its event loop answers when it turns
 *   it has not for `stuckAfter` ms         stuck
 * Invariants M1 While a worker is not idle, a look is due; while all are, nothing is, and P_WATCHER_ASLEEP is 1. It is set before the workers' bits are
 *               looked at, and a worker whose bit was taken away looks at it afterwards, as does whoever took it: one of them sees the other.
 *            M2 Time in which this thread could not run is nobody's: a machine that was stopped, or has too much to do, makes no worker stuck.
 *            M3 A worker is given up on by a compare-exchange on the slot of its call, from the state that an earlier look saw: either that says STUCK, or the call
 *               has ended. One that began after that look is never the one, whatever slot it has; a worker that has begun or ended one makes progress.
 *            M4 What is said of a worker that has ended meanwhile is said of nobody: its reaper changes K_ACTIVITY, then takes TELLING away, and the next of its number is
 *               not blamed.
 * Pairs      observer.ts for the worker; observation.ts for the agent that starts another in its place.
 */
import { type Handle, Region } from '@heddle/atomics'
import { compareExchange, exchange, load, now, peek, store } from '@heddle/atomics/ops'
import { Doorbell, getHost } from '@heddle/park/internal'
import {
  K_ACTIVITY,
  K_BELL,
  K_CURRENT,
  K_PHASE,
  K_PING,
  K_RUNNING,
  K_STUCK,
  K_STUCK_TASK,
  MAX_WORKERS,
  P_OBSERVER_BELL,
  P_SLEEPING,
  P_WATCHER_ASLEEP,
  P_WATCHER_BELL,
  S_ASLEEP,
  S_BELL,
  T_STATE,
  T_SUBMITTER,
  T_TASK,
  TASK_MASK,
  WORKER_READY,
} from './layout.js'
import { Pool } from './pool.js'
import { forEachSlot } from './reaper.js'
import { DOOMED, giveUpOn, phaseOf, STARTED, STUCK, workerOf } from './slot.js'

/** What the monitor's thread is started with. */
export interface MonitorData {
  readonly heddle: 'monitor'
  readonly pool: Handle
  readonly stuckAfter: number
  readonly replaces: boolean
}

/** Whether a worker was started to watch others. */
export function isMonitorData(data: unknown): data is MonitorData {
  return (data as { heddle?: unknown }).heddle === 'monitor'
}

/** Watches a pool until the thread is ended. */
export function serveMonitor({ pool: handle, stuckAfter, replaces }: MonitorData): void {
  Region.useAsDefault(Region.attach(handle.buffer))
  new Monitor(Pool.fromHandle(handle), stuckAfter, replaces).begin()
}

const SHORTEST_PERIOD_MS = 5
const LONGEST_PERIOD_MS = 1000
/** In K_STUCK_TASK, while something is about to be said of this very worker: nothing for whoever hears of it. */
const TELLING = -1

/** Watches one pool's workers. */
export class Monitor {
  private readonly activity = new Int32Array(MAX_WORKERS)
  /** When each worker was last seen to make progress, or to have nothing to do. */
  private readonly alive = new Float64Array(MAX_WORKERS)
  private readonly isTold = new Uint8Array(MAX_WORKERS)
  /** What runs in those that may be stuck at the next look. */
  private readonly begun: (readonly StartedCall[] | undefined)[] = []
  private readonly period: number
  private isAwake = false
  private looked = 0

  constructor(
    private readonly pool: Pool,
    private readonly stuckAfter: number,
    private readonly replaces: boolean,
  ) {
    this.period = Math.min(LONGEST_PERIOD_MS, Math.max(SHORTEST_PERIOD_MS, stuckAfter / 4))
  }

  begin(): void {
    const { pool } = this
    const bell = Doorbell.open(pool.region, () => this.wake())
    store(pool.words, pool.base + P_WATCHER_BELL, bell.at)
    this.wake()
  }

  private wake(): void {
    if (this.isAwake) return
    this.isAwake = true
    store(this.pool.words, this.pool.base + P_WATCHER_ASLEEP, 0)
    this.looked = now()
    this.alive.fill(this.looked)
    this.wait()
  }

  private wait(): void {
    getHost().setTimer(() => {
      if (this.look(now())) this.wait()
      else this.sleep()
    }, this.period)
  }

  private sleep(): void {
    const { words, base } = this.pool
    this.isAwake = false
    store(words, base + P_WATCHER_ASLEEP, 1)
    // M1.
    for (let worker = 0; worker < MAX_WORKERS; worker++) if (this.isBusy(worker)) return this.wake()
  }

  /** One look at all workers, at a moment; whether any has something to do. */
  look(time: number): boolean {
    const late = time - this.looked - 2 * this.period
    this.looked = time
    let any = false
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      // M2.
      if (late > 0) this.alive[worker]! += late + this.period
      if (this.isBusy(worker)) {
        any = true
        this.lookAt(worker, time)
      } else this.isAlive(worker, time)
    }
    return any
  }

  private isBusy(worker: number): boolean {
    const { pool } = this
    const { words } = pool
    const record = pool.workerAt(worker)
    if (load(words, record + K_PHASE) !== WORKER_READY) return false
    const sleeps = (load(words, pool.base + P_SLEEPING + (worker >>> 5)) & (1 << (worker & 31))) !== 0
    return !sleeps || load(words, record + K_RUNNING) !== 0
  }

  private isAlive(worker: number, time: number): void {
    this.alive[worker] = time
    this.isTold[worker] = 0
    this.begun[worker] = undefined
  }

  private lookAt(worker: number, time: number): void {
    const { pool } = this
    const record = pool.workerAt(worker)
    const activity = load(pool.words, record + K_ACTIVITY)
    if (activity !== this.activity[worker]) {
      this.activity[worker] = activity
      this.isAlive(worker, time)
      return
    }
    if (this.isTold[worker] !== 0) return
    const idle = time - this.alive[worker]!
    const begun = this.begun[worker]
    if (idle < this.stuckAfter || begun === undefined) {
      // The next look may be the one that tells.
      if (begun === undefined && idle + this.period >= this.stuckAfter) this.begun[worker] = this.callsOf(worker)
      store(pool.words, record + K_PING, load(pool.words, record + K_PING) + 1)
      pool.ring(record + K_BELL)
    } else if (this.tell(worker, begun, Math.max(1, Math.round(idle)))) this.isTold[worker] = 1
    else this.isAlive(worker, time)
  }

  /** The calls that run there now. */
  private callsOf(worker: number): StartedCall[] {
    const { words } = this.pool
    const calls: StartedCall[] = []
    forEachSlot(this.pool, (slot, at) => {
      const state = load(words, at + T_STATE)
      if (phaseOf(state) === STARTED && workerOf(state) === worker) calls.push({ slot, at, state })
    })
    return calls
  }

  /** Says that a worker is stuck in what it had begun at an earlier look; false if it was not, after all. */
  private tell(worker: number, begun: readonly StartedCall[], ms: number): boolean {
    const { pool } = this
    const { words, base } = pool
    const record = pool.workerAt(worker)
    // M4. What was told before, and not heard yet, stays if there is nothing to tell.
    const before = exchange(words, record + K_STUCK_TASK, TELLING)
    const told = this.findTask(worker, begun, ms)
    compareExchange(words, record + K_STUCK_TASK, TELLING, told === 0 ? before : told)
    if (told !== 0 || before > 0) pool.ring(base + P_OBSERVER_BELL)
    return told !== 0
  }

  /** The task that a worker is stuck in, as K_STUCK_TASK has it; 0: it goes on. Gives up on its calls, if it is to be replaced. */
  private findTask(worker: number, begun: readonly StartedCall[], ms: number): number {
    const { pool } = this
    const { words } = pool
    const record = pool.workerAt(worker)
    const there = this.callsOf(worker)
    if (there.length !== begun.length || !there.every(({ at, state }, i) => begun[i]!.at === at && begun[i]!.state === state)) return 0
    const current = load(words, record + K_CURRENT) - 1
    // The code of an async call that goes on does not say whose it is: known if there is but one.
    const stuck = there.find(({ slot }) => slot === current) ?? (there.length === 1 ? there[0] : undefined)
    // Plain: written before the call was queued, and for the next one after its state had changed.
    const task = stuck === undefined ? 1 : (peek(words, stuck.at + T_TASK) & TASK_MASK) + 2
    if (stuck !== undefined && load(words, stuck.at + T_STATE) !== stuck.state) return 0
    if (load(words, record + K_ACTIVITY) !== this.activity[worker]) return 0
    store(words, record + K_STUCK, ms)
    if (!this.replaces) return task
    // M3.
    if (stuck !== undefined && !this.giveUpOn(stuck, STUCK)) return 0
    let lost = stuck === undefined ? 0 : 1
    for (const call of there) if (call !== stuck && this.giveUpOn(call, DOOMED)) lost++
    return lost === 0 && there.length > 0 ? 0 : task
  }

  private giveUpOn({ slot, at, state }: StartedCall, phase: typeof STUCK | typeof DOOMED): boolean {
    const { pool } = this
    const { words } = pool
    if (!giveUpOn(words, at + T_STATE, state, phase)) return false
    const submitter = load(words, at + T_SUBMITTER)
    pool.markDoneAgain(slot, submitter)
    store(words, pool.submitterAt(submitter) + S_ASLEEP, 0)
    pool.ring(pool.submitterAt(submitter) + S_BELL)
    return true
  }
}

/** A call, as it was when it was seen to run. */
interface StartedCall {
  readonly slot: number
  readonly at: number
  /** T_STATE. */
  readonly state: number
}
