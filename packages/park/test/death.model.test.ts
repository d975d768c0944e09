/** W3: an agent dies at each single operation of every protocol, and nothing is lost. */
import { AtomicInt32, Region } from '@heddle/atomics'
import { notify, Parker, waitOnAsync, WaitQueue, type ParkResult } from '@heddle/park'
import { H_ALLOC_LOCK } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { Doorbell, Q_LOCK, ringDoorbell } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from './support/deaths.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** A region with a survivor, a bystander and a victim. */
function stage(): { region: Region; survivor: Actor; other: Actor; victim: Actor } {
  const region = Region.create({ bytes: 1 << 20, agents: 8 })
  const survivor = new Actor(region)
  const other = new Actor(region)
  const victim = new Actor(region)
  return { region, survivor, other, victim }
}

/** Runs `scenario` with a death at operation 0, 1, 2, … until one is survived to the end; says how many deaths there were. */
async function atEveryOperation(scenario: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) if (!(await scenario(n))) return n
}

/** What parks ended with, collected as they end. */
function collect(parks: Promise<ParkResult>[]): string[] {
  const ended: string[] = []
  for (const park of parks)
    park.then(
      (result) => ended.push(result.outcome),
      (error: unknown) => ended.push((error as Error).name),
    )
  return ended
}

describe('a death at every operation of', () => {
  test('unparkOne: the waiters are told, and every queue and record comes back', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const queue = new WaitQueue({ region })
      const parks = [queue.parkAsync()]
      other.be()
      parks.push(queue.parkAsync())
      const ended = collect(parks)
      const died = victim.dieAt(n, () => queue.unparkOne())
      if (died) survivor.reap(victim)
      else survivor.be()
      await settled()
      // Told to look again, or chosen: nobody may sleep on after a death.
      if (died) expect(ended.length, `killed at ${n}: ${ended.join()}`).toBe(2)
      else expect(ended).toEqual(['unparked'])
      queue.unparkAll()
      await settled()
      expect(ended.length).toBe(2)
      expect(queue.hasWaiters).toBe(false)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('unparkAll and requeue', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const queue = new WaitQueue({ region })
      const target = new WaitQueue({ region })
      const parks = [queue.parkAsync(), queue.parkAsync()]
      other.be()
      parks.push(queue.parkAsync())
      const ended = collect(parks)
      const died = victim.dieAt(n, () => {
        queue.requeue(target, 2)
        target.unparkAll()
      })
      if (died) survivor.reap(victim)
      else survivor.be()
      await settled()
      expect(ended.length).toBe(died ? 3 : 2)
      queue.unparkAll()
      target.unparkAll()
      await settled()
      expect(ended.length).toBe(3)
      expect([queue.hasWaiters, target.hasWaiters]).toEqual([false, false])
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(40)
  })

  test('parkAsync: the queue works on without it, and a notify that it had got goes to the next', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const queue = new WaitQueue({ region })
      const died = victim.dieAt(n, () => void queue.parkAsync().catch(() => undefined))
      // With the queue's or the allocator's lock in the dead agent's hands, others wait until it is known to be dead.
      const locked = load(region.words, (queue.at >> 2) + 1 + Q_LOCK) !== 0 || load(region.words, H_ALLOC_LOCK) !== 0
      if (locked) survivor.reap(victim)
      other.be()
      const ended = collect([queue.parkAsync({ validate: () => true })])
      survivor.be()
      // Otherwise this may choose the dead agent's record: nobody knows yet.
      const first = queue.unparkOne()
      if (!locked) survivor.reap(victim)
      await settled()
      if (ended.length === 0) expect(queue.unparkOne(), `killed at ${n}: unparked ${first}`).toBe(true)
      await settled()
      expect(ended).toEqual(['unparked'])
      expect(queue.hasWaiters).toBe(false)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('a promise that had been chosen: the notify is passed on', async () => {
    const { region, survivor, other, victim } = stage()
    victim.be()
    const queue = new WaitQueue({ region })
    void queue.parkAsync()
    other.be()
    const ended = collect([queue.parkAsync({ validate: () => true })])
    survivor.be()
    expect(queue.unparkOne(5)).toBe(true)
    survivor.reap(victim)
    await settled()
    expect(ended).toEqual(['unparked'])
  })

  test('a wait on a cell that had been chosen: the notify goes to the same cell, not to another in its bucket', async () => {
    const { region, survivor, other, victim } = stage()
    survivor.be()
    const cell = new AtomicInt32({ region })
    // Another cell whose waiters are in the same queue.
    const bucket = (at: number): number => Math.imul(at >> 2, 0x9e3779b1) >>> 24
    let stranger = new AtomicInt32({ region })
    while (bucket(stranger.valueAt) !== bucket(cell.valueAt)) stranger = new AtomicInt32({ region })
    victim.be()
    void waitOnAsync(cell, 0)
    other.be()
    const outcomes: string[] = []
    void waitOnAsync(stranger, 0).then(() => outcomes.push('stranger'))
    void waitOnAsync(cell, 0).then(() => outcomes.push('same cell'))
    survivor.be()
    expect(notify(cell, 1)).toBe(1)
    survivor.reap(victim)
    await settled()
    expect(outcomes).toEqual(['same cell'])
  })

  test('notify on a cell', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const cell = new AtomicInt32({ region })
      const outcomes: string[] = []
      void waitOnAsync(cell, 0).then((outcome) => outcomes.push(outcome))
      other.be()
      void waitOnAsync(cell, 0).then((outcome) => outcomes.push(outcome))
      const died = victim.dieAt(n, () => {
        cell.store(1)
        notify(cell)
      })
      if (died) survivor.reap(victim)
      survivor.be()
      await settled()
      if (cell.load() === 0) {
        cell.store(1)
        notify(cell)
        await settled()
      }
      expect(outcomes.length, `killed at ${n}`).toBe(2)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('Parker.unpark: the permit is not lost', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, victim } = stage()
      survivor.be()
      const parker = new Parker({ region })
      let went = 0
      void parker.parkAsync().then(() => went++)
      const died = victim.dieAt(n, () => parker.unpark())
      if (died) survivor.reap(victim)
      survivor.be()
      await settled()
      if (went === 0) parker.unpark()
      await settled()
      expect(went).toBe(1)
      expect(survivor.agent.slab.used).toBe(0)
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('ringDoorbell: the bell rings, at the latest when the ringer is reaped', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, victim } = stage()
      survivor.be()
      let rings = 0
      const bell = Doorbell.open(region, () => rings++)
      const died = victim.dieAt(n, () => ringDoorbell(region, bell.at))
      if (died) survivor.reap(victim)
      survivor.be()
      await settled()
      if (rings === 0) {
        // It died before its first store: then a later ring must get through.
        ringDoorbell(region, bell.at)
        await settled()
      }
      expect(rings, `killed at ${n}`).toBeGreaterThan(0)
      bell.close()
      expect(survivor.agent.slab.used).toBe(0)
      return died
    })
  })

  test('reaping itself: the next reaper finishes the work', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      victim.be()
      const queue = new WaitQueue({ region })
      void queue.parkAsync()
      const third = new Actor(region)
      other.be()
      const ended = collect([queue.parkAsync({ validate: () => true })])
      survivor.be()
      queue.unparkOne()
      const died = third.dieAt(n, () => void third.reap(victim))
      if (died) {
        survivor.reap(third)
        // It may have died before it declared anybody dead.
        survivor.reap(victim)
      }
      survivor.be()
      await settled()
      expect(ended, `killed at ${n}`).toEqual(['unparked'])
      // A queue's lock that died with its holder is recovered by whoever needs it next.
      expect(queue.unparkOne()).toBe(false)
      expect(queue.hasWaiters).toBe(false)
      expect(other.agent.slab.used + (died ? 0 : third.agent.slab.used)).toBe(0)
      return died
    })
    expect(deaths).toBeGreaterThan(50)
  })
})
