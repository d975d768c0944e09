/** A cancel token of another thread ends threads, promises and fibers; a race with an unpark loses nothing (W2). */
import { AtomicInt32, InvalidArgumentError, type Region } from '@heddle/atomics'
import { Parker, sleepAsync, sleepFiber, waitOnAsync, WaitQueue } from '@heddle/park'
import { Agent, cancelWaiters } from '@heddle/park/internal'
import { beforeEach, describe, expect, test } from 'vitest'
import { Fibers } from './support/fibers.js'
import { Crew, expectNothingLeft, makeRegion, recordsInUse, settled, until, waiting } from './support/stage.js'
import { Stopped, TestToken } from './support/token.js'

let region: Region
let queue: WaitQueue
let token: TestToken
beforeEach(() => {
  region = makeRegion()
  queue = new WaitQueue({ region })
  token = new TestToken(region)
})

const name = (error: Error): string => error.name
const flush = settled

describe('ends', () => {
  test('a blocked thread of another worker, and no one who has another token', async () => {
    const other = new TestToken(region)
    const crews = [new Crew(region), new Crew(region)] as const
    const ends = [crews[0].do({ do: 'park', at: queue.at, token: token.at }), crews[1].do({ do: 'park', at: queue.at, token: other.at })]
    // Each has its record and a link.
    await until(() => waiting(region) === 2 && recordsInUse(region) === 4)
    token.cancel()
    expect(await ends[0]).toMatchObject({ error: 'Stopped' })
    expect(waiting(region)).toBe(1)
    expect(queue.unparkOne(3)).toBe(true)
    expect(await ends[1]).toEqual({ value: { outcome: 'unparked', token: 3 } })
    expectNothingLeft(region)
  })

  test('promises, from another worker', async () => {
    const cell = new AtomicInt32({ region })
    const parker = new Parker({ region })
    const ends = Promise.all([
      queue.parkAsync({ signal: token }).catch(name),
      waitOnAsync(cell, 0, { signal: token }).catch(name),
      parker.parkAsync({ signal: token }).catch(name),
      sleepAsync(1e9, { signal: token }).catch(name),
    ])
    expect(await new Crew(region).do({ do: 'cancel', at: token.at })).toEqual({ value: 'cancelled' })
    expect(await ends).toEqual(['Stopped', 'Stopped', 'Stopped', 'Stopped'])
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('a fiber', async () => {
    const fibers = new Fibers()
    const end = fibers.run(function* () {
      return yield* queue.parkFiber({ signal: token })
    })
    const asleep = fibers.run(() => sleepFiber(1e9, { signal: token }))
    await flush()
    token.cancel()
    await expect(end).rejects.toBe(token.reason)
    await expect(asleep).rejects.toBe(token.reason)
    expectNothingLeft(region)
  })

  test('what begins after it, at the call', async () => {
    token.cancel()
    expect(() => queue.park({ signal: token })).toThrow(Stopped)
    await expect(queue.parkAsync({ signal: token })).rejects.toBe(token.reason)
    await expect(new Fibers().run(() => queue.parkFiber({ signal: token }))).rejects.toBe(token.reason)
    const parker = new Parker({ region })
    parker.unpark()
    // A permit is no reason to go on.
    expect(() => parker.park({ signal: token })).toThrow(Stopped)
    expect(parker.tryPark()).toBe(true)
    expectNothingLeft(region)
  })

  test('nothing that was woken before, or has ended otherwise', async () => {
    const park = queue.parkAsync({ signal: token })
    queue.unparkOne(1)
    await park
    await expect(queue.parkAsync({ signal: token, timeout: 0 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    cancelWaiters(Agent.of(region), token.waiters)
    expectNothingLeft(region)
  })
})

describe('a token that fires', () => {
  test('between its look and the link: the flag is looked at after the link is in place (O3)', async () => {
    // It fires as the operation begins: after the check at the call.
    const validate = (): boolean => {
      token.cancel()
      return true
    }
    await expect(queue.parkAsync({ signal: token, validate })).rejects.toBe(token.reason)
    expect(queue.hasWaiters).toBe(false)
    token = new TestToken(region)
    expect(() => queue.park({ signal: token, validate })).toThrow(Stopped)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('when the waiter was chosen already: the unpark counts', async () => {
    const park = queue.parkAsync({ signal: token })
    const next = queue.parkAsync()
    expect(queue.unparkOne(8)).toBe(true)
    token.cancel()
    expect((await park).token).toBe(8)
    queue.unparkOne(9)
    expect((await next).token).toBe(9)
    expectNothingLeft(region)
  })

  test('and an unpark: whatever comes first, each unpark has one waiter', async () => {
    const crews = [new Crew(region), new Crew(region)] as const
    for (let round = 0; round < 50; round++) {
      token = new TestToken(region)
      const both = [crews[0].do({ do: 'park', at: queue.at, token: token.at }), queue.parkAsync({ signal: token }).catch(name)]
      await until(() => waiting(region) === 2)
      const woken = crews[1].do({ do: 'unparkOne', at: queue.at })
      token.cancel()
      const ends = (await Promise.all(both)).filter((end) => JSON.stringify(end).includes('unparked')).length
      expect(await woken).toEqual({ value: ends === 1 })
      expect(queue.hasWaiters).toBe(false)
    }
    expectNothingLeft(region)
  })
})

describe("a token that can't be used", () => {
  test('of another region is refused at the call, and nothing waits (O1)', async () => {
    const foreign = new TestToken(makeRegion())
    expect(() => queue.park({ signal: foreign })).toThrow(InvalidArgumentError)
    await expect(queue.parkAsync({ signal: foreign })).rejects.toThrow(InvalidArgumentError)
    await expect(new Fibers().run(() => queue.parkFiber({ signal: foreign }))).rejects.toThrow(InvalidArgumentError)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('without a record for its link: nothing waits either', async () => {
    const parks = Array.from({ length: 31 }, () => queue.parkAsync())
    const hog = region.alloc(region.stats().free - 40_000)
    await expect(queue.parkAsync({ signal: token })).rejects.toMatchObject({ code: 'ERR_REGION_FULL' })
    expect(() => queue.park({ signal: token })).toThrow(/region/)
    expect(waiting(region)).toBe(31)
    region.free(hog)
    queue.unparkAll()
    await Promise.all(parks)
    expectNothingLeft(region)
  })
})
