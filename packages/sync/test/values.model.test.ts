/** Every interleaving, within bounds, of what holds a value: made once, and never seen half written. */
import { i32, type Region, utf8 } from '@heddle/atomics'
import { get, load, set } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { Agent, Holds, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { type Guard, Lazy, PoisonedError, type RwLock, Shared } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
  expect(report.complete).toBe(true)
  return report
}

/** Makes the thread's agent, with a chunk of records and its log of holds, before the others start. */
const ready = (region: Region, lock?: RwLock) => ({
  before: (): void => {
    const agent = Agent.of(region)
    agent.slab.release(agent.slab.acquire())
    if (lock !== undefined) Holds.of(agent).find(lock.object, lock.header, lock.readers + (agent.id >> 5), 1 << (agent.id & 31))
  },
})

/** A plain word that only one thread at a time may touch: the checker finds a race, the final check a lost update. */
function plainWord(region: Region): { add(): void; value(): number } {
  const at = region.alloc(4) >> 2
  return { add: () => set(region.words, at, get(region.words, at) + 1), value: () => load(region.words, at) }
}

test('Lazy: made once by whoever asks first, the same for everybody', () => {
  run(
    'Lazy: value | value | tryGet',
    ({ region, spawn }) => {
      const made = plainWord(region)
      const handle = new Lazy({ codec: i32, region }).toHandle()
      const askers = [3, 4].map((value) =>
        spawn(() => {
          const lazy = Lazy.fromHandle<number>(handle, () => {
            made.add()
            return value
          })
          return lazy.value
        }, ready(region)),
      )
      const looker = spawn(() => {
        const lazy = Lazy.fromHandle<number>(handle)
        return lazy.isSet ? lazy.value : undefined
      }, ready(region))
      return () => {
        const [value] = askers.map(({ result }) => result)
        expect([made.value(), askers[1]!.result]).toEqual([1, value])
        expect([undefined, value]).toContain(looker.result)
        return value
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('Lazy: who makes it and fails leaves that to the next', () => {
  const report = run(
    'Lazy: value, whose function throws once | value',
    ({ region, spawn }) => {
      const tried = plainWord(region)
      const lazy = new Lazy({ codec: i32, region }, () => {
        tried.add()
        if (tried.value() === 1) throw new Error('the first try')
        return 7
      })
      const askers = [0, 1].map(() =>
        spawn(() => {
          try {
            return lazy.value
          } catch (error) {
            if (!(error instanceof Error)) throw error
            return error.message
          }
        }, ready(region)),
      )
      return () => {
        const results = askers.map(({ result }) => result)
        expect(results.toSorted()).toEqual([7, 'the first try'].toSorted())
        return results
      }
    },
    { preemptions: full ? 3 : 2 },
  )
  expect(report.outcomes.size).toBe(2)
})

test('Lazy: who makes it and dies leaves that to the next', () => {
  run(
    'Lazy: value, a death | value | reaper',
    ({ region, spawn }) => {
      const lazy = new Lazy({ codec: i32, region }, () => 7)
      spawn(() => lazy.value, ready(region))
      const other = spawn(() => lazy.value, { ...ready(region), mortal: false })
      // The body's own agent is 1, thread k is k + 2.
      spawn(() => void reap(Agent.of(region), 2, 0), { ...ready(region), reaper: true })
      return () => expect(other.result).toBe(7)
    },
    { preemptions: full ? 2 : 0, deaths: true },
  )
})

test('Shared: no section sees another in its middle, and none is lost', () => {
  const report = run(
    'Shared: with | with | withRead',
    ({ region, spawn }) => {
      const shared = new Shared(utf8(8), 'a', { region })
      for (const letter of ['b', 'c']) spawn(() => shared.with((value, write) => write(value + letter)), ready(region, shared.lock))
      const reader = spawn(() => shared.withRead((value) => value), ready(region, shared.lock))
      return () => {
        const end = shared.withRead((value) => value)
        expect(['abc', 'acb']).toContain(end)
        expect(end.startsWith(reader.result)).toBe(true)
        return [end, reader.result]
      }
    },
    { preemptions: full ? 2 : 0, regionBytes: 1 << 18 },
  )
  expect(report.outcomes.size).toBe(6)
})

test('Shared: a writer that dies leaves the value before or after, whole', () => {
  const report = run(
    'Shared: with, a death | with | reaper',
    ({ region, spawn }) => {
      const shared = new Shared(utf8(8), 'a', { region })
      spawn(() => shared.with((value, write) => write(`${value}b`)), ready(region, shared.lock))
      const other = spawn(
        () => {
          try {
            return shared.with((value) => value)
          } catch (error) {
            if (!(error instanceof PoisonedError)) throw error
            shared.lock.clearPoison()
            const value = shared.read()
            ;(error.guard as Guard).release()
            return value
          }
        },
        { ...ready(region, shared.lock), mortal: false },
      )
      spawn(() => void reap(Agent.of(region), 2, 0), { ...ready(region), reaper: true })
      return () => {
        expect(['a', 'ab']).toContain(other.result)
        return other.result
      }
    },
    { preemptions: full ? 2 : 0, deaths: true, regionBytes: 1 << 18 },
  )
  expect(report.outcomes.size).toBe(2)
})
