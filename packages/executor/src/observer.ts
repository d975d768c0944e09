/**
 * What a worker tells while somebody observes its pool: that it makes progress, what it does now, and what it did.
 *
 * Layout     K_ACTIVITY, K_CURRENT, and a ring of events at K_EVENTS (event-ring.ts)
 * Invariants I1 All of it is written by the worker alone, and K_ACTIVITY once more by its reaper.
 *            I2 A worker that nobody observes has no observer: calls look at one field of their loop, which they would look at without it.
 *            I3 K_ACTIVITY changes when a call begins, at each look of a safepoint, when a fiber begins a step, and, after a ping, when the event loop
 *               has turned: a nested wait that hears the bell while it blocks the thread is no progress.
 * Pairs      K_CURRENT is stored before the function runs: whoever sees that nothing happens sees in what.
 */
import { load, store } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'
import type { Fiber, SchedulerHooks } from '@heddle/scheduler'
import { BEGIN, END, EventWriter, FAILED, LEAVE, ONLINE, PARK, PAUSE, STEAL, STEP, UNPARK } from './event-ring.js'
import { K_ACTIVITY, K_CURRENT, K_PING, K_RUNNING, OBSERVED_EVENTS, OBSERVED_HOOKS, P_OBSERVER_BELL, TASK_MASK } from './layout.js'
import type { LeakWatch } from './leaks.js'
import type { Pool } from './pool.js'
import type { WorkSource } from './queues.js'
import { contextOfFiber } from './task-context.js'
import { tellWatcher } from './wakeup.js'

/** One worker's. */
export class Observer {
  /** What a scheduler of the worker's fibers tells. */
  readonly fibers: SchedulerHooks
  private readonly record: number
  private readonly events: EventWriter | undefined
  private readonly tells: boolean
  private activity: number
  private answered: number
  /** The call that ended inside its own function. */
  private ended = -1
  private isParked = false
  /** Events that nobody was told of. */
  private untold = 0

  constructor(
    private readonly pool: Pool,
    worker: number,
    /** The word that it was made for. */
    readonly observed: number,
    source: WorkSource,
    /** Looks for what calls leave behind, if anybody wants to know. */
    private readonly leaks?: LeakWatch,
  ) {
    const { words } = pool
    this.record = pool.workerAt(worker)
    this.activity = load(words, this.record + K_ACTIVITY)
    this.answered = load(words, this.record + K_PING)
    this.tells = (observed & OBSERVED_HOOKS) !== 0
    this.events = (observed & OBSERVED_EVENTS) === 0 ? undefined : EventWriter.of(pool, worker, observed)
    this.fibers = {
      step: (fiber) => this.step(fiber),
      pause: (fiber) => this.pause(fiber),
      safepoint: () => this.active(),
    }
    store(words, this.record + K_CURRENT, 0)
    leaks?.start()
    this.write(ONLINE, worker)
    tellWatcher(pool)
    source.onSteal = (victim, count) => this.write(STEAL, victim, count)
  }

  /** It makes progress. */
  active(): void {
    this.activity = (this.activity + 1) | 0
    store(this.pool.words, this.record + K_ACTIVITY, this.activity)
  }

  /** A call's function begins. */
  begin(slot: number, task: number): this {
    store(this.pool.words, this.record + K_CURRENT, slot + 1)
    this.active()
    this.leaks?.began(task & TASK_MASK)
    this.write(BEGIN, slot, task & TASK_MASK)
    return this
  }

  /** It has returned; `outer` is what runs on. */
  leave(slot: number, outer: number): void {
    store(this.pool.words, this.record + K_CURRENT, outer)
    if (this.ended !== slot) this.write(LEAVE, slot)
    this.ended = -1
    if (outer === 0) this.lookForLeaks()
  }

  /** A call has ended, inside its function or later. */
  end(slot: number, failed: boolean): void {
    if (load(this.pool.words, this.record + K_CURRENT) === slot + 1) this.ended = slot
    this.write(END, slot, failed ? FAILED : 0)
  }

  /** It sleeps. */
  park(): void {
    if (this.isParked) return
    this.isParked = true
    this.write(PARK, 0, load(this.pool.words, this.record + K_RUNNING))
    this.flush()
  }

  /** It wakes. */
  unpark(): void {
    if (!this.isParked) return
    this.isParked = false
    this.active()
    this.write(UNPARK, 0)
    tellWatcher(this.pool)
  }

  /** Somebody rang it: perhaps who watches. */
  rung(): void {
    const ping = load(this.pool.words, this.record + K_PING)
    if (ping === this.answered) return
    this.answered = ping
    // Not at once: this may be inside a wait that blocks the thread (I3).
    getHost().nextTurn(() => this.active())
  }

  /** Tells who wants to know that there are events. */
  flush(): void {
    this.lookForLeaks()
    if (this.untold === 0) return
    this.untold = 0
    this.pool.ring(this.pool.base + P_OBSERVER_BELL)
  }

  private lookForLeaks(): void {
    if (this.leaks === undefined || load(this.pool.words, this.record + K_RUNNING) !== 0) return
    if (load(this.pool.words, this.record + K_CURRENT) === 0) this.leaks.look()
  }

  private step(fiber: Fiber): void {
    const slot = contextOfFiber(fiber)?.id
    if (slot === undefined) return
    store(this.pool.words, this.record + K_CURRENT, slot + 1)
    this.active()
    this.write(STEP, slot, fiber.id)
  }

  private pause(fiber: Fiber): void {
    const slot = contextOfFiber(fiber)?.id
    if (slot === undefined) return
    store(this.pool.words, this.record + K_CURRENT, 0)
    this.write(PAUSE, slot, fiber.id)
  }

  private write(kind: number, a: number, b = 0): void {
    if (this.events === undefined) return
    this.events.write(kind, a, b)
    if (this.tells && ++this.untold >= this.events.capacity >> 1) this.flush()
  }
}
