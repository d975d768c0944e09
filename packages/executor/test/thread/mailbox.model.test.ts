/** Interleavings, within bounds, of a mailbox: its receiver goes to sleep while something comes; a sender waits for room; it is closed, and used again. */
import type { Region } from '@heddle/atomics'
import { set } from '@heddle/atomics/ops'
import { CLOSED, ClosedError, EMPTY } from '@heddle/channel'
import { canReceive } from '@heddle/channel/internal'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, Doorbell } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import type { Pool } from '../../src/pool.js'
import { type Entry, JOIN, SEND, START } from '../../src/thread/entry.js'
import { Hub } from '../../src/thread/hub.js'
import { Intake } from '../../src/thread/intake.js'
import {
  ASLEEP,
  AWAKE,
  CLOSING,
  DROWSY,
  ENDED,
  nextRef,
  P_MAILBOX,
  phaseOf,
  R_ASLEEP,
  R_BELL,
  R_STATE,
  refOf,
  STARTING,
  stateOf,
} from '../../src/thread/layout.js'
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

/** What a receiver got, and the generations of the threads that it was told the end of. */
interface Received {
  readonly ids: number[]
  readonly ended: number[]
}

/** A receiver as mailbox.ts has it, blocked in place of idle; takes orders, and messages if it `wants` them, until `isOver`. */
function serve(pool: Pool, wants: boolean, isOver: (got: Received) => boolean): Received {
  const hub = Hub.open(pool)
  const agent = Agent.of(pool.region)
  const intake = new Intake(hub, RECORD)
  const bell = Doorbell.open(pool.region, () => undefined)
  hub.set(RECORD, R_ASLEEP, AWAKE)
  hub.set(RECORD, R_BELL, bell.at)
  const got: Received = { ids: [], ended: [] }
  for (;;) {
    while (intake.hasWork(wants)) {
      const found = intake.take()
      if (found === EMPTY) break
      if (found === CLOSED) {
        got.ended.push(refOf(intake.closedState, 0))
        break
      }
      got.ids.push(found.id)
    }
    if (isOver(got)) break
    hub.set(RECORD, R_ASLEEP, wants ? ASLEEP : DROWSY)
    if (!intake.hasWork(wants)) agent.block()
    hub.set(RECORD, R_ASLEEP, AWAKE)
  }
  bell.close()
  return got
}

const receive = (pool: Pool, count: number, wants = true): number[] => serve(pool, wants, ({ ids }) => ids.length >= count).ids

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

test('what one of two senders sends, while the other waits for room, arrives', () => {
  model(
    'receive 2 | send 1 | send 1, in one place',
    ({ region, spawn }) => {
      const pool = small(region, 1)
      const receiver = spawn(() => receive(pool, 2), { ...ready(region), loop: 'idle' })
      for (const id of [1, 2]) spawn(() => send(pool, [entry(SEND, id)]), { ...ready(region), loop: 'idle' })
      return () => expect([...receiver.result].sort()).toEqual([1, 2])
    },
    { ...options, preemptions: full ? 2 : 1 },
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

test('the end of a thread is told once its mailbox is empty, also when the record is used again while its worker looks', () => {
  model(
    'the former has ended: take until the end of the next | open, start, close',
    ({ region, spawn }) => {
      const pool = small(region, 2)
      const next = nextRef(REF, RECORD)
      const hub = Hub.open(pool)
      // A thread that ended by itself: closed, and nobody has looked since.
      hub.sender(RECORD).close()
      hub.set(RECORD, R_STATE, stateOf(REF, ENDED))
      const worker = spawn(() => serve(pool, false, ({ ended }) => ended.includes(refOf(next, 0))), { ...ready(region), loop: 'idle' })
      spawn(() => {
        const own = Hub.open(pool)
        // As thread-owner.ts allocates, and port.ts closes.
        own.reopen(RECORD)
        own.set(RECORD, R_STATE, stateOf(next, STARTING))
        expect(own.post(RECORD, entry(START, 5, next))).toBe(true)
        expect(own.change(RECORD, stateOf(next, STARTING), stateOf(next, CLOSING))).toBe(true)
        own.sender(RECORD).close()
        own.wake(RECORD, true)
      }, ready(region))
      return () => {
        const { ids, ended } = worker.result
        expect(ids).toEqual([5])
        expect(ended.at(-1)).toBe(refOf(next, 0))
        expect(ended.length).toBeLessThanOrEqual(2)
        expect(phaseOf(hub.stateOf(RECORD))).toBe(CLOSING)
      }
    },
    options,
  )
})
