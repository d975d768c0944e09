/** unbounded: the list of every flavour, and what is its own: growth, reuse of blocks, a full region. */
import { bytes, i32, Region, RegionFullError, utf8 } from '@heddle/atomics'
import { beforeEach, describe, expect, test } from 'vitest'
import { EMPTY, Receiver, Sender, unbounded, UnboundedFullError } from '../src/index.js'
import { flavorSuite } from './support/flavor-suite.js'

flavorSuite({ name: 'unbounded', make: unbounded, keeps: () => Infinity })

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})

describe('unbounded', () => {
  test('grows over many blocks, in order, and gives them back', () => {
    const [tx, rx] = unbounded({ codec: i32, region })
    const { used } = region.stats()
    expect(tx.capacity).toBe(Infinity)
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10_000; i++) tx.send(i)
      expect(rx.length).toBe(10_000)
      const grown = region.stats().used
      expect(grown).toBeGreaterThan(used + 80_000)
      for (let i = 0; i < 10_000; i++) expect(rx.tryRecv()).toBe(i)
      expect(rx.tryRecv()).toBe(EMPTY)
      expect(rx.length).toBe(0)
      // A few blocks stay.
      expect(region.stats().used).toBeLessThan(used + 6000)
    }
    tx.dispose()
    expect(region.stats().used).toBeLessThan(used)
  })

  test('a stream of messages reuses its blocks', () => {
    const [tx, rx] = unbounded({ codec: i32, region })
    let sent = 0
    let received = 0
    let most = 0
    for (let round = 0; round < 3000; round++) {
      for (let i = (round * 7) % 50; i > 0; i--) tx.send(sent++)
      for (let i = (round * 11) % 50; i > 0 && received < sent; i--) expect(rx.tryRecv()).toBe(received++)
      if (round % 100 === 0) most = Math.max(most, region.stats().blocks)
    }
    expect(received).toBeGreaterThan(50_000)
    expect(most).toBeLessThan(12)
    expect(rx.length).toBe(sent - received)
  })

  test('several openings in one agent, far apart', () => {
    const [tx, rx] = unbounded({ codec: i32, region })
    const senders = [tx, Sender.at<number>(region, tx.at)]
    const receivers = [rx, Receiver.at<number>(region, rx.at)]
    let sent = 0
    let received = 0
    for (let round = 0; round < 200; round++) {
      for (let i = (round * 131) % 401; i > 0; i--) senders[(round >> 1) & 1]!.send(sent++)
      for (let i = (round * 137) % 401; i > 0 && received < sent; i--) expect(receivers[round & 1]!.tryRecv()).toBe(received++)
      expect(rx.length).toBe(sent - received)
    }
    expect(received).toBeGreaterThan(30_000)
  })

  test('a full region: the message is given back, what was sent stays, and there is room again after a receive', () => {
    const small = Region.create({ bytes: 1 << 17, agents: 4 })
    const [tx, rx] = unbounded({ codec: i32, region: small })
    let sent = 0
    let error: unknown
    try {
      for (;;) {
        tx.send(sent)
        sent++
      }
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(UnboundedFullError)
    expect(error).toBeInstanceOf(RegionFullError)
    expect(error).toMatchObject({ code: 'ERR_REGION_FULL', value: sent, length: sent })
    expect(String(error)).toContain(`holds ${sent}`)
    expect(() => tx.trySend(-1)).toThrow(UnboundedFullError)
    for (let i = 0; i < 200; i++) expect(rx.recv()).toBe(i)
    for (let i = 0; i < 100; i++) tx.send(sent++)
    for (let i = 200; i < sent; i++) expect(rx.recv()).toBe(i)
    expect(rx.tryRecv()).toBe(EMPTY)
  })

  test('no room for what a message has outside its slot: given back, and passed over', () => {
    const small = Region.create({ bytes: 1 << 17, agents: 4 })
    const [tx, rx] = unbounded({ codec: bytes(1 << 16), region: small })
    tx.send(Uint8Array.of(1))
    const large = new Uint8Array(60_000)
    expect(() => {
      for (;;) tx.send(large)
    }).toThrow(UnboundedFullError)
    tx.send(Uint8Array.of(2))
    const lengths: number[] = []
    for (let found = rx.tryRecv(); typeof found !== 'symbol'; found = rx.tryRecv()) lengths.push(found.length)
    expect(lengths).toEqual([1, ...lengths.slice(1, -1).map(() => 60_000), 1])
    expect(lengths.length).toBeLessThanOrEqual(3)
  })

  test('what messages own goes with the channel', () => {
    const before = region.stats().used
    const [tx] = unbounded({ codec: utf8(5000), region })
    for (let i = 0; i < 300; i++) tx.send('x'.repeat(1000 + i))
    tx.dispose()
    // Park's own tables stay.
    const after = region.stats().used
    const [again] = unbounded({ codec: utf8(5000), region })
    for (let i = 0; i < 300; i++) again.send('x'.repeat(1000 + i))
    again.dispose()
    expect(region.stats().used).toBe(after)
    expect(after).toBeLessThan(before + 100_000)
  })
})
