/** Semaphore, Event, Latch, WaitGroup: an agent dies at each single operation; nobody waits for ever, and no permit is lost or made. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Event, Latch, Semaphore, WaitGroup } from '../src/index.js'
import { atEveryOperation, installDeaths, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

describe('a death at every operation of', () => {
  test('Semaphore.release: all its permits, or none', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const semaphore = new Semaphore(0, { region })
      scene.wait(survivor, () => semaphore.acquireAsync())
      scene.wait(other, () => semaphore.acquireAsync(2))
      const died = await scene.kill(() => semaphore.release(3))
      expect([0, 3]).toContain(semaphore.available + [0, 1, 3][scene.ended.length]!)
      if (scene.ended.length === 0) semaphore.release(3)
      await settled()
      expect(scene.ended).toEqual(['done', 'done'])
      expect(semaphore.available).toBe(0)
      semaphore.release()
      expect(semaphore.tryAcquire()).toBe(true)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('Semaphore.acquireAsync with permits: taken, or still there', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, other } = scene
      const semaphore = new Semaphore(1, { region })
      const died = await scene.kill(() => void semaphore.acquireAsync().catch(() => undefined))
      expect([0, 1]).toContain(semaphore.available)
      if (semaphore.available === 0) semaphore.release()
      expect(semaphore.tryAcquire()).toBe(true)
      semaphore.release()
      scene.wait(other, () => semaphore.acquireAsync())
      await settled()
      expect(scene.ended).toEqual(['done'])
      scene.expectNoRecords()
      return died
    })
    expect(deaths, 'a look at the header, a load, a compare-exchange').toBe(3)
  })

  test('Semaphore.acquireAsync in front of another: the other gets what is there', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, other } = scene
      const semaphore = new Semaphore(1, { region })
      const died = scene.victim.dieAt(scene.n, () => void semaphore.acquireAsync(3).catch(() => undefined))
      if (died) scene.survivor.reap(scene.victim)
      scene.wait(other, () => semaphore.acquireAsync())
      if (!died) {
        expect(scene.ended).toEqual([])
        scene.survivor.reap(scene.victim)
      }
      await settled()
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      semaphore.release()
      expect(semaphore.tryAcquire()).toBe(true)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('a woken waiter that takes its permits: no more than its own are gone', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const semaphore = new Semaphore(0, { region })
      victim.be()
      void semaphore.acquireAsync().catch(() => undefined)
      scene.wait(other, () => semaphore.acquireAsync())
      survivor.be()
      semaphore.release(2)
      const died = await scene.kill(() => scene.turn())
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      expect([0, 1]).toContain(semaphore.available)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('Event.set: everybody, or nobody', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const event = new Event({ region })
      scene.wait(survivor, () => event.waitAsync())
      scene.wait(other, () => event.waitAsync())
      const died = await scene.kill(() => {
        event.set()
        event.reset()
      })
      expect([0, 2], `killed at ${scene.n}`).toContain(scene.ended.length)
      event.set()
      await settled()
      expect(scene.ended).toEqual(['done', 'done'])
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('Event.waitAsync, and its turn', async () => {
    for (const acts of ['begin', 'turn'] as const) {
      await atEveryOperation(async (scene) => {
        const { region, survivor, other, victim } = scene
        const event = new Event({ region })
        scene.wait(other, () => event.waitAsync())
        if (acts === 'turn') {
          victim.be()
          void event.waitAsync().catch(() => undefined)
          survivor.be()
          event.set()
        }
        const died = await scene.kill(acts === 'turn' ? () => scene.turn() : () => void event.waitAsync().catch(() => undefined))
        event.set()
        if (!died) survivor.reap(victim)
        await settled()
        expect(scene.ended).toEqual(['done'])
        scene.expectNoRecords()
        return died
      })
    }
  })

  test('an auto-reset Event.set: one waiter each, or none', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const event = new Event({ region, auto: true })
      scene.wait(survivor, () => event.waitAsync())
      scene.wait(other, () => event.waitAsync())
      const died = await scene.kill(() => event.set())
      expect([0, 1], `killed at ${scene.n}`).toContain(scene.ended.length)
      if (!died) expect(scene.ended.length).toBe(1)
      for (let left = 2 - scene.ended.length; left > 0; left--) event.set()
      await settled()
      expect(scene.ended).toEqual(['done', 'done'])
      expect(event.isSet).toBe(false)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('Latch.countDown and WaitGroup.done', async () => {
    for (const kind of ['latch', 'group'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other } = scene
        const latch = new Latch(1, { region })
        const group = new WaitGroup({ region })
        group.add(1)
        const gate = kind === 'latch' ? latch : group
        scene.wait(survivor, () => gate.waitAsync())
        scene.wait(other, () => gate.waitAsync())
        const died = await scene.kill(() => (kind === 'latch' ? latch.countDown() : group.done()))
        expect(scene.ended.length, `killed at ${scene.n}`).toBe(gate.count === 0 ? 2 : 0)
        if (gate.count > 0) {
          if (kind === 'latch') latch.countDown()
          else group.done()
        }
        await settled()
        expect(scene.ended).toEqual(['done', 'done'])
        scene.expectNoRecords()
        return died
      })
      expect(deaths).toBeGreaterThan(15)
    }
  })
})

test('a token that a reaper passes on from a dead waiter opens no gate too early', async () => {
  const [scene] = [new (await import('./support/scene.js')).Scene(Infinity)]
  const { region, survivor, other, victim } = scene
  const group = new WaitGroup({ region })
  group.add(1)
  victim.be()
  void group.waitAsync()
  survivor.be()
  group.done()
  group.add(1)
  scene.wait(other, () => group.waitAsync())
  survivor.reap(victim)
  await settled()
  expect(scene.ended).toEqual([])
  group.done()
  await settled()
  expect(scene.ended).toEqual(['done'])
  scene.expectNoRecords()
})
