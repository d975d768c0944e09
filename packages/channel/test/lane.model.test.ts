/** The lane of a channel that keeps nothing: what a sender gives to a receiver that spins, by every road out of it. */
import { type Codec, i32 } from '@heddle/atomics'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { channel, ClosedError } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  expect(model(name, body, { regionBytes: 1 << 17, cache: true, ...options }).complete).toBe(true)
}

const ready = (region: Parameters<typeof Agent.of>[0]) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** Whether a message was sent: not to a closed channel, and not to nobody. */
function sent(act: () => unknown): boolean {
  try {
    return act() !== false
  } catch (error) {
    if (error instanceof ClosedError) return false
    throw error
  }
}

test('a sender that goes straight to the queue ends the stay of a receiver that spins', () => {
  run(
    'recv | send with a time limit',
    ({ region, spawn }) => {
      const [tx, rx] = channel({ capacity: 0, codec: i32, region })
      const receiver = spawn(() => rx.recv(), ready(region))
      spawn(() => tx.send(7, { timeout: 1e9 }), ready(region))
      return () => {
        expect(receiver.result).toBe(7)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('two receivers spin, one is in the lane: both are served', () => {
  run(
    'recv | recv | send, send',
    ({ region, spawn }) => {
      const [tx, rx] = channel({ capacity: 0, codec: i32, region })
      const receivers = [0, 1].map(() => spawn(() => rx.recv(), ready(region)))
      spawn(() => {
        tx.send(1)
        tx.send(2)
      }, ready(region))
      return () => {
        expect(receivers.map(({ result }) => result).sort()).toEqual([1, 2])
      }
    },
    { preemptions: full ? 1 : 0 },
  )
})

test('a codec that sends while its own message is on the way holds nobody up', () => {
  run(
    'recv ×2 | send, whose codec sends',
    ({ region, spawn }) => {
      const codec: Codec<number> = {
        ...i32,
        kind: 'test.sending',
        write(to, at, value) {
          if (value === 1) tx.send(2)
          i32.write(to, at, value)
        },
      }
      const [tx, rx] = channel({ capacity: 0, codec, region })
      const receiver = spawn(() => [rx.recv(), rx.recv()], ready(region))
      spawn(() => tx.send(1), ready(region))
      return () => {
        expect(receiver.result).toEqual([2, 1])
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('who gave has given, and who is in the queue has not: a receiver that leaves the lane takes one of two', () => {
  run(
    'recv, close | send with a time limit | trySend',
    ({ region, spawn }) => {
      const [tx, rx] = channel({ capacity: 0, codec: i32, region })
      const receiver = spawn(() => {
        const first = rx.recv()
        tx.close()
        return first
      }, ready(region))
      const queued = spawn(() => sent(() => tx.send(1, { timeout: 1e9 })), ready(region))
      const passing = spawn(() => sent(() => tx.trySend(2)), ready(region))
      return () => {
        expect([queued.result, passing.result]).toEqual([receiver.result === 1, receiver.result === 2])
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('a sender that dies anywhere: its message was received, or the next one is', () => {
  run(
    'recv | send, a death | reaper, send',
    ({ region, spawn }) => {
      const [tx, rx] = channel({ capacity: 0, codec: i32, region })
      const receiver = spawn(
        () => {
          try {
            return rx.recv()
          } catch (error) {
            if (error instanceof ClosedError) return 0
            throw error
          }
        },
        { ...ready(region), mortal: false },
      )
      const sender = spawn(() => {
        tx.send(1)
        return true
      }, ready(region))
      const last = spawn(
        () => {
          // The body's own agent is 1, thread k is k + 2 as it is made.
          reap(Agent.of(region), 3, 0)
          const gave = tx.trySend(2)
          tx.close()
          return gave
        },
        { ...ready(region), reaper: true },
      )
      return () => {
        // Without a death the reaper does not run.
        if (sender.result) expect(receiver.result).toBe(1)
        else expect([last.result ? 2 : 0, 1]).toContain(receiver.result)
        if (last.result) expect(receiver.result).not.toBe(1)
      }
    },
    { preemptions: full ? 1 : 0, deaths: true },
  )
})
