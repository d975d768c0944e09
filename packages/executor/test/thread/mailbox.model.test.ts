/** Interleavings, within bounds, of a mailbox: its receiver goes to sleep while something comes; a sender waits for room; it is closed, and used again. */
import type { Region } from '@heddle/atomics'
import { set } from '@heddle/atomics/ops'
import { CLOSED, ClosedError, EMPTY } from '@heddle/channel'
import { canReceive } from '@heddle/channel/internal'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, Doorbell } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import type { Pool } from '../../src/pool.js'
import { type Entry, isOrder, JOIN, SEND } from '../../src/thread/entry.js'
import { Hub } from '../../src/thread/hub.js'
import { ASLEEP, AWAKE, DROWSY, nextRef, P_MAILBOX, R_ASLEEP, R_BELL, R_ORDERS } from '../../src/thread/layout.js'
import { Outbox } from '../../src/thread/outbox.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, preemptions: full ? 2 : 1 }
const RECORD = 1
const REF = nextRef(0, RECORD)

/** What the threads' memory needs of a pool, with a mailbox for so many entries. */
function small(region: Region, capacity: number): Pool {
  const base = region.alloc(256, 64) >> 2
  set(region.words, base + P_MAILBOX, capacity)
  const pool = { region, words: region.words, base } as unknown as Pool
  // Made before anybody looks.
  Hub.open(pool).sender(RECORD)
  return pool
}

const ready = (region: Region): { before: () => void } => ({
  before: () => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

const entry = (kind: number, payload: number, to = REF): Entry => ({ kind, id: payload, to, from: 0, slot: -1, seen: 0, payload })

/** A receiver as mailbox.ts has it, blocked in place of idle; takes orders, and messages if it `wants` them, until it has so many. */
function receive(pool: Pool, count: number, wants = true): number[] {
  const hub = Hub.open(pool)
  const agent = Agent.of(pool.region)
  const receiver = hub.receiver(RECORD)
  const bell = Doorbell.open(pool.region, () => undefined)
  hub.set(RECORD, R_ASLEEP, AWAKE)
  hub.set(RECORD, R_BELL, bell.at)
  const got: number[] = []
  const hasWork = (): boolean => (wants || hub.get(RECORD, R_ORDERS) > 0) && canReceive(receiver)
  for (;;) {
    while (hasWork()) {
      const found = receiver.tryRecv()
      if (found === EMPTY || found === CLOSED) break
      hub.tellRoom(RECORD)
      if (isOrder(found.kind)) hub.orderTaken(RECORD)
      got.push(found.id)
    }
    if (got.length >= count) break
    hub.set(RECORD, R_ASLEEP, wants ? ASLEEP : DROWSY)
    if (!hasWork()) agent.block()
    hub.set(RECORD, R_ASLEEP, AWAKE)
  }
  bell.close()
  return got
}

/** A sender as port.ts has it, that blocks while there is no room. */
function send(pool: Pool, entries: readonly Entry[]): void {
  const hub = Hub.open(pool)
  const agent = Agent.of(pool.region)
  let bell: Doorbell | undefined
  const outbox = new Outbox(
    {
      post: (_, one) => hub.post(RECORD, one),
      wantRoom: () => {
        if (bell === undefined) {
          bell = Doorbell.open(pool.region, () => undefined)
          hub.setBell(agent.id, bell.at)
        }
        hub.wantRoom(RECORD)
      },
    },
    REF,
  )
  for (const one of entries) while (!outbox.tryOrWant(one)) agent.block()
  if (bell === undefined) return
  hub.setBell(agent.id, 0)
  bell.close()
}

test('a receiver that goes to sleep is rung for a message', () => {
  model(
    'sleep, receive | send',
    ({ region, spawn }) => {
      const pool = small(region, 2)
      const receiver = spawn(() => receive(pool, 1), { ...ready(region), loop: 'idle' })
      spawn(() => send(pool, [entry(SEND, 7)]), ready(region))
      return () => expect(receiver.result).toEqual([7])
    },
    options,
  )
})

test('one that wants no messages is rung for an order behind a message', () => {
  model(
    'sleep, take the order | send a message and an order',
    ({ region, spawn }) => {
      const pool = small(region, 2)
      const receiver = spawn(() => receive(pool, 2, false), { ...ready(region), loop: 'idle' })
      spawn(() => send(pool, [entry(SEND, 1), entry(JOIN, 2)]), ready(region))
      return () => expect(receiver.result).toEqual([1, 2])
    },
    options,
  )
})

test('a sender that waits for room is rung when there is some', () => {
  model(
    'receive 2 | send 2 where 1 has room',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      const receiver = spawn(() => receive(pool, 2), { ...ready(region), loop: 'idle' })
      spawn(() => send(pool, [entry(SEND, 1), entry(SEND, 2)]), { ...ready(region), loop: 'idle' })
      return () => expect(receiver.result).toEqual([1, 2])
    },
    options,
  )
})

test('what two senders send arrives, each in its order', () => {
  model(
    'receive 3 | send 2 | send 1, in one place',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      const receiver = spawn(() => receive(pool, 3), { ...ready(region), loop: 'idle' })
      spawn(() => send(pool, [entry(SEND, 1), entry(SEND, 2)]), { ...ready(region), loop: 'idle' })
      spawn(() => send(pool, [entry(SEND, 9)]), { ...ready(region), loop: 'idle' })
      return () => {
        const got = receiver.result
        expect(got.filter((id) => id < 9)).toEqual([1, 2])
        expect(got.length).toBe(3)
      }
    },
    { ...options, preemptions: full ? 1 : 0 },
  )
})

test('what is sent while the mailbox is closed and opened again is refused, or for the former thread', () => {
  model(
    'close, drain, open, send, receive | send to the former',
    ({ region, spawn }) => {
      const pool = small(region, 2)
      const next = nextRef(REF, RECORD)
      const owner = spawn(() => {
        const hub = Hub.open(pool)
        const receiver = hub.receiver(RECORD)
        const got: Entry[] = []
        const drain = (): void => {
          for (let found = receiver.tryRecv(); found !== EMPTY && found !== CLOSED; found = receiver.tryRecv()) got.push(found)
        }
        hub.sender(RECORD).close()
        drain()
        hub.reopen(RECORD)
        expect(hub.post(RECORD, entry(SEND, 2, next))).toBe(true)
        drain()
        return got.map(({ id, to }) => [id, to])
      }, ready(region))
      const sender = spawn(() => {
        try {
          return Hub.open(pool).post(RECORD, entry(SEND, 1))
        } catch (error) {
          if (error instanceof ClosedError) return error.code
          throw error
        }
      }, ready(region))
      return () => {
        // The new one's message always arrives; the former one's names the former thread, and is not both refused and there.
        const got = owner.result
        const former = got.filter(([id]) => id === 1)
        for (const [, to] of former) expect(to).toBe(REF)
        if (sender.result === 'ERR_CLOSED') expect(former).toEqual([])
        const isBehind = canReceive(Hub.open(pool).receiver(RECORD))
        expect(got.filter(([id, to]) => id === 2 && to === next).length + (isBehind ? 1 : 0)).toBeGreaterThan(0)
      }
    },
    options,
  )
})
