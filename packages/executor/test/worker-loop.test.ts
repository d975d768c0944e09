import { Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { expect, it } from 'vitest'
import { BLOCKING_QUEUE, ISOLATED_QUEUE, NORMAL_QUEUE, P_SLEEPING, POSTED_QUEUE, QUEUE_SHIFT, T_STATE } from '../src/layout.js'
import { Loader } from '../src/loader.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { phaseOf, QUEUED } from '../src/slot.js'
import { type Call, Submitter } from '../src/submitter.js'
import { TaskTable } from '../src/task-table.js'
import { tasks } from '../src/tasks.js'
import { announceWork, claimSleeper, giveBackTo, setSleeping } from '../src/wakeup.js'
import { WorkerLoop } from '../src/worker-loop.js'

const SELF = 0
const OTHER = 1

/** A pool whose worker SELF is this agent, and whose worker OTHER sleeps, as far as anybody can see. */
class Loop {
  readonly pool = new Pool({ region: Region.create({ bytes: 8 << 20 }), maxWorkers: 2 })
  readonly table = new TaskTable(this.pool)
  readonly queues = new Queues(this.pool)
  readonly submitter = Submitter.open(this.pool, this.queues, false)
  readonly loop = new WorkerLoop(
    this.pool,
    SELF,
    this.queues,
    new Loader(this.table),
    this.table,
    () => undefined,
    giveBackTo(this.pool, this.queues),
    () => undefined,
  )
  private readonly bodies = { first: (): void => this.body(), second: (): void => undefined }
  /** What the first task does. */
  body = (): void => undefined
  readonly module = `data:text/javascript,await globalThis.heddleArrives;${Math.random()}`

  /** Of a module that defines the same names: the one above does so when it arrives. */
  private readonly family = tasks(`test:${Math.random()}`, this.bodies).first.family

  sleeps(worker: number): boolean {
    return (load(this.pool.words, this.pool.base + P_SLEEPING) & (1 << worker)) !== 0
  }

  call(name: 'first' | 'second'): Promise<void> {
    return new Promise((resolve, reject) => {
      const call: Call = { resolve, reject }
      this.submitter.submit(call, this.table.numberOf({ module: this.module, name, family: this.family } as never), [])
    })
  }

  /** Calls the first task, whose module comes when `arrive` is called. Resolves when the worker has lost patience with it, and sleeps. */
  async loadSlowly(): Promise<{ arrive(): void; ended: Promise<void> }> {
    let arrive!: () => void
    const global = globalThis as { heddleArrives?: Promise<void> }
    global.heddleArrives = new Promise((resolve) => {
      arrive = () => {
        // As the module itself would.
        tasks(this.module, this.bodies)
        resolve()
      }
    })
    this.loop.begin()
    setSleeping(this.pool, OTHER)
    expect(this.sleeps(SELF)).toBe(true)
    const ended = this.call('first')
    expect(this.sleeps(SELF)).toBe(false)
    while (!this.sleeps(SELF)) await new Promise((resolve) => setTimeout(resolve))
    expect(this.sleeps(OTHER)).toBe(true)
    return { arrive, ended }
  }
}

it('a worker that starts a call when its module has come counts as asleep no more: a new call wakes another', async () => {
  const it = new Loop()
  const { arrive, ended } = await it.loadSlowly()
  let seen: unknown
  it.body = () => {
    const slept = it.sleeps(SELF)
    announceWork(it.pool)
    seen = { slept, other: it.sleeps(OTHER) }
  }
  arrive()
  await ended
  expect(seen).toEqual({ slept: false, other: false })
  it.loop.stop()
})

it('a worker that was chosen for a call, and starts another that waited for its module, has a third one look', async () => {
  const it = new Loop()
  const { arrive, ended } = await it.loadSlowly()
  let seen: unknown
  it.body = () => void (seen = it.sleeps(OTHER))
  // Whoever calls has chosen this worker and not rung it yet.
  expect(claimSleeper(it.pool, OTHER)).toBe(true)
  expect(claimSleeper(it.pool, SELF)).toBe(true)
  const second = it.call('second')
  setSleeping(it.pool, OTHER)
  arrive()
  await ended
  expect(seen).toBe(false)
  await second
  it.loop.stop()
})

it('an entry that was left of an earlier call in the slot starts no call that is for others', async () => {
  const it = new Loop()
  let runs = 0
  it.body = () => void runs++
  const { arrive, ended } = await it.loadSlowly()
  arrive()
  await ended
  const task = it.table.numberOf({ module: it.module, name: 'first' } as never)
  for (const queue of [BLOCKING_QUEUE, ISOLATED_QUEUE, POSTED_QUEUE]) {
    const call: Call = { resolve: () => undefined, reject: () => undefined }
    const slot = it.submitter.submitPosted(call, task | (queue << QUEUE_SHIFT), () => undefined)
    // As a reaper would, that entered whatever waited, when this slot had a call for the pool.
    it.queues.push(NORMAL_QUEUE, slot)
    announceWork(it.pool)
    while (it.queues.hasWork()) await new Promise((resolve) => setTimeout(resolve))
    expect(phaseOf(load(it.pool.words, it.pool.slotAt(slot) + T_STATE))).toBe(QUEUED)
    expect(it.submitter.tryCancel(slot, call)).toBe(true)
  }
  expect(runs).toBe(1)
  it.loop.stop()
})
