/** Sleeping: never early. Only the early side of the clock is looked at. */
import { getEventListeners } from 'node:events'
import { InvalidArgumentError, Region } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'
import { sleep, sleepAsync, sleepFiber, sleepUntil, sleepUntilAsync, sleepUntilFiber } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { registerAgent } from '@heddle/atomics/internal'
import { beforeEach, expect, test } from 'vitest'
import { Fibers } from './support/fibers.js'
import { expectNothingLeft, makeRegion } from './support/stage.js'

let region: Region
beforeEach(() => {
  region = makeRegion()
  Region.useAsDefault(region)
})

test.each([0, 0.25, 1, 2.7, 5])('%d ms, in the three modes', async (ms) => {
  let start = now()
  sleep(ms)
  expect(now() - start).toBeGreaterThanOrEqual(ms)
  start = now()
  await sleepAsync(ms)
  expect(now() - start).toBeGreaterThanOrEqual(ms)
  start = now()
  await new Fibers().run(() => sleepFiber(ms))
  expect(now() - start).toBeGreaterThanOrEqual(ms)
  expectNothingLeft(region)
})

test('until a moment, as a number and as a Date; a moment that has passed is no sleep', async () => {
  for (const [ms, past] of [
    [2.5, false],
    [-1000, true],
  ] as const) {
    const at = now() + ms
    sleepUntil(at)
    if (!past) expect(now()).toBeGreaterThanOrEqual(at)
    const later = new Date(Math.ceil(now() + ms))
    await sleepUntilAsync(later)
    if (!past) expect(now()).toBeGreaterThanOrEqual(later.getTime())
    const last = now() + ms
    await new Fibers().run(() => sleepUntilFiber(last))
    if (!past) expect(now()).toBeGreaterThanOrEqual(last)
  }
  expectNothingLeft(region)
})

test('many at a time end in order of their moments', async () => {
  const moments = [5, 1, 3, 1.5, 4]
  for (let lead = 2, late = true; late; lead *= 2) {
    const order: number[] = []
    const start = now() + lead
    const all = moments.map((ms) => sleepUntilAsync(start + ms).then(() => order.push(ms)))
    // A moment that had passed before its sleep began is none to wait for: then again, further ahead.
    late = now() >= start
    await Promise.all(all)
    if (!late) expect(order).toEqual([1, 1.5, 3, 4, 5])
  }
  expectNothingLeft(region)
})

test("an AbortSignal ends it and its listener goes; a thread can't take one", async () => {
  const controller = new AbortController()
  const asleep = sleepAsync(1e6, { signal: controller.signal })
  expect(getEventListeners(controller.signal, 'abort').length).toBe(1)
  controller.abort('awake')
  await expect(asleep).rejects.toBe('awake')
  expect(getEventListeners(controller.signal, 'abort').length).toBe(0)
  expect(() => sleep(1, { signal: controller.signal })).toThrow(TypeError)
  expectNothingLeft(region)
})

test.each([-1, NaN, '1', undefined, null])('%s is no time', async (ms) => {
  const time = ms as number
  expect(() => sleep(time)).toThrow(InvalidArgumentError)
  await expect(sleepAsync(time)).rejects.toThrow(InvalidArgumentError)
  expect(() => sleepFiber(time)).toThrow(InvalidArgumentError)
  if (time === -1) return
  expect(() => sleepUntil(time)).toThrow(InvalidArgumentError)
  await expect(sleepUntilAsync(time)).rejects.toThrow(InvalidArgumentError)
  await expect(sleepUntilAsync(new Date(NaN))).rejects.toThrow(InvalidArgumentError)
  expectNothingLeft(region)
})

test('one that expires while it is told to look again after a death ends', async () => {
  const asleep = sleepAsync(2)
  // Somebody who dies: everybody who waits in the region is told to look again.
  const victim = registerAgent(region.words)
  const start = now()
  // The record is told now, the timer is due before the event loop turns again.
  expect(reap(Agent.of(region), victim.id, victim.generation)).toBe(true)
  while (now() < start + 4);
  Agent.of(region).wheel.advance()
  await asleep
  expectNothingLeft(region)
})
