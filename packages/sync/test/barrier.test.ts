/**
 * Barrier.
 *
 * Scenarios: CPython Lib/test/lock_tests.py (BarrierTests: barrier, wait_return, action, abort, reset, abort_and_reset, timeout, single
 * thread) and the JSR-166 TCK's CyclicBarrierTest (generations, a broken action, getNumberWaiting).
 */
import { afterEach, describe, expect, test } from 'vitest'
import { Barrier, BrokenBarrierError } from '../src/index.js'
import { type Call, Modes, modes } from './support/modes.js'

let all: Modes
afterEach(() => all.close())

describe.each(modes)('Barrier, %s', (mode) => {
  /** Begins the waits of all parties but the last, in this mode and as a promise. */
  async function others(barrier: Barrier): Promise<Call[]> {
    const calls: Call[] = []
    for (let i = 1; i < barrier.parties; i++) {
      calls.push(all.call(i === 1 ? mode : 'promise', barrier, 'wait'))
      await all.waiting(i)
    }
    return calls
  }

  test('lets everybody through together, with one leader, again and again', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    for (let round = 0; round < 3; round++) {
      const calls = await others(barrier)
      expect(barrier.waiting).toBe(2)
      const last = all.call('fiber', barrier, 'wait')
      const passages = await Promise.all([...calls, last].map(async (call) => (await call).value))
      expect(passages).toEqual([
        { isLeader: false, generation: round },
        { isLeader: false, generation: round },
        { isLeader: true, generation: round },
      ])
      expect([barrier.waiting, barrier.isBroken]).toEqual([0, false])
    }
  })

  test('the last party runs the action before anybody goes on', async () => {
    all = Modes.create()
    const order: string[] = []
    const barrier = new Barrier(2, { region: all.region, action: () => order.push('action') })
    const [call] = await others(barrier)
    const passed = call!.then(() => order.push('party'))
    await barrier.waitAsync()
    order.push('leader')
    await passed
    expect(order[0]).toBe('action')
    expect(order.toSorted()).toEqual(['action', 'leader', 'party'])
  })

  test('an action that throws breaks it', async () => {
    all = Modes.create()
    const barrier = new Barrier(2, {
      region: all.region,
      action: () => {
        throw new Error('action')
      },
    })
    const [call] = await others(barrier)
    await expect(barrier.waitAsync()).rejects.toThrow('action')
    expect((await call!).error?.code).toBe('ERR_BROKEN_BARRIER')
    expect(barrier.isBroken).toBe(true)
  })

  test('abort breaks it for those who wait and those who come, until reset', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    const calls = await others(barrier)
    barrier.abort()
    for (const call of calls) expect((await call).error?.code).toBe('ERR_BROKEN_BARRIER')
    expect((await all.call(mode, barrier, 'wait')).error?.code).toBe('ERR_BROKEN_BARRIER')
    expect(barrier.isBroken).toBe(true)
    barrier.reset()
    const again = await others(barrier)
    await barrier.waitAsync()
    for (const call of again) expect((await call).error).toBeUndefined()
  })

  test('reset sends those who wait away, and begins anew', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    const calls = await others(barrier)
    barrier.reset()
    for (const call of calls) expect((await call).error?.code).toBe('ERR_BROKEN_BARRIER')
    expect([barrier.isBroken, barrier.waiting]).toEqual([false, 0])
  })

  test('a party that gives up breaks it', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    const waiting = all.call('promise', barrier, 'wait')
    await all.waiting(1)
    expect((await all.call(mode, barrier, 'wait', { timeout: 5 })).error?.code).toBe('ERR_TIMEOUT')
    expect((await waiting).error?.code).toBe('ERR_BROKEN_BARRIER')
    expect([barrier.isBroken, barrier.waiting]).toEqual([true, 0])
  })

  test('a party that dies breaks it', async () => {
    all = Modes.create()
    const barrier = new Barrier(3, { region: all.region })
    void all.call('thread', barrier, 'wait')
    await all.waiting(1)
    if (mode === 'thread') {
      await all.terminateLast()
      // Nobody waited who could miss it: the last party does.
      const waiting = all.call('promise', barrier, 'wait')
      await all.waiting(1)
      expect((await all.call('promise', barrier, 'wait')).error?.code).toBe('ERR_BROKEN_BARRIER')
      expect((await waiting).error?.code).toBe('ERR_BROKEN_BARRIER')
    } else {
      const waiting = all.call(mode, barrier, 'wait')
      await all.waiting(2)
      await all.terminateLast()
      expect((await waiting).error?.code).toBe('ERR_BROKEN_BARRIER')
    }
    expect(barrier.isBroken).toBe(true)
  })
})

describe('Barrier', () => {
  test('of one party never waits', () => {
    all = Modes.create()
    const barrier = new Barrier(1, { region: all.region })
    expect([barrier.wait(), barrier.wait()]).toEqual([
      { isLeader: true, generation: 0 },
      { isLeader: true, generation: 1 },
    ])
  })

  test('whoever comes while an action runs belongs to the next round', async () => {
    all = Modes.create()
    let early: Promise<unknown> | undefined
    const barrier: Barrier = new Barrier(1, { region: all.region, action: () => void (early ??= barrier.waitAsync()) })
    expect(barrier.wait()).toEqual({ isLeader: true, generation: 0 })
    expect(await early).toEqual({ isLeader: true, generation: 1 })
  })

  test('an abort while the action runs breaks it', async () => {
    all = Modes.create()
    const barrier: Barrier = new Barrier(2, { region: all.region, action: () => barrier.abort() })
    const waiting = barrier.waitAsync()
    await expect(barrier.waitAsync()).rejects.toThrow(BrokenBarrierError)
    await expect(waiting).rejects.toThrow(BrokenBarrierError)
  })

  test('refuses what can’t be', () => {
    all = Modes.create()
    for (const n of [0, -1, 1.5, 40_000]) expect(() => new Barrier(n, { region: all.region })).toThrow(/parties/)
  })

  test('is found by place and handle, with an action of its own', async () => {
    all = Modes.create()
    const at = all.region.alloc(Barrier.BYTES, Barrier.ALIGN)
    const barrier = Barrier.init(all.region, at, 2)
    let ran = 0
    const there = Barrier.fromHandle(barrier.toHandle(), { action: () => ran++ })
    const waiting = barrier.waitAsync()
    expect(() => barrier.dispose()).toThrow(/waits/)
    await there.waitAsync()
    await waiting
    expect(ran).toBe(1)
    barrier.dispose()
    all.region.free(at)
  })
})
