import { expect, it } from 'vitest'
import { AtomicCounter, AtomicInt32, DisposedError, InvalidArgumentError, Region } from '../src/index.js'

const region = Region.create({ bytes: 1 << 20 })

it('adds up, beyond 32 bits and below zero', () => {
  const counter = new AtomicCounter({ region })
  expect(counter.sum()).toBe(0)
  counter.add()
  counter.add(1)
  counter.add(10_000_000_000)
  expect(counter.sum()).toBe(10_000_000_002)
  counter.add(-10_000_000_003)
  counter.add(0)
  expect(counter.sum()).toBe(-1)
})

it('sums the stripes of all agents', () => {
  const counter = new AtomicCounter({ region })
  for (let stripe = 0; stripe < 16; stripe++) region.words64[(counter.at + 64 * (stripe + 1)) >> 3] = 2n ** BigInt(stripe)
  expect(counter.sum()).toBe(65_535)
  counter.add(1)
  expect(counter.sum()).toBe(65_536)
  const mine = (counter.at + 64 * (1 + (region.self.get().id % 16))) >> 3
  expect(region.words64[mine]).toBe(2n ** BigInt(region.self.get().id % 16) + 1n)
})

it.each([0.5, NaN, Infinity, 2 ** 53, '1' as never])('refuses to add %s', (value) => {
  const counter = new AtomicCounter({ region })
  expect(() => counter.add(value)).toThrow(InvalidArgumentError)
  expect(counter.sum()).toBe(0)
})

it('lives in memory that the caller owns, and is opened by place and by handle', () => {
  const at = region.alloc(AtomicCounter.BYTES, AtomicCounter.ALIGN)
  const counter = AtomicCounter.init(region, at)
  counter.add(5)
  AtomicCounter.at(region, at).add(6)
  AtomicCounter.fromHandle(structuredClone(counter.toHandle())).add(7)
  expect(counter.sum()).toBe(18)
  expect(() => AtomicCounter.init(region, at + 32)).toThrow(InvalidArgumentError)
  expect(() => AtomicCounter.fromHandle(new AtomicInt32({ region }).toHandle())).toThrow(InvalidArgumentError)
  expect(new AtomicCounter().region).toBe(Region.default)
})

it('refuses every use after dispose', () => {
  const { blocks } = region.stats()
  const counter = new AtomicCounter({ region })
  counter.dispose()
  expect(region.stats().blocks).toBe(blocks)
  expect(() => counter.add(1)).toThrow(DisposedError)
  expect(() => counter.sum()).toThrow(DisposedError)
})
