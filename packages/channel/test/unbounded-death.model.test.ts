/** unbounded and mpsc when an agent dies at each single operation: the others go on, in order, and at most its own message is lost. */
import { bytes, type Codec, Region } from '@heddle/atomics'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Place } from '@heddle/atomics/internal'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { CLOSED, ClosedError, EMPTY, mpsc, Receiver, Sender, unbounded } from '../src/index.js'
import { wide } from './support/wide.js'

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
  victim: Hand<T>
  /** What was used before there was a channel. */
  before: number
}
type Make = <T>(options: { capacity: number; codec: Codec<T>; region: Region }) => [Sender<T>, Receiver<T>]

function stage<T>(make: Make, codec: Codec<T>, capacity: number): Stage<T> {
  const region = Region.create({ bytes: 1 << 21, agents: 8 })
  const actors = [new Actor(region), new Actor(region)] as const
  for (const { agent } of actors) agent.slab.release(agent.slab.acquire())
  actors[0].be()
  const before = region.stats().used
  const [tx, rx] = make<T>({ capacity, codec, region })
  const hand = (actor: Actor): Hand<T> => {
    actor.be()
    return { actor, tx: new Sender(Place.open(region, tx.at, Sender), codec), rx: new Receiver(Place.open(region, rx.at, Receiver), codec) }
  }
  return { region, survivor: hand(actors[0]), victim: hand(actors[1]), before }
}

function drain<T>({ actor, rx }: Hand<T>): T[] {
  actor.be()
  const all: T[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(found)
  return all
}

async function atEveryOperation(scenario: (n: number) => Promise<boolean> | boolean, step = 1): Promise<number> {
  for (let n = 0; ; n += step) if (!(await scenario(n))) return n
}

/** The channel works as a new one: what is sent is received, over several blocks or laps. */
function expectWhole({ actor, tx, rx }: Hand<number>, n: number): void {
  actor.be()
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 5; i++) expect(tx.trySend(1000 + i), `killed at ${n}`).toBe(true)
    expect(rx.length, `killed at ${n}`).toBe(5)
    for (let i = 0; i < 5; i++) expect(rx.tryRecv(), `killed at ${n}`).toBe(1000 + i)
    expect(rx.tryRecv(), `killed at ${n}`).toBe(EMPTY)
  }
}

describe.each([
  ['unbounded', unbounded],
  ['mpsc', mpsc],
] as [string, Make][])('%s: a death at every operation of', (_name, make) => {
  // Four slots in a block: the fifth send grows the list.
  for (const before of [0, 3, 4]) {
    test(`a send after ${before}`, async () => {
      const deaths = await atEveryOperation((n) => {
        const { survivor, victim } = stage(make, wide, 5)
        survivor.actor.be()
        for (let i = 0; i < before; i++) survivor.tx.send(i)
        const died = victim.actor.dieAt(n, () => victim.tx.send(100))
        if (died) survivor.actor.reap(victim.actor)
        const got = drain(survivor)
        const sent = Array.from({ length: before }, (_, i) => i)
        expect(got, `killed at ${n}`).toEqual(got.length > before ? [...sent, 100] : sent)
        if (!died) expect(got).toContain(100)
        expect(survivor.rx.lost).toBeLessThanOrEqual(1)
        expectWhole(survivor, n)
        return died
      })
      expect(deaths).toBeGreaterThan(5)
    })
  }

  test('many sends and receives', async () => {
    const deaths = await atEveryOperation((n) => {
      const { survivor, victim } = stage(make, wide, 16)
      const sent: number[] = []
      const got: number[] = []
      const died = victim.actor.dieAt(n, () => {
        for (let i = 0; i < 14; i++) {
          victim.tx.send(i)
          sent.push(i)
        }
        for (let i = 0; i < 13; i++) got.push(victim.rx.recv())
      })
      survivor.actor.reap(victim.actor)
      const rest = drain(survivor)
      const { lost } = survivor.rx
      expect(lost).toBeLessThanOrEqual(1)
      const all = [...got, ...rest]
      expect(all, `killed at ${n}`).toEqual([...all].sort((a, b) => a - b))
      expect(new Set(all).size, `killed at ${n}`).toBe(all.length)
      // The one that it was sending may have been sent, the one that it was receiving may be gone.
      expect(all.length, `killed at ${n}`).toBeGreaterThanOrEqual(sent.length - 1)
      expect(all.length).toBeLessThanOrEqual(sent.length + 1)
      expectWhole(survivor, n)
      return died
    })
    expect(deaths).toBeGreaterThan(150)
  })

  test('a receive, while messages follow', async () => {
    const deaths = await atEveryOperation((n) => {
      const { survivor, victim } = stage(make, wide, 16)
      survivor.actor.be()
      for (let i = 0; i < 9; i++) survivor.tx.send(i)
      victim.actor.be()
      for (let i = 0; i < 4; i++) expect(victim.rx.recv()).toBe(i)
      let taken: number | undefined
      const died = victim.actor.dieAt(n, () => {
        taken = victim.rx.recv()
      })
      survivor.actor.be()
      // Another agent goes on beside the dead one, before anybody knows of the death.
      if (make !== mpsc) survivor.tx.send(9)
      if (died) survivor.actor.reap(victim.actor)
      if (!died) {
        expect(taken).toBe(4)
        survivor.actor.reap(victim.actor)
      }
      const got = drain(survivor)
      const rest = [5, 6, 7, 8, ...(make === mpsc ? [] : [9])]
      expect(got, `killed at ${n}`).toEqual(got[0] === 4 ? [4, ...rest] : rest)
      expect(survivor.rx.lost).toBeLessThanOrEqual(1)
      expectWhole(survivor, n)
      return died
    })
    expect(deaths).toBeGreaterThan(5)
  })

  test('a message outside its slot: its block goes back', async () => {
    for (const receives of [false, true]) {
      const deaths = await atEveryOperation((n) => {
        const { region, survivor, victim, before } = stage(make, bytes(4000), 8)
        survivor.actor.be()
        survivor.tx.send(new Uint8Array(1000))
        victim.actor.be()
        victim.rx.recv()
        const { used } = region.stats()
        victim.tx.send(new Uint8Array(2000))
        const died = victim.actor.dieAt(n, () => void (receives ? victim.rx.recv() : victim.tx.send(new Uint8Array(2000).fill(5))))
        survivor.actor.reap(victim.actor)
        survivor.actor.be()
        for (const message of drain(survivor)) expect(message.length, `killed at ${n}`).toBe(2000)
        for (let lap = 0; lap < 3; lap++) {
          for (let i = 0; i < 2; i++) expect(survivor.tx.trySend(new Uint8Array(500 + i)), `killed at ${n}`).toBe(true)
          expect(drain(survivor).map(({ length }) => length)).toEqual([500, 501])
        }
        // What a dead receiver had in its hands is in its slot until the block of slots is left behind.
        expect(region.stats().used - used, `killed at ${n}`).toBeLessThanOrEqual(make === unbounded ? 2100 : 0)
        survivor.tx.dispose()
        expect(region.stats().used, `killed at ${n}`).toBe(before)
        return died
      })
      expect(deaths).toBeGreaterThan(8)
    }
  })

  test('a receive that waits, and a close', async () => {
    await atEveryOperation(async (n) => {
      const { survivor, victim } = stage(make, wide, 4)
      survivor.actor.be()
      const seen: unknown[] = []
      survivor.rx.recvAsync().then(
        (value) => seen.push(value),
        (error: unknown) => seen.push(error),
      )
      const died = victim.actor.dieAt(n, () => {
        victim.tx.send(5)
        victim.tx.close()
      })
      survivor.actor.reap(victim.actor)
      await settled()
      survivor.actor.be()
      if (!survivor.tx.isClosed) survivor.tx.close()
      await settled()
      expect(seen.length, `killed at ${n}`).toBe(1)
      if (seen[0] !== 5) expect(seen[0], `killed at ${n}`).toBeInstanceOf(ClosedError)
      if (!died) expect(seen[0]).toBe(5)
      expect(() => survivor.tx.send(1)).toThrow(ClosedError)
      expect(drain(survivor)).toEqual([])
      expect(survivor.rx.tryRecv()).toBe(CLOSED)
      expect(survivor.actor.agent.slab.used).toBe(0)
      return died
    })
  })
})

test('unbounded: growth and give-back by one that dies leak nothing', async () => {
  const deaths = await atEveryOperation((n) => {
    const { region, survivor, victim, before } = stage(unbounded, wide, 1)
    const died = victim.actor.dieAt(n, () => {
      for (let i = 0; i < 40; i++) victim.tx.send(i)
      for (let i = 0; i < 40; i++) victim.rx.recv()
    })
    if (died) survivor.actor.reap(victim.actor)
    survivor.actor.be()
    drain(survivor)
    expect(region.stats().used, `killed at ${n}`).toBeGreaterThan(before)
    survivor.tx.dispose()
    expect(region.stats().used, `killed at ${n}`).toBe(before)
    return died
    // Every 3rd: the same operations come again in every block.
  }, 3)
  expect(deaths).toBeGreaterThan(400)
})
