/**
 * A pool whose workers share no memory: every order, within bounds, in which messages, deaths and shutdown are seen. The relay, the workers' side of it, the crew and
 * the submitter are what runs; see in-memory-workers.ts.
 * One worker at a time, and the one that takes the place of another that died: the orders of two at once are too many to see all of them.
 * Not modelled: modules that are loaded, calls that tasks make, promises (the submitter's look at what has ended comes at the end of the step that asks for it).
 */
import { load } from '@heddle/atomics/ops'
import { model } from '@heddle/model'
import { CancelledError, ShutdownError } from '@heddle/park'
import { getHost } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { WorkerCrashedError } from '../src/errors.js'
import { Emitter } from '../src/events.js'
import { JoinHandle } from '../src/join-handle.js'
import { CHUNK_SLOTS, NORMAL_QUEUE, QUEUE_SHIFT, T_STATE } from '../src/layout.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { RelayedCrew } from '../src/relay/relay.js'
import { phaseOf, STARTED } from '../src/slot.js'
import { Submitter } from '../src/submitter.js'
import { TaskTable } from '../src/task-table.js'
import { type TaskRef, tasks } from '../src/tasks.js'
import { InMemoryWorkers } from './in-memory-workers.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

/** Counts how often the submitter settles it. */
class Counted extends JoinHandle<number> {
  settled = 0
  override resolve(value: number): void {
    this.settled++
    super.resolve(value)
  }
  override reject(error: unknown): void {
    this.settled++
    super.reject(error)
  }
}

/** What a scenario does with a pool, one step after another. */
interface Scenario {
  readonly program: (pool: RelayedPool) => readonly { readonly isReady?: () => boolean; readonly run: () => void }[]
  readonly deaths?: number
  /** It ends before its calls do, and what they had is not used again. */
  readonly isCut?: boolean
}

/** The executor's end, as `Executor.create` puts it together. */
class RelayedPool {
  readonly handles: Counted[] = []
  /** The values of calls, once for each time that their functions ran. */
  readonly ran: number[] = []
  readonly submitter: Submitter
  readonly crew: RelayedCrew
  readonly pool: Pool
  readonly work
  private readonly table: TaskTable

  constructor(
    readonly there: InMemoryWorkers,
    region: Pool['region'],
  ) {
    const { ran } = this
    this.work = tasks('test:relay', {
      double(value: number) {
        ran.push(value)
        return value * 2
      },
      // Goes on in another turn of the loop, as an async function would.
      later(value: number) {
        ran.push(value)
        return { then: (fulfil: (result: number) => void) => getHost().nextTurn(() => fulfil(value * 2)) }
      },
    })
    this.pool = new Pool({ region, maxWorkers: 1 })
    const queues = new Queues(this.pool)
    const submitter = (this.submitter = Submitter.open(this.pool, queues, false))
    // Its first look comes as a microtask, which here is the end of the step.
    const inner = submitter as unknown as { pumping: boolean; asleep: boolean; awake(): void; pump(): void }
    Object.assign(submitter, {
      keepPumping() {
        if (inner.pumping) return
        inner.pumping = true
        if (inner.asleep) inner.awake()
        there.soon(() => inner.pump())
      },
    })
    this.table = new TaskTable(this.pool)
    const none = (): void => undefined
    this.crew = new RelayedCrew(
      this.pool,
      queues,
      this.table,
      getHost(),
      {
        min: 0,
        max: 1,
        numbers: 1,
        maxBlocking: 0,
        maxIsolated: 0,
        name: 'test',
        setup: undefined,
        recycle: undefined,
        idleTimeout: Infinity,
        native: undefined,
      },
      {
        giveUp: (reason) => submitter.rejectAll(() => reason),
        reaped: () => void submitter.takeDone(),
        result: (result) => submitter.hear(result),
        progress: () => submitter.completed + submitter.failed,
        added: none,
        ending: none,
        ended: none,
        called: none,
      },
      new Emitter(),
    )
    submitter.onHungry = (hungry) => this.crew.grow(hungry)
    submitter.crashReason = (worker) => this.crew.reasonOf(worker)
  }

  call(task: TaskRef<never[]>, value: number): Counted {
    const handle = new Counted(this.submitter, task.name)
    this.handles.push(handle)
    handle.submitted(this.submitter.submit(handle, this.table.numberOf(task) | (NORMAL_QUEUE << QUEUE_SHIFT), [value]))
    return handle
  }

  /** As `Executor.shutdown`: when nothing is open any more. */
  shutdown(): { isReady: () => boolean; run: () => void } {
    return { isReady: () => this.submitter.open === 0, run: () => void this.crew.close() }
  }

  terminate(): void {
    this.submitter.rejectAll(() => new ShutdownError('terminated'))
    void this.crew.terminate()
  }

  /** How each call ended, after everything. */
  outcomes(isCut: boolean): string[] {
    const { submitter, pool, handles, ran, crew } = this
    for (const handle of handles) {
      expect(handle.settled).toBeLessThanOrEqual(1)
      expect(handle.state).not.toBe('pending')
    }
    expect(new Set(ran).size).toBe(ran.length)
    expect(submitter.open).toBe(0)
    expect(crew.numbers()).toEqual([])
    const { free } = submitter as unknown as { free: number[] }
    submitter.takeDone()
    for (let slot = 0; slot < CHUNK_SLOTS; slot++) expect(phaseOf(load(pool.words, pool.slotAt(slot) + T_STATE))).not.toBe(STARTED)
    if (!isCut) expect([free.length, new Set(free).size]).toEqual([CHUNK_SLOTS, CHUNK_SLOTS])
    return handles.map((handle, i) => {
      const error = handle.error()
      if (handle.state === 'fulfilled') {
        expect(handle.outcome()).toBe(2 * (i + 1))
        expect(ran).toContain(i + 1)
        return 'fulfilled'
      }
      for (const [type, name] of [
        [WorkerCrashedError, 'crashed'],
        [CancelledError, 'cancelled'],
        [ShutdownError, 'terminated'],
      ] as const)
        if (error instanceof type) return name
      throw error
    })
  }
}

function run(name: string, { program, deaths = 0, isCut = false }: Scenario): readonly string[] {
  const report = model(
    name,
    ({ region, spawn, choose }) => {
      const one = spawn(
        () => {
          const there = new InMemoryWorkers(region, choose, deaths)
          const pool = new RelayedPool(there, region)
          if (!there.run(program(pool))) return undefined
          const outcomes = pool.outcomes(isCut)
          if (there.died === 0) expect(outcomes).not.toContain('crashed')
          return outcomes
        },
        { loop: 'idle' },
      )
      return () => one.result
    },
    { regionBytes: 1 << 19, preemptions: 0, maxSteps: 1_000_000, leaks: false },
  )
  expect(report.complete).toBe(true)
  return [...report.outcomes.keys()].filter((outcome) => outcome !== '').sort()
}

const both = (pool: RelayedPool): void => {
  pool.call(pool.work.double, 1)
  pool.call(pool.work.double, 2)
}

const scenarios: readonly (Scenario & { readonly title: string; readonly ends: readonly string[] })[] = [
  {
    title: 'a call, shutdown | a worker, a death',
    program: (pool) => [{ run: () => void pool.call(pool.work.later, 1) }, pool.shutdown()],
    deaths: 1,
    ends: ['["crashed"]', '["fulfilled"]'],
  },
  {
    title: 'a call, a call, shutdown | a worker',
    program: (pool) => [{ run: () => void pool.call(pool.work.later, 1) }, { run: () => void pool.call(pool.work.double, 2) }, pool.shutdown()],
    ends: ['["fulfilled","fulfilled"]'],
  },
  {
    // Never both: the second is sent when the first has been taken.
    title: 'two calls, shutdown | a worker, a death',
    program: (pool) => [{ run: () => both(pool) }, pool.shutdown()],
    deaths: 1,
    ends: ['["crashed","fulfilled"]', '["fulfilled","crashed"]', '["fulfilled","fulfilled"]'],
  },
  {
    title: 'a call, cancel, shutdown | a worker, a death',
    program: (pool) => [
      { run: () => void pool.call(pool.work.later, 1) },
      { run: () => void pool.handles[0]!.cancel(new CancelledError('test')) },
      pool.shutdown(),
    ],
    deaths: 1,
    ends: ['["cancelled"]', '["crashed"]', '["fulfilled"]'],
  },
  {
    title: `a call, given up, shutdown | a worker${full ? ', a death' : ''}`,
    program: (pool) => [
      { run: () => void pool.call(pool.work.later, 1) },
      { run: () => pool.handles[0]!.giveUp(new CancelledError('test')) },
      pool.shutdown(),
    ],
    deaths: full ? 1 : 0,
    ends: ['["cancelled"]', ...(full ? ['["crashed"]'] : []), '["fulfilled"]'],
  },
  {
    title: 'a call, terminate | a worker, a death',
    program: (pool) => [{ run: () => void pool.call(pool.work.later, 1) }, { run: () => pool.terminate() }],
    deaths: 1,
    isCut: true,
    ends: ['["crashed"]', '["fulfilled"]', '["terminated"]'],
  },
]

for (const { title, ends, ...scenario } of scenarios) {
  test(`${title}: each call ends once, its function runs once at most, and nothing is left`, () => {
    expect(run(`relay: ${title}`, scenario)).toEqual(ends)
  })
}
