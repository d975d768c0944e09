/** The bounded channel from one agent, in the three modes. */
import { bool, bytes, DisposedError, f64, handle, i32, InvalidArgumentError, json, Region, utf8, value, ValueTooLargeError } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { beforeEach, describe, expect, test } from 'vitest'
import { channel, channelAt, channelBytes, CLOSED, ClosedError, EMPTY, Receiver, Sender } from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('smoke', () => {
  test('a message goes from one end to the other', () => {
    const [tx, rx] = channel({ capacity: 4, codec: i32, region })
    tx.send(7)
    expect(rx.recv()).toBe(7)
  })

  test('through handles, and at places of the caller', () => {
    const [tx, rx] = channel({ capacity: 4, codec: utf8(500), region })
    const there = Sender.fromHandle<string>(structuredClone(tx.toHandle()))
    there.send('x'.repeat(400))
    expect(Receiver.fromHandle<string>(rx.toHandle()).recv()).toBe('x'.repeat(400))
    expect(Receiver.at<string>(region, rx.at).tryRecv()).toBe(EMPTY)

    const at = region.alloc(channelBytes(f64, 3), 64)
    const [tx2, rx2] = channelAt(region, at, { capacity: 3, codec: f64 })
    tx2.send(0.5)
    expect(Receiver.at(region, rx2.at).recv()).toBe(0.5)
    expect(tx2.at).toBe(at)
  })

  test('a wrong capacity is refused', () => {
    for (const capacity of [-1, 1.5, NaN, 2 ** 25, '3' as unknown as number]) {
      expect(() => channel({ capacity, codec: i32, region })).toThrow(InvalidArgumentError)
    }
  })

  test('what the codecs carry arrives', () => {
    const cases: [{ codec: never }, unknown[]][] = [
      [{ codec: f64 as never }, [0, -0.5, Infinity]],
      [{ codec: bool as never }, [true, false, true]],
      [{ codec: bytes(1000) as never }, [new Uint8Array([1, 2, 3]), new Uint8Array(900).fill(7), new Uint8Array()]],
      [{ codec: json(1000) as never }, [{ a: [1, null] }, 'text', 3]],
      [{ codec: value(10_000) as never }, [new Map([[1, new Date(5)]]), [undefined, 10n], 'é'.repeat(300)]],
    ]
    for (const [{ codec }, values] of cases) {
      const [tx, rx] = channel<unknown>({ capacity: 2, codec, region })
      for (const sent of values) {
        tx.send(sent)
        expect(rx.recv()).toEqual(sent)
      }
      tx.dispose()
    }
  })
})

describe('capacity', () => {
  for (const capacity of [1, 2, 3, 5, 16, 17, 100]) {
    test(`of ${capacity}: exactly so many fit, over many laps`, () => {
      const [tx, rx] = channel({ capacity, codec: i32, region })
      expect([tx.capacity, tx.length]).toEqual([capacity, 0])
      let next = 0
      let expected = 0
      for (let lap = 0; lap < 50; lap++) {
        for (let fill = tx.length; fill < capacity; fill++) expect(tx.trySend(next++)).toBe(true)
        expect(tx.trySend(-1)).toBe(false)
        expect(rx.length).toBe(capacity)
        const take = 1 + ((lap * 7) % capacity)
        for (let i = 0; i < take; i++) expect(rx.tryRecv()).toBe(expected++)
        expect(rx.length).toBe(capacity - take)
      }
      while (expected < next) expect(rx.tryRecv()).toBe(expected++)
      expect(rx.tryRecv()).toBe(EMPTY)
    })
  }
})

describe('first in, first out', () => {
  test('with several openings of each end in turn', () => {
    const [tx, rx] = channel({ capacity: 40, codec: i32, region })
    const senders = [tx, Sender.at<number>(region, tx.at), Sender.at<number>(region, tx.at)]
    const receivers = [rx, Receiver.at<number>(region, rx.at), Receiver.at<number>(region, rx.at)]
    let sent = 0
    let received = 0
    for (let round = 0; round < 3000; round++) {
      const burst = (round * 13) % 41
      for (let i = 0; i < burst; i++) if (senders[(round * 7 + i) % 3]!.trySend(sent)) sent++
      const drain = (round * 17) % 41
      for (let i = 0; i < drain; i++) {
        const got = receivers[(round * 5 + i) % 3]!.tryRecv()
        if (got !== EMPTY) expect(got).toBe(received++)
      }
      expect(rx.length).toBe(sent - received)
    }
    expect(received).toBeGreaterThan(10_000)
  })
})

describe('waiting', () => {
  test('a receive that waits gets the message, in order of arrival', async () => {
    const [tx, rx] = channel({ capacity: 4, codec: i32, region })
    const first = rx.recvAsync()
    const second = rx.recvAsync()
    tx.send(1)
    tx.send(2)
    expect(await Promise.all([first, second])).toEqual([1, 2])
  })

  test('a send that waits goes on when there is room', async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    tx.send(1)
    const sends = [tx.sendAsync(2), tx.sendAsync(3)]
    await turn()
    expect(rx.tryRecv()).toBe(1)
    await sends[0]
    expect(await rx.recvAsync()).toBe(2)
    await sends[1]
    expect(await rx.recvAsync()).toBe(3)
  })

  test('a time limit ends a wait, and nothing was sent or lost', async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    expect(() => rx.recv({ timeout: 2 })).toThrow(TimeoutError)
    await expect(rx.recvAsync({ timeout: 1 })).rejects.toThrow(TimeoutError)
    tx.send(1)
    expect(() => tx.send(2, { timeout: 2 })).toThrow(TimeoutError)
    await expect(tx.sendAsync(3, { timeout: 1 })).rejects.toThrow(TimeoutError)
    expect(rx.recv()).toBe(1)
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(tx.toHandle().at).toBe(tx.at)
  })

  test('an abort ends a wait with its reason, and the next waiter gets the message', async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    const controller = new AbortController()
    const given = rx.recvAsync({ signal: controller.signal })
    const next = rx.recvAsync()
    controller.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    tx.send(5)
    expect(await next).toBe(5)
  })

  test('fibers send and receive', () => {
    const [tx, rx] = channel({ capacity: 2, codec: i32, region })
    const scheduler = new Scheduler({ region })
    const got: number[] = []
    scheduler.spawn(function* () {
      for (let i = 0; i < 100; i++) yield* tx.sendFiber(i)
      tx.close()
    })
    scheduler.spawn(function* () {
      for (;;) {
        try {
          got.push(yield* rx.recvFiber())
        } catch (error) {
          expect(error).toBeInstanceOf(ClosedError)
          return
        }
      }
    })
    scheduler.run()
    expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  test('a fiber that is cancelled while it receives takes nothing', () => {
    const [tx, rx] = channel({ capacity: 2, codec: i32, region })
    const scheduler = new Scheduler({ region })
    const got: number[] = []
    const first = scheduler.spawn(function* () {
      got.push(yield* rx.recvFiber())
    })
    scheduler.spawn(function* () {
      got.push(10 + (yield* rx.recvFiber()))
    })
    scheduler.spawn(function* () {
      yield undefined
      tx.send(1)
      // Woken, and cancelled before it runs.
      first.cancel()
    })
    scheduler.run()
    expect(got).toEqual([11])
  })
})

describe('close', () => {
  test('what was accepted is drained, then ClosedError with the reason; senders get their message back', async () => {
    const [tx, rx] = channel({ capacity: 4, codec: i32, region })
    tx.send(1)
    tx.send(2)
    rx.close({ because: 'done' })
    rx.close('again')
    expect([tx.isClosed, rx.isClosed]).toEqual([true, true])
    const refused = (() => {
      try {
        tx.send(3)
      } catch (error) {
        return error
      }
    })() as ClosedError
    expect(refused).toBeInstanceOf(ClosedError)
    expect([refused.code, refused.value, refused.reason]).toEqual(['ERR_CLOSED', 3, { because: 'done' }])
    expect(() => tx.trySend(3)).toThrow(ClosedError)
    await expect(tx.sendAsync(4)).rejects.toMatchObject({ code: 'ERR_CLOSED', value: 4 })
    expect(rx.recv()).toBe(1)
    expect(await rx.recvAsync()).toBe(2)
    expect(rx.tryRecv()).toBe(CLOSED)
    expect(() => rx.recv()).toThrow(ClosedError)
    await expect(rx.recvAsync()).rejects.toMatchObject({ reason: { because: 'done' } })
  })

  test('whoever waits is woken', async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    const receives = [rx.recvAsync(), rx.recvAsync()]
    tx.close()
    for (const receive of receives) await expect(receive).rejects.toThrow(ClosedError)

    const [tx2] = channel({ capacity: 1, codec: i32, region })
    tx2.send(0)
    const sends = [tx2.sendAsync(1), tx2.sendAsync(2)]
    tx2.close()
    await expect(sends[0]).rejects.toMatchObject({ value: 1 })
    await expect(sends[1]).rejects.toMatchObject({ value: 2 })
  })

  test('a reason that can not travel is told as text', () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    tx.close(Symbol('why'))
    expect(() => rx.recv()).toThrow(expect.objectContaining({ reason: 'Symbol(why)' }) as Error)
  })

  test('iterators just end', async () => {
    const [tx, rx] = channel({ capacity: 8, codec: i32, region })
    for (let i = 0; i < 6; i++) tx.send(i)
    for (const got of rx) if (got === 1) break
    tx.close()
    const rest: number[] = []
    for await (const got of rx) {
      rest.push(got)
      if (got === 3) break
    }
    expect([...rest, ...rx]).toEqual([2, 3, 4, 5])
  })
})

describe('many at once', () => {
  test('a typed array in, a typed array out', async () => {
    const [tx, rx] = channel({ capacity: 64, codec: f64, region })
    const sent = Float64Array.from({ length: 50 }, (_, i) => i / 4)
    expect(tx.sendMany(sent)).toBe(50)
    const into = new Float64Array(32)
    const first = rx.recvMany(into)
    expect(first).toEqual(sent.subarray(0, 32))
    expect(first.buffer).toBe(into.buffer)
    expect(await rx.recvManyAsync(into)).toEqual(sent.subarray(32))
  })

  test('lists, and more than fit', async () => {
    const [tx, rx] = channel({ capacity: 4, codec: utf8(300), region })
    const texts = Array.from({ length: 30 }, (_, i) => `${i} `.repeat(i * 2))
    const sending = tx.sendManyAsync(texts)
    const got: string[] = []
    while (got.length < texts.length) got.push(...(await rx.recvManyAsync(7)))
    expect(await sending).toBe(30)
    expect(got).toEqual(texts)
  })

  test('a time limit or a close in the middle tells how many were sent', async () => {
    const [tx, rx] = channel({ capacity: 4, codec: i32, region })
    expect(tx.sendMany([1, 2, 3, 4, 5, 6], { timeout: 1 })).toBe(4)
    expect(() => tx.sendMany([7], { timeout: 1 })).toThrow(TimeoutError)
    const sending = tx.sendManyAsync([7])
    tx.close()
    await expect(sending).rejects.toMatchObject({ value: [7] })
    expect(rx.recvMany(10)).toEqual([1, 2, 3, 4])
    expect(() => rx.recvMany(1)).toThrow(ClosedError)
    expect(() => rx.recvMany(0)).toThrow(InvalidArgumentError)
  })
})

describe('memory', () => {
  test('a value over the maximum is refused and leaves nothing behind', () => {
    const [tx, rx] = channel({ capacity: 2, codec: utf8(200), region })
    const { used } = region.stats()
    expect(() => tx.send('x'.repeat(201))).toThrow(ValueTooLargeError)
    expect(() => tx.send('x'.repeat(201))).toThrow(ValueTooLargeError)
    expect(() => tx.send('x'.repeat(201))).toThrow(ValueTooLargeError)
    tx.send('y')
    expect(rx.recv()).toBe('y')
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(region.stats().used).toBe(used)
  })

  test('outside memory is freed on receipt and on disposal', () => {
    const [kept] = channel({ capacity: 2, codec: i32, region })
    kept.send(1)
    const { used } = region.stats()
    const [tx, rx] = channel({ capacity: 8, codec: bytes(10_000), region })
    for (let i = 0; i < 20; i++) {
      tx.send(new Uint8Array(5000))
      rx.recv()
    }
    for (let i = 0; i < 5; i++) tx.send(new Uint8Array(5000))
    tx.close('a reason')
    const stale = rx.toHandle()
    rx.dispose()
    expect(region.stats().used).toBe(used)
    expect(() => tx.send(new Uint8Array())).toThrow(DisposedError)
    expect(() => rx.recv()).toThrow(DisposedError)
    expect(() => Receiver.fromHandle(stale)).toThrow(DisposedError)
  })

  test('channels go through channels', () => {
    const [tx, rx] = channel({ capacity: 2, codec: handle<Sender<number>>(Sender as never), region })
    const [replyTx, replyRx] = channel({ capacity: 1, codec: i32, region })
    tx.send(replyTx)
    rx.recv().send(42)
    expect(replyRx.recv()).toBe(42)
  })
})
