/** Hand to hand: who need not look at all who wait (Z8), and at all slots (Z9), misses nobody. */
import { i32, Region } from '@heddle/atomics'
import { model } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { channel, EMPTY, Receiver, Sender } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** What it gave; undefined when its time was over. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof TimeoutError) return undefined
    throw error
  }
}

test('Z8: one of a kind gives up while another kind waits, and the next of its kind is met', () => {
  for (const gives of full ? (['send', 'recv'] as const) : (['send'] as const)) {
    const { complete } = model(
      `${gives} with a time limit | two of the other verb | ${gives}`,
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 0, codec: i32, region })
        const send = (value: number, timeout?: number): number => {
          tx.send(value, { timeout })
          return value
        }
        const first = gives === 'send' ? () => send(1, 5) : () => rx.recv({ timeout: 5 })
        const limited = spawn(() => attempt(first), ready(region))
        // One of them meets the last one or the limited one; the other one too, or its time is over.
        const others = [2, 3].map((value) => spawn(() => attempt(() => (gives === 'send' ? rx.recv({ timeout: 5 }) : send(value, 5))), ready(region)))
        const last = spawn(() => attempt(() => (gives === 'send' ? send(4, 5) : rx.recv({ timeout: 5 }))), ready(region))
        return () => {
          const ones = [limited.result, last.result].filter((result) => result !== undefined)
          const met = others.map(({ result }) => result).filter((result) => result !== undefined)
          expect(ones.sort()).toEqual(met.sort())
          expect(rx.tryRecv()).toBe(EMPTY)
          expect(tx.trySend(9)).toBe(false)
        }
      },
      { preemptions: 0, timeouts: true, regionBytes: 1 << 17 },
    )
    expect(complete).toBe(true)
  }
})

describe('Z9: slots of the dead', () => {
  const SLOTS = 3
  let restore: () => void
  beforeEach(() => {
    restore = installDeaths()
  })
  afterEach(() => restore())

  const scene = () => {
    const region = Region.create({ bytes: 1 << 20, agents: 8 })
    const actors = [0, 1, 2].map(() => new Actor(region))
    const [{ at: sender }, { at: receiver }] = channel({ capacity: 0, codec: i32, region })
    const hands = actors.map((actor) => {
      actor.be()
      const tx = Sender.at<number>(region, sender)
      const rx = Receiver.at<number>(region, receiver)
      return { actor, tx, rx }
    })
    return { region, hands: hands as [(typeof hands)[0], (typeof hands)[0], (typeof hands)[0]] }
  }
  type Hand = ReturnType<typeof scene>['hands'][0]

  const receive = ({ actor, rx }: Hand, count: number): number[] => {
    actor.be()
    const got: number[] = []
    for (let i = 0; i < count; i++) void rx.recvAsync().then((value) => got.push(value))
    return got
  }

  test('are used again by who had looked in vain before the death', async () => {
    const { region, hands } = scene()
    const [survivor, other, victim] = hands
    receive(victim, SLOTS)
    const first = receive(survivor, 1)
    survivor.actor.reap(victim.actor)
    const { used } = region.stats()
    const more = receive(survivor, SLOTS)
    expect(region.stats().used).toBe(used)
    other.actor.be()
    for (let value = 0; value <= SLOTS; value++) expect(other.tx.trySend(value)).toBe(true)
    expect(other.tx.trySend(9)).toBe(false)
    survivor.actor.be()
    await settled()
    expect([first, more]).toEqual([[0], [1, 2, 3]])
    survivor.rx.dispose()
    region.check()
  })

  test('a death at every operation of who takes them over: they are there for the next', async () => {
    for (let n = 0; ; n++) {
      const { region, hands } = scene()
      const [survivor, dead, victim] = hands
      receive(dead, SLOTS)
      survivor.actor.reap(dead.actor)
      const died = victim.actor.dieAt(n, () => void victim.rx.recvAsync().catch(() => undefined))
      survivor.actor.reap(victim.actor)
      // Its first record takes memory, too.
      survivor.actor.agent.slab.release(survivor.actor.agent.slab.acquire())
      const { used } = region.stats()
      const got = receive(survivor, SLOTS)
      expect(region.stats().used, `killed at ${n}`).toBeLessThanOrEqual(used)
      for (let value = 0; value < SLOTS; value++) expect(survivor.tx.trySend(value), `killed at ${n}`).toBe(true)
      await settled()
      expect(got, `killed at ${n}`).toEqual([0, 1, 2])
      survivor.rx.dispose()
      region.check()
      if (!died) break
    }
  })
})
