/**
 * Metrics in every mode: what was held, by the clock that the lock itself reads. A hold lies within the time from before it was asked for until after it was
 * released, and around the time in which it is known to be held: both are measured, so that no machine is too slow.
 */
import { now } from '@heddle/atomics/ops'
import { i32, Region } from '@heddle/atomics'
import { afterEach, describe, expect, test } from 'vitest'
import { Condvar, type LockMetrics, Mutex, ReentrantMutex, RwLock, Shared } from '../src/index.js'
import { type Mode, Modes, modes, type Outcome, turns } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

interface Measured {
  metrics(): LockMetrics
}

/** The clock's microseconds are rounded, twice for each hold. */
const ROUNDING = 0.01

/** A span of time: what was counted must be at least the one, at most the other. */
interface Span {
  least: number
  most: number
}

/** Time passes, by the clock of the metrics. */
async function pass(ms: number): Promise<void> {
  const until = now() + ms
  while (now() < until) await turns(1)
}

/** Takes a lock, holds it for a while and gives it back. */
async function hold(take: () => Promise<Outcome>, ms = 3): Promise<Span> {
  const asked = now()
  const held = await take()
  expect(held.error).toBeUndefined()
  const had = now()
  await pass(ms)
  const least = now() - had
  await held.release()
  return { least, most: now() - asked }
}

function expectHeld(lock: Measured, spans: readonly Span[], acquisitions = spans.length): void {
  const found = lock.metrics()
  const [least, most] = [spans.reduce((sum, span) => sum + span.least, 0), spans.reduce((sum, span) => sum + span.most, 0)]
  const rounding = ROUNDING * acquisitions
  expect(found.acquisitions).toBe(acquisitions)
  expect(found.holdTime).toBeGreaterThanOrEqual(least - rounding)
  expect(found.holdTime).toBeLessThanOrEqual(most + rounding)
}

const subjects: { type: string; verb: string; make: () => Measured & object; kinds: readonly Mode[] }[] = [
  { type: 'Mutex', verb: 'lock', make: () => new Mutex({ region: all.region }), kinds: modes },
  { type: 'ReentrantMutex', verb: 'lock', make: () => new ReentrantMutex({ region: all.region }), kinds: ['thread', 'fiber'] },
  { type: 'RwLock', verb: 'read', make: () => new RwLock({ region: all.region }), kinds: modes },
  { type: 'RwLock', verb: 'upgradableRead', make: () => new RwLock({ region: all.region }), kinds: modes },
  { type: 'RwLock', verb: 'write', make: () => new RwLock({ region: all.region }), kinds: modes },
]

for (const { type, verb, make, kinds } of subjects) {
  describe.each(kinds)(`${type}.${verb}, %s`, (mode) => {
    test('two holds, one after the other', async () => {
      all = Modes.create({ metrics: true })
      const lock = make()
      const spans = [await hold(() => all.call(mode, lock, verb)), await hold(() => all.call(mode, lock, verb), 1)]
      expectHeld(lock, spans)
      expect(lock.metrics()).toMatchObject({ contended: 0, parked: 0, waitTime: 0 })
    })
  })
}

describe.each(modes)('a wait, %s', (mode) => {
  test('for a Mutex: its time is counted as a wait, not as a hold', async () => {
    all = Modes.create({ metrics: true })
    const mutex = new Mutex({ region: all.region })
    let waiting: Promise<Outcome> | undefined
    let began = 0
    const first = await hold(async () => {
      const guard = mutex.lock()
      began = now()
      waiting = all.call(mode, mutex, 'lock')
      await all.waiting(1)
      return { error: undefined, release: async () => guard.release() } as unknown as Outcome
    })
    const had = now()
    const second = await waiting!
    await second.release()
    const ended = now()
    const { acquisitions, contended, parked, waitTime, holdTime } = mutex.metrics()
    expect([acquisitions, contended, parked]).toEqual([2, 1, 1])
    // It waited all the while that the other held it.
    expect(waitTime).toBeGreaterThanOrEqual(first.least - ROUNDING)
    expect(waitTime).toBeLessThanOrEqual(ended - began + ROUNDING)
    expect(holdTime).toBeGreaterThanOrEqual(first.least - ROUNDING)
    expect(holdTime).toBeLessThanOrEqual(first.most + (ended - had) + first.most - first.least + ROUNDING)
  })

  test('on a Condvar: the mutex is not held meanwhile, and is held before and after', async () => {
    all = Modes.create({ metrics: true })
    const mutex = new Mutex({ region: all.region })
    const condvar = new Condvar({ region: all.region })
    const asked = now()
    const guard = await all.call(mode, mutex, 'lock')
    const had = now()
    await pass(3)
    const before = now() - had
    const waiting = guard.also(condvar, 'wait', guard.asArgument)
    await all.waiting(1)
    const left = now()
    await pass(5)
    const notified = now()
    condvar.notifyOne()
    expect((await waiting).error).toBeUndefined()
    const again = now()
    await pass(1)
    const after = now() - again
    await guard.release()
    const ended = now()
    expectHeld(mutex, [{ least: before + after, most: ended - asked - (notified - left) }], 2)
  })
})

describe('RwLock', () => {
  test('an upgradable hold lasts through the reads beside it, its upgrade and its downgrade', async () => {
    all = Modes.create({ metrics: true })
    const lock = new RwLock({ region: all.region })
    const span = await hold(async () => {
      const upgradable = lock.upgradableRead()
      await pass(4)
      // A reader comes and goes: it counts its own.
      const reading = lock.read()
      reading.release()
      const writing = upgradable.upgrade()
      await pass(4)
      const again = writing.downgradeToUpgradable()
      return { error: undefined, release: async () => again.release() } as unknown as Outcome
    }, 4)
    const { holdTime } = lock.metrics()
    // The 8 ms before, too, which `hold` takes for the time it was asked for.
    expect(holdTime).toBeGreaterThanOrEqual(span.least + 8 - ROUNDING * 4)
    // The read lies within it, and counts once more.
    expect(holdTime).toBeLessThanOrEqual(2 * span.most + ROUNDING * 4)
  })

  test('reads beside each other are counted each, a downgrade goes on as a read', async () => {
    all = Modes.create({ metrics: true })
    const lock = new RwLock({ region: all.region })
    const both = await Promise.all([hold(() => all.call('thread', lock, 'read')), hold(() => all.call('promise', lock, 'read'))])
    expectHeld(lock, both)
    const before = lock.metrics().holdTime
    const span = await hold(async () => {
      const writing = lock.write()
      await pass(2)
      const reading = writing.downgrade()
      return { error: undefined, release: async () => reading.release() } as unknown as Outcome
    }, 2)
    const more = lock.metrics().holdTime - before
    expect(more).toBeGreaterThanOrEqual(span.least + 2 - ROUNDING * 2)
    expect(more).toBeLessThanOrEqual(span.most + ROUNDING * 2)
  })
})

test('Shared: each section is a hold, however it ends', async () => {
  all = Modes.create({ metrics: true })
  const shared = new Shared(i32, 0, { region: all.region })
  const asked = now()
  shared.with((value, set) => set(value + 1))
  await shared.withAsync(async () => pass(2))
  expect(() =>
    shared.with(() => {
      throw new Error('section')
    }),
  ).toThrow('section')
  const metrics = shared.lock.metrics()
  expect(metrics.acquisitions).toBe(3)
  expect(metrics.holdTime).toBeGreaterThanOrEqual(2 - ROUNDING)
  expect(metrics.holdTime).toBeLessThanOrEqual(now() - asked + ROUNDING * 3)
})

test('a dead owner: who comes after it is counted from when it came', async () => {
  all = Modes.create({ metrics: true })
  const mutex = new Mutex({ region: all.region })
  await all.call('thread', mutex, 'lock')
  await pass(5)
  await all.terminateLast()
  const asked = now()
  const after = await all.call('promise', mutex, 'lock')
  expect(after.error?.code).toBe('ERR_POISONED')
  mutex.clearPoison()
  await after.release()
  const { acquisitions, holdTime } = mutex.metrics()
  expect(acquisitions).toBe(2)
  expect(holdTime).toBeLessThanOrEqual(now() - asked + ROUNDING)
})

test('without metrics there are none', () => {
  all = new Modes(Region.create({ bytes: 1 << 20, agents: 4 }))
  for (const lock of [new Mutex({ region: all.region }), new RwLock({ region: all.region }), new ReentrantMutex({ region: all.region })])
    expect(() => lock.metrics()).toThrow(/metrics: true/)
})
