/** Interleavings, within bounds, of going to sleep while work comes into a level or a deque; of a level's bit; and deaths in both. */
import type { Region } from '@heddle/atomics'
import { store } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, Doorbell } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { D_CELLS, DEQUE_BITS, K_BELL, K_DEQUE, NORMAL_QUEUE, P_RING, P_RING_AT, R_CELLS } from '../src/layout.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { announceWork, claimSleeper, setSleeping } from '../src/wakeup.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, preemptions: full ? 2 : 1 }
const HIGH = 1
/** Cells that the tests use of a ring. */
const CELLS = 4

/** A pool without slots, with short rings: what queues and waking need. */
function small(region: Region, workers: number): Pool {
  const base = region.alloc((P_RING + R_CELLS + CELLS) * 4, 64) >> 2
  const pool = Object.assign(Object.create(Pool.prototype) as Pool, { region, words: region.words, base, maxWorkers: workers })
  store(region.words, base + P_RING_AT + NORMAL_QUEUE, base + P_RING)
  store(region.words, base + P_RING_AT + HIGH, region.alloc((R_CELLS + CELLS) * 4, 64) >> 2)
  for (let worker = 0; worker < workers; worker++)
    store(region.words, pool.workerAt(worker) + K_DEQUE, region.alloc((D_CELLS + (1 << DEQUE_BITS)) * 4, 64) >> 2)
  return pool
}

const ready = (region: Region): { before: () => void } => ({
  before: () => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** A worker that sleeps until there is a call, as worker-loop.ts does. */
function sleeper(pool: Pool, number: number): number {
  const agent = Agent.of(pool.region)
  const queues = new Queues(pool, number)
  const bell = Doorbell.open(pool.region, () => undefined)
  store(pool.words, pool.workerAt(number) + K_BELL, bell.at)
  for (;;) {
    const slot = queues.pop()
    if (slot !== -1) {
      bell.close()
      return slot
    }
    setSleeping(pool, number)
    if (!queues.hasWork()) agent.block()
    claimSleeper(pool, number)
  }
}

test('a worker that goes to sleep is woken for an urgent call', () => {
  model(
    'sleep, take | push, announce',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      const worker = spawn(() => sleeper(pool, 0), { ...ready(region), loop: 'idle' })
      spawn(() => {
        new Queues(pool).push(HIGH, 3)
        announceWork(pool, HIGH)
      }, ready(region))
      return () => expect(worker.result).toBe(3)
    },
    options,
  )
})

test('a worker that goes to sleep is woken for what another worker adds to its own deque and does not run', () => {
  model(
    'sleep, steal | push, announce, push, announce',
    ({ region, spawn }) => {
      const pool = small(region, 2)
      const thief = spawn(() => sleeper(pool, 0), { ...ready(region), loop: 'idle' })
      spawn(() => {
        const queues = new Queues(pool, 1)
        queues.push(NORMAL_QUEUE, 3)
        announceWork(pool)
      }, ready(region))
      return () => expect(thief.result).toBe(3)
    },
    options,
  )
})

test('a level’s bit: what is added while a taker clears it is found', () => {
  model(
    'push | push | pop ×2',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      for (const slot of [1, 2]) spawn(() => new Queues(pool).push(HIGH, slot))
      const taker = spawn(() => {
        const queues = new Queues(pool)
        return [queues.pop(), queues.pop()]
      })
      return () => {
        const rest = new Queues(pool)
        const taken = [...taker.result!, rest.pop(), rest.pop(), rest.pop()].filter((slot) => slot !== -1)
        expect(taken.sort()).toEqual([1, 2])
      }
    },
    options,
  )
})

test('a taker that dies while it clears a level’s bit: nothing stays hidden once it is mended', () => {
  const report = model(
    'pop ×2 † | push',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      new Queues(pool).push(HIGH, 1)
      spawn(() => {
        const queues = new Queues(pool, 0)
        queues.pop()
        queues.pop()
      })
      const giver = spawn(() => new Queues(pool).push(HIGH, 2))
      return () => {
        const mending = new Queues(pool)
        mending.mend(0)
        const left: number[] = []
        for (let slot = mending.pop(); slot !== -1; slot = mending.pop()) left.push(slot)
        // First in, first out: who has not taken the first has not taken the second.
        if (giver.result && left.includes(1)) expect(left).toContain(2)
        expect(mending.hasWork()).toBe(false)
        expect(new Queues(pool).push(HIGH, 5)).toBe(true)
        expect(mending.pop()).toBe(5)
      }
    },
    { ...options, deaths: true },
  )
  expect(report.executions).toBeGreaterThan(10)
})
