/** W1 to W4 on real workers: random parks, unparks, time limits, aborts and terminate() calls, with a printed seed. */
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { WaitQueue } from '@heddle/park'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { load } from '@heddle/atomics/ops'
import { describe, expect, test } from 'vitest'
import { forEachRecord } from '../src/slab.js'

/** However short the run. */
const LEAST_KILLS = 5
const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 3)

interface Stage {
  region: Region
  queues: [WaitQueue, WaitQueue]
  stop: AtomicInt32
  notified: AtomicInt32
  woken: AtomicInt32
}

function stage(): Stage {
  const region = Region.create({ bytes: 1 << 22, agents: 64 })
  return {
    region,
    queues: [new WaitQueue({ region }), new WaitQueue({ region })],
    stop: new AtomicInt32({ region }),
    notified: new AtomicInt32({ region }),
    woken: new AtomicInt32({ region }),
  }
}

interface Running {
  worker: Worker
  threadId: number
  roundsDone: Promise<void>
  idle: Promise<void>
  exited: Promise<void>
}

function start({ region, queues, stop, notified, woken }: Stage, seed: number, rounds: number): Running {
  const worker = new Worker(new URL('.fixtures/park-stress.js', import.meta.url), {
    workerData: {
      buffer: region.buffer,
      queueAt: queues[0].at,
      otherAt: queues[1].at,
      stopAt: stop.at,
      notifiedAt: notified.at,
      wokenAt: woken.at,
      seed,
      rounds,
    },
  })
  const { threadId } = worker
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      worker.on('message', (message) => {
        if (message === text) resolve()
      })
      worker.on('error', reject)
    })
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      reapThread(Agent.of(region), threadId)
      resolve()
    })
  })
  const running = { worker, threadId, roundsDone: said('rounds done'), idle: said('idle'), exited }
  running.idle.catch(() => undefined)
  running.roundsDone.catch(() => undefined)
  return running
}

/** Nobody may still wait, and every record is back. */
function expectNothingLeft({ region, queues }: Stage): void {
  expect(queues.map((queue) => queue.hasWaiters)).toEqual([false, false])
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy, 'waiter records in use').toBe(0)
}

describe('parks and unparks at random', () => {
  test('without deaths, the wakes are exactly the notifies', async () => {
    const seed = (Math.random() * 2 ** 31) | 0
    console.log(`park stress seed ${seed}`)
    const all = stage()
    const workers = [0, 1, 2].map((index) => start(all, seed + index * 7919, 4000 * seconds))
    await Promise.race(workers.map((one) => one.roundsDone))
    all.stop.store(1)
    // From here nobody begins to wait, so one unparkAll each reaches everybody: a lost wake would hang here.
    for (const queue of all.queues) all.notified.add(queue.unparkAll())
    await Promise.all(workers.map((one) => one.idle))
    expect(all.woken.load()).toBe(all.notified.load())
    expect(all.woken.load()).toBeGreaterThan(100)
    expectNothingLeft(all)
    await Promise.all(workers.map((one) => one.worker.terminate()))
  })

  test('with terminate() at random moments, nobody is left behind', async () => {
    const seed = (Math.random() * 2 ** 31) | 0
    console.log(`park kill stress seed ${seed}`)
    const all = stage()
    let workers = [0, 1, 2].map((index) => start(all, seed + index * 7919, Infinity))
    const until = performance.now() + seconds * 1000
    let kills = 0
    // However slow the machine is, some are killed.
    while (performance.now() < until || kills < LEAST_KILLS) {
      const victim = workers[(seed + kills) % workers.length]!
      // The moment is as random as the machine is: after some traffic that others make, not after some time.
      const mark = all.woken.load() + 1 + (((seed ^ (kills * 2654435761)) >>> 0) % 40)
      while (all.woken.load() < mark && performance.now() < until) await new Promise<void>((resolve) => setImmediate(resolve))
      await victim.worker.terminate()
      await victim.exited
      kills++
      workers = workers.map((one) => (one === victim ? start(all, seed + kills * 104729, Infinity) : one))
    }
    all.stop.store(1)
    for (const queue of all.queues) queue.unparkAll()
    await Promise.all(workers.map((one) => one.idle))
    console.log(`${kills} kills, ${all.woken.load()} wakes`)
    expect(kills).toBeGreaterThanOrEqual(LEAST_KILLS)
    expectNothingLeft(all)
    await Promise.all(workers.map((one) => one.worker.terminate()))
  })
})
