import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Parker, sleepFiber } from '@heddle/park'
import { awaitFiber, safepoint, Scheduler } from '../src/index.js'

const FIBERS = 40
const ROUNDS = Math.ceil(100 * Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 1))

/** A worker that wakes fibers of this thread, and how often each of them was woken. */
function load(scheduler: Scheduler): { worker: Worker; woken: number[] } {
  const parkers = Array.from({ length: FIBERS }, () => new Parker())
  const answer = new Parker()
  const woken = parkers.map(() => 0)
  let inRound = 0
  parkers.forEach((parker, i) => {
    scheduler.spawn(function* () {
      for (let round = 0; round < ROUNDS; round++) {
        yield* parker.parkFiber()
        woken[i]!++
        if (++inRound === FIBERS) {
          inRound = 0
          answer.unpark()
        }
      }
    })
  })
  const worker = new Worker(new URL('.fixtures/unpark.js', import.meta.url), {
    workerData: { parkers: parkers.map((parker) => parker.toHandle()), answer: answer.toHandle(), rounds: ROUNDS },
  })
  return { worker, woken }
}

describe('fibers that another thread wakes', () => {
  it('run while the thread blocks in run()', async () => {
    const scheduler = new Scheduler()
    const { worker, woken } = load(scheduler)
    // Workers start only while the event loop turns.
    await new Promise((resolve) => worker.once('online', resolve))
    scheduler.run()
    expect(woken).toEqual(woken.map(() => ROUNDS))
    await new Promise((resolve) => worker.once('exit', resolve))
  })

  it('run on the event loop, beside sleeping, computing and awaiting ones', async () => {
    const scheduler = new Scheduler({ timeSlice: 2 })
    const { worker, woken } = load(scheduler)
    const exit = new Promise((resolve) => worker.once('exit', resolve))
    let isOver = false
    let others = 0
    scheduler.spawn(function* () {
      while (!isOver) {
        others++
        yield* sleepFiber(1)
      }
    })
    scheduler.spawn(
      function* () {
        while (!isOver) if (safepoint()) yield
      },
      { priority: 'low' },
    )
    scheduler.spawn(function* () {
      yield* awaitFiber(exit)
      isOver = true
    })
    await scheduler.runAsync()
    expect(woken).toEqual(woken.map(() => ROUNDS))
    expect(others).toBeGreaterThan(0)
  })
})
