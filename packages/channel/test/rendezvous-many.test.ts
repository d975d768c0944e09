/** Capacity 0 with as many who wait as a server has: each comes and goes at the cost of one, not of all. */
import { i32, Region } from '@heddle/atomics'
import { Scheduler } from '@heddle/scheduler'
import { expect, test } from 'vitest'
import { channel, ClosedError } from '../src/index.js'

const MANY = 50_000

const makeRegion = (): Region => Region.create({ bytes: 32 << 20 })

test('many receive, then as many are sent', () => {
  const region = makeRegion()
  const [tx, rx] = channel({ capacity: 0, codec: i32, region })
  const scheduler = new Scheduler({ region })
  const got: number[] = []
  for (let i = 0; i < MANY; i++)
    scheduler.spawn(function* () {
      got.push(yield* rx.recvFiber())
    })
  scheduler.tick(Infinity)
  expect(got).toEqual([])
  expect(tx.trySend(0)).toBe(true)
  scheduler.spawn(function* () {
    for (let value = 1; value < MANY; value++) yield* tx.sendFiber(value)
  })
  scheduler.run()
  expect(got).toEqual(Array.from({ length: MANY }, (_, value) => value))
})

test('many send, then as many are received', () => {
  const region = makeRegion()
  const [tx, rx] = channel({ capacity: 0, codec: i32, region })
  const scheduler = new Scheduler({ region })
  for (let i = 0; i < MANY; i++)
    scheduler.spawn(function* () {
      yield* tx.sendFiber(i)
    })
  scheduler.tick(Infinity)
  const got: number[] = []
  scheduler.spawn(function* () {
    for (let i = 0; i < MANY; i++) got.push(yield* rx.recvFiber())
  })
  scheduler.run()
  expect(got).toEqual(Array.from({ length: MANY }, (_, value) => value))
})

test('many receive, and the channel is closed', () => {
  const region = makeRegion()
  const [tx, rx] = channel({ capacity: 0, codec: i32, region })
  const scheduler = new Scheduler({ region })
  let closed = 0
  for (let i = 0; i < MANY; i++)
    scheduler.spawn(function* () {
      try {
        yield* rx.recvFiber()
      } catch (error) {
        if (!(error instanceof ClosedError)) throw error
        closed++
      }
    })
  scheduler.tick(Infinity)
  tx.close()
  scheduler.run()
  expect(closed).toBe(MANY)
  rx.dispose()
})
