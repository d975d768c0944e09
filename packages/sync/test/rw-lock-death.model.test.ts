/** RwLock and OnceCell: an agent dies at each single operation; its hold comes back once, and only a writer poisons. */
import { i32 } from '@heddle/atomics'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OnceCell, type ReadGuard, RwLock, type WriteGuard } from '../src/index.js'
import { atEveryOperation, installDeaths, type Scene, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

const release = (guard: unknown): void => (guard as ReadGuard | WriteGuard).release()

/** Everybody who asks gets in, one after the other, and nothing is left. */
async function expectUsable(scene: Scene, lock: RwLock): Promise<void> {
  const before = scene.ended.length
  scene.wait(scene.survivor, () => lock.writeAsync(), release)
  scene.wait(scene.other, () => lock.readAsync(), release)
  scene.wait(scene.other, () => lock.writeAsync(), release)
  await settled()
  await settled()
  expect(scene.ended.length, `killed at ${scene.n}: ${scene.ended.join()}`).toBe(before + 3)
  expect([lock.isReadLocked, lock.isWriteLocked]).toEqual([false, false])
  scene.expectNoRecords()
}

describe('a death at every operation of', () => {
  test('read and release, with a writer waiting', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, victim } = scene
      const lock = new RwLock({ region })
      victim.be()
      const reading = lock.read()
      scene.wait(survivor, () => lock.writeAsync(), release)
      expect(scene.ended).toEqual([])
      const died = await scene.kill(() => reading.release())
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      expect(lock.isPoisoned).toBe(false)
      await expectUsable(scene, lock)
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('a first read, nobody there', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const lock = new RwLock({ region: scene.region })
      const died = await scene.kill(() => {
        lock.read().release()
        lock.read()
      })
      if (!died) scene.survivor.reap(scene.victim)
      expect([lock.isReadLocked, lock.isPoisoned], `killed at ${scene.n}`).toEqual([false, false])
      await expectUsable(scene, lock)
      return died
    })
    expect(deaths).toBeGreaterThan(8)
  })

  test('write and release, with readers and a writer waiting: poisoned exactly while it wrote', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const lock = new RwLock({ region })
      victim.be()
      const writing = lock.write()
      scene.wait(survivor, () => lock.readAsync(), release)
      scene.wait(other, () => lock.writeAsync(), release)
      scene.wait(other, () => lock.readAsync(), release)
      const died = await scene.kill(() => writing.release())
      await settled()
      expect(scene.ended.length, `killed at ${scene.n}: ${scene.ended.join()}`).toBe(3)
      expect(new Set(scene.ended).size, scene.ended.join()).toBe(1)
      if (!died) expect(scene.ended[0]).toBe('done')
      await expectUsable(scene, lock)
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('writeAsync while somebody reads: it never wrote, and poisons nothing', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const lock = new RwLock({ region })
      survivor.be()
      const reading = lock.read()
      const died = scene.victim.dieAt(scene.n, () => void lock.writeAsync().catch(() => undefined))
      survivor.reap(victim)
      scene.wait(other, () => lock.readAsync(), release)
      await settled()
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      survivor.be()
      reading.release()
      expect(lock.isPoisoned).toBe(false)
      await expectUsable(scene, lock)
      expect(scene.ended).toEqual(['done', 'done', 'done', 'done'])
      return died
    })
    expect(deaths).toBeGreaterThan(15)
  })

  test('a waiting reader or writer whose turn has come', async () => {
    for (const kind of ['read', 'write', 'upgradableRead'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other, victim } = scene
        const lock = new RwLock({ region })
        survivor.be()
        const writing = lock.write()
        victim.be()
        const wait = { read: () => lock.readAsync(), write: () => lock.writeAsync(), upgradableRead: () => lock.upgradableReadAsync() }[kind]
        void wait().catch(() => undefined)
        scene.wait(other, () => lock.readAsync(), release)
        scene.wait(other, () => lock.writeAsync(), release)
        survivor.be()
        writing.release()
        const died = await scene.kill(() => scene.turn())
        if (!died) survivor.reap(victim)
        await settled()
        await settled()
        expect(scene.ended.length, `${kind} killed at ${scene.n}: ${scene.ended.join()}`).toBe(2)
        if (kind !== 'write') expect(scene.ended).toEqual(['done', 'done'])
        await expectUsable(scene, lock)
        return died
      })
      expect(deaths).toBeGreaterThan(10)
    }
  })

  test('upgrade, downgrade, release', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const lock = new RwLock({ region: scene.region })
      const died = await scene.kill(() => {
        const upgradable = lock.tryUpgradableRead()!
        upgradable.upgrade().downgrade().release()
        lock.write().downgradeToUpgradable().downgrade().release()
      })
      expect(lock.isReadLocked, `killed at ${scene.n}`).toBe(false)
      await expectUsable(scene, lock)
      return died
    })
    expect(deaths).toBeGreaterThan(30)
  })

  test('OnceCell.getOrInit: another makes the value', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const cell = new OnceCell({ codec: i32, region })
      let made = 0
      const died = await scene.kill(() => cell.getOrInit(() => 7))
      scene.wait(survivor, () => cell.getOrInitAsync(() => (made++, 8)))
      scene.wait(other, () => cell.getOrInitAsync(() => (made++, 8)))
      await settled()
      expect(scene.ended).toEqual(['done', 'done'])
      expect(made, `killed at ${scene.n}`).toBe(cell.get() === 7 ? 0 : 1)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('OnceCell.getOrInit with others waiting for it', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const cell = new OnceCell({ codec: i32, region })
      let made = 0
      let finish: (value: number) => void = () => undefined
      victim.be()
      void cell.getOrInitAsync(() => new Promise<number>((resolve) => (finish = resolve))).catch(() => undefined)
      await settled()
      scene.wait(survivor, () => cell.getOrInitAsync(() => (made++, 8)))
      scene.wait(other, () => cell.getOrInitAsync(() => (made++, 8)))
      void finish
      // The promise's reaction runs on its own; the part that it would do is done here, where it can be stopped.
      const died = await scene.kill(() => (cell as unknown as { finish(agent: unknown, make: () => number): number }).finish(victim.agent, () => 7))
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done', 'done'])
      expect(made).toBe(cell.get() === 7 ? 0 : 1)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(15)
  })
})
