/** Channels of capacity 0: every message goes from hand to hand. */
import { bytes, i32, Region, utf8, ValueTooLargeError } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { beforeEach, expect, test } from 'vitest'
import { channel, CLOSED, ClosedError, EMPTY, Receiver, Sender } from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pair = (): [Sender<number>, Receiver<number>] => channel({ capacity: 0, codec: i32, region })

test('smoke: a send ends when it is received', async () => {
  const [tx, rx] = pair()
  expect([tx.capacity, tx.length]).toEqual([0, 0])
  let sent = false
  const sending = tx.sendAsync(7).then(() => (sent = true))
  await turn()
  expect(sent).toBe(false)
  expect(rx.recv()).toBe(7)
  await sending
})

test('first in, first out, whoever waits first', async () => {
  const [tx, rx] = pair()
  const sends = [1, 2, 3].map((value) => tx.sendAsync(value))
  expect([rx.recv(), await rx.recvAsync(), rx.tryRecv()]).toEqual([1, 2, 3])
  await Promise.all(sends)
  const receives = [rx.recvAsync(), rx.recvAsync(), rx.recvAsync()]
  tx.send(4)
  await tx.sendAsync(5)
  expect(tx.trySend(6)).toBe(true)
  expect(await Promise.all(receives)).toEqual([4, 5, 6])
})

test('a try needs somebody on the other side', async () => {
  const [tx, rx] = pair()
  expect(tx.trySend(1)).toBe(false)
  expect(rx.tryRecv()).toBe(EMPTY)
  const receiving = rx.recvAsync()
  expect(tx.trySend(2)).toBe(true)
  expect(tx.trySend(3)).toBe(false)
  expect(await receiving).toBe(2)
})

test('a send that gives up has sent nothing; a receive that gives up took nothing', async () => {
  const [tx, rx] = pair()
  expect(() => tx.send(1, { timeout: 2 })).toThrow(TimeoutError)
  expect(() => rx.recv({ timeout: 2 })).toThrow(TimeoutError)
  expect(rx.tryRecv()).toBe(EMPTY)
  expect(tx.trySend(1)).toBe(false)
  const controller = new AbortController()
  const sending = tx.sendAsync(2, { signal: controller.signal })
  const other = tx.sendAsync(3)
  controller.abort(new Error('enough'))
  await expect(sending).rejects.toThrow('enough')
  expect(rx.recv()).toBe(3)
  await other
})

test('close gives waiting senders their message back and ends waiting receivers', async () => {
  const [tx, rx] = pair()
  const sends = [tx.sendAsync(1), tx.sendAsync(2)]
  rx.close('over')
  await expect(sends[0]).rejects.toMatchObject({ value: 1, reason: 'over' })
  await expect(sends[1]).rejects.toMatchObject({ value: 2 })
  expect(rx.tryRecv()).toBe(CLOSED)
  expect(() => tx.trySend(3)).toThrow(ClosedError)
  await expect(rx.recvAsync()).rejects.toThrow(ClosedError)
  const [, rx2] = pair()
  const receiving = rx2.recvAsync()
  rx2.close()
  await expect(receiving).rejects.toThrow(ClosedError)
})

test('fibers meet', () => {
  const [tx, rx] = pair()
  const scheduler = new Scheduler({ region })
  const got: number[] = []
  scheduler.spawn(function* () {
    for (let i = 0; i < 100; i++) yield* tx.sendFiber(i)
    tx.close()
  })
  scheduler.spawn(function* () {
    try {
      for (;;) got.push(yield* rx.recvFiber())
    } catch (error) {
      expect(error).toBeInstanceOf(ClosedError)
    }
  })
  scheduler.run()
  expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

test('many, one after the other', async () => {
  const [tx, rx] = pair()
  const sending = tx.sendManyAsync(Int32Array.from({ length: 20 }, (_, i) => i))
  const got: number[] = []
  while (got.length < 20) got.push(...(await rx.recvManyAsync(7)))
  expect(got).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(await sending).toBe(20)
  const cut = tx.sendManyAsync([1, 2, 3])
  expect(rx.recv()).toBe(1)
  await turn()
  tx.close()
  expect(await cut).toBe(1)
})

test('memory outside the slots comes and goes with the messages', async () => {
  const [tx, rx] = channel({ capacity: 0, codec: bytes(5000), region })
  const exchange = async (): Promise<void> => {
    const sending = tx.sendAsync(new Uint8Array(4000).fill(3))
    expect((await rx.recvAsync())[3999]).toBe(3)
    await sending
    await expect(tx.sendAsync(new Uint8Array(4000), { timeout: 0 })).rejects.toThrow(TimeoutError)
    expect(() => tx.trySend(new Uint8Array(6000))).not.toThrow()
    await expect(tx.sendAsync(new Uint8Array(6000))).rejects.toThrow(ValueTooLargeError)
  }
  await exchange()
  const { used } = region.stats()
  for (let i = 0; i < 10; i++) await exchange()
  expect(region.stats().used).toBe(used)
  const [tx2] = channel({ capacity: 0, codec: utf8(300), region })
  const text = tx2.sendAsync('x'.repeat(300))
  tx2.close()
  await expect(text).rejects.toMatchObject({ value: 'x'.repeat(300) })
})

test('through handles', async () => {
  const [tx, rx] = pair()
  const receiving = Receiver.fromHandle<number>(rx.toHandle()).recvAsync()
  Sender.fromHandle<number>(tx.toHandle()).send(9)
  expect(await receiving).toBe(9)
  rx.dispose()
  expect(() => tx.send(1)).toThrow()
})
