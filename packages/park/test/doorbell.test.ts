/** Bells, and the agent's own turns. */
import { type Region, RegionFullError } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'
import { WaitQueue } from '@heddle/park'
import { Agent, Doorbell, ringDoorbell } from '@heddle/park/internal'
import { beforeEach, expect, test } from 'vitest'
import { Crew, expectNothingLeft, makeRegion, settled, until, waiting } from './support/stage.js'

let region: Region
beforeEach(() => {
  region = makeRegion()
})

test('rings once for any number of rings before it', async () => {
  let rings = 0
  const bell = Doorbell.open(region, () => rings++)
  for (let ring = 0; ring < 10; ring++) ringDoorbell(region, bell.at)
  await until(() => rings > 0)
  await settled()
  expect(rings).toBe(1)
  ringDoorbell(region, bell.at)
  await until(() => rings > 1)
  bell.close()
  ringDoorbell(region, bell.at)
  await settled()
  expect(rings).toBe(2)
  expectNothingLeft(region)
})

test('closing twice does not take down another bell that has the record now', async () => {
  const first = Doorbell.open(region, () => undefined)
  first.close()
  let rings = 0
  const second = Doorbell.open(region, () => rings++)
  expect(second.at).toBe(first.at)
  first.close()
  ringDoorbell(region, second.at)
  await until(() => rings === 1)
  second.close()
  expectNothingLeft(region)
})

test('a blocked scheduler wakes for a bell and for a promise of its own, and sleeps until its time at most', async () => {
  const agent = Agent.of(region)
  const queue = new WaitQueue({ region })
  let token = 0
  const park = queue.parkAsync().then((result) => (token = result.token))
  const crew = new Crew(region)
  await crew.do({ do: 'register' })
  crew.tell({ do: 'sleep', timeout: 2 }, { do: 'unparkOne', at: queue.at, value: 7 })
  agent.block()
  await park
  expect(token).toBe(7)
  const start = now()
  agent.block(start + 2)
  expect(now()).toBeGreaterThanOrEqual(start + 2)
  agent.block(start)
  let due = false
  agent.after(now() + 1, () => (due = true))
  agent.block()
  expect(due).toBe(true)
  expect(agent.poll()).toBe(false)
  expectNothingLeft(region)
})

test('a bell that throws inside block does not leave the event loop deaf', async () => {
  const agent = Agent.of(region)
  const bell = Doorbell.open(region, () => {
    throw new RangeError('bell')
  })
  const queue = new WaitQueue({ region })
  const crew = new Crew(region)
  const parked = crew.do({ do: 'park', at: queue.at })
  await until(() => waiting(region) === 1)
  const mine = queue.parkAsync()
  agent.after(now() + 2, () => ringDoorbell(region, bell.at))
  expect(() => {
    for (;;) agent.block()
  }).toThrow(RangeError)
  queue.unparkOne()
  await parked
  expect(await crew.do({ do: 'unparkOne', at: queue.at, value: 5 })).toEqual({ value: true })
  expect((await mine).token).toBe(5)
  bell.close()
  expectNothingLeft(region)
})

test('no record left is an error at the call', () => {
  const bells: Doorbell[] = []
  const hog = region.alloc(region.stats().free - 10_000)
  expect(() => {
    for (;;) bells.push(Doorbell.open(region, () => undefined))
  }).toThrow(RegionFullError)
  expect(bells.length).toBe(32)
  for (const bell of bells) bell.close()
  region.free(hog)
  expectNothingLeft(region)
})
