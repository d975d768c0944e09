/** Fibers that wait in other regions than the one that their scheduler works in. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Region } from '@heddle/atomics'
import { Parker, sleepFiber, TimeoutError } from '@heddle/park'
import { Scheduler } from '../src/index.js'

const another = (): Region => Region.create({ bytes: 1 << 20 })

describe('run() goes on with a fiber that waits in another region', () => {
  it('when its time is over', () => {
    const scheduler = new Scheduler({ region: another() })
    const parker = new Parker({ region: another() })
    const seen: string[] = []
    scheduler.spawn(function* () {
      // In the default region.
      yield* sleepFiber(1)
      seen.push('slept')
      try {
        yield* parker.parkFiber({ timeout: 1 })
      } catch (error) {
        expect(error).toBeInstanceOf(TimeoutError)
        seen.push('timed out')
      }
    })
    scheduler.run()
    expect(seen).toEqual(['slept', 'timed out'])
  })

  it('when another fiber wakes it, also one that never waits', () => {
    const scheduler = new Scheduler({ region: another() })
    const parker = new Parker({ region: another() })
    let woken = false
    scheduler.spawn(function* () {
      yield* parker.parkFiber()
      woken = true
    })
    scheduler.spawn(function* () {
      yield
      parker.unpark()
      while (!woken) yield
    })
    scheduler.run()
    expect(woken).toBe(true)
  })

  it('when another thread wakes it', async () => {
    const region = another()
    const [parker, answer] = [new Parker({ region }), new Parker({ region })]
    const worker = new Worker(new URL('.fixtures/unpark.js', import.meta.url), {
      workerData: { parkers: [parker.toHandle()], answer: answer.toHandle(), rounds: 20 },
    })
    const exited = once(worker, 'exit')
    await once(worker, 'online')
    const scheduler = new Scheduler({ region: another() })
    let woken = 0
    scheduler.spawn(function* () {
      for (let round = 0; round < 20; round++) {
        yield* parker.parkFiber()
        woken++
        answer.unpark()
      }
    })
    scheduler.run()
    expect(woken).toBe(20)
    await exited
  })
})
