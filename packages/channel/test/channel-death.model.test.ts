/** A channel whose sender, receiver or closer dies at each single operation: the others go on, in order, and at most its own message is lost. */
import { bytes, type Codec, i32, Region } from '@heddle/atomics'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { channel, CLOSED, ClosedError, EMPTY, Receiver, Sender } from '../src/index.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** What one actor uses: its own opening of both ends, since cursors belong to agents. */
interface Hand<T> {
  actor: Actor
  tx: Sender<T>
  rx: Receiver<T>
}

interface Stage<T> {
  region: Region
  survivor: Hand<T>
  other: Hand<T>
  victim: Hand<T>
}

function stage<T>(codec: Codec<T>, capacity: number): Stage<T> {
  const region = Region.create({ bytes: 1 << 20, agents: 8 })
  const actors = [new Actor(region), new Actor(region), new Actor(region)] as const
  actors[0].be()
  const [tx, rx] = channel<T>({ capacity, codec, region })
  const hand = (actor: Actor): Hand<T> => {
    actor.be()
    const mine = { actor, tx: Sender.at<T>(region, tx.at), rx: Receiver.at<T>(region, rx.at) }
    // The cursors are made, so that the deaths are those of the operation.
    expect(mine.tx.length).toBe(0)
    return mine
  }
  return { region, survivor: hand(actors[0]), other: hand(actors[1]), victim: hand(actors[2]) }
}

/** A received value or error, when there is one. */
interface Outcome<T> {
  value?: T
  error?: unknown
  done: boolean
}
function outcome<T>(promise: Promise<T>): Outcome<T> {
  const seen: Outcome<T> = { done: false }
  promise.then(
    (value) => Object.assign(seen, { value, done: true }),
    (error: unknown) => Object.assign(seen, { error, done: true }),
  )
  return seen
}

function drain<T>({ actor, rx }: Hand<T>): T[] {
  actor.be()
  const all: T[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(found)
  return all
}

function expectNobodyLeft(...hands: Hand<never>[]): void {
  expect(hands.map(({ actor }) => actor.agent.slab.used)).toEqual(hands.map(() => 0))
}

async function atEveryOperation(scenario: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) if (!(await scenario(n))) return n
}

describe('a death at every operation of', () => {
  for (const waiting of [0, 1, 2]) {
    test(`a send, while ${waiting} receive`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { survivor, other, victim } = stage(i32, 3)
        const hands = [survivor, other].slice(0, waiting)
        const receives = hands.map(({ actor, rx }) => {
          actor.be()
          return outcome(rx.recvAsync())
        })
        const died = victim.actor.dieAt(n, () => victim.tx.send(100))
        if (died) survivor.actor.reap(victim.actor)
        await settled()
        // As many as the ring holds, and one for each who waits: nothing stays blocked by the dead one's slot.
        survivor.actor.be()
        for (let i = 0; i < waiting; i++) survivor.tx.send(i)
        await settled()
        for (const { done } of receives) expect(done, `killed at ${n}`).toBe(true)
        const got = [...receives.map(({ value }) => value!), ...drain(other)]
        const fromVictim = got.filter((value) => value === 100).length
        expect(fromVictim + survivor.rx.lost).toBeLessThanOrEqual(1)
        if (!died) expect(fromVictim).toBe(1)
        expect(got.filter((value) => value !== 100).sort()).toEqual(Array.from({ length: waiting }, (_, i) => i))
        // The whole ring is usable.
        survivor.actor.be()
        for (let lap = 0; lap < 3; lap++) {
          for (let i = 0; i < 3; i++) expect(survivor.tx.trySend(i), `killed at ${n}`).toBe(true)
          expect(survivor.tx.trySend(9)).toBe(false)
          expect(drain(survivor)).toEqual([0, 1, 2])
        }
        expectNobodyLeft(survivor as never, other as never)
        return died
      })
      expect(deaths).toBeGreaterThan(waiting === 0 ? 5 : 20)
    })
  }

  test('a send into the last slot, which the next sender comes round to before any receiver', async () => {
    await atEveryOperation(async (n) => {
      const { survivor, victim } = stage(i32, 1)
      const died = victim.actor.dieAt(n, () => victim.tx.send(100))
      if (died) survivor.actor.reap(victim.actor)
      survivor.actor.be()
      const first = survivor.tx.trySend(1)
      const got = drain(survivor)
      expect(got).toEqual(first ? [1] : [100])
      expect(survivor.rx.lost).toBeLessThanOrEqual(first && died ? 1 : 0)
      return died
    })
  })

  for (const senders of [0, 1, 2]) {
    test(`a receive from a full ring, while ${senders} send`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { survivor, other, victim } = stage(i32, 2)
        survivor.actor.be()
        survivor.tx.send(0)
        survivor.tx.send(1)
        const hands = [survivor, other].slice(0, senders)
        const sends = hands.map(({ actor, tx }, i) => {
          actor.be()
          return outcome(tx.sendAsync(2 + i))
        })
        let taken: number | undefined
        const died = victim.actor.dieAt(n, () => {
          taken = victim.rx.recv()
        })
        if (died) survivor.actor.reap(victim.actor)
        await settled()
        const got: number[] = []
        for (let i = 0; i < 3; i++) {
          got.push(...drain(survivor))
          await settled()
        }
        for (const { done, error } of sends) expect([done, error], `killed at ${n}`).toEqual([true, undefined])
        const all = Array.from({ length: 2 + senders }, (_, i) => i)
        // The first is received by the dead one, lost, or still there.
        if (!died) expect(taken).toBe(0)
        expect(got, `killed at ${n}`).toEqual(got[0] === 0 ? all : all.slice(1))
        for (let i = 0; i < 2; i++) expect(survivor.tx.trySend(i), `killed at ${n}`).toBe(true)
        expect(drain(survivor)).toEqual([0, 1])
        expect(survivor.rx.lost).toBeLessThanOrEqual(1)
        expectNobodyLeft(survivor as never, other as never)
        return died
      })
      expect(deaths).toBeGreaterThan(senders === 0 ? 5 : 20)
    })
  }

  test('sendAsync and recvAsync that wait: the next in the queue is served', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { survivor, other, victim } = stage(i32, 1)
      const died = victim.actor.dieAt(n, () => void victim.rx.recvAsync().catch(() => undefined))
      other.actor.be()
      // A queue's lock may be the dead one's until it is reaped.
      if (died) survivor.actor.reap(victim.actor)
      other.actor.be()
      const next = outcome(other.rx.recvAsync())
      survivor.actor.be()
      survivor.tx.send(1)
      if (!died) survivor.actor.reap(victim.actor)
      await settled()
      survivor.actor.be()
      if (!died) {
        // It was chosen, or has received it, before it was declared dead.
        if (!next.done) survivor.tx.send(2)
        await settled()
      }
      expect(next.done, `killed at ${n}`).toBe(true)

      survivor.actor.be()
      expectNobodyLeft(survivor as never, other as never)
      return died
    })
    expect(deaths).toBeGreaterThan(20)

    await atEveryOperation(async (n) => {
      const { survivor, other, victim } = stage(i32, 1)
      survivor.actor.be()
      survivor.tx.send(0)
      const died = victim.actor.dieAt(n, () => void victim.tx.sendAsync(100).catch(() => undefined))
      if (died) survivor.actor.reap(victim.actor)
      other.actor.be()
      const next = outcome(other.tx.sendAsync(1))
      if (!died) survivor.actor.reap(victim.actor)
      await settled()
      const got: number[] = []
      for (let i = 0; i < 3; i++) {
        got.push(...drain(survivor))
        await settled()
      }
      expect(next.done, `killed at ${n}`).toBe(true)
      expect(got).toEqual([0, 1])
      expectNobodyLeft(survivor as never, other as never)
      return died
    })
  })

  test('close, while others wait at both ends', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { survivor, other, victim } = stage(i32, 1)
      survivor.actor.be()
      survivor.tx.send(0)
      const send = outcome(survivor.tx.sendAsync(1))
      const died = victim.actor.dieAt(n, () => victim.tx.close('because'))
      if (died) survivor.actor.reap(victim.actor)
      await settled()
      if (died && !send.done) {
        // It died before the channel was closed.
        survivor.actor.be()
        expect(survivor.tx.isClosed, `killed at ${n}`).toBe(false)
        survivor.tx.close('because')
        await settled()
      }
      expect(send.error, `killed at ${n}`).toBeInstanceOf(ClosedError)
      expect(drain(other)).toEqual([0])
      other.actor.be()
      expect(other.rx.tryRecv()).toBe(CLOSED)
      await expect(other.rx.recvAsync()).rejects.toMatchObject({ reason: 'because' })
      expectNobodyLeft(survivor as never, other as never)
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('a message outside its slot: its block goes back', async () => {
    for (const receives of [false, true]) {
      const deaths = await atEveryOperation(async (n) => {
        const { region, survivor, victim } = stage(bytes(4000), 2)
        survivor.actor.be()
        survivor.tx.send(new Uint8Array(1000))
        survivor.rx.recv()
        const { used } = region.stats()
        if (receives) survivor.tx.send(new Uint8Array(2000))
        const died = victim.actor.dieAt(n, () => void (receives ? victim.rx.recv() : victim.tx.send(new Uint8Array(2000).fill(5))))
        if (died) survivor.actor.reap(victim.actor)
        survivor.actor.be()
        for (const message of drain(survivor)) expect(message.length, `killed at ${n}`).toBe(2000)
        for (let lap = 0; lap < 3; lap++) {
          for (let i = 0; i < 2; i++) expect(survivor.tx.trySend(new Uint8Array(500 + i)), `killed at ${n}`).toBe(true)
          expect(drain(survivor).map(({ length }) => length)).toEqual([500, 501])
        }
        expect(region.stats().used, `killed at ${n}`).toBe(used)
        return died
      })
      expect(deaths).toBeGreaterThan(10)
    }
  })
})
