/**
 * A pool's observers, in the agent that started it: hooks, the trace, and what the monitor says.
 *
 * Invariants I1 While nobody observes, P_OBSERVED is 0, no thread watches and no bell hangs.
 *            I2 Memory is bounded: a ring for each worker that ever ran, what is known of the calls that are open.
 */
import { compareExchange, load, now, or, store } from '@heddle/atomics/ops'
import type { Host, HostWorker } from '@heddle/park'
import { Doorbell, watch } from '@heddle/park/internal'
import { BEGIN, END, FAILED, PARK, readEvents, STEAL, UNPARK, type WorkerEvent } from './event-ring.js'
import { callHook, type ExecutorHooks } from './hooks.js'
import {
  K_EVENTS,
  K_STUCK,
  K_STUCK_TASK,
  MAX_WORKERS,
  OBSERVED_EVENTS,
  OBSERVED_EVENTS_SHIFT,
  OBSERVED_HOOKS,
  OBSERVED_LEAKS,
  OBSERVED_WATCH,
  P_OBSERVED,
  P_OBSERVER_BELL,
} from './layout.js'
import type { MonitorData } from './monitor.js'
import type { ObservationSettings } from './options.js'
import type { Pool } from './pool.js'
import type { TaskTable } from './task-table.js'
import { type ExecutorTrace, traceOf, type WorkerTrack } from './trace.js'
import { ringAll, tellWatcher } from './wakeup.js'

/** Who is told of stuck workers. */
export type StuckListener = (worker: number, task: string, ms: number) => void

interface OpenCall {
  readonly task: string
  readonly begun: number
}

/** What observes one pool. */
export class Observation {
  private readonly started = now()
  private readonly bell: Doorbell | undefined
  private watcher: HostWorker | undefined
  private isOver = false
  /** By worker: the number of the next event for the hooks. */
  private readonly next: number[] = []
  /** By worker and slot: calls whose begin the hooks were told of. */
  private readonly calls: (Map<number, OpenCall> | undefined)[] = []

  constructor(
    private readonly pool: Pool,
    private readonly table: TaskTable,
    private readonly host: Host,
    private readonly settings: ObservationSettings,
    private readonly nameOf: (worker: number) => string,
    private readonly onStuck: StuckListener,
  ) {
    const { hooks, stuckAfter, leaks, events, isTraced } = settings
    const records = isTraced || hooks !== undefined
    store(
      pool.words,
      pool.base + P_OBSERVED,
      (stuckAfter === undefined ? 0 : OBSERVED_WATCH) |
        (hooks === undefined ? 0 : OBSERVED_HOOKS) |
        (leaks ? OBSERVED_LEAKS : 0) |
        (records ? OBSERVED_EVENTS | (Math.log2(events) << OBSERVED_EVENTS_SHIFT) : 0),
    )
    if (hooks === undefined && stuckAfter === undefined) return
    this.bell = Doorbell.open(pool.region, () => this.heard())
    store(pool.words, pool.base + P_OBSERVER_BELL, this.bell.at)
  }

  /** A worker was started: it is watched, if any are. */
  watchWorkers(): void {
    const { stuckAfter, replaces } = this.settings
    if (stuckAfter === undefined || this.isOver) return
    if (this.watcher !== undefined) return tellWatcher(this.pool)
    const data: MonitorData = { heddle: 'monitor', pool: this.pool.toHandle(), stuckAfter, replaces }
    const worker = this.host.startWorker!(this.host.workerModule!, { name: `${this.settings.name}-monitor`, data })
    this.watcher = worker
    watch(worker)
    worker.unref()
    worker.onExit(() => {
      if (this.watcher === worker) this.watcher = undefined
    })
  }

  /** What the workers did last. The first time that it is asked for, they begin to write it down. */
  trace(): ExecutorTrace {
    const { pool, table, settings } = this
    const index = pool.base + P_OBSERVED
    if ((load(pool.words, index) & OBSERVED_EVENTS) === 0) {
      or(pool.words, index, OBSERVED_EVENTS | (Math.log2(settings.events) << OBSERVED_EVENTS_SHIFT))
      ringAll(pool)
    }
    const tracks: WorkerTrack[] = []
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      if (load(pool.words, pool.workerAt(worker) + K_EVENTS) === 0) continue
      tracks.push({ worker, name: this.nameOf(worker), events: readEvents(pool, worker).events })
    }
    return traceOf(settings.name, tracks, (task) => table.nameOf(task).name, this.started, now())
  }

  /** Tells the hooks what has not been told yet. Before the pool's memory goes. */
  tell(): void {
    const { hooks } = this.settings
    if (hooks === undefined) return
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      if (load(this.pool.words, this.pool.workerAt(worker) + K_EVENTS) === 0) continue
      const { events, next, lost } = readEvents(this.pool, worker, this.next[worker] ?? 0)
      this.next[worker] = next
      if (lost > 0) callHook(hooks, 'lost', { worker, events: lost })
      for (const event of events) this.tellOf(worker, event, hooks)
    }
  }

  /** Ends the thread that watches. */
  async close(): Promise<void> {
    if (this.isOver) return
    this.isOver = true
    this.bell?.close()
    store(this.pool.words, this.pool.base + P_OBSERVER_BELL, 0)
    this.tell()
    const { watcher } = this
    this.watcher = undefined
    await watcher?.terminate()
  }

  /** Tells what was said of stuck workers, and what the hooks have not been told. Before a worker that has ended is reaped: what was said of it is forgotten then. */
  heard(): void {
    const { pool } = this
    if (this.bell === undefined || pool.isDisposed) return
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const record = pool.workerAt(worker)
      const task = load(pool.words, record + K_STUCK_TASK)
      if (task <= 0 || compareExchange(pool.words, record + K_STUCK_TASK, task, 0) !== task) continue
      this.onStuck(worker, task < 2 ? '' : this.table.nameOf(task - 2).name, load(pool.words, record + K_STUCK))
    }
    this.tell()
  }

  private tellOf(worker: number, { kind, a, b, time }: WorkerEvent, hooks: ExecutorHooks): void {
    switch (kind) {
      case BEGIN: {
        const task = this.table.nameOf(b).name
        ;(this.calls[worker] ??= new Map<number, OpenCall>()).set(a, { task, begun: time })
        return callHook(hooks, 'taskStart', { worker, task, id: a, time })
      }
      case END: {
        const call = this.calls[worker]?.get(a)
        // Its begin is among what was lost, or it ended before its function began.
        if (call === undefined) return
        this.calls[worker]!.delete(a)
        return callHook(hooks, 'taskEnd', { worker, task: call.task, id: a, time, ms: time - call.begun, failed: b === FAILED })
      }
      case STEAL:
        return callHook(hooks, 'steal', { worker, from: a, calls: b, time })
      case PARK:
        return callHook(hooks, 'park', { worker, time })
      case UNPARK:
        return callHook(hooks, 'unpark', { worker, time })
    }
  }
}
