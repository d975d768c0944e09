/** select over receives, sends and times, in the three modes; after, tick and never. */
import { i32, InvalidArgumentError, Region, utf8 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { Scheduler } from '@heddle/scheduler'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  after,
  channel,
  CLOSED,
  ClosedError,
  EMPTY,
  never,
  oneshot,
  type Receiver,
  select,
  selectAsync,
  selectFiber,
  type Sender,
  spsc,
  tick,
  trySelect,
} from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
afterEach(() => {
  expect(Agent.of(region).slab.used).toBe(0)
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pair = (capacity = 1): [Sender<number>, Receiver<number>] => channel({ capacity, codec: i32, region })

describe('select', () => {
  test('does the one case that is ready, and says which', () => {
    const [tx, rx] = pair()
    const [texts, lines] = channel({ capacity: 1, codec: utf8(20), region })
    const [fullTx, fullRx] = pair()
    fullTx.send(0)
    tx.send(5)
    const got = select({ number: rx, line: lines, send: [fullTx, 1], late: after(10_000) })
    expect(got).toEqual({ key: 'number', value: 5 })
    if (got.key === 'line' && got.closed === undefined) expectTypeOf(got.value).toEqualTypeOf<string>()
    if (got.key === 'number' && got.closed === undefined) expectTypeOf(got.value).toEqualTypeOf<number>()
    texts.send('x')
    expect(select({ number: rx, line: lines, send: [fullTx, 1] })).toEqual({ key: 'line', value: 'x' })
    expect(fullRx.recv()).toBe(0)
    expect(select({ number: rx, line: lines, send: [fullTx, 1] })).toEqual({ key: 'send', value: undefined })
    expect(fullRx.recv()).toBe(1)
    expect(trySelect({ number: rx, line: lines })).toBeUndefined()
  })

  test('a closed channel is a case that is ready', () => {
    const [tx, rx] = pair()
    tx.close()
    expect(select({ rx, wait: never() })).toEqual({ key: 'rx', closed: true })
    expect(select({ tx: [tx, 1], wait: never() })).toEqual({ key: 'tx', closed: true })
  })

  test('is fair among ready cases', () => {
    const [aTx, a] = pair(1000)
    const [bTx, b] = pair(1000)
    for (let i = 0; i < 1000; i++) {
      aTx.send(i)
      bTx.send(i)
    }
    let fromA = 0
    for (let i = 0; i < 1000; i++) if (select({ a, b }).key === 'a') fromA++
    // Binomial, n = 1000: outside of this once in 10^15 runs.
    expect(fromA).toBeGreaterThan(375)
    expect(fromA).toBeLessThan(625)
  })

  test('waits as a promise, and the message that it did not take stays', async () => {
    const [aTx, a] = pair()
    const [bTx, b] = pair()
    const waiting = selectAsync({ a, b })
    await turn()
    bTx.send(2)
    aTx.send(1)
    const got = await waiting
    expect([a.length + b.length, got.key]).toEqual([1, got.key])
    expect([got.value, got.key === 'a' ? b.recv() : a.recv()].sort()).toEqual([1, 2])
  })

  test('waits to send', async () => {
    const [tx, rx] = pair()
    tx.send(1)
    const waiting = selectAsync({ send: [tx, 2], never: never() })
    await turn()
    expect(rx.recv()).toBe(1)
    expect(await waiting).toEqual({ key: 'send', value: undefined })
    expect(rx.recv()).toBe(2)
  })

  test('a wake that it does not use goes to the next', async () => {
    const [aTx, a] = pair(4)
    const [bTx, b] = pair(4)
    const first = selectAsync({ a, b })
    const second = a.recvAsync()
    const third = b.recvAsync()
    for (const tx of [aTx, bTx]) tx.send(1)
    await first
    aTx.send(2)
    bTx.send(2)
    await Promise.all([second, third])
    expect(a.length + b.length).toBe(1)
  })

  test('times: the first that is due', async () => {
    const [, rx] = pair()
    expect(select({ rx, late: after(3), later: after(10_000) })).toEqual({ key: 'late', value: undefined })
    expect(await selectAsync({ rx, late: after(3) })).toEqual({ key: 'late', value: undefined })
    expect(() => select({ rx, late: after(10_000) }, { timeout: 2 })).toThrow(TimeoutError)
    await expect(selectAsync({ rx, late: never() }, { timeout: 2 })).rejects.toThrow(TimeoutError)
    const controller = new AbortController()
    const waiting = selectAsync({ rx }, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  test('in fibers: a producer, a quitter and a clock', () => {
    const [tx, rx] = pair(2)
    const [quit, quits] = oneshot<number>({ codec: i32, region })
    const [, nothing] = pair()
    const scheduler = new Scheduler({ region })
    const got: number[] = []
    let ticks = 0
    scheduler.spawn(function* () {
      const clock = tick(1)
      for (;;) {
        const found = yield* selectFiber({ number: rx, quit: quits, clock })
        if (found.key === 'quit') return
        if (found.key === 'clock') ticks++
        else if (found.closed === undefined) got.push(found.value)
      }
    })
    scheduler.spawn(function* () {
      for (let i = 0; i < 50; i++) yield* tx.sendFiber(i)
      // With a channel, so that it waits in the scheduler's region: a time alone waits in the default one.
      yield* selectFiber({ later: after(5), nothing })
      quit.send(1)
    })
    scheduler.run()
    expect(got).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(ticks).toBeGreaterThan(0)
  })

  test('a fiber that is cancelled has taken nothing', () => {
    const [tx, rx] = pair(2)
    const [, other] = pair(2)
    const scheduler = new Scheduler({ region })
    const got: unknown[] = []
    const first = scheduler.spawn(function* () {
      got.push(yield* selectFiber({ rx, other }))
    })
    scheduler.spawn(function* () {
      got.push(yield* selectFiber({ rx, other }))
    })
    scheduler.spawn(function* () {
      yield undefined
      tx.send(1)
      first.cancel()
    })
    scheduler.run()
    expect(got).toEqual([{ key: 'rx', value: 1 }])
  })

  test('what it does not take is refused', () => {
    const [, rx] = pair()
    const [, elsewhere] = channel({ capacity: 1, codec: i32, region: Region.create({ bytes: 1 << 20 }) })
    expect(() => select({ rx, elsewhere })).toThrow(InvalidArgumentError)
    expect(() => select({ x: 5 as never })).toThrow()
  })

  test('spsc in a select', () => {
    const [tx, rx] = spsc({ capacity: 1, codec: i32, region })
    expect(select({ tx: [tx, 4] })).toEqual({ key: 'tx', value: undefined })
    expect(select({ rx })).toEqual({ key: 'rx', value: 4 })
  })
})

describe('times', () => {
  test('after: once, not early', async () => {
    const start = performance.now()
    const rx = after(3)
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(rx.recv()).toBeUndefined()
    expect(performance.now() - start).toBeGreaterThanOrEqual(3)
    expect(rx.tryRecv()).toBe(CLOSED)
    expect(() => rx.recv()).toThrow(ClosedError)
    for await (const _ of after(1)) void _
  })

  test('tick: each later than the one before; stopped by close', () => {
    const clock = tick(1)
    const times: number[] = []
    for (const at of clock) {
      times.push(at)
      if (times.length === 4) clock.close()
    }
    expect(times.length).toBe(4)
    for (let i = 1; i < 4; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThanOrEqual(0.999)
    expect(() => tick(0)).toThrow(InvalidArgumentError)
    expect(() => after(-1)).toThrow(InvalidArgumentError)
  })
})

describe('overtaken by one that did not wait, it keeps its place', () => {
  /** Whoever waits first is woken for a message that somebody else takes before it has its turn; the next message is for it all the same. */
  test('a promise, before a receive', async () => {
    const [tx, rx] = pair(2)
    const [, idle] = pair(2)
    const seen: unknown[] = []
    const first = selectAsync({ rx, idle }).then((found) => seen.push(found))
    const second = rx.recvAsync().then((value) => seen.push(value))
    await settled()
    for (let i = 0; i < 3; i++) {
      tx.send(i)
      expect(rx.tryRecv()).toBe(i)
      await settled()
      expect(seen).toEqual([])
    }
    tx.send(10)
    await first
    tx.send(11)
    await second
    expect(seen).toEqual([{ key: 'rx', value: 10 }, 11])
  })
})

async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await turn()
}
