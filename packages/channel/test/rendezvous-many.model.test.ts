/** Hand to hand: who need not look at all who wait (Z8), and at all slots (Z9), misses nobody. */
import { i32, Region } from '@heddle/atomics'
import { model } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { channel, EMPTY, Receiver, Sender } from '../src/index.js'

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

test('Z8: one of a kind gives up while two of the other wait, and comes again: all are met', () => {
  for (const verb of ['send', 'recv'] as const) {
    const { complete } = model(
      `${verb} with a time limit, ${verb} until two are met | the other verb | the other verb`,
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 0, codec: i32, region })
        const send = (value: number, timeout?: number): number => {
          tx.send(value, { timeout })
          return value
        }
        const act = verb === 'send' ? send : (_: number, timeout?: number) => rx.recv({ timeout })
        const one = spawn(() => [attempt(() => act(1, 5)) ?? act(1), act(2)], ready(region))
        const others = [1, 2].map((value) => spawn(() => (verb === 'send' ? rx.recv() : send(value)), ready(region)))
        return () => {
          expect(others.map(({ result }) => result).sort()).toEqual([1, 2])
          expect([...one.result!].sort()).toEqual([1, 2])
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
