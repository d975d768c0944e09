/** Interleavings, within bounds, of the flavours that have a shape of their own: spsc, mpsc, oneshot, broadcast, watch. */
import { i32, type Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { broadcast, ClosedError, EMPTY, mpsc, oneshot, spsc, watch } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  expect(model(name, body, { regionBytes: 1 << 17, ...options }).complete).toBe(true)
}

/** Makes the thread's agent, with a chunk of records, before the others start. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** What `act` gave; undefined when its time was over, or the channel closed. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof TimeoutError || error instanceof ClosedError) return undefined
    throw error
  }
}

test('spsc: two messages through one slot, in order', () => {
  run(
    'spsc: send ×2 | recv ×2, capacity 1',
    ({ region, spawn }) => {
      const [tx, rx] = spsc({ capacity: 1, codec: i32, region })
      spawn(() => {
        tx.send(1)
        tx.send(2)
      }, ready(region))
      const receiver = spawn(() => [rx.recv(), rx.recv()], ready(region))
      return () => expect(receiver.result).toEqual([1, 2])
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('spsc: a close while a message is on its way', () => {
  run(
    'spsc: send, close | recv until closed',
    ({ region, spawn }) => {
      const [tx, rx] = spsc({ capacity: 1, codec: i32, region })
      spawn(() => {
        tx.send(1)
        tx.close()
      }, ready(region))
      const receiver = spawn(() => [...rx], ready(region))
      return () => expect(receiver.result).toEqual([1])
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('mpsc: two senders, one receiver: each message once', () => {
  run(
    'mpsc: send | send | recv ×2, capacity 2',
    ({ region, spawn }) => {
      const [tx, rx] = mpsc({ capacity: 2, codec: i32, region })
      for (const value of [1, 2]) spawn(() => tx.send(value), { ...ready(region), twins: 'senders' })
      const receiver = spawn(() => [rx.recv(), rx.recv()], ready(region))
      return () => expect([...receiver.result].sort()).toEqual([1, 2])
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('oneshot: one of two senders, one of two receivers, at most; a time limit takes nothing', () => {
  run(
    'oneshot: trySend | recv with a time limit | recv with a time limit',
    ({ region, spawn }) => {
      const [tx, rx] = oneshot({ codec: i32, region })
      const sender = spawn(() => tx.trySend(5), ready(region))
      const receivers = [0, 1].map(() => spawn(() => attempt(() => rx.recv({ timeout: 5 })), ready(region)))
      return () => {
        const rest = rx.tryRecv()
        expect(sender.result).toBe(true)
        expect([...receivers.map(({ result }) => result), rest].filter((value) => value === 5)).toEqual([5])
      }
    },
    { preemptions: full ? 1 : 0, timeouts: 1 },
  )
})

test('oneshot: a sender that dies anywhere leaves it to the next', () => {
  run(
    'oneshot: send 1 (dies) | recv | reap, send 2',
    ({ region, spawn }) => {
      const [tx, rx] = oneshot({ codec: i32, region })
      let victim = 0
      spawn(() => tx.trySend(1), {
        before: () => {
          ready(region).before()
          victim = Agent.of(region).tag
        },
      })
      const receiver = spawn(() => rx.recv(), { ...ready(region), mortal: false })
      spawn(
        () => {
          reap(Agent.of(region), ownerId(victim), 0)
          attempt(() => tx.trySend(2))
        },
        { ...ready(region), mortal: false, reaper: true },
      )
      return () => expect([1, 2]).toContain(receiver.result)
    },
    { preemptions: full ? 1 : 0, deaths: true },
  )
})

test('broadcast: every receiver gets every message that it did not miss, in order', () => {
  run(
    'broadcast: send ×2 | recv | recv ×2, capacity 2',
    ({ region, spawn }) => {
      const [tx, first] = broadcast({ capacity: 2, codec: i32, region })
      const second = first.subscribe()
      spawn(() => {
        tx.send(1)
        tx.send(2)
      }, ready(region))
      const one = spawn(() => first.recv(), ready(region))
      const two = spawn(() => [second.recv(), second.recv()], ready(region))
      return () => expect([one.result, two.result]).toEqual([1, [1, 2]])
    },
    { preemptions: full ? 1 : 0 },
  )
})

test('broadcast: a receiver that is overtaken reads no message that is being written', () => {
  run(
    'broadcast: send ×3 | tryRecv ×2, capacity 1',
    ({ region, spawn }) => {
      const [tx, rx] = broadcast({ capacity: 1, codec: i32, lag: 'skip', region })
      spawn(() => {
        for (let i = 1; i <= 3; i++) tx.send(i * 0x0101)
      }, ready(region))
      const receiver = spawn(() => [rx.tryRecv(), rx.tryRecv()].filter((value) => value !== EMPTY), ready(region))
      return () => {
        const values = receiver.result as number[]
        for (const value of values) expect([0x0101, 0x0202, 0x0303]).toContain(value)
        expect(values).toEqual([...values].sort((a, b) => a - b))
      }
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('watch: a change is seen, and the last value is what stays', () => {
  run(
    'watch: send ×2 | changed, get',
    ({ region, spawn }) => {
      const [tx, rx] = watch(0, { codec: i32, region })
      spawn(() => {
        tx.send(1)
        tx.send(2)
      }, ready(region))
      const watcher = spawn(() => {
        rx.changed()
        return rx.get()
      }, ready(region))
      return () => {
        expect([1, 2]).toContain(watcher.result)
        expect(rx.clone().get()).toBe(2)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
})
