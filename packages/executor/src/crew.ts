/**
 * The workers of a pool, as the agent that started them sees them: starts them when they are needed, replaces those that die or retire, ends them.
 *
 * Invariants I1 A worker's number is free again only after the worker's thread has ended and its calls were reaped.
 *            I2 A worker is started while calls wait, nobody looks for them and fewer than `max` workers run, so a queued call always has somebody to run it.
 *            I3 P_HUNGRY's bit is cleared before the queues are looked at, and left set while no worker more may be started: whoever ends looks again.
 *            I4 Numbers below `numbers` are those of the pool's workers, others those of workers for blocking and isolated calls and for threads, whom the pool's sets leave out.
 * Progress   A crash since which no call has ended, and that took none with it, counts against FUTILE_CRASHES; past it every call fails with the reason, instead of the pool
 *            starting workers for ever.
 */
import { RegionFullError } from '@heddle/atomics'
import { and, load, store } from '@heddle/atomics/ops'
import { Doorbell, watch } from '@heddle/park/internal'
import type { Host, HostWorker, WorkerExit } from '@heddle/park'
import { WorkerStartError } from './errors.js'
import type { Emitter } from './events.js'
import {
  BLOCKING_QUEUE,
  CLOSED,
  HUNGRY_BLOCKING,
  HUNGRY_ISOLATED,
  HUNGRY_POOL,
  ISOLATED_QUEUE,
  K_BELL,
  K_COMPLETED,
  K_FAILED,
  K_PHASE,
  K_RUNNING,
  MAX_WORKERS,
  P_HUNGRY,
  P_OWNER_BELL,
  P_STATE,
  T_STATE,
  WORKER_STARTING,
} from './layout.js'
import type { Pool } from './pool.js'
import type { PostedLoads } from './posted-loads.js'
import type { PostedResult } from './posted-results.js'
import { isWorkerMessage, type PostedCall, type Recycling, type WorkerData, type WorkerKind } from './protocol.js'
import type { Queues } from './queues.js'
import { enterQueued, forEachSlot, reapWorker, releaseOrphans } from './reaper.js'
import { giveBack } from './slot.js'
import { HUNGRY_THREADS } from './thread/layout.js'
import { isResting, ringAll, setWaking } from './wakeup.js'

/** Crashes in a row that took no started call with them, and between which no call ended. */
const FUTILE_CRASHES = 3
/** How often calls are entered again that had no room in their queue, in ms. */
const AGAIN_MS = 5

const KINDS: readonly { readonly kind: WorkerKind; readonly hungry: number }[] = [
  { kind: 'pool', hungry: HUNGRY_POOL },
  { kind: 'blocking', hungry: HUNGRY_BLOCKING },
  { kind: 'isolated', hungry: HUNGRY_ISOLATED },
]

/** How a crew is made up. */
export interface CrewOptions {
  readonly min: number
  readonly max: number
  /** How many numbers the pool's workers have: more than `max` when retired workers may linger beside their successors. */
  readonly numbers: number
  /** Most workers for blocking calls, and for isolated ones. */
  readonly maxBlocking: number
  readonly maxIsolated: number
  readonly name: string
  readonly setup: WorkerData['setup']
  readonly recycle: Recycling | undefined
  /** A worker beyond `min` that had nothing to do for so many ms ends. */
  readonly idleTimeout: number
  /** Host-specific settings of each worker. */
  readonly native: object | undefined
}

/** What a crew tells the rest of the executor. */
export interface CrewListener {
  /** Fails every call that waits. */
  giveUp(reason: Error): void
  /** The calls of a worker that ended have been reaped. */
  reaped(number: number): void
  /** A worker has posted a result. */
  result(result: PostedResult): void
  /** A number that changes when calls end. */
  progress(): number
  /** A worker was started. */
  added(): void
  /** A worker has ended; before, and after its calls are reaped. */
  ending(number: number): void
  ended(number: number): void
  /** Somebody calls the owner as a thread. */
  called(): void
}

/** What a crew needs of its host. */
export type CrewHost = Pick<Host, 'setTimer' | 'startWorker' | 'workerModule'>

interface Member {
  readonly number: number
  readonly kind: WorkerKind
  readonly worker: HostWorker
  readonly started: Promise<void>
  ready: boolean
  /** It takes no more calls. */
  retired: boolean
  /** Ended as it should. */
  done: boolean
  /** How many calls had ended there when it was last looked at. */
  seen: number
  /** Why it is ended before its time. */
  replacedFor?: Error
}

/** One pool's workers. */
export class Crew {
  /** Why the pool has given up, if it has. */
  broken: Error | undefined
  private readonly members = new Map<number, Member>()
  private readonly reasons = new Map<number, unknown>()
  private readonly freeNumbers: number[] = []
  private nextNumber = 0
  private readonly freeSpecial: number[] = []
  private nextSpecial: number
  /** HUNGRY_* of the kinds of which there can't be more before one retires or ends. */
  private full = 0
  private futile = 0
  private lastProgress = 0
  private onEmpty: (() => void)[] = []
  private stopping = false
  private readonly bell: Doorbell
  private shrinkTimer: (() => void) | undefined
  private againTimer: (() => void) | undefined

  constructor(
    private readonly pool: Pool,
    private readonly queues: Queues,
    private readonly host: CrewHost,
    private readonly options: CrewOptions,
    private readonly listener: CrewListener,
    private readonly events: Emitter,
  ) {
    this.nextSpecial = options.numbers
    this.bell = Doorbell.open(pool.region, () => this.hear())
    store(pool.words, pool.base + P_OWNER_BELL, this.bell.at)
  }

  /** Starts the least number of workers; resolves when all of them take calls. */
  async begin(): Promise<void> {
    await this.warm(this.options.min)
  }

  /** Starts workers until there are `count`, at most `max`; resolves when all take calls. */
  async warm(count: number): Promise<void> {
    while (this.sizeOf('pool') < Math.min(count, this.options.max)) this.add('pool')
    this.watchIdle()
    await Promise.all([...this.members.values()].map(async ({ started }) => started))
  }

  /** Calls were added and nobody was there for them: one worker more of the kinds that are missing, if there may be one. */
  grow(hungry: number): void {
    // Asked at each call while all workers are busy.
    if ((hungry & ~this.full) === 0 || this.stopping || this.broken !== undefined) return
    for (const { kind, hungry: bit } of KINDS) {
      if ((hungry & bit) === 0) continue
      if (!this.mayAdd(kind)) {
        this.full |= bit
        continue
      }
      this.add(kind)
      this.watchIdle()
    }
  }

  /**
   * The worker that a call is to be posted to: one that has nothing to do, a new one if there may be one, or the one that has least to do; of several that seem to have
   * the same, the one that has ended a posted call last.
   */
  chooseForPost(posted: PostedLoads): number {
    const { pool } = this
    let best: number | undefined
    let least = Infinity
    for (const { number, kind, retired } of this.members.values()) {
      if (kind !== 'pool' || retired) continue
      const calls = isResting(pool, number) ? 0 : 1 + load(pool.words, pool.workerAt(number) + K_RUNNING)
      const all = calls + posted.of(number)
      if (all > least || (all === least && posted.freedAt(number) <= posted.freedAt(best!))) continue
      best = number
      least = all
    }
    if (best !== undefined && (least === 0 || !this.mayAdd('pool'))) return best
    const { number } = this.add('pool')
    this.watchIdle()
    return number
  }

  /** Sends a call to the worker that `chooseForPost` chose. */
  post(number: number, call: PostedCall, transfer: readonly object[]): void {
    this.members.get(number)!.worker.post(call, transfer)
    this.ringBlocked(number)
  }

  /** Part of `ThreadCrew`. */
  addThread(record: number): { readonly number: number; readonly started: Promise<void> } | undefined {
    if (this.stopping || this.broken !== undefined) throw this.broken ?? new WorkerStartError('the executor was shut down')
    return this.freeSpecial.length > 0 || this.nextSpecial < MAX_WORKERS ? this.add('thread', record) : undefined
  }

  /** Part of `ThreadCrew`. */
  dismiss(number: number): void {
    const member = this.members.get(number)
    if (member === undefined) return
    member.done = true
    void member.worker.terminate()
  }

  /** Part of `ThreadCrew`. */
  async kill(number: number): Promise<void> {
    const member = this.members.get(number)
    if (member === undefined) return
    member.replacedFor ??= new Error(`the thread's worker ${this.nameOf(number)} was terminated`)
    // What the worker's end leads to comes with the event, which some hosts give after the promise.
    await Promise.all([member.worker.terminate(), new Promise<void>((resolve) => member.worker.onExit(() => resolve()))])
  }

  /** A worker that blocks its thread hears of a message only when it is rung. */
  private ringBlocked(number: number): void {
    if (this.pool.blocks) this.pool.ring(this.pool.workerAt(number) + K_BELL)
  }

  /** Why a worker died. */
  reasonOf(number: number): unknown {
    return this.reasons.get(number)
  }

  /** Ends a worker that makes no progress, at once. Another takes its place; what had not started there is for others. */
  giveUpOn(number: number, reason: Error): void {
    const member = this.members.get(number)
    if (member === undefined || member.retired || this.broken !== undefined) return
    const { pool } = this
    member.retired = true
    member.replacedFor = reason
    this.full = 0
    void member.worker.terminate()
    this.refill(member.kind)
    forEachSlot(pool, (_, at) => void giveBack(pool.words, at + T_STATE, number))
    const { hungry, again } = enterQueued(pool, this.queues)
    this.grow(hungry)
    if (again) this.enterAgain()
  }

  /** Name of a worker. */
  nameOf(number: number): string {
    return `${this.options.name}-${number}`
  }

  /** Numbers of the workers that run. */
  numbers(): number[] {
    return [...this.members.keys()].sort((a, b) => a - b)
  }

  /** Tells the workers to end when nothing is left; resolves when all have ended. */
  async close(): Promise<void> {
    this.stop()
    store(this.pool.words, this.pool.base + P_STATE, CLOSED)
    for (const { worker } of this.members.values()) worker.ref()
    ringAll(this.pool)
    await this.empty()
  }

  /** Ends the workers at once; resolves when all have ended. */
  async terminate(): Promise<void> {
    this.stop()
    this.broken ??= new WorkerStartError('the executor was terminated')
    await Promise.all([...this.members.values()].map(async (member) => member.worker.terminate()))
    await this.empty()
  }

  /** After the last worker has ended. */
  dispose(): void {
    store(this.pool.words, this.pool.base + P_OWNER_BELL, 0)
    this.bell.close()
    this.againTimer?.()
  }

  private stop(): void {
    this.stopping = true
    this.shrinkTimer?.()
    this.shrinkTimer = undefined
  }

  private async empty(): Promise<void> {
    if (this.members.size > 0) await new Promise<void>((resolve) => this.onEmpty.push(resolve))
  }

  private sizeOf(kind: WorkerKind): number {
    let size = 0
    for (const member of this.members.values()) if (member.kind === kind && !member.retired) size++
    return size
  }

  private mayAdd(kind: WorkerKind): boolean {
    const { max, maxBlocking, maxIsolated, numbers } = this.options
    if (kind === 'pool') return this.sizeOf(kind) < max && (this.freeNumbers.length > 0 || this.nextNumber < numbers)
    return this.sizeOf(kind) < (kind === 'blocking' ? maxBlocking : maxIsolated) && (this.freeSpecial.length > 0 || this.nextSpecial < MAX_WORKERS)
  }

  private hasWork(kind: WorkerKind): boolean {
    if (kind === 'pool') return this.queues.hasWork()
    return this.queues.only(kind === 'blocking' ? BLOCKING_QUEUE : ISOLATED_QUEUE).hasWork()
  }

  /** Other agents miss workers (I3). */
  private hear(): void {
    const { words, base } = this.pool
    releaseOrphans(this.pool)
    const hungry = load(words, base + P_HUNGRY)
    if ((hungry & HUNGRY_THREADS) !== 0) {
      and(words, base + P_HUNGRY, ~HUNGRY_THREADS)
      this.listener.called()
    }
    let served = 0
    for (const { kind, hungry: bit } of KINDS) if ((hungry & bit) !== 0 && this.mayAdd(kind)) served |= bit
    if (served === 0) return
    and(words, base + P_HUNGRY, ~served)
    for (const { kind, hungry: bit } of KINDS) if ((served & bit) !== 0 && this.hasWork(kind)) this.grow(bit)
  }

  private add(kind: WorkerKind, thread?: number): Member {
    const number = kind === 'pool' ? (this.freeNumbers.pop() ?? this.nextNumber++) : (this.freeSpecial.pop() ?? this.nextSpecial++)
    const { pool, host, options } = this
    store(pool.words, pool.workerAt(number) + K_PHASE, WORKER_STARTING)
    if (kind === 'pool') {
      // Without a deque its calls would go into the shared queue: no harm where the region is full.
      try {
        pool.makeDeque(number)
      } catch (error) {
        if (!(error instanceof RegionFullError)) throw error
      }
      setWaking(pool, number)
    }
    const recycle = kind === 'pool' ? options.recycle : undefined
    const data: WorkerData = {
      heddle: 'worker',
      pool: pool.toHandle(),
      number,
      kind,
      recycle,
      setup: options.setup,
      ...(thread !== undefined && { thread }),
    }
    const worker = host.startWorker!(host.workerModule!, {
      name: this.nameOf(number),
      data,
      ...(options.native !== undefined && { native: options.native }),
    })
    let resolve!: () => void
    let reject!: (error: Error) => void
    const started = new Promise<void>((yes, no) => {
      resolve = yes
      reject = no
    })
    const member: Member = { number, kind, worker, started, ready: false, retired: false, done: false, seen: -1 }
    this.members.set(number, member)
    this.reasons.delete(number)
    let failure: Error | undefined
    worker.onMessage((message) => {
      if (!isWorkerMessage(message)) return
      switch (message.heddle) {
        case 'ready':
          member.ready = true
          if (!this.stopping) worker.unref()
          resolve()
          this.events.emit('worker-start', { worker: number, name: this.nameOf(number) })
          break
        case 'failed':
          failure = new WorkerStartError(`worker ${this.nameOf(number)} could not start: ${message.message}`, { cause: message.error })
          void worker.terminate()
          break
        case 'retiring':
          member.retired = true
          this.full = 0
          worker.post({ heddle: 'retired' })
          this.refill(member.kind)
          break
        case 'leak':
          this.events.emit('task-leak', { worker: number, ...message.leak })
          break
        case 'result':
          this.listener.result(message)
          break
        case 'closed':
          member.done = true
          void worker.terminate()
          break
      }
    })
    watch(worker)
    this.listener.added()
    worker.onExit((exit) => {
      const reason =
        failure ??
        (member.ready
          ? undefined
          : new WorkerStartError(`worker ${this.nameOf(number)} ended before it was ready${describeExit(exit)}`, { cause: exit.error }))
      this.ended(member, exit, reason)
      reject(reason ?? new WorkerStartError(`worker ${this.nameOf(number)} ended`))
    })
    started.catch(() => undefined)
    return member
  }

  private ended(member: Member, exit: WorkerExit, startFailure: Error | undefined): void {
    const { number, kind } = member
    const { pool } = this
    this.members.delete(number)
    const reason = member.replacedFor ?? startFailure ?? exit.error ?? new Error(`the worker ${this.nameOf(number)} ended${describeExit(exit)}`)
    this.reasons.set(number, reason)
    this.listener.ending(number)
    const { crashed, hungry, again } = reapWorker(pool, this.queues, number)
    // Before the worker's number and the reason of its end are given to another.
    this.listener.reaped(number)
    this.listener.ended(number)
    const free = kind === 'pool' ? this.freeNumbers : this.freeSpecial
    free.push(number)
    this.full = 0
    if (again) this.enterAgain()
    if (this.broken === undefined) {
      if (member.done) this.refill(kind)
      else if (kind !== 'thread') this.replace(kind, crashed, exit, startFailure)
      this.grow(hungry)
    }
    const expected = member.done || this.stopping
    this.events.emit('worker-exit', { worker: number, name: this.nameOf(number), expected, reason: expected ? undefined : reason, crashed })
    if (this.members.size === 0) for (const resolve of this.onEmpty.splice(0)) resolve()
  }

  private replace(kind: WorkerKind, crashed: number, exit: WorkerExit, startFailure: Error | undefined): void {
    const progress = this.listener.progress()
    this.futile = crashed > 0 || progress !== this.lastProgress ? 0 : this.futile + 1
    this.lastProgress = progress
    if (this.futile < FUTILE_CRASHES) {
      this.refill(kind, startFailure === undefined)
      return
    }
    this.broken =
      startFailure ??
      new WorkerStartError(`${this.futile} workers in a row ended without having run a task${describeExit(exit)}`, { cause: exit.error })
    this.listener.giveUp(this.broken)
    void this.terminate()
  }

  /** A worker less: another one, if there is something to do, or fewer than there are to be. */
  private refill(kind: WorkerKind, toMin = true): void {
    const { words, base } = this.pool
    // Who starts threads asks for their workers.
    if (kind === 'thread') return
    for (const { kind: one, hungry } of KINDS) if (one === kind) and(words, base + P_HUNGRY, ~hungry)
    if (this.broken !== undefined || !this.mayAdd(kind)) return
    if (this.hasWork(kind) || (toMin && kind === 'pool' && !this.stopping && this.sizeOf(kind) < this.options.min)) this.add(kind)
    this.watchIdle()
  }

  /** Calls for which the queue had no room are entered when it has. */
  private enterAgain(): void {
    this.againTimer ??= this.host.setTimer(() => {
      this.againTimer = undefined
      const { hungry, again } = enterQueued(this.pool, this.queues)
      this.grow(hungry)
      if (again) this.enterAgain()
    }, AGAIN_MS)
  }

  /** While there are more workers than there must be, those that have nothing to do are asked to leave. */
  private watchIdle(): void {
    const { idleTimeout } = this.options
    if (this.shrinkTimer !== undefined || this.stopping || idleTimeout === Infinity || !this.hasSpare()) return
    this.shrinkTimer = this.host.setTimer(() => {
      this.shrinkTimer = undefined
      if (this.stopping) return
      this.shrink()
      this.watchIdle()
    }, idleTimeout)
  }

  private hasSpare(): boolean {
    return this.sizeOf('pool') > this.options.min || this.sizeOf('blocking') > 0
  }

  private shrink(): void {
    const { pool, options } = this
    let spare = this.sizeOf('pool') - options.min
    for (const member of this.members.values()) {
      if (!member.ready || member.retired || member.kind === 'isolated' || member.kind === 'thread') continue
      const record = pool.workerAt(member.number)
      const ended = load(pool.words, record + K_COMPLETED) + load(pool.words, record + K_FAILED)
      const idle = ended === member.seen && load(pool.words, record + K_RUNNING) === 0
      member.seen = ended
      if (!idle || (member.kind === 'pool' && --spare < 0)) continue
      // It looks for itself whether it still has nothing to do.
      member.worker.post({ heddle: 'leave' })
      this.ringBlocked(member.number)
    }
  }
}

function describeExit({ code, error }: WorkerExit): string {
  if (error !== undefined) return `: ${error instanceof Error ? error.message : String(error)}`
  return code === undefined ? '' : ` with exit code ${code}`
}
