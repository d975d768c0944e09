/** Locks on real workers: random operations, time limits, aborts and terminate(), with a printed seed; exclusion and conservation checked inside. */
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region, type SharedObject } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, forEachRecord, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { describe, expect, test } from 'vitest'
import { Condvar, Mutex, RwLock, Semaphore } from '../src/index.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 3)
const PERMITS = 4

class Stage {
  readonly region = Region.create({ bytes: 1 << 23, agents: 200 })
  readonly objects: Record<string, SharedObject> = {}
  readonly stop = this.cell('stop')
  readonly done = this.cell('done')
  readonly semaphore: Semaphore
  readonly mutexes: Mutex[]
  readonly rw: RwLock
  readonly problems: string[] = []

  constructor(readonly kills: boolean) {
    const { region } = this
    for (const name of ['inside0', 'inside1', 'writers', 'readers']) this.cell(name)
    // With kills, permits die with their holders: then their number is only bounded.
    this.cell('permits').store(kills ? 1 << 20 : PERMITS)
    if (kills) this.cell('kills')
    this.mutexes = [new Mutex({ region }), new Mutex({ region })]
    this.rw = new RwLock({ region })
    this.semaphore = new Semaphore(PERMITS, { region })
    Object.assign(this.objects, {
      mutex0: this.mutexes[0],
      mutex1: this.mutexes[1],
      rw: this.rw,
      semaphore: this.semaphore,
      condvar: new Condvar({ region }),
    })
  }

  start(seed: number): { worker: Worker; idle: Promise<void>; exited: Promise<void> } {
    const handles = Object.fromEntries(Object.entries(this.objects).map(([name, object]) => [name, object.toHandle()]))
    const worker = new Worker(new URL('.fixtures/sync-stress.js', import.meta.url), { workerData: { buffer: this.region.buffer, handles, seed } })
    const { threadId } = worker
    const idle = new Promise<void>((resolve) => {
      worker.on('message', (message: string) => {
        if (message === 'idle') resolve()
        else this.problems.push(message)
      })
      worker.on('error', (error) => {
        this.problems.push(String(error.stack))
        resolve()
      })
    })
    const exited = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        reapThread(Agent.of(this.region), threadId)
        resolve()
      })
    })
    return { worker, idle, exited }
  }

  async finish(workers: { worker: Worker; idle: Promise<void> }[]): Promise<void> {
    this.stop.store(1)
    await Promise.all(workers.map(({ idle }) => idle))
    expect(this.problems).toEqual([])
    expect(this.mutexes.map(({ isLocked }) => isLocked)).toEqual([false, false])
    expect([this.rw.isReadLocked, this.rw.isWriteLocked]).toEqual([false, false])
    let busy = 0
    forEachRecord(this.region.words, this.region.agents, (r) => {
      if (phaseOf(load(this.region.words, r + W_STATE)) !== FREE) busy++
    })
    expect(busy, 'waiter records in use').toBe(0)
    await Promise.all(workers.map(({ worker }) => worker.terminate()))
  }

  private cell(name: string): AtomicInt32 {
    const cell = new AtomicInt32({ region: this.region })
    this.objects[name] = cell
    return cell
  }
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('random operations on random primitives', () => {
  test('without deaths: exclusion, and every permit comes back', async () => {
    const seed = Number(process.env['HEDDLE_SEED'] ?? (Math.random() * 2 ** 31) | 0)
    console.log(`sync stress seed ${seed}`)
    const stage = new Stage(false)
    const workers = [0, 1, 2].map((index) => stage.start(seed + index * 7919))
    const end = performance.now() + seconds * 1000
    await until(() => performance.now() > end || stage.problems.length > 0)
    await stage.finish(workers)
    console.log(`${stage.done.load()} operations`)
    expect(stage.done.load()).toBeGreaterThan(100)
    expect(stage.semaphore.available).toBe(PERMITS)
  })

  test('with terminate() at random moments: nobody is left behind', async () => {
    const seed = Number(process.env['HEDDLE_SEED'] ?? (Math.random() * 2 ** 31) | 0)
    console.log(`sync kill stress seed ${seed}`)
    const stage = new Stage(true)
    let workers = [0, 1, 2].map((index) => stage.start(seed + index * 7919))
    const end = performance.now() + seconds * 1000
    let kills = 0
    while (performance.now() < end && stage.problems.length === 0) {
      const victim = workers[(seed + kills) % workers.length]!
      // The moment is as random as the machine is: after some operations of others, not after some time.
      const mark = stage.done.load() + 1 + (((seed ^ (kills * 2654435761)) >>> 0) % 60)
      await until(() => stage.done.load() >= mark || performance.now() > end || stage.problems.length > 0)
      await victim.worker.terminate()
      await victim.exited
      kills++
      // A worker that dies with permits takes them along: they are put back, so that others go on.
      if (kills % 4 === 0 && stage.semaphore.available === 0) stage.semaphore.release(2)
      workers = workers.map((one) => (one === victim ? stage.start(seed + kills * 104729) : one))
    }
    await stage.finish(workers)
    console.log(`${kills} kills, ${stage.done.load()} operations`)
    expect(kills).toBeGreaterThan(3)
  })
})
