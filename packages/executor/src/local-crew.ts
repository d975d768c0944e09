/** The calling agent as the only worker of its pool: `workers: 0`. */
import { DeadlockError } from '@heddle/park'
import type { CurrentPool } from './current.js'
import { Loader } from './loader.js'
import { CLOSED, P_STATE } from './layout.js'
import type { Pool } from './pool.js'
import type { PostedLoads } from './posted-loads.js'
import type { PostedCall } from './protocol.js'
import type { Queues } from './queues.js'
import type { Submitter } from './submitter.js'
import type { TaskTable } from './task-table.js'
import { giveBackTo } from './wakeup.js'
import { WorkerLoop } from './worker-loop.js'
import { store } from '@heddle/atomics/ops'

/** Who runs a pool's calls, as its owner sees it. */
export interface Workforce {
  readonly broken: Error | undefined
  begin(): Promise<void>
  warm(count: number): Promise<void>
  grow(hungry: number): void
  chooseForPost(posted: PostedLoads): number
  post(number: number, call: PostedCall, transfer: readonly object[]): void
  reasonOf(number: number): unknown
  /** Ends a worker that makes no progress; where there are workers. */
  giveUpOn?(number: number, reason: Error): void
  nameOf(number: number): string
  numbers(): number[]
  close(): Promise<void>
  terminate(): Promise<void>
  dispose(): void
}

/** Runs the pool's calls on the event loop of the agent that makes them. */
export class LocalCrew implements Workforce {
  readonly broken = undefined
  private readonly loop: WorkerLoop
  private onClosed: (() => void) | undefined
  private isClosed = false

  constructor(
    private readonly pool: Pool,
    queues: Queues,
    table: TaskTable,
    submitter: Submitter,
    private readonly name: string,
    executor: () => object,
    seed?: number,
  ) {
    const local: CurrentPool = {
      pool,
      table,
      number: 0,
      submitter: () => submitter,
      context: () => this.loop.context(),
      get executor() {
        return executor()
      },
    }
    const closed = (): void => {
      this.isClosed = true
      this.onClosed?.()
    }
    this.loop = new WorkerLoop(pool, 0, queues, new Loader(table), table, () => undefined, giveBackTo(pool, queues), closed, { local, seed })
    submitter.onBlock = (slot) => {
      if (!this.loop.takeOver(slot))
        throw new DeadlockError('the task can not end while the only thread that could run it is blocked: use joinAsync, or an executor with workers')
    }
  }

  async begin(): Promise<void> {
    this.loop.begin()
    return Promise.resolve()
  }

  async warm(): Promise<void> {
    return Promise.resolve()
  }

  grow(): void {
    // There is one worker, and it hears of its calls.
  }

  chooseForPost(): number {
    return 0
  }

  post(_: number, call: PostedCall): void {
    queueMicrotask(() => this.loop.runPosted(call))
  }

  reasonOf(): unknown {
    return undefined
  }

  nameOf(): string {
    return this.name
  }

  numbers(): number[] {
    return [0]
  }

  async close(): Promise<void> {
    store(this.pool.words, this.pool.base + P_STATE, CLOSED)
    if (!this.loop.checkClosed() && !this.isClosed) await new Promise<void>((resolve) => (this.onClosed = resolve))
  }

  async terminate(): Promise<void> {
    this.loop.stop()
    return Promise.resolve()
  }

  dispose(): void {
    this.loop.stop()
  }
}
