/** The public wait queue: order, tokens, conditions, time limits, signals, requeue; threads and promises in one queue. */
import { getEventListeners } from 'node:events'
import { AtomicInt32, DisposedError, InvalidArgumentError, Region } from '@heddle/atomics'
import { type ParkResult, TimeoutError, WaitQueue } from '@heddle/park'
import { Agent, Q_HEAD } from '@heddle/park/internal'
import { A_STATUS, agentRecord } from '@heddle/atomics/internal'
import { load, now } from '@heddle/atomics/ops'
import { beforeEach, describe, expect, test } from 'vitest'
import { Crew, expectNothingLeft, makeRegion, settled, until, waiting } from './support/stage.js'

let region: Region
let queue: WaitQueue
beforeEach(() => {
  region = makeRegion()
  queue = new WaitQueue({ region })
})

/** Parks `count` promises; says in what order they ended, and with what token. */
function parkMany(count: number, where: WaitQueue = queue): { ended: [number, ParkResult][]; all: Promise<unknown> } {
  const ended: [number, ParkResult][] = []
  const all = Promise.all(Array.from({ length: count }, (_, index) => where.parkAsync().then((result) => ended.push([index, result]))))
  return { ended, all }
}

describe('order', () => {
  test('unparkOne takes the first, with its token, and no other (W1)', async () => {
    const { ended, all } = parkMany(3)
    for (const token of [7, -1, 0]) {
      expect(queue.unparkOne(token)).toBe(true)
      await settled()
    }
    await all
    expect(ended).toEqual([
      [0, { outcome: 'unparked', token: 7 }],
      [1, { outcome: 'unparked', token: -1 }],
      [2, { outcome: 'unparked', token: 0 }],
    ])
    expect(queue.unparkOne()).toBe(false)
    expectNothingLeft(region)
  })

  test('unparkAll takes everybody who waits now, in order', async () => {
    const { ended, all } = parkMany(5)
    expect(queue.unparkAll(3)).toBe(5)
    expect(queue.unparkAll()).toBe(0)
    await all
    expect(ended.map(([index, { token }]) => [index, token])).toEqual([0, 1, 2, 3, 4].map((index) => [index, 3]))
    expectNothingLeft(region)
  })

  test('threads and promises in one queue, woken in order of arrival (W4)', async () => {
    const crews = [new Crew(region), new Crew(region)]
    const order: string[] = []
    const note = (name: string) => (): void => void order.push(name)
    const arrive = async (name: string, end: Promise<unknown>): Promise<void> => {
      void end.then(note(name))
      arrived++
      await until(() => waiting(region) === arrived)
    }
    let arrived = 0
    await arrive('promise 0', queue.parkAsync())
    await arrive('thread 1', crews[0]!.do({ do: 'park', at: queue.at }))
    await arrive('promise 2', queue.parkAsync())
    await arrive('thread 3', crews[1]!.do({ do: 'park', at: queue.at }))
    for (let one = 1; one <= 4; one++) {
      expect(queue.unparkOne(one)).toBe(true)
      await until(() => order.length === one)
    }
    expect(order).toEqual(['promise 0', 'thread 1', 'promise 2', 'thread 3'])
    expectNothingLeft(region)
  })

  test('promises of two agents are woken by a third', async () => {
    const crews = [new Crew(region), new Crew(region), new Crew(region)] as const
    const ends = [crews[0].do({ do: 'parkAsync', at: queue.at }), crews[1].do({ do: 'parkAsync', at: queue.at })]
    await until(() => waiting(region) === 2)
    expect(await crews[2].do({ do: 'unparkAll', at: queue.at, value: 9 })).toEqual({ value: 2 })
    for (const end of ends) expect(await end).toEqual({ value: { outcome: 'unparked', token: 9 } })
    expectNothingLeft(region)
  })

  test('5,000 promises in one queue: records and ready bits in several chunks', async () => {
    region = Region.create({ bytes: 1 << 23, agents: 4 })
    queue = new WaitQueue({ region })
    const { ended, all } = parkMany(5000)
    const crew = new Crew(region)
    expect(Agent.of(region).slab.chunks.length).toBeGreaterThan(3)
    expect(queue.unparkOne(1)).toBe(true)
    expect(await crew.do({ do: 'unparkAll', at: queue.at, value: 2 })).toEqual({ value: 4999 })
    await all
    expect(ended[0]).toEqual([0, { outcome: 'unparked', token: 1 }])
    // The bits of one drain come in order of records, and each exactly once.
    expect(new Set(ended.map(([index]) => index)).size).toBe(5000)
    expectNothingLeft(region)
  })

  test('twenty agents', async () => {
    region = makeRegion(24)
    queue = new WaitQueue({ region })
    const stop = new AtomicInt32({ region })
    const crews = Array.from({ length: 20 }, () => new Crew(region))
    const ends = crews.map((crew) => crew.do({ do: 'stress', at: queue.at, value: stop.at }))
    // A slot's status word is 0 until its first agent comes.
    const agents = (): number =>
      Array.from({ length: 24 }, (_, index) => load(region.words, (agentRecord(index + 1) >> 2) + A_STATUS)).filter(Boolean).length
    await until(() => agents() === 21)
    stop.store(1)
    const last = queue.unparkAll()
    const sums = (await Promise.all(ends)).map((end) => (end as { value: { woken: number; notified: number } }).value)
    const sum = (key: 'woken' | 'notified'): number => sums.reduce((total, one) => total + one[key], 0)
    expect(sum('woken')).toBe(sum('notified') + last)
    expectNothingLeft(region)
  })
})

describe('validate', () => {
  test('false: nobody waits', async () => {
    const validate = (): boolean => false
    expect(queue.park({ validate })).toEqual({ outcome: 'invalid', token: 0 })
    expect(await queue.parkAsync({ validate })).toEqual({ outcome: 'invalid', token: 0 })
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test("an error in it is the park's, and the queue works on (W2)", async () => {
    const validate = (): boolean => {
      throw new RangeError('no')
    }
    expect(() => queue.park({ validate })).toThrow(RangeError)
    await expect(queue.parkAsync({ validate })).rejects.toThrow(RangeError)
    const park = queue.parkAsync()
    expect(queue.unparkOne()).toBe(true)
    expect((await park).outcome).toBe('unparked')
    expectNothingLeft(region)
  })

  test("is asked under the queue's lock", () => {
    let word = 0
    queue.park({ validate: () => ((word = region.words[(queue.at >> 2) + 1]!), false) })
    expect(word).toBe(Agent.of(region).tag)
    expect(region.words[(queue.at >> 2) + 1]).toBe(0)
  })
})

describe('time limits', () => {
  test.each([0, 1, 3.5])('of %d ms, never early, leave nothing', async (timeout) => {
    const start = now()
    expect(() => queue.park({ timeout })).toThrow(TimeoutError)
    expect(now() - start).toBeGreaterThanOrEqual(timeout)
    const later = now()
    await expect(queue.parkAsync({ timeout })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(now() - later).toBeGreaterThanOrEqual(timeout)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test.each([-1, NaN, -Infinity, '5', null, {}])('of %s is refused at the call', async (timeout) => {
    const options = { timeout: timeout as number }
    expect(() => queue.park(options)).toThrow(InvalidArgumentError)
    await expect(queue.parkAsync(options)).rejects.toThrow(InvalidArgumentError)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('that pass consume no notify: it goes to the next (W2)', async () => {
    const hasty = queue.parkAsync({ timeout: 1 }).catch((error: unknown) => error)
    const patient = queue.parkAsync()
    expect(await hasty).toBeInstanceOf(TimeoutError)
    expect(queue.unparkOne(4)).toBe(true)
    expect((await patient).token).toBe(4)
    expectNothingLeft(region)
  })

  test('Infinity is none', async () => {
    const park = queue.parkAsync({ timeout: Infinity })
    await settled()
    queue.unparkOne()
    expect((await park).outcome).toBe('unparked')
  })
})

describe('AbortSignal', () => {
  test('aborted before: nothing waits', async () => {
    const signal = AbortSignal.abort(new Error('before'))
    await expect(queue.parkAsync({ signal })).rejects.toThrow('before')
    expectNothingLeft(region)
  })

  test('aborted later: its reason, and the listener is gone', async () => {
    const controller = new AbortController()
    const park = queue.parkAsync({ signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort').length).toBe(1)
    controller.abort('enough')
    await expect(park).rejects.toBe('enough')
    expect(getEventListeners(controller.signal, 'abort').length).toBe(0)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('the listener is gone after a success and after a time limit, too', async () => {
    const { signal } = new AbortController()
    const park = queue.parkAsync({ signal })
    queue.unparkOne()
    await park
    await expect(queue.parkAsync({ signal, timeout: 0 })).rejects.toThrow(TimeoutError)
    expect(getEventListeners(signal, 'abort').length).toBe(0)
  })

  test('aborted at the moment of an unpark: the next gets it, or the park has succeeded (W2)', async () => {
    const controller = new AbortController()
    const aborted = queue.parkAsync({ signal: controller.signal }).catch((error: unknown) => (error as Error).name)
    const next = queue.parkAsync()
    queue.unparkOne(1)
    controller.abort()
    expect(await aborted).toBe('AbortError')
    expect(await next).toEqual({ outcome: 'unparked', token: 1 })
    const alone = new AbortController()
    const only = queue.parkAsync({ signal: alone.signal })
    queue.unparkOne(2)
    alone.abort()
    // Nobody else could take it, so it came first.
    expect(await only).toEqual({ outcome: 'unparked', token: 2 })
    expectNothingLeft(region)
  })

  test("is refused by the blocking verb: it can't fire while its thread is blocked", () => {
    expect(() => queue.park({ signal: new AbortController().signal })).toThrow(TypeError)
    expect(() => queue.park({ signal: AbortSignal.abort() })).toThrow(/parkAsync/)
    expectNothingLeft(region)
  })
})

describe('requeue', () => {
  test('moves waiters to the end of another queue, in order, without waking them', async () => {
    const target = new WaitQueue({ region })
    const before = parkMany(1, target)
    const moved = parkMany(3)
    expect(queue.requeue(target, 2)).toBe(2)
    await settled()
    expect(moved.ended).toEqual([])
    expect(target.unparkAll(5)).toBe(3)
    await before.all
    await until(() => moved.ended.length === 2)
    expect(moved.ended.map(([index, { token }]) => [index, token])).toEqual([
      [0, 5],
      [1, 5],
    ])
    expect(queue.requeue(target)).toBe(1)
    expect(queue.hasWaiters).toBe(false)
    target.unparkOne()
    await moved.all
    expectNothingLeft(region)
  })

  test('a moved waiter times out of the queue that it is in', async () => {
    const target = new WaitQueue({ region })
    const park = queue.parkAsync({ timeout: 1 })
    queue.requeue(target)
    await expect(park).rejects.toThrow(TimeoutError)
    expect(target.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('needs two queues of one region, and a count', () => {
    expect(() => queue.requeue(queue)).toThrow(InvalidArgumentError)
    expect(() => queue.requeue(new WaitQueue({ region: makeRegion() }))).toThrow(InvalidArgumentError)
    for (const count of [-1, NaN]) expect(() => queue.requeue(new WaitQueue({ region }), count)).toThrow(InvalidArgumentError)
    expect(queue.requeue(new WaitQueue({ region }), 0)).toBe(0)
  })
})

describe('unparkOne with a look inside', () => {
  test('is told what was found, under the lock, also when nobody waits', async () => {
    const seen: unknown[] = []
    const inside = (found: unknown): void => void seen.push(found, region.words[(queue.at >> 2) + 1] === Agent.of(region).tag)
    expect(queue.unparkOne(0, inside)).toBe(false)
    const { all } = parkMany(2)
    expect(queue.unparkOne(0, inside)).toBe(true)
    expect(queue.unparkOne(0, inside)).toBe(true)
    await all
    expect(seen).toEqual([{ woken: false, more: false }, true, { woken: true, more: true }, true, { woken: true, more: false }, true])
  })

  test("an error in it is the caller's: the chosen waiter goes on", async () => {
    const { ended, all } = parkMany(1)
    expect(() =>
      queue.unparkOne(6, () => {
        throw new RangeError('inside')
      }),
    ).toThrow(RangeError)
    await all
    expect(ended[0]![1].token).toBe(6)
    expectNothingLeft(region)
  })
})

describe('the object', () => {
  test('opens by place and by handle, and refuses what is not there', () => {
    const at = region.alloc(WaitQueue.BYTES)
    const made = WaitQueue.init(region, at)
    expect(WaitQueue.at(region, at).header).toBe(made.header)
    expect(WaitQueue.fromHandle(made.toHandle()).at).toBe(at)
    made.dispose()
    expect(() => WaitQueue.at(region, at)).toThrow(DisposedError)
    for (const use of [() => made.park(), () => made.unparkOne(), () => made.unparkAll(), () => made.requeue(queue), () => queue.requeue(made)])
      expect(use).toThrow(DisposedError)
  })

  test('is not disposed of while somebody waits', async () => {
    const { all } = parkMany(1)
    expect(region.words[(queue.at >> 2) + 1 + Q_HEAD]).not.toBe(0)
    expect(() => queue.dispose()).toThrow(InvalidArgumentError)
    queue.unparkAll()
    await all
    queue.dispose()
  })
})

test('no record left is an error at the call, and nothing waits', async () => {
  region = Region.create({ bytes: 1 << 17, agents: 4 })
  queue = new WaitQueue({ region })
  const parks = Array.from({ length: 32 }, () => queue.parkAsync())
  const hog = region.alloc(region.stats().free - 40_000)
  await expect(queue.parkAsync()).rejects.toMatchObject({ code: 'ERR_REGION_FULL' })
  expect(() => queue.park()).toThrow(/./)
  expect(queue.unparkAll()).toBe(32)
  await Promise.all(parks)
  region.free(hog)
  expectNothingLeft(region)
})
