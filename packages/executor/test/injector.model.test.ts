/** Interleavings, within bounds, of the queue, of the life of a slot, and of going to sleep while work comes. */
import type { Region } from '@heddle/atomics'
import { load, store } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, Doorbell } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { Injector } from '../src/injector.js'
import { K_BELL, P_RING, P_WORKERS, R_CELLS } from '../src/layout.js'
import { Pool } from '../src/pool.js'
import { cancel, crash, CRASHED, DONE, enqueue, finish, FREE, giveBack, holdBack, phaseOf, QUEUED, start, startClaimed } from '../src/slot.js' // prettier-ignore
import { announceWork, claimSleeper, endSpin, beginSpin, setSleeping } from '../src/wakeup.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 18, preemptions: full ? 3 : 2 }

/** A queue of 2 cells. */
const BITS = 1
const queue = (region: Region): (() => Injector) => {
  const ring = region.alloc((R_CELLS + (1 << BITS)) * 4, 64) >> 2
  return () => new Injector(region.words, ring, BITS)
}

test('two givers and a taker: each entry once, in order of its giver', () => {
  model(
    'push ×2 | push | pop ×2',
    ({ region, spawn }) => {
      const open = queue(region)
      const a = spawn(() => {
        const injector = open()
        return [1, 2].filter((slot) => injector.push(slot))
      })
      const b = spawn(() => (open().push(7) ? [7] : []))
      const c = spawn(() => {
        const injector = open()
        return [injector.pop(), injector.pop()].filter((slot) => slot !== -1)
      })
      return () => {
        const rest: number[] = []
        for (let slot = open().pop(); slot !== -1; slot = open().pop()) rest.push(slot)
        const taken = [...c.result!, ...rest]
        expect([...taken].sort()).toEqual([...a.result!, ...b.result!].sort())
        expect(taken.filter((slot) => slot !== 7)).toEqual(a.result)
      }
    },
    options,
  )
})

test('two takers: each entry once, also over laps', () => {
  model(
    'push, pop, push | pop | pop',
    ({ region, spawn }) => {
      const open = queue(region)
      const before = open()
      before.push(1)
      before.push(2)
      const takers = [0, 1].map(() => spawn(() => open().pop()))
      const giver = spawn(() => {
        const injector = open()
        return [3, 4].filter((slot) => injector.push(slot))
      })
      return () => {
        const taken = takers.map(({ result }) => result!).filter((slot) => slot !== -1)
        for (let slot = open().pop(); slot !== -1; slot = open().pop()) taken.push(slot)
        expect(taken.sort()).toEqual([1, 2, ...giver.result!])
      }
    },
    options,
  )
})

test('a giver or taker that dies leaves a queue that works', () => {
  const report = model(
    'push † | pop † | push, pop',
    ({ region, spawn }) => {
      const open = queue(region)
      open().push(1)
      spawn(() => open().push(2))
      spawn(() => open().pop())
      return () => {
        const injector = open()
        const rest: number[] = []
        for (let slot = injector.pop(); slot !== -1; slot = injector.pop()) rest.push(slot)
        for (const slot of rest) expect([1, 2]).toContain(slot)
        expect(injector.push(5)).toBe(true)
        expect(injector.push(6)).toBe(true)
        expect([injector.pop(), injector.pop(), injector.pop()]).toEqual([5, 6, -1])
      }
    },
    { ...options, deaths: true },
  )
  expect(report.executions).toBeGreaterThan(10)
})

test('a call is settled once, whoever is first: its worker, its canceller, or the reaper', () => {
  model(
    'start, hold back, start, finish | cancel | crash, give back',
    ({ region, spawn }) => {
      const index = region.alloc(64, 64) >> 2
      enqueue(region.words, index, 0)
      const worker = spawn(() => {
        const first = start(region.words, index, 3)
        const claimed = first === 0 ? 0 : holdBack(region.words, index, first)
        const started = claimed === 0 ? 0 : startClaimed(region.words, index, claimed)
        return started !== 0 && finish(region.words, index, started)
      })
      const canceller = spawn(() => cancel(region.words, index, 0))
      const reaper = spawn(() => crash(region.words, index, 3) || giveBack(region.words, index, 3))
      return () => {
        const phase = phaseOf(load(region.words, index))
        expect(Number(worker.result) + Number(canceller.result) + Number(reaper.result)).toBeLessThanOrEqual(canceller.result ? 2 : 1)
        if (worker.result) expect(phase).toBe(DONE)
        else if (canceller.result) expect(phase).toBe(FREE)
        else expect([CRASHED, QUEUED]).toContain(phase)
      }
    },
    options,
  )
})

test('a worker that goes to sleep while work comes is woken', () => {
  model(
    'spin, sleep, take | push, announce',
    ({ region, spawn }) => {
      const base = region.alloc((P_RING + R_CELLS + (1 << BITS)) * 4, 64)
      store(region.words, (base >> 2) + P_WORKERS, 1)
      // A pool without its slots: what waking needs.
      const pool = Object.assign(Object.create(Pool.prototype) as Pool, { region, words: region.words, base: base >> 2, maxWorkers: 1 })
      const open = (): Injector => new Injector(region.words, (base >> 2) + P_RING, BITS)
      const ready = {
        before: (): void => {
          const { slab } = Agent.of(region)
          slab.release(slab.acquire())
        },
      }
      const worker = spawn(
        () => {
          const agent = Agent.of(region)
          const injector = open()
          const bell = Doorbell.open(region, () => undefined)
          store(region.words, pool.workerAt(0) + K_BELL, bell.at)
          beginSpin(pool, 0, 1)
          for (;;) {
            const slot = injector.pop()
            if (slot !== -1) {
              bell.close()
              return slot
            }
            setSleeping(pool, 0)
            endSpin(pool, 0)
            if (!injector.hasWork()) agent.block()
            claimSleeper(pool, 0)
          }
        },
        { ...ready, loop: 'idle' },
      )
      spawn(() => {
        open().push(5)
        announceWork(pool)
      }, ready)
      return () => expect(worker.result).toBe(5)
    },
    options,
  )
})
