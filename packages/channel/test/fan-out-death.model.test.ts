/** broadcast and watch when an agent dies at each single operation: the others go on, with whole messages. */
import { array, i32, Region } from '@heddle/atomics'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { broadcast, CLOSED, ClosedError, EMPTY, type LaggedError, Receiver, Sender, watch } from '../src/index.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

type Message = ArrayLike<number>
const triple = array(i32, 3)
const three = (n: number): number[] => [n, n, n]
function one(message: Message): number {
  expect(message[1]).toBe(message[0])
  expect(message[2]).toBe(message[0])
  return message[0]!
}

interface Hand {
  actor: Actor
  tx: Sender<Message>
  rx: Receiver<Message>
}
interface Stage {
  region: Region
  survivor: Hand
  victim: Hand
}

function stage(make: (region: Region) => [Sender<Message>, Receiver<Message>]): Stage {
  const region = Region.create({ bytes: 1 << 20, agents: 8 })
  const actors = [new Actor(region), new Actor(region)] as const
  actors[0].be()
  const [tx, rx] = make(region)
  const hand = (actor: Actor): Hand => {
    actor.be()
    const mine = { actor, tx: Sender.at<Message>(region, tx.at), rx: Receiver.at<Message>(region, rx.at) }
    expect(mine.rx.tryRecv()).toBe(EMPTY)
    return mine
  }
  return { region, survivor: hand(actors[0]), victim: hand(actors[1]) }
}

function drain({ actor, rx }: Hand): number[] {
  actor.be()
  const all: number[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(one(found))
  return all
}

async function atEveryOperation(scenario: (n: number) => Promise<boolean> | boolean): Promise<number> {
  for (let n = 0; ; n++) if (!(await scenario(n))) return n
}

const aBroadcast = (region: Region): [Sender<Message>, Receiver<Message>] => broadcast({ capacity: 3, codec: triple, region })
const aWatch = (region: Region): [Sender<Message>, Receiver<Message>] => watch<Message>(three(0), { codec: triple, region })

describe('broadcast: a death at every operation of', () => {
  for (const waiting of [false, true]) {
    test(`a send, while ${waiting ? 'somebody' : 'nobody'} receives`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { survivor, victim } = stage(aBroadcast)
        survivor.actor.be()
        const heard: number[] = []
        if (waiting) void survivor.rx.recvAsync().then((message) => heard.push(one(message)))
        const died = victim.actor.dieAt(n, () => victim.tx.send(three(9)))
        if (died) survivor.actor.reap(victim.actor)
        // Whose turn it is has its own view of what it uses.
        survivor.actor.be()
        await settled()
        survivor.actor.be()
        for (let i = 1; i <= 2; i++) survivor.tx.send(three(i))
        await settled()
        heard.push(...drain(survivor))
        expect(heard, `killed at ${n}`).toEqual(heard[0] === 9 ? [9, 1, 2] : [1, 2])
        if (!died) expect(heard[0]).toBe(9)
        // The slot that the dead one left is used again, lap after lap.
        for (let i = 0; i < 50; i++) {
          survivor.tx.send(three(i))
          expect(drain(survivor), `killed at ${n}`).toEqual([i])
        }
        expect(survivor.tx.lost).toBeLessThanOrEqual(1)
        expect(survivor.actor.agent.slab.used).toBe(0)
        return died
      })
      expect(deaths).toBeGreaterThan(10)
    })
  }

  test('a send that nobody receives, before others send a whole lap', async () => {
    await atEveryOperation((n) => {
      const { survivor, victim } = stage(aBroadcast)
      const died = victim.actor.dieAt(n, () => victim.tx.send(three(9)))
      if (died) survivor.actor.reap(victim.actor)
      survivor.actor.be()
      for (let i = 0; i < 40; i++) survivor.tx.send(three(i))
      let missed = 0
      try {
        survivor.rx.recv()
      } catch (error) {
        missed = (error as LaggedError).missed
      }
      expect(missed, `killed at ${n}`).toBeGreaterThanOrEqual(37)
      expect(drain(survivor)).toEqual([37, 38, 39])
      return died
    })
  })

  test('a receive, a new receiver, and its disposal', async () => {
    const deaths = await atEveryOperation((n) => {
      const { region, survivor, victim } = stage(aBroadcast)
      survivor.actor.be()
      survivor.tx.send(three(1))
      survivor.tx.send(three(2))
      const died = victim.actor.dieAt(n, () => {
        expect(one(victim.rx.recv())).toBe(1)
        const other = (victim.rx as ReturnType<typeof broadcast<Message>>[1]).subscribe()
        other.dispose()
        ;(victim.rx as ReturnType<typeof broadcast<Message>>[1]).clone()
      })
      survivor.actor.reap(victim.actor)
      expect(drain(survivor), `killed at ${n}`).toEqual([1, 2])
      const mine = survivor.rx as ReturnType<typeof broadcast<Message>>[1]
      const others = [mine.subscribe(), mine.subscribe(), mine.subscribe()]
      survivor.tx.send(three(3))
      for (const each of others) expect(one(each.recv()), `killed at ${n}`).toBe(3)
      const { used } = region.stats()
      survivor.tx.dispose()
      // Every block of a receiver goes with the channel, whoever made it.
      expect(region.stats().used).toBeLessThan(used - 4 * 32)
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('close', async () => {
    await atEveryOperation(async (n) => {
      const { survivor, victim } = stage(aBroadcast)
      survivor.actor.be()
      let error: unknown
      survivor.rx.recvAsync().catch((caught: unknown) => (error = caught))
      const died = victim.actor.dieAt(n, () => victim.tx.close('because'))
      if (died) survivor.actor.reap(victim.actor)
      await settled()
      survivor.actor.be()
      if (died && error === undefined) {
        expect(survivor.tx.isClosed, `killed at ${n}`).toBe(false)
        survivor.tx.close('because')
        await settled()
      }
      expect(error, `killed at ${n}`).toBeInstanceOf(ClosedError)
      expect(() => survivor.tx.send(three(1))).toThrow(ClosedError)
      expect(survivor.rx.tryRecv()).toBe(CLOSED)
      return died
    })
  })
})

describe('watch: a death at every operation of', () => {
  for (const waiting of [false, true]) {
    test(`a send, while ${waiting ? 'somebody' : 'nobody'} receives`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { survivor, victim } = stage(aWatch)
        survivor.actor.be()
        const heard: number[] = []
        if (waiting) void survivor.rx.recvAsync().then((message) => heard.push(one(message)))
        const died = victim.actor.dieAt(n, () => victim.tx.send(three(9)))
        if (died) survivor.actor.reap(victim.actor)
        // Whose turn it is has its own view of what it uses.
        survivor.actor.be()
        await settled()
        heard.push(...drain(survivor))
        expect(heard, `killed at ${n}`).toEqual(heard.length > 0 ? [9] : [])
        if (!died) expect(heard).toEqual([9])
        for (let i = 1; i <= 4; i++) {
          survivor.tx.send(three(i))
          if (waiting && heard.length === 0) {
            await settled()
            survivor.actor.be()
            expect(heard, `killed at ${n}`).toEqual([1])
          } else expect(drain(survivor), `killed at ${n}`).toEqual([i])
        }
        expect(survivor.actor.agent.slab.used).toBe(0)
        return died
      })
      expect(deaths).toBeGreaterThan(10)
    })
  }
})
