/** Every interleaving, within bounds, of making slots ready and taking them, and of a scheduler whose fibers another thread wakes. */
import type { Region } from '@heddle/atomics'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { Parker, TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterAll, expect, test } from 'vitest'
import { ReadyBitmap, Scheduler } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []
const run = (name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report => {
  const report = model(name, body, options)
  expect(report.complete).toBe(true)
  reports.push(report)
  return report
}

afterAll(() => {
  for (const { name, bound, executions, states, longest, milliseconds } of reports) {
    console.log(`${name}: bound ${bound}, ${executions} executions, ${states} states, longest ${longest}, ${Math.round(milliseconds)} ms`)
  }
})

/** What is left, by the hints alone and then by a look at everything. */
function takeAll(ready: ReadyBitmap): number[] {
  const slots: number[] = []
  for (let slot = ready.take(); slot >= 0; slot = ready.take()) slots.push(slot)
  return slots
}

test('a slot that is set is taken once, and "empty" is never said while one is ready', () => {
  run(
    'ReadyBitmap: two set, two take',
    ({ region, spawn }) => {
      const ready = new ReadyBitmap(2, { region })
      ready.set(0, 'low')
      const takers = [0, 1].map(() => spawn(() => ready.take()))
      const setter = spawn(() => ready.set(1, 'high'))
      return () => {
        expect(setter.result).toBe(true)
        const taken = takers.map(({ result }) => result)
        // Slot 0 was ready all the time until one took it: at most one of them may have found nothing, and only after the other had slot 0.
        if (taken.includes(-1)) expect(taken).toContain(0)
        const all = [...taken.filter((slot) => slot >= 0), ...takeAll(ready)]
        expect(all.sort()).toEqual([0, 1])
      }
    },
    { preemptions: full ? 3 : 2 },
  )
})

/** Makes the thread's agent, with a chunk of records, before the others start: that has models of its own. */
const readyIn = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
  // What was armed for a wait that is over stays armed, and harms nobody.
  loop: 'idle' as const,
})

test('a fiber that waits is woken by another thread while its scheduler sleeps, polls or is about to', () => {
  run(
    'Scheduler: run with a parked and a busy fiber | unpark',
    ({ region, spawn }) => {
      const parker = new Parker({ region })
      const sleeper = spawn(() => {
        const scheduler = new Scheduler({ region })
        const fiber = scheduler.spawn(function* () {
          yield* parker.parkFiber()
          return 7
        })
        scheduler.spawn(function* () {
          yield
        })
        scheduler.run()
        return fiber.join()
      }, readyIn(region))
      spawn(() => parker.unpark(), readyIn(region))
      return () => {
        expect(sleeper.result).toBe(7)
      }
    },
    { regionBytes: 1 << 17, preemptions: full ? 3 : 2 },
  )
})

test('a fiber that is cancelled, or whose time is over, while another thread wakes it consumes nothing that it did not get', () => {
  for (const how of ['cancel', 'timeout'] as const) {
    run(
      `Scheduler: parkFiber with ${how} | unpark`,
      ({ region, spawn }) => {
        const parker = new Parker({ region })
        const owner = spawn(() => {
          const scheduler = new Scheduler({ region })
          const fiber = scheduler.spawn(function* () {
            yield* parker.parkFiber(how === 'timeout' ? { timeout: 1 } : undefined)
          })
          scheduler.spawn(function* () {
            yield
            if (how === 'cancel') fiber.cancel('cancelled')
          })
          try {
            scheduler.run()
          } catch (error) {
            if (!(error instanceof TimeoutError)) throw error
            return 'failed'
          }
          return fiber.state
        }, readyIn(region))
        spawn(() => parker.unpark(), readyIn(region))
        return () => {
          // The permit is taken by the fiber, or still there.
          expect(parker.tryPark()).toBe(owner.result !== 'finished')
          return owner.result
        }
      },
      { regionBytes: 1 << 17, preemptions: how === 'timeout' ? (full ? 2 : 1) : full ? 3 : 2, timeouts: how === 'timeout' },
    )
  }
})

test('a fiber that joins one that another thread wakes gets its result, and a promise that waits for the same is told', () => {
  run(
    'Scheduler: joinFiber of a parked fiber | unpark',
    ({ region, spawn }) => {
      const parker = new Parker({ region })
      const owner = spawn(() => {
        const scheduler = new Scheduler({ region })
        const parked = scheduler.spawn(function* () {
          yield* parker.parkFiber()
          return 7
        })
        const joiner = scheduler.spawn(function* () {
          return (yield* parked.joinFiber()) + 1
        })
        return [joiner.join(), parked.join()]
      }, readyIn(region))
      spawn(() => parker.unpark(), readyIn(region))
      return () => expect(owner.result).toEqual([8, 7])
    },
    { regionBytes: 1 << 17, preemptions: full ? 3 : 2 },
  )
})

test('two fibers that join one that another thread wakes, of which one is cancelled meanwhile: the other is told, once', () => {
  run(
    'Scheduler: joinFiber ×2 of a parked fiber, cancel of one | unpark',
    ({ region, spawn }) => {
      const parker = new Parker({ region })
      const owner = spawn(() => {
        const scheduler = new Scheduler({ region })
        let told = 0
        const parked = scheduler.spawn(function* () {
          yield* parker.parkFiber()
          return 7
        })
        const join = function* (): Generator<unknown, number> {
          const result = yield* parked.joinFiber()
          told++
          return result + 1
        }
        const [cancelled, joiner] = [scheduler.spawn(join), scheduler.spawn(join)]
        scheduler.spawn(function* () {
          yield
          cancelled.cancel('cancelled')
        })
        scheduler.run()
        return [joiner.join(), parked.join(), cancelled.state, told]
      }, readyIn(region))
      spawn(() => parker.unpark(), readyIn(region))
      return () => {
        const [first, second, state, told] = owner.result
        expect([first, second, told]).toEqual([8, 7, state === 'finished' ? 2 : 1])
        expect(parker.tryPark()).toBe(false)
        return state
      }
    },
    { regionBytes: 1 << 17, preemptions: full ? 3 : 2 },
  )
})
