/** Engines and agents that lack something: no blocking, no `waitAsync`, one core; and an agent that was declared dead and runs on. */
import { getEventListeners } from 'node:events'
import { AtomicInt32, Region } from '@heddle/atomics'
import { A_SPINNING, H_SPINNING } from '@heddle/atomics/internal'
import { store } from '@heddle/atomics/ops'
import { install, nativeOps, type Ops } from '@heddle/atomics/ops-model'
import { BlockingNotAllowedError, currentAgent, Parker, setHost, ShutdownError, sleep, sleepAsync, sleepFiber, waitOn, WaitQueue } from '@heddle/park'
import { Agent, getHost, lockQueue, Q_LOCK, reap, unlockQueue } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SpinBudget } from '../src/spin.js'
import { Actor } from './support/deaths.js'
import { Fibers } from './support/fibers.js'
import { Crew, expectNothingLeft, makeRegion, settled, until, waiting } from './support/stage.js'

let restore: () => void
let region: Region
let queue: WaitQueue
function setUp(ops: Partial<Ops>): void {
  restore = install(ops)
  region = makeRegion()
  queue = new WaitQueue({ region })
}
afterEach(() => restore())

describe('an agent that may not block (W6)', () => {
  beforeEach(() =>
    setUp({
      wait: () => {
        throw new TypeError('Atomics.wait cannot be called in this context')
      },
    }),
  )

  test('is told so, and what to use instead; nothing waits', () => {
    expect(currentAgent(region).canBlock).toBe(false)
    const cell = new AtomicInt32({ region })
    const cases: [() => unknown, string][] = [
      [() => queue.park(), 'parkAsync()'],
      [() => queue.park({ timeout: 5 }), 'parkAsync()'],
      [() => waitOn(cell, 0), 'waitOnAsync()'],
      [() => new Parker({ region }).park(), 'parkAsync()'],
      [() => sleep(1), 'sleepAsync()'],
    ]
    for (const [use, instead] of cases) {
      expect(use).toThrow(BlockingNotAllowedError)
      expect(use).toThrow(instead)
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_BLOCKING_NOT_ALLOWED' }) as Error)
    }
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('waits as a promise, and is woken', async () => {
    const crew = new Crew(region)
    const park = queue.parkAsync()
    expect(await crew.do({ do: 'unparkOne', at: queue.at, value: 2 })).toEqual({ value: true })
    expect((await park).token).toBe(2)
    await sleepAsync(1)
    expectNothingLeft(region)
  })

  test("spins for a queue's lock, and never sleeps on it", () => {
    const q = (queue.at >> 2) + 1
    const agent = Agent.of(region)
    const holder = new Actor(region)
    let rounds = 0
    restore()
    restore = install({
      wait: () => {
        throw new TypeError('no')
      },
      pause: () => {
        // Longer than an agent that may block would spin.
        if (++rounds === 1000) store(region.words, q + Q_LOCK, 0)
      },
    })
    store(region.words, q + Q_LOCK, holder.identity.tag)
    lockQueue(agent, q)
    expect(rounds).toBe(1000)
    unlockQueue(agent, q)
  })
})

describe('an engine without waitAsync', () => {
  test('is polled, less and less often, while a promise waits, and not otherwise', async () => {
    setUp({ waitAsync: undefined })
    const delays: number[] = []
    const host = getHost()
    setHost({ ...host, setTimer: (callback, ms) => (delays.push(ms), host.setTimer(callback, ms)) })
    const park = queue.parkAsync()
    await until(() => delays.length >= 6)
    expect(delays.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 16])
    expect(await new Crew(region).do({ do: 'unparkOne', at: queue.at, value: 3 })).toEqual({ value: true })
    expect((await park).token).toBe(3)
    await settled()
    const last = delays.length
    // One that came wakes the hope for more: it looks often again.
    const second = queue.parkAsync()
    await until(() => delays.length >= last + 1)
    expect(delays.at(-1)).toBe(1)
    queue.unparkOne()
    await second
    expectNothingLeft(region)
  })
})

describe('spinning (W7)', () => {
  let micros: number
  beforeEach(() => {
    micros = 0
    setUp({ now: () => micros / 1000, pause: () => void micros++ })
  })
  const words = new Int32Array(new SharedArrayBuffer(1024))
  const newBudget = (): SpinBudget => new SpinBudget(words, 128)
  const spin = (budget: SpinBudget, after = Infinity): number => {
    let looks = 0
    budget.until(() => ++looks > after)
    return looks
  }

  const sleep = (budget: SpinBudget, us: number): void => {
    const since = micros / 1000
    micros += us
    budget.slept(since)
  }

  test('is bounded, shorter when sleeps are long, and longer again when one was not worth it', () => {
    setHost({ ...getHost(), parallelism: 2 })
    const budget = newBudget()
    const looks = Array.from({ length: 10 }, () => {
      const count = spin(budget)
      sleep(budget, 201)
      return count
    })
    // 100 µs at first, at 1 µs a look, and then half each time.
    expect(looks[0]).toBeLessThan(100 + 40)
    expect(looks[0]).toBeGreaterThan(100)
    expect(looks[9]!).toBeLessThanOrEqual(40)
    expect(looks).toEqual([...looks].sort((a, b) => b - a))
    // That it was worth spinning, and that it was not without a sleep, changes nothing.
    expect(spin(budget, 20)).toBe(21)
    expect(spin(budget)).toBe(looks[9])
    sleep(budget, 199)
    expect(spin(budget)).toBe(looks[0])
  })

  test('with as many agents spinning as there are cores, it goes to sleep after a first look', () => {
    setHost({ ...getHost(), parallelism: 2 })
    expect(spin(newBudget())).toBeGreaterThan(40)
    words[H_SPINNING] = 2
    expect(spin(newBudget())).toBeLessThan(40)
    expect(words[H_SPINNING], 'not counted any more').toBe(2)
    words[H_SPINNING] = 1
    expect(spin(newBudget())).toBeGreaterThan(40)
    expect(words[H_SPINNING]).toBe(1)
    words[H_SPINNING] = 0
  })

  test('a spinner that dies is not counted for ever', () => {
    const survivor = new Actor(region)
    const victim = new Actor(region)
    region.words[H_SPINNING] = 1
    region.words[victim.agent.record + A_SPINNING] = 1
    survivor.reap(victim)
    expect(region.words[H_SPINNING]).toBe(0)
  })

  test('with one core there is none', () => {
    setHost({ ...getHost(), parallelism: 1 })
    expect(spin(newBudget())).toBe(1)
    expect(newBudget().until(() => true)).toBe(true)
  })
})

describe('an agent that was declared dead and runs on', () => {
  const WRITES = ['store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange', 'set', 'notify'] as const
  let writes: string[] | undefined
  let survivor: Actor
  let zombie: Actor

  beforeEach(() => {
    writes = undefined
    const counted: Partial<Record<string, unknown>> = {}
    for (const name of WRITES) {
      const native = nativeOps[name] as (...args: unknown[]) => unknown
      counted[name] = (...args: unknown[]) => {
        writes?.push(name)
        return native(...args)
      }
    }
    let deaths = 0
    setUp({
      ...counted,
      // It sleeps, and while it does somebody learns of its end that was none.
      wait: (words, index, expected, timeout) => {
        if (words.length < 100) return nativeOps.wait(words, index, expected, timeout)
        if (deaths++ === 0) {
          survivor.be()
          expect(reap(survivor.agent, zombie.identity.id, zombie.identity.generation)).toBe(true)
          zombie.be()
        }
        writes = []
        return 'ok'
      },
    } as Partial<Ops>)
    survivor = new Actor(region)
    zombie = new Actor(region)
    zombie.be()
  })
  const expectUntouched = (): void => {
    expect(writes).toEqual([])
    writes = undefined
  }

  test('in its sleep: ShutdownError, and its finally blocks write nothing', async () => {
    const mine = queue.parkAsync()
    const rejected = expect(mine).rejects.toThrow(ShutdownError)
    expect(() => queue.park()).toThrow(ShutdownError)
    expectUntouched()
    // Its slot may be another's: nothing that it begins from here on, either.
    writes = []
    expect(() => queue.park()).toThrow(expect.objectContaining({ code: 'ERR_SHUTDOWN' }) as Error)
    expect(() => queue.unparkOne()).toThrow(ShutdownError)
    await expect(queue.parkAsync()).rejects.toThrow(ShutdownError)
    await rejected
    expectUntouched()
    survivor.be()
    expect(waiting(region)).toBe(0)
    expect(queue.hasWaiters).toBe(false)
    expectNothingLeft(region)
  })

  test('in the sleep of a scheduler: its promises, their timers and listeners are over', async () => {
    const agent = zombie.agent
    const { signal } = new AbortController()
    const waits = [queue.parkAsync({ timeout: 1e6 }), queue.parkAsync({ signal })]
    const all = Promise.all(waits.map((wait) => wait.catch((error: unknown) => (error as Error).name)))
    expect(() => agent.block()).toThrow(ShutdownError)
    expect(await all).toEqual(['ShutdownError', 'ShutdownError'])
    expectUntouched()
    expect(agent.isDead).toBe(true)
    expect(getEventListeners(signal, 'abort').length).toBe(0)
    expect(agent.wheel.size).toBe(0)
  })

  test('with a fiber that only sleeps, which has no record: it is told, and its timer goes', async () => {
    const { agent } = zombie
    Region.useAsDefault(region)
    const asleep = new Fibers().run(() => sleepFiber(1e6))
    const rejected = expect(asleep).rejects.toThrow(ShutdownError)
    expect(agent.wheel.size).toBe(1)
    expect(() => queue.park()).toThrow(ShutdownError)
    await rejected
    expect(agent.wheel.size).toBe(0)
  })

  test("in a queue's lock: it does not take it", () => {
    const q = (queue.at >> 2) + 1
    store(region.words, q + Q_LOCK, survivor.identity.tag)
    expect(() => queue.unparkOne(0, () => undefined)).toThrow(ShutdownError)
    expectUntouched()
    store(region.words, q + Q_LOCK, 0)
  })
})
