/** spsc, mpsc and oneshot: what they have in common with every channel, and what is their own. */
import { bytes, i32, InvalidArgumentError, Region, utf8 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { beforeEach, describe, expect, test } from 'vitest'
import { channel, CLOSED, ClosedError, EMPTY, mpsc, oneshot, Receiver, Sender, spsc } from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each([
  ['channel', channel],
  ['spsc', spsc],
  ['mpsc', mpsc],
])('%s', (_name, make) => {
  for (const capacity of [1, 2, 3, 16, 17, 40, 100]) {
    test(`capacity ${capacity}: exactly so many fit, in order, over many laps`, () => {
      const [tx, rx] = make({ capacity, codec: i32, region })
      let next = 0
      let expected = 0
      for (let lap = 0; lap < 60; lap++) {
        while (tx.length < capacity) expect(tx.trySend(next++)).toBe(true)
        expect(tx.trySend(-1)).toBe(false)
        const take = 1 + ((lap * 7) % capacity)
        for (let i = 0; i < take; i++) expect(rx.tryRecv()).toBe(expected++)
        expect(rx.length).toBe(capacity - take)
      }
      while (expected < next) expect(rx.tryRecv()).toBe(expected++)
      expect(rx.tryRecv()).toBe(EMPTY)
    })
  }

  test('waits, time limits and close', async () => {
    const [tx, rx] = make({ capacity: 2, codec: i32, region })
    expect(() => rx.recv({ timeout: 1 })).toThrow(TimeoutError)
    const receiving = rx.recvAsync()
    tx.send(1)
    expect(await receiving).toBe(1)
    tx.send(2)
    tx.send(3)
    expect(() => tx.send(4, { timeout: 1 })).toThrow(TimeoutError)
    const sending = tx.sendAsync(5)
    await turn()
    expect(rx.recv()).toBe(2)
    await sending
    const refused = tx.sendAsync(6)
    tx.close('over')
    await expect(refused).rejects.toMatchObject({ value: 6, reason: 'over' })
    expect([...rx]).toEqual([3, 5])
    expect(rx.tryRecv()).toBe(CLOSED)
    expect(rx.tryRecv()).toBe(CLOSED)
    await expect(rx.recvAsync()).rejects.toThrow(ClosedError)
    expect(() => tx.send(7)).toThrow(ClosedError)
  })

  test('memory outside the slots is freed on receipt and on disposal', () => {
    const before = region.stats().used
    const [tx, rx] = make({ capacity: 3, codec: bytes(5000), region })
    const { used } = region.stats()
    for (let i = 0; i < 20; i++) {
      tx.send(new Uint8Array(3000 + i))
      expect(rx.recv().length).toBe(3000 + i)
    }
    expect(region.stats().used).toBe(used)
    tx.send(new Uint8Array(3000))
    tx.send(new Uint8Array(3000))
    rx.dispose()
    expect(region.stats().used).toBeLessThan(used)
    expect(before).toBeLessThanOrEqual(used)
  })

  test('a value that is refused leaves the channel as it was', () => {
    const [tx, rx] = make({ capacity: 1, codec: utf8(10), region })
    for (let i = 0; i < 5; i++) expect(() => tx.send('x'.repeat(11))).toThrow('utf8(10)')
    tx.send('y')
    expect(rx.recv()).toBe('y')
  })

  test('through handles', () => {
    const [tx, rx] = make({ capacity: 2, codec: i32, region })
    const there = Sender.fromHandle<number>(tx.toHandle())
    there.send(4)
    expect(Receiver.fromHandle<number>(rx.toHandle()).recv()).toBe(4)
    there.send(5)
    expect(there.length).toBe(1)
  })
})

test('several openings of an spsc in one agent take turns', () => {
  const [tx, rx] = spsc({ capacity: 40, codec: i32, region })
  const senders = [tx, Sender.at<number>(region, tx.at)]
  const receivers = [rx, Receiver.at<number>(region, rx.at)]
  let sent = 0
  let received = 0
  for (let round = 0; round < 500; round++) {
    for (let i = (round * 13) % 41; i > 0; i--) if (senders[(round >> 1) & 1]!.trySend(sent)) sent++
    for (let i = (round * 17) % 41; i > 0; i--) if (receivers[round & 1]!.tryRecv() === received) received++
    expect(rx.length).toBe(sent - received)
  }
  expect(received).toBeGreaterThan(5000)
})

test('spsc keeps no capacity of 0', () => {
  expect(() => spsc({ capacity: 0, codec: i32, region })).toThrow(InvalidArgumentError)
})

describe('oneshot', () => {
  test('one message, then closed at both ends', async () => {
    const [tx, rx] = oneshot({ codec: utf8(500), region })
    expect([tx.capacity, tx.length, tx.isClosed]).toEqual([1, 0, false])
    expect(rx.tryRecv()).toBe(EMPTY)
    const receives = [rx.recvAsync(), rx.recvAsync()]
    tx.send('x'.repeat(300))
    expect(() => tx.send('y')).toThrow(ClosedError)
    await expect(tx.sendAsync('z')).rejects.toMatchObject({ value: 'z' })
    expect(await receives[0]).toBe('x'.repeat(300))
    await expect(receives[1]).rejects.toThrow(ClosedError)
    expect(rx.tryRecv()).toBe(CLOSED)
    expect([...rx]).toEqual([])
  })

  test('closed before it was sent', async () => {
    const [tx, rx] = oneshot({ codec: i32, region })
    const receiving = rx.recvAsync()
    tx.close('no answer')
    await expect(receiving).rejects.toMatchObject({ reason: 'no answer' })
    expect(() => tx.trySend(1)).toThrow(ClosedError)
  })

  test('a message is kept until it is received, closed or not', () => {
    const [tx, rx] = oneshot({ codec: i32, region })
    expect(tx.trySend(5)).toBe(true)
    rx.close()
    expect(rx.recv()).toBe(5)
    expect(() => rx.recv()).toThrow(ClosedError)
  })

  test('a refused value leaves it open', () => {
    const [tx, rx] = oneshot({ codec: i32, region })
    expect(() => tx.send(0.5)).toThrow()
    tx.send(1)
    expect(rx.recv()).toBe(1)
  })
})
