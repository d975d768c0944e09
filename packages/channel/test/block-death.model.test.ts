/**
 * What messages have outside their slots, in every flavour, when an agent dies at each single operation of a send, a receive or a wait: the messages of the
 * others arrive whole, and every block goes back to the region, with the channel in use (where the next message finds it) or at the latest with its disposal.
 */
import { bytes, type Codec, Region } from '@heddle/atomics'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { channel, CLOSED, EMPTY, mpsc, oneshot, Receiver, selectAsync, Sender, spsc, unbounded } from '../src/index.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

interface Hand<T> {
  actor: Actor
  tx: Sender<T>
  rx: Receiver<T>
}
type Make = <T>(options: { codec: Codec<T>; region: Region }) => [Sender<T>, Receiver<T>]

const flavors: [string, Make][] = [
  ['channel', (options) => channel({ capacity: 2, ...options })],
  ['capacity 0', (options) => channel({ capacity: 0, ...options })],
  ['spsc', (options) => spsc({ capacity: 2, ...options })],
  ['mpsc', (options) => mpsc({ capacity: 2, ...options })],
  ['unbounded', unbounded],
  ['oneshot', oneshot],
]

/** A message that is in a block of its own, and says so. */
function message(mark: number): Uint8Array {
  return new Uint8Array(500 + mark).fill(mark)
}
function expectWhole(got: readonly Uint8Array[], n: number): void {
  for (const one of got) expect(one, `killed at ${n}`).toEqual(message(one[0]!))
}

interface Stage {
  region: Region
  survivor: Hand<Uint8Array>
  heir: Hand<Uint8Array>
  victim: Hand<Uint8Array>
  /** Blocks of the region before there was a channel, and with it. */
  before: number
  with: number
}

function stage(make: Make, debug = false): Stage {
  const region = Region.create({ bytes: debug ? 1 << 20 : 1 << 18, agents: 4, debug })
  const actors = [new Actor(region), new Actor(region), new Actor(region)] as const
  for (const { agent } of actors) agent.slab.release(agent.slab.acquire())
  actors[0].be()
  const before = region.stats().blocks
  const [tx, rx] = make({ codec: bytes(4000), region })
  const hand = (actor: Actor): Hand<Uint8Array> => {
    actor.be()
    return { actor, tx: Sender.at(region, tx.at), rx: Receiver.at(region, rx.at) }
  }
  return { region, survivor: hand(actors[0]), heir: hand(actors[1]), victim: hand(actors[2]), before, with: region.stats().blocks }
}

async function drain({ actor, rx }: Hand<Uint8Array>): Promise<Uint8Array[]> {
  actor.be()
  const all: Uint8Array[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(found)
  await settled()
  actor.be()
  return all
}

function quietly(promise: Promise<unknown>): void {
  promise.catch(() => undefined)
}

/** A promise that is looked at, never awaited: one that stays pending fails its test at once. */
function outcome<T>(promise: Promise<T>): { value?: T; done: boolean } {
  const seen: { value?: T; done: boolean } = { done: false }
  promise.then(
    (value) => Object.assign(seen, { value, done: true }),
    () => Object.assign(seen, { done: true }),
  )
  return seen
}

/** What the victim is in the middle of; `before` is what others have done. */
const scenes: [string, { before?: (stage: Stage) => { done: boolean } | undefined; act: (victim: Hand<Uint8Array>) => void }][] = [
  [
    'sends, and one that waits',
    {
      act: ({ tx }) => {
        for (const mark of [1, 2, 3]) quietly(tx.sendAsync(message(mark)))
      },
    },
  ],
  [
    'a send to one that waits',
    {
      before: ({ survivor }) => {
        survivor.actor.be()
        return outcome(survivor.rx.recvAsync().then((got) => expectWhole([got], -1)))
      },
      act: ({ tx }) => quietly(tx.sendAsync(message(1))),
    },
  ],
  [
    'receives, and one that waits',
    {
      before: ({ survivor }) => {
        survivor.actor.be()
        for (const mark of [4, 5, 6]) quietly(survivor.tx.sendAsync(message(mark)))
        return undefined
      },
      act: ({ rx }) => {
        for (let i = 0; i < 4; i++) quietly(rx.recvAsync().then((got) => expectWhole([got], -1)))
      },
    },
  ],
  [
    'a send, and a close with a reason',
    {
      act: ({ tx }) => {
        quietly(tx.sendAsync(message(1)))
        tx.close('because '.repeat(100))
      },
    },
  ],
  [
    'a select that sends and receives',
    {
      act: ({ tx, rx }) => {
        const [, other] = channel({ capacity: 0, codec: bytes(1000), region: tx.region })
        quietly(selectAsync({ out: [tx, message(7)], in: rx, other }))
      },
    },
  ],
]

for (const debug of [false, true]) {
  describe.each(flavors)(`debug: ${debug}: %s: a death at every operation of`, (flavor, make) => {
    test.each(scenes)('%s', async (name, { before, act }) => {
      if (name.startsWith('a select') && (flavor === 'spsc' || flavor === 'mpsc')) return
      let deaths = 0
      // A debug region finds a block that is freed twice, at some hundred operations more for each block.
      for (let n = 0; ; n += debug ? 29 : 1) {
        const all = stage(make, debug)
        const { region, survivor, heir, victim } = all
        const waiting = before?.(all)
        const died = victim.actor.dieAt(n, () => act(victim))
        if (died) deaths++
        survivor.actor.be()
        survivor.actor.reap(victim.actor)
        await settled()
        survivor.actor.be()
        // Whoever received before and still waits got nothing from the dead one: the next message is for it.
        if (waiting?.done === false) quietly(survivor.tx.sendAsync(message(9)))
        await settled()
        if (waiting !== undefined) expect(waiting.done, `killed at ${n}`).toBe(true)
        expectWhole(await drain(survivor), n)
        expectWhole(await drain(survivor), n)
        // In use: more than a lap, by an agent that is new there as well.
        for (let i = 0; i < (flavor === 'oneshot' ? 1 : 3) && !survivor.tx.isClosed; i++) {
          survivor.actor.be()
          const sent = outcome(survivor.tx.sendAsync(message(10 + i)))
          const reader = flavor === 'capacity 0' ? heir : survivor
          reader.actor.be()
          const got = outcome(reader.rx.recvAsync())
          await settled()
          expect([sent.done, got.value], `killed at ${n}`).toEqual([true, message(10 + i)])
        }
        survivor.actor.be()
        expect(survivor.rx.lost, `killed at ${n}`).toBeLessThanOrEqual(1)
        // In the rings nothing is left then but what a close that was not finished had kept.
        if ((flavor === 'channel' || flavor === 'spsc' || flavor === 'mpsc') && !name.startsWith('a select'))
          expect(region.stats().blocks, `killed at ${n}`).toBeLessThanOrEqual(all.with + (name.includes('close') ? 1 : 0))
        survivor.tx.close()
        await settled()
        survivor.actor.be()
        if (name.startsWith('a select')) {
          // The victim's own channel went with nobody who could dispose of it.
          expect(region.stats().blocks).toBeGreaterThanOrEqual(all.before)
          survivor.tx.dispose()
          expect(region.stats().blocks, `killed at ${n}`).toBeLessThanOrEqual(all.before + 2)
        } else {
          survivor.tx.dispose()
          expect(region.stats().blocks, `killed at ${n}`).toBe(all.before)
        }
        region.check()
        if (!died) break
      }
      expect(deaths).toBeGreaterThan(debug ? 1 : 8)
    })
  })
}
