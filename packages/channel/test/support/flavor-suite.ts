/**
 * The same list of tests for every flavour of channel. A flavour plugs in with one call of `flavorSuite` (unit project) and one of
 * `flavorModels` (flavor-models.ts, model project).
 */
import { type Codec, handle, i32, InvalidArgumentError, Region, utf8 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { Scheduler } from '@heddle/scheduler'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CLOSED, ClosedError, EMPTY, type Receiver, select, selectAsync, selectFiber, Sender, trySelect } from '../../src/index.js'
import { Crew, type Heard } from './crew.js'

/** What a flavour is, as far as the tests have to know. */
export interface FlavorSpec {
  name: string
  make<T>(options: { capacity: number; codec: Codec<T>; region: Region }): [Sender<T>, Receiver<T>]
  /** How many messages it keeps when it is made with `capacity: n`; 0: hand to hand. Default: n. */
  keeps?: (n: number) => number
  /** One agent only at that end; or, for a whole life, one message. Default: many. */
  senders?: 'one'
  receivers?: 'one'
  once?: boolean
  /** Who gets a message: one receiver (default), every one, or whoever looks while it is the latest. */
  delivery?: 'one' | 'all' | 'latest'
  /** What a full channel does with one more: `trySend` says false (default), or takes it all the same. */
  whenFull?: 'wait' | 'take'
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Puts one message in, or has one offered, without waiting for anybody. */
function put<T>(tx: Sender<T>, value: T, kept: boolean): void {
  if (kept) expect(tx.trySend(value)).toBe(true)
  else tx.sendAsync(value).catch(() => undefined)
}

function counting(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i)
}

/** Checks what receivers heard of `senders` that sent 0 … messages - 1 each, as sender * messages + i. */
export function expectHeard(heard: Heard[], senders: number, messages: number, delivery: FlavorSpec['delivery']): void {
  const whole = counting(senders * messages)
  for (const { values } of heard) {
    for (let sender = 0; sender < senders; sender++) {
      const own = values.filter((value) => Math.floor(value / messages) === sender)
      expect(own, `receiver's messages of sender ${sender}, in order`).toEqual([...own].sort((a, b) => a - b))
      expect(new Set(own).size).toBe(own.length)
    }
    if (delivery === 'all') expect([...values].sort((a, b) => a - b)).toEqual(whole)
  }
  if (delivery === 'latest') return
  if (delivery !== 'all') expect(heard.flatMap(({ values }) => values).sort((a, b) => a - b)).toEqual(whole)
}

export function flavorSuite(spec: FlavorSpec): void {
  const { senders, receivers, once = false, delivery = 'one', whenFull = 'wait', keeps = (n: number) => n } = spec
  const kept = keeps(1) > 0
  const latest = delivery === 'latest'

  describe(spec.name, () => {
    let region: Region
    let crew: Crew
    beforeEach(() => {
      region = Region.create({ bytes: 1 << 23 })
      crew = new Crew(region)
    })
    afterEach(async () => {
      await crew.dismiss()
      expect(Agent.of(region).slab.used, 'waiter records in use').toBe(0)
    })
    const pair = (capacity = 4): [Sender<number>, Receiver<number>] => spec.make({ capacity, codec: i32, region })

    test('smoke: one message', async () => {
      const [tx, rx] = pair()
      expect(rx.tryRecv()).toBe(EMPTY)
      put(tx, 7, kept)
      expect(rx.tryRecv()).toBe(7)
      expect(rx.tryRecv()).toBe(once ? CLOSED : EMPTY)
      await turn()
    })

    test('capacity: so many are kept, and one more waits', async () => {
      for (const asked of [1, 2, 5]) {
        const [tx, rx] = pair(asked)
        const capacity = keeps(asked)
        if (capacity !== Infinity) for (let i = 0; i < capacity; i++) expect(tx.trySend(i)).toBe(true)
        else for (let i = 0; i < 3000; i++) tx.send(i)
        if (once) expect(() => tx.trySend(9)).toThrow(ClosedError)
        else if (capacity !== Infinity) expect(tx.trySend(latest ? 1 : 9)).toBe(whenFull === 'take')
        if (whenFull === 'wait' && !once && capacity !== Infinity) {
          const sending = tx.sendAsync(capacity)
          await turn()
          expect(rx.recv()).toBe(0)
          await sending
          expect(rx.tryRecv()).toBe(capacity > 0 ? 1 : EMPTY)
        }
      }
    })

    test('first in, first out', async () => {
      const [tx, rx] = pair(3)
      const count = once ? 1 : 200
      const sending = (async () => {
        for (let i = 0; i < count; i++) await tx.sendAsync(i)
      })()
      const got: number[] = []
      while (got.at(-1) !== count - 1) got.push(await rx.recvAsync())
      await sending
      expect(got).toEqual(latest || whenFull === 'take' ? [...got].sort((a, b) => a - b) : counting(count))
    })

    test('try, time limit, signal: what ends early has done nothing', async () => {
      const [tx, rx] = pair(1)
      expect(rx.tryRecv()).toBe(EMPTY)
      expect(() => rx.recv({ timeout: 1 })).toThrow(TimeoutError)
      await expect(rx.recvAsync({ timeout: 1 })).rejects.toThrow(TimeoutError)
      const controller = new AbortController()
      const receiving = rx.recvAsync({ signal: controller.signal })
      controller.abort(new Error('enough'))
      await expect(receiving).rejects.toThrow('enough')
      if (!once && whenFull === 'wait' && keeps(1) !== Infinity) {
        for (let i = 0; i < keeps(1); i++) tx.send(i)
        expect(() => tx.send(50, { timeout: 1 })).toThrow(TimeoutError)
        await expect(tx.sendAsync(51, { timeout: 1 })).rejects.toThrow(TimeoutError)
        const other = new AbortController()
        const sending = tx.sendAsync(52, { signal: other.signal })
        other.abort(new Error('enough'))
        await expect(sending).rejects.toThrow('enough')
        for (let i = 0; i < keeps(1); i++) expect(rx.recv()).toBe(i)
      }
      expect(rx.tryRecv()).toBe(EMPTY)
      put(tx, 1, kept)
      expect(rx.recv()).toBe(1)
      await turn()
    })

    test('close: senders get their message back, receivers the reason, nobody sleeps on', async () => {
      const [tx, rx] = pair(1)
      const receives = [rx.recvAsync(), rx.recvAsync()].map((receive) => receive.catch((error: unknown) => error))
      tx.close('over')
      rx.close('twice is fine')
      for (const error of await Promise.all(receives)) expect(error).toMatchObject({ code: 'ERR_CLOSED', reason: 'over' })
      expect(() => tx.send(3)).toThrow(ClosedError)
      await expect(tx.sendAsync(4)).rejects.toMatchObject({ value: 4, reason: 'over' })
      expect(() => tx.trySend(5)).toThrow(ClosedError)
      expect(() => tx.sendMany([6])).toThrow(ClosedError)
      expect(rx.tryRecv()).toBe(CLOSED)
      expect(() => rx.recv()).toThrow(ClosedError)
      expect([...rx]).toEqual([])
      for await (const none of rx) expect(none).toBeUndefined()
      if (once || whenFull === 'take' || keeps(1) === Infinity) return
      const [next, there] = pair(1)
      for (let i = 0; i < keeps(1); i++) next.send(i)
      const refused = next.sendAsync(9)
      await turn()
      there.close()
      await expect(refused).rejects.toMatchObject({ value: 9 })
    })

    test('drain: what was accepted before the close is received', async () => {
      const [tx, rx] = pair(4)
      const count = once || latest ? 1 : Math.min(keeps(4), 4)
      for (let i = 0; i < count; i++) expect(tx.trySend(i)).toBe(true)
      tx.close()
      expect(rx.isClosed).toBe(true)
      const got: number[] = []
      for await (const value of rx) got.push(value)
      expect(got).toEqual(counting(count))
      expect(() => rx.recvMany(3)).toThrow(ClosedError)
    })

    test('memory: what messages own is freed on receipt and on disposal', async () => {
      const before = region.stats().used
      const text = 'x'.repeat(3000)
      const [tx, rx] = spec.make({ capacity: 2, codec: utf8(5000), region })
      for (let i = 0; i < (once ? 1 : 20); i++) {
        put(tx, text, kept)
        expect(rx.recv()).toBe(text)
        await turn()
      }
      if (kept && !once) tx.send(text)
      rx.dispose()
      if (once) return
      const { used } = region.stats()
      for (let i = 0; i < 5; i++) {
        const [again] = spec.make({ capacity: 2, codec: utf8(5000), region })
        if (kept) again.send(text)
        again.dispose()
      }
      expect(region.stats().used).toBe(used)
      expect(used).toBeGreaterThanOrEqual(before)
    })

    test('many at once: sendMany and recvMany', async () => {
      if (once || latest) {
        const [tx, rx] = pair()
        put(tx, 5, true)
        expect(rx.recvMany(10)).toEqual([5])
        return
      }
      const [tx, rx] = pair(8)
      const values = Int32Array.from(counting(100))
      const total = whenFull === 'take' ? 8 : 100
      const sending = tx.sendManyAsync(values.subarray(0, total))
      const got: number[] = []
      const into = new Int32Array(5)
      for (let round = 0; got.length < total; round++) got.push(...(round % 2 === 0 ? await rx.recvManyAsync(7) : await rx.recvManyAsync(into)))
      expect(await sending).toBe(total)
      expect(got).toEqual(counting(total))
    })

    test('three modes: promises and fibers on one channel', async () => {
      const count = once ? 1 : 40
      // Who overwrites needs room for what the other fiber has not received yet.
      const [tx, rx] = pair(delivery === 'all' ? count : 2)
      const scheduler = new Scheduler({ region })
      const got: number[] = []
      scheduler.spawn(function* () {
        while (got.at(-1) !== count - 1) got.push(yield* rx.recvFiber())
      })
      scheduler.spawn(function* () {
        for (let i = 0; i < count; i++) {
          if (i % 5 === 4) {
            const found = yield* selectFiber({ send: [tx, i] })
            expect(found.key).toBe('send')
          } else yield* tx.sendFiber(i)
          if (latest) yield undefined
        }
      })
      await scheduler.runAsync()
      expect(got).toEqual(latest || whenFull === 'take' ? [...got].sort((a, b) => a - b) : counting(count))
    })

    test('select: the ready case, and fair among several', async () => {
      let [aTx, a] = pair(1)
      let [bTx, b] = pair(1)
      expect(trySelect({ a, b })).toBeUndefined()
      let fromA = 0
      for (let round = 0; round < 400; round++) {
        if (once && round > 0) {
          aTx.dispose()
          bTx.dispose()
          ;[aTx, a] = pair(1)
          ;[bTx, b] = pair(1)
        }
        put(aTx, round, kept)
        put(bTx, round, kept)
        const got = select({ a, b })
        expect(got.value).toBe(round)
        if (got.key === 'a') fromA++
        expect((got.key === 'a' ? b : a).tryRecv()).toBe(round)
        if (round % 20 === 0) await turn()
      }
      // Binomial, n = 400: outside of this once in 10^15 runs.
      expect(fromA).toBeGreaterThan(120)
      expect(fromA).toBeLessThan(280)
      await turn()
      ;[aTx, a] = pair(1)
      ;[bTx, b] = pair(1)
      const waiting = selectAsync({ a, b })
      await turn()
      put(bTx, 5, kept)
      expect(await waiting).toEqual({ key: 'b', value: 5 })
      await turn()
      aTx.close()
      expect(select({ a })).toEqual({ key: 'a', closed: true })
    })

    test('a send inside a receive', async () => {
      if (once) {
        const [tx, rx] = pair()
        const [next, there] = pair()
        put(tx, 1, true)
        next.send(rx.recv())
        expect(there.recv()).toBe(1)
        return
      }
      const [tx, rx] = pair(1)
      put(tx, 0, kept)
      for (let i = 0; i < 50; i++) {
        put(tx, rx.recv() + 1, kept)
        await turn()
      }
      expect(rx.recv()).toBe(50)
      await turn()
    })

    test('a channel through a channel', async () => {
      const [tx, rx] = spec.make({ capacity: 1, codec: handle<Sender<number>>(Sender as never), region })
      const [answer, answers] = pair(1)
      put(tx, answer, kept)
      const there = rx.recv()
      put(there, 42, kept)
      expect(answers.recv()).toBe(42)
      await turn()
    })

    const stress = async (sending: number, receiving: number, messages: number): Promise<void> => {
      const [tx, rx] = pair(delivery === 'all' ? sending * messages : 16)
      const heard = await crew.stress(tx, rx, { sending, receiving, messages })
      expectHeard(heard, sending, messages, delivery)
      expect(heard.some(({ values }) => values.length > 0)).toBe(true)
    }

    test('stress: one sender, one receiver', () => stress(1, 1, once ? 1 : 4000))

    test('stress: many senders, one receiver', async () => {
      if (once) return stress(1, 1, 1)
      if (senders === 'one') return refused('send')
      return stress(3, 1, 1500)
    })

    test('stress: one sender, many receivers', async () => {
      if (receivers === 'one') return refused('receive')
      return stress(1, 3, once ? 1 : 3000)
    })

    test('stress: many senders, many receivers', async () => {
      if (once || senders === 'one') return stress(1, receivers === 'one' ? 1 : 3, once ? 1 : 1000)
      return stress(3, receivers === 'one' ? 1 : 3, 1000)
    })

    /** An end that belongs to one agent refuses the second. */
    const refused = async (end: 'send' | 'receive'): Promise<void> => {
      const [tx, rx] = pair(4)
      tx.send(1)
      if (end === 'receive') expect(rx.recv()).toBe(1)
      expect(await crew.tryOnce(tx, rx, end)).toBe(new InvalidArgumentError('').code)
    }

    test('an agent that is killed takes nothing with it but what it was in the middle of', async () => {
      const [tx, rx] = pair(8)
      const count = once || latest ? 1 : Math.min(3, keeps(8))
      await crew.sendAndDie(tx, rx, count)
      const got: number[] = []
      for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) got.push(found)
      expect(got).toEqual(latest ? [count - 1] : counting(count))
      if (once) return
      // The dead one waited at both ends of what it could wait for; the next ones don't notice.
      put(tx, 8, kept)
      expect(rx.recv()).toBe(8)
      await turn()
    })
  })
}
