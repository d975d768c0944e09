import { Region } from '@heddle/atomics'
import { beforeEach, describe, expect, it } from 'vitest'
import { DEQUE_BITS, K_DEQUE, NORMAL_QUEUE, P_LEVELS, P_STEALABLE } from '../src/layout.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'

const [CRITICAL, HIGH, LOW] = [0, 1, 3]
let pool: Pool
const worker = (number: number): Queues => {
  pool.makeDeque(number)
  return new Queues(pool, number)
}
const drain = (queues: Queues): number[] => {
  const slots: number[] = []
  for (let slot = queues.pop(); slot !== -1; slot = queues.pop()) slots.push(slot)
  return slots
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

beforeEach(() => {
  pool = new Pool({ region: Region.create({ bytes: 8 << 20 }), maxWorkers: 40 })
})

describe('Queues', () => {
  it('takes urgent calls first, in order within a level, and gives each level its share', () => {
    const [main, taker] = [new Queues(pool), worker(0)]
    for (let i = 0; i < 200; i++) for (const level of [LOW, NORMAL_QUEUE, HIGH, CRITICAL]) main.push(level, level * 1000 + i)
    expect(main.hasWork()).toBe(true)
    const order = drain(taker)
    expect([...order].sort((a, b) => a - b)).toEqual([0, 1, 2, 3].flatMap((level) => range(level * 1000, level * 1000 + 200)))
    for (const level of [0, 1, 2, 3]) {
      const own = order.filter((slot) => slot >= level * 1000 && slot < level * 1000 + 1000)
      expect(own).toEqual(range(level * 1000, level * 1000 + 200))
    }
    // While there are critical calls, of 32 turns 25 are theirs, 4, 2 and 1 the others'.
    const first = order.slice(0, 32).map((slot) => Math.floor(slot / 1000))
    expect([0, 1, 2, 3].map((level) => first.filter((one) => one === level).length)).toEqual([25, 4, 2, 1])
    expect([taker.hasWork(), pool.words[pool.base + P_LEVELS]]).toEqual([false, 0])
    main.push(HIGH, 7)
    expect([taker.hasWork(), taker.pop(), taker.pop()]).toEqual([true, 7, -1])
  })

  it('takes what the worker itself added last, without keeping what is older waiting for ever', () => {
    const [main, own] = [new Queues(pool), worker(0)]
    main.push(NORMAL_QUEUE, 1)
    own.push(NORMAL_QUEUE, 2)
    own.push(NORMAL_QUEUE, 3)
    expect([own.pop(), own.pop(), own.pop(), own.pop()]).toEqual([3, 2, 1, -1])
    main.push(NORMAL_QUEUE, 1)
    own.push(NORMAL_QUEUE, 2)
    const seen: number[] = []
    for (let i = 0; i < 64; i++) {
      own.push(NORMAL_QUEUE, 100 + i)
      seen.push(own.pop())
    }
    expect(seen).toContain(1)
    expect(seen).toContain(2)
  })

  it('puts into the shared queue what its own has no room for', () => {
    const [own, other] = [worker(0), new Queues(pool)]
    const many = range(0, (1 << DEQUE_BITS) + 50)
    for (const slot of many) expect(own.push(NORMAL_QUEUE, slot)).toBe(true)
    expect(drain(other)).toEqual(range(1 << DEQUE_BITS, (1 << DEQUE_BITS) + 50))
    own.giveAway()
    expect(drain(other).sort((a, b) => a - b)).toEqual(range(0, 1 << DEQUE_BITS))
    expect(drain(own)).toEqual([])
  })

  it('steals half of what another worker has, wherever that one is', () => {
    for (const [victim, thief] of [
      [0, 1],
      [1, 0],
      [39, 2],
      [3, 38],
    ] as const) {
      const [rich, poor] = [worker(victim), worker(thief)]
      for (const slot of range(0, 10)) rich.push(NORMAL_QUEUE, slot)
      expect(poor.hasWork()).toBe(true)
      expect(poor.pop()).toBe(0)
      // The others that it stole are its own now: half of the nine that were left.
      const third = worker(20)
      expect(pool.words[pool.base + P_STEALABLE + (thief >>> 5)]! & (1 << (thief & 31))).not.toBe(0)
      expect(new Set([...drain(rich), ...drain(poor), ...drain(third)])).toEqual(new Set(range(1, 10)))
      expect([...range(0, 2)].map((word) => pool.words[pool.base + P_STEALABLE + word])).toEqual([0, 0])
    }
  })

  it('mends what a dead worker left', () => {
    const [main, dead] = [new Queues(pool), worker(5)]
    main.push(HIGH, 1)
    dead.push(NORMAL_QUEUE, 2)
    // It cleared the bit of a level and died before it looked.
    pool.words[pool.base + P_LEVELS] = 0
    main.mend(5)
    expect([main.hasWork(), pool.words[pool.base + P_STEALABLE]]).toEqual([true, 0])
    const successor = worker(5)
    expect(drain(successor)).toEqual([1])
    successor.push(NORMAL_QUEUE, 3)
    expect(drain(successor)).toEqual([3])
  })

  it('works without a deque, and gives all memory back', () => {
    const { region } = pool
    const bare = new Queues(pool, 7)
    expect(pool.words[pool.workerAt(7) + K_DEQUE]).toBe(0)
    for (const slot of [1, 2]) bare.push(NORMAL_QUEUE, slot)
    expect(drain(bare)).toEqual([1, 2])
    const used = region.stats().used
    const other = new Pool({ region, maxWorkers: 2 })
    other.makeDeque(1)
    for (const queue of [0, 1, 3, 4, 5]) new Queues(other).push(queue, 1)
    expect(new Queues(other).only(4).pop()).toBe(1)
    other.dispose()
    expect(region.stats().used).toBe(used)
  })
})
