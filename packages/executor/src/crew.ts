/**
 * The workers of a pool, as the agent that started them sees them: starts them when they are needed, replaces those that die, ends them.
 *
 * Invariants I1 A worker's number is free again only after the worker's thread has ended and its calls were reaped.
 *            I2 A worker is started while calls wait and fewer than `max` workers run, so a queued call always has somebody to run it.
 * Progress   A crash since which no call has ended, and that took none with it, counts against FUTILE_CRASHES; past it every call fails with the reason, instead of the pool
 *            starting workers for ever.
 */
import { load, store } from '@heddle/atomics/ops'
import { watch } from '@heddle/park/internal'
import type { Host, HostWorker, WorkerExit } from '@heddle/park'
import { WorkerStartError } from './errors.js'
import type { Emitter } from './events.js'
import type { Injector } from './injector.js'
import { CLOSED, K_PHASE, K_RUNNING, P_STATE, WORKER_STARTING } from './layout.js'
import type { Pool } from './pool.js'
import { isWorkerMessage, type PostedCall, type WorkerData } from './protocol.js'
import { closeSubmitters, reapWorker } from './reaper.js'
import { ringAll, setWaking } from './wakeup.js'

/** Crashes in a row that took no started call with them, and between which no call ended. */
const FUTILE_CRASHES = 3

/** How a crew is made up. */
export interface CrewOptions {
  readonly min: number
  readonly max: number
  readonly name: string
  readonly setup: WorkerData['setup']
  /** Host-specific settings of each worker. */
  readonly native: object | undefined
}

interface Member {
  readonly number: number
  readonly worker: HostWorker
  readonly started: Promise<void>
  ready: boolean
  /** Ended as it should. */
  done: boolean
}

/** One pool's workers. */
export class Crew {
  /** Why the pool has given up, if it has. */
  broken: Error | undefined
  private readonly members = new Map<number, Member>()
  private readonly reasons = new Map<number, unknown>()
  private readonly freeNumbers: number[] = []
  private nextNumber = 0
  private futile = 0
  private lastProgress = 0
  private onEmpty: (() => void)[] = []
  private stopping = false

  constructor(
    private readonly pool: Pool,
    private readonly injector: Injector,
    private readonly host: Host,
    private readonly options: CrewOptions,
    /** Fails every call that waits. */
    private readonly giveUp: (reason: Error) => void,
    /** Called when the calls of a worker that ended have been reaped. */
    private readonly onReaped: () => void,
    /** A number that changes when calls end. */
    private readonly progress: () => number,
    private readonly events: Emitter,
  ) {}

  get size(): number {
    return this.members.size
  }

  /** Starts the least number of workers; resolves when all of them take calls. */
  async begin(): Promise<void> {
    const started: Promise<void>[] = []
    for (let i = 0; i < this.options.min; i++) started.push(this.add().started)
    await Promise.all(started)
  }

  /** Work was added and nobody sleeps: one worker more, if there may be one. */
  grow(): void {
    if (this.members.size < this.options.max && !this.stopping && this.broken === undefined) this.add()
  }

  /** Sends a call to the worker that has least to do; starts one if there is none. */
  post(call: PostedCall, transfer: readonly object[]): void {
    const { pool } = this
    const busyness = ({ number }: Member): number => load(pool.words, pool.workerAt(number) + K_RUNNING)
    let best: Member | undefined
    for (const member of this.members.values()) if (best === undefined || busyness(member) < busyness(best)) best = member
    if (best === undefined || (busyness(best) > 0 && this.members.size < this.options.max)) best = this.add()
    best.worker.post(call, transfer)
  }

  /** Why a worker died. */
  reasonOf(number: number): unknown {
    return this.reasons.get(number)
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
    this.stopping = true
    store(this.pool.words, this.pool.base + P_STATE, CLOSED)
    for (const { worker } of this.members.values()) worker.ref()
    ringAll(this.pool)
    await this.empty()
  }

  /** Ends the workers at once; resolves when all have ended. */
  async terminate(): Promise<void> {
    this.stopping = true
    this.broken ??= new WorkerStartError('the executor was terminated')
    await Promise.all([...this.members.values()].map(async (member) => member.worker.terminate()))
    await this.empty()
  }

  private async empty(): Promise<void> {
    if (this.members.size > 0) await new Promise<void>((resolve) => this.onEmpty.push(resolve))
  }

  private add(): Member {
    const number = this.freeNumbers.pop() ?? this.nextNumber++
    const { pool, host, options } = this
    store(pool.words, pool.workerAt(number) + K_PHASE, WORKER_STARTING)
    setWaking(pool, number)
    const data: WorkerData = { heddle: 'worker', pool: pool.toHandle(), number, setup: options.setup }
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
    const member: Member = { number, worker, started, ready: false, done: false }
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
        case 'hungry':
          this.grow()
          break
        case 'closed':
          member.done = true
          void worker.terminate()
          break
      }
    })
    watch(worker)
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
    const { number } = member
    const { pool } = this
    this.members.delete(number)
    const reason = startFailure ?? exit.error ?? new Error(`the worker ${this.nameOf(number)} ended${describeExit(exit)}`)
    this.reasons.set(number, reason)
    const crashed = reapWorker(pool, this.injector, number)
    this.onReaped()
    this.freeNumbers.push(number)
    if (!member.done && this.broken === undefined) this.replace(crashed, exit, startFailure)
    if (this.members.size === 0) for (const resolve of this.onEmpty.splice(0)) resolve()
    const expected = member.done || this.stopping
    this.events.emit('worker-exit', { worker: number, name: this.nameOf(number), expected, reason: expected ? undefined : reason, crashed })
  }

  private replace(crashed: number, exit: WorkerExit, startFailure: Error | undefined): void {
    const progress = this.progress()
    this.futile = crashed > 0 || progress !== this.lastProgress ? 0 : this.futile + 1
    this.lastProgress = progress
    if (this.futile >= FUTILE_CRASHES) {
      this.broken =
        startFailure ??
        new WorkerStartError(`${this.futile} workers in a row ended without having run a task${describeExit(exit)}`, { cause: exit.error })
      this.giveUp(this.broken)
      void this.terminate()
    } else if (this.injector.hasWork() || (!this.stopping && this.members.size < this.options.min && startFailure === undefined)) this.add()
  }

  /** Gives back what dead submitters had. */
  sweep(): void {
    closeSubmitters(this.pool, 0)
  }

  /** Whether the pool has been told to end. */
  get isClosing(): boolean {
    return this.stopping || load(this.pool.words, this.pool.base + P_STATE) === CLOSED
  }
}

function describeExit({ code, error }: WorkerExit): string {
  if (error !== undefined) return `: ${error instanceof Error ? error.message : String(error)}`
  return code === undefined ? '' : ` with exit code ${code}`
}
