/** Interleavings of selects: exactly one case happens, no message and no wake is lost, also when the selecting agent gives up or dies. */
import { i32, type Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { channel, EMPTY, type Receiver, select, type Sender } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions, complete = true): void {
  expect(model(name, body, { regionBytes: 1 << 17, ...options }).complete).toBe(complete)
}
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})
const pair = (region: Region): [Sender<number>, Receiver<number>] => channel({ capacity: 1, codec: i32, region })
const left = (rx: Receiver<number>): number[] => {
  const found = rx.tryRecv()
  return typeof found === 'number' ? [found] : []
}

test('a select over two channels, a sender for each, and a receiver beside it', () => {
  run(
    'select a, b | send a | send b | recv a with a time limit',
    ({ region, spawn }) => {
      const [aTx, a] = pair(region)
      const [bTx, b] = pair(region)
      const selecting = spawn(() => select({ a, b }), ready(region))
      spawn(() => aTx.send(1), ready(region))
      spawn(() => bTx.send(2), ready(region))
      return () => {
        const { key, value } = selecting.result
        expect(value).toBe(key === 'a' ? 1 : 2)
        expect([...left(a), ...left(b), value].sort()).toEqual([1, 2])
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('a select that was chosen for a message which another took passes nothing by', () => {
  run(
    'select a, b | recv a | send a, send b',
    ({ region, spawn }) => {
      const [aTx, a] = pair(region)
      const [bTx, b] = pair(region)
      const selecting = spawn(() => select({ a, b }).value, ready(region))
      const receiving = spawn(() => a.recv(), ready(region))
      spawn(() => {
        aTx.send(1)
        bTx.send(2)
        // Whichever the select took, both are served.
        aTx.send(3)
      }, ready(region))
      return () => {
        expect([selecting.result, receiving.result, ...left(a), ...left(b)].sort()).toEqual([1, 2, 3])
      }
    },
    { preemptions: full ? 1 : 0 },
  )
})

test('a select whose time is over has done nothing', () => {
  run(
    'select send a, recv b with a time limit | send b',
    ({ region, spawn }) => {
      const [aTx, a] = pair(region)
      const [bTx, b] = pair(region)
      aTx.send(0)
      const selecting = spawn(() => {
        try {
          return select({ send: [aTx, 1], b }, { timeout: 5 }).key
        } catch (error) {
          if (error instanceof TimeoutError) return 'none'
          throw error
        }
      }, ready(region))
      spawn(() => bTx.send(2), ready(region))
      return () => {
        expect(left(a)).toEqual([0])
        expect(left(b)).toEqual(selecting.result === 'b' ? [] : [2])
        expect(a.tryRecv()).toBe(EMPTY)
      }
    },
    { preemptions: full ? 3 : 2, timeouts: true },
  )
})

test('a select that dies anywhere: who waits behind it is served', () => {
  run(
    'select a, b (dies) | recv a | send a, send a | reap',
    ({ region, spawn }) => {
      const [aTx, a] = pair(region)
      const [, b] = pair(region)
      let victim = 0
      spawn(() => select({ a, b }), {
        before: () => {
          ready(region).before()
          victim = Agent.of(region).tag
        },
      })
      const receiving = spawn(() => a.recv(), { ...ready(region), mortal: false })
      spawn(
        () => {
          aTx.send(1)
          aTx.send(2)
        },
        { ...ready(region), mortal: false },
      )
      spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
      return () => {
        expect([1, 2]).toContain(receiving.result)
      }
    },
    { preemptions: 0, deaths: true, maxExecutions: full ? 20_000 : 300 },
    full,
  )
})
