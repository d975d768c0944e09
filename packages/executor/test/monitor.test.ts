import { Region } from '@heddle/atomics'
import { exchange, load, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { safepoint } from '@heddle/scheduler'
import { afterEach, describe, expect, it } from 'vitest'
import { K_PHASE, K_PING, K_STUCK, K_STUCK_TASK, OBSERVED_WATCH, P_OBSERVED, WORKER_BLOCKING, WORKER_READY } from '../src/layout.js'
import { Loader } from '../src/loader.js'
import { Monitor } from '../src/monitor.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { Submitter } from '../src/submitter.js'
import { TaskTable } from '../src/task-table.js'
import { type TaskRef, tasks } from '../src/tasks.js'
import { giveBackTo } from '../src/wakeup.js'
import { WorkerLoop } from '../src/worker-loop.js'

const AFTER = 100
let body: () => unknown = () => undefined
const work = tasks('test:monitor', {
  plain: () => body(),
  async later() {
    await Promise.resolve()
    await Promise.resolve(body())
  },
  *fiber() {
    yield* body() as Generator<undefined>
  },
  next: () => undefined,
})

/** A pool whose only worker is this agent, watched by this agent at moments that the test chooses. */
class Watched {
  readonly pool = new Pool({ region: Region.create({ bytes: 8 << 20 }), maxWorkers: 1 })
  readonly table = new TaskTable(this.pool)
  readonly queues = new Queues(this.pool)
  readonly submitter = Submitter.open(this.pool, this.queues, false)
  readonly record = this.pool.workerAt(0)
  readonly monitor: Monitor
  readonly loop: WorkerLoop
  time = 1e6

  constructor(replaces = false) {
    const { pool, queues, table } = this
    store(pool.words, pool.base + P_OBSERVED, OBSERVED_WATCH)
    store(pool.words, this.record + K_PHASE, WORKER_READY)
    this.monitor = new Monitor(pool, AFTER, replaces)
    this.loop = new WorkerLoop(
      pool,
      0,
      queues,
      new Loader(table),
      table,
      () => undefined,
      giveBackTo(pool, queues),
      () => undefined,
    )
    this.monitor.look(this.time)
    this.loop.begin()
  }

  call(task: TaskRef<never[]>): Promise<unknown> {
    return new Promise((resolve, reject) => void this.submitter.submit({ resolve, reject }, this.table.numberOf(task), []))
  }

  /** Looks for as long as a worker may go without progress, and a little longer; returns whom it found stuck. */
  watch(ms = 2 * AFTER): string | undefined {
    for (const end = this.time + ms; this.time < end;) this.monitor.look((this.time += AFTER / 4))
    return this.said()
  }

  said(): string | undefined {
    const task = exchange(this.pool.words, this.record + K_STUCK_TASK, 0)
    return task === 0 ? undefined : task === 1 ? 'unknown' : this.table.nameOf(task - 2).name
  }
}

let watched: Watched | undefined
function start(replaces = false): Watched {
  return (watched = new Watched(replaces))
}
afterEach(() => {
  watched?.loop.stop()
  watched?.submitter.close()
  watched = undefined
})

describe('the monitor', () => {
  it('finds a plain function that passes no safepoint, once, and says for how long', async () => {
    const it = start()
    const said: unknown[] = []
    body = () => {
      said.push(it.watch(AFTER / 2), it.watch(), load(it.pool.words, it.record + K_STUCK), it.watch())
    }
    await it.call(work.plain)
    expect(said).toEqual([undefined, 'plain', AFTER, undefined])
    // Progress, then stuck again.
    await it.call(work.next)
    body = () => void said.push(it.watch())
    await it.call(work.plain)
    expect(said.at(-1)).toBe('plain')
  })

  it('leaves alone what passes safepoints', async () => {
    const it = start()
    const said: unknown[] = []
    body = () => {
      for (let i = 0; i < 10; i++) {
        for (let n = 0; n < 64; n++) safepoint()
        said.push(it.watch(AFTER / 2))
      }
    }
    await it.call(work.plain)
    expect(said).toEqual(Array(10).fill(undefined))
  })

  it('finds a fiber, unless it yields or passes safepoints', async () => {
    const it = start()
    const said: unknown[] = []
    body = function* () {
      for (let i = 0; i < 20; i++) {
        // Steps count, and within a step safepoints.
        if (i % 5 === 0) yield
        else for (let n = 0; n < 64; n++) safepoint()
        said.push(it.watch(AFTER / 2))
      }
      said.push(it.watch())
    }
    await it.call(work.fiber)
    expect(said).toEqual([...(Array(20).fill(undefined) as unknown[]), 'fiber'])
  })

  it('finds an async function after its first await, by the event loop that does not turn', async () => {
    const it = start()
    let said: unknown
    body = () => (said = it.watch())
    await it.call(work.later)
    expect(said).toBe('later')
  })

  it('finds what blocks its thread in a wait that hears bells', async () => {
    const it = start()
    const agent = Agent.of(it.pool.region)
    let said: string | undefined
    body = () => {
      for (let i = 0; i < 8 && said === undefined; i++) {
        said = it.watch(AFTER / 4)
        agent.poll()
      }
    }
    await it.call(work.plain)
    expect(said).toBe('plain')
  })

  it('leaves alone what waits: the event loop answers', async () => {
    const it = start()
    let ends!: (value: unknown) => void
    body = () => new Promise((resolve) => (ends = resolve))
    const call = it.call(work.later)
    const ping = (): number => load(it.pool.words, it.record + K_PING)
    for (let i = 0; i < 12; i++) {
      const before = ping()
      expect(it.watch(AFTER / 4)).toBeUndefined()
      // Asked, or seen to have answered.
      if (ping() === before) continue
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setTimeout(resolve))
    }
    expect(ping()).toBeGreaterThan(2)
    ends(undefined)
    await call
  })

  it('blames nobody for time in which it could not look itself, nor a worker for blocking calls', async () => {
    const it = start()
    const said: unknown[] = []
    body = () => {
      it.monitor.look((it.time += 100 * AFTER))
      said.push(it.said())
      store(it.pool.words, it.record + K_PHASE, WORKER_BLOCKING)
      said.push(it.watch(10 * AFTER))
      store(it.pool.words, it.record + K_PHASE, WORKER_READY)
      said.push(it.watch())
    }
    await it.call(work.plain)
    expect(said).toEqual([undefined, undefined, 'plain'])
  })

  it('gives up on the worker: the call fails at once, though its function ends after all, and its place is not used again before the thread has ended', async () => {
    const it = start(true)
    let open!: () => void
    let started!: () => void
    const gate = new Promise<void>((resolve) => (open = resolve))
    const isStarted = new Promise<void>((resolve) => (started = resolve))
    body = () => {
      started()
      return gate
    }
    const later = it.call(work.later)
    await isStarted
    body = () => {
      it.watch()
      // As its submitter would, in another thread.
      it.submitter.takeDone()
    }
    const results = await Promise.allSettled([it.call(work.plain), later])
    open()
    expect(results.map((result) => (result as { reason: { code: string } }).reason.code)).toEqual(['ERR_TASK_STUCK', 'ERR_WORKER_CRASHED'])
    expect(it.submitter.open).toBe(0)
    expect(it.submitter.failed).toBe(2)
  })
})
