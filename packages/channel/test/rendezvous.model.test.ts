/** Hand to hand: interleavings of senders, receivers, time limits, closing; and a death at every operation. */
import { i32, Region } from '@heddle/atomics'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { channel, ClosedError, EMPTY, Receiver, Sender } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  expect(model(name, body, { regionBytes: 1 << 17, ...options }).complete).toBe(true)
}

const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

describe('models', () => {
  test('two senders, two receivers: each message once', () => {
    run(
      'send | send | recv | recv',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 0, codec: i32, region })
        for (const value of [1, 2]) spawn(() => tx.send(value), ready(region))
        const receivers = [0, 1].map(() => spawn(() => rx.recv(), ready(region)))
        return () => {
          expect(receivers.map(({ result }) => result).sort()).toEqual([1, 2])
          expect(rx.tryRecv()).toBe(EMPTY)
        }
      },
      { preemptions: 0 },
    )
  })

  test('time limits on both sides: sent exactly when received', () => {
    run(
      'send with a time limit | recv with a time limit',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 0, codec: i32, region })
        const attempt = (act: () => number): number => {
          try {
            return act()
          } catch (error) {
            if (error instanceof TimeoutError) return 0
            throw error
          }
        }
        const sender = spawn(
          () =>
            attempt(() => {
              tx.send(1, { timeout: 5 })
              return 1
            }),
          ready(region),
        )
        const receiver = spawn(() => attempt(() => rx.recv({ timeout: 5 })), ready(region))
        return () => {
          expect(receiver.result).toBe(sender.result)
        }
      },
      { preemptions: 1, timeouts: true },
    )
  })

  test('close: the message was received, or was given back', () => {
    run(
      'send | recv | close',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 0, codec: i32, region })
        const attempt = (act: () => unknown): boolean => {
          try {
            act()
            return true
          } catch (error) {
            if (error instanceof ClosedError) return false
            throw error
          }
        }
        const sender = spawn(() => attempt(() => tx.send(1)), ready(region))
        const receiver = spawn(() => attempt(() => rx.recv()), ready(region))
        spawn(() => tx.close(), ready(region))
        return () => {
          expect(receiver.result).toBe(sender.result)
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })
})

describe('a death at every operation of', () => {
  let restore: () => void
  beforeEach(() => {
    restore = installDeaths()
  })
  afterEach(() => restore())

  const scene = (): { hands: { actor: Actor; tx: Sender<number>; rx: Receiver<number> }[] } => {
    const region = Region.create({ bytes: 1 << 20, agents: 8 })
    const actors = [0, 1, 2].map(() => new Actor(region))
    actors[0]!.be()
    const [tx, rx] = channel({ capacity: 0, codec: i32, region })
    const hands = actors.map((actor) => {
      actor.be()
      return { actor, tx: Sender.at<number>(region, tx.at), rx: Receiver.at<number>(region, rx.at) }
    })
    return { hands }
  }
  for (const [name, victimSends, waits] of [
    ['a send to a receiver that waits', true, true],
    ['a receive from a sender that waits', false, true],
    ['a send that waits', true, false],
    ['a receive that waits', false, false],
  ] as const) {
    test(name, async () => {
      for (let n = 0; ; n++) {
        const [survivor, other, victim] = scene().hands
        let got: number | undefined
        let sent = false
        if (waits) {
          other!.actor.be()
          if (victimSends) void other!.rx.recvAsync().then((value) => (got = value))
          else void other!.tx.sendAsync(5).then(() => (sent = true))
        }
        const died = victim!.actor.dieAt(n, () => {
          if (waits) {
            if (victimSends) victim!.tx.send(100)
            else victim!.rx.recv()
          } else if (victimSends) void victim!.tx.sendAsync(100).catch(() => undefined)
          else void victim!.rx.recvAsync().catch(() => undefined)
        })
        survivor!.actor.reap(victim!.actor)
        await settled()
        // Whoever still waits is served by a survivor, and then the next pair meets.
        survivor!.actor.be()
        if (waits && victimSends) {
          if (got === undefined) survivor!.tx.send(1)
          await settled()
          expect([1, 100], `killed at ${n}`).toContain(got)
          if (!died) expect(got).toBe(100)
        }
        if (waits && !victimSends && !sent) {
          expect(survivor!.rx.recv(), `killed at ${n}`).toBe(5)
          await settled()
          expect(sent, `killed at ${n}`).toBe(true)
        }
        other!.actor.be()
        let last: number | undefined
        void other!.rx.recvAsync().then((value) => (last = value))
        survivor!.actor.be()
        expect(survivor!.tx.trySend(7), `killed at ${n}`).toBe(true)
        await settled()
        expect(last).toBe(7)
        expect([survivor!.actor.agent.slab.used, other!.actor.agent.slab.used]).toEqual([0, 0])
        if (!died) {
          expect(n).toBeGreaterThan(15)
          break
        }
      }
    })
  }
})
