/**
 * What crossbeam-channel checks, restated: its `tests/` (array, zero, list, after, tick, never, select, iter, same_channel, thread_locals, mpsc), by
 * file. What flavor-suite.ts asks of every flavour is not asked again; `ready` (a select that does nothing) has no counterpart here.
 */
import { i32, Region, utf8 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { Scheduler } from '@heddle/scheduler'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  after,
  channel,
  CLOSED,
  ClosedError,
  EMPTY,
  mpsc,
  never,
  Receiver,
  select,
  selectAsync,
  type SelectCases,
  Sender,
  tick,
  trySelect,
  unbounded,
} from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
afterEach(() => {
  expect(Agent.of(region).slab.used).toBe(0)
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pair = (capacity: number): [Sender<number>, Receiver<number>] => channel({ capacity, codec: i32, region })

describe('array.rs', () => {
  test('len: what is in it, at every step', () => {
    const [tx, rx] = pair(2)
    const seen: number[] = []
    const look = (): void => void seen.push(tx.length, rx.length)
    look()
    tx.send(0)
    look()
    tx.send(1)
    look()
    rx.recv()
    look()
    expect([seen, tx.capacity, rx.capacity]).toEqual([[0, 0, 1, 1, 2, 2, 1, 1], 2, 2])
  })

  test('disconnect wakes a sender and a receiver', async () => {
    const [tx, rx] = pair(1)
    tx.send(0)
    const sending = tx.sendAsync(1)
    const [emptyTx, empty] = pair(1)
    const receiving = empty.recvAsync()
    await turn()
    rx.close()
    emptyTx.close()
    await expect(sending).rejects.toMatchObject({ value: 1 })
    await expect(receiving).rejects.toThrow(ClosedError)
  })

  test('panic_on_drop: what is left is freed with the channel', () => {
    const { used } = region.stats()
    const [tx, rx] = channel({ capacity: 4, codec: utf8(2000), region })
    for (let i = 0; i < 4; i++) tx.send('x'.repeat(1000 + i))
    rx.recv()
    rx.dispose()
    expect(region.stats().used).toBe(used)
  })
})

describe('zero.rs', () => {
  test('try_send and try_recv meet only who waits', async () => {
    const [tx, rx] = pair(0)
    expect(tx.trySend(1)).toBe(false)
    const receiving = rx.recvAsync()
    expect(tx.trySend(2)).toBe(true)
    expect(tx.trySend(3)).toBe(false)
    expect(await receiving).toBe(2)
    const sending = tx.sendAsync(4)
    expect(rx.tryRecv()).toBe(4)
    await sending
  })

  test('a timed-out end is met by nobody', async () => {
    const [tx, rx] = pair(0)
    await expect(tx.sendAsync(1, { timeout: 1 })).rejects.toThrow(TimeoutError)
    expect(rx.tryRecv()).toBe(EMPTY)
    await expect(rx.recvAsync({ timeout: 1 })).rejects.toThrow(TimeoutError)
    expect(tx.trySend(1)).toBe(false)
  })

  test('fairness: each receiver of a select gets its share', async () => {
    const [aTx, a] = pair(0)
    const [bTx, b] = pair(0)
    const hits = { a: 0, b: 0 }
    for (let i = 0; i < 300; i++) {
      const sends = [aTx.sendAsync(i), bTx.sendAsync(i)]
      hits[select({ a, b }).key]++
      select({ a, b })
      await Promise.all(sends)
    }
    // Binomial, n = 300: outside of this once in 10^15 runs.
    expect(Math.min(hits.a, hits.b)).toBeGreaterThan(80)
  })
})

test('list.rs: as many as there is memory for, in order', () => {
  const [tx, rx] = unbounded<number>({ codec: i32, region })
  for (let i = 0; i < 10_000; i++) expect(tx.trySend(i)).toBe(true)
  for (let i = 0; i < 10_000; i++) expect(rx.tryRecv()).toBe(i)
  expect(rx.tryRecv()).toBe(EMPTY)
})

describe('after.rs, tick.rs, never.rs', () => {
  test('after: one message, then nothing more', () => {
    const rx = after(2)
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(select({ rx, never: never() }).key).toBe('rx')
    expect(rx.tryRecv()).toBe(CLOSED)
  })

  test('tick: several in a row, none of them while nobody looked', () => {
    const rx = tick(1)
    const times = [rx.recv(), rx.recv(), rx.recv()]
    expect([...times].sort((a, b) => a - b)).toEqual(times)
    rx.close()
  })

  test('never: only ever times out', () => {
    const rx = never()
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(() => rx.recv({ timeout: 1 })).toThrow(TimeoutError)
    expect(trySelect({ rx })).toBeUndefined()
  })
})

describe('select.rs', () => {
  test('disconnected: a closed channel among open ones is ready', async () => {
    const [aTx, a] = pair(0)
    const [, b] = pair(3)
    const choosing = selectAsync({ a, b })
    await turn()
    aTx.close()
    expect(await choosing).toEqual({ key: 'a', closed: true })
  })

  test('both_ready, loop_try: a send and a receive of one list of cases', async () => {
    const [aTx, a] = pair(0)
    const [bTx, b] = pair(0)
    const done = new Set<string>()
    const other = (async () => {
      await aTx.sendAsync(1)
      expect(await b.recvAsync()).toBe(2)
    })()
    while (done.size < 2) {
      const found = trySelect({ a, b: [bTx, 2] })
      if (found !== undefined) done.add(found.key)
      await turn()
    }
    await other
    expect([...done]).toEqual(['a', 'b'])
  })

  test('cloning: the same channel in several cases', async () => {
    const [tx, rx] = pair(0)
    const choosing = selectAsync({ one: rx, two: Receiver.at<number>(region, rx.at), send: [Sender.at<number>(region, tx.at), 5] })
    await turn()
    tx.trySend(3)
    expect((await choosing).value).toBe(3)
  })

  test('stress: 40 channels in one select', async () => {
    const all = Array.from({ length: 40 }, (_, i) => pair(i % 3))
    const cases: SelectCases = Object.fromEntries(all.map(([, rx], i) => [`${i}`, rx]))
    for (let i = 0; i < 40; i++) {
      const choosing = selectAsync(cases)
      await all[i]![0].sendAsync(i)
      expect(await choosing).toEqual({ key: `${i}`, value: i })
    }
  })
})

test('iter.rs: an iteration ends with the channel, and can be left', () => {
  const [tx, rx] = pair(8)
  for (let i = 0; i < 5; i++) tx.send(i)
  for (const value of rx) if (value === 2) break
  tx.close()
  expect([...rx]).toEqual([3, 4])
})

test('same_channel.rs: what one opening sends another receives, and no other channel does', () => {
  const [tx, rx] = pair(1)
  const [, other] = pair(1)
  Sender.fromHandle<number>(tx.toHandle()).send(1)
  expect(other.tryRecv()).toBe(EMPTY)
  expect(Receiver.fromHandle<number>(rx.toHandle()).recv()).toBe(1)
})

test('thread_locals.rs: a channel in the last breath of a fiber', () => {
  const [tx, rx] = pair(1)
  const scheduler = new Scheduler({ region })
  scheduler.spawn(function* () {
    try {
      yield* rx.recvFiber()
    } finally {
      select({ tx: [tx, 2] })
    }
  })
  scheduler.spawn(function* () {
    yield* tx.sendFiber(1)
  })
  scheduler.run()
  expect(rx.recv()).toBe(2)
})

describe('mpsc.rs', () => {
  test('a message sent before the close is received after it', () => {
    const [tx, rx] = mpsc<number>({ capacity: 4, codec: i32, region })
    tx.send(1)
    tx.close()
    expect([rx.recv(), rx.tryRecv()]).toEqual([1, CLOSED])
  })

  test('send_from_outside_runtime: any sender, one receiver', async () => {
    const [tx, rx] = mpsc<number>({ capacity: 1, codec: i32, region })
    const sends = Array.from({ length: 20 }, (_, i) => tx.sendAsync(i))
    const got: number[] = []
    while (got.length < 20) got.push(await rx.recvAsync())
    await Promise.all(sends)
    expect(got).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })
})
