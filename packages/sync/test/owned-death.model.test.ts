/** SpinMutex and ReentrantMutex: an agent dies at each single operation; somebody always gets the lock, poisoned exactly when it was owned. */
import { load } from '@heddle/atomics/ops'
import { ownerOf } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fibers } from '../../park/test/support/fibers.js'
import { PoisonedError, type ReentrantGuard, ReentrantMutex, SpinMutex } from '../src/index.js'
import { type Actor, atEveryOperation, installDeaths, type Scene, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** Takes a lock that must be free, whatever was left in it: whether it was poisoned. */
function take<G extends { release(): void }>(
  who: Actor,
  lock: { lock(): G; clearPoison(): void; isPoisoned: boolean },
  act: (guard: G) => void = () => undefined,
): boolean {
  who.be()
  const expected = lock.isPoisoned
  try {
    const guard = lock.lock()
    act(guard)
    guard.release()
    expect(expected).toBe(false)
    return false
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error
    expect(expected).toBe(true)
    act(error.guard as unknown as G)
    lock.clearPoison()
    error.guard.release()
    return true
  }
}

/** In a fiber of `who`. */
function lockInFiber(scene: Scene, fibers: Fibers, who: Actor, mutex: ReentrantMutex, act: (guard: ReentrantGuard) => void): void {
  scene.wait(who, () =>
    fibers.run(function* () {
      let guard: ReentrantGuard
      let name = 'done'
      try {
        guard = yield* mutex.lockFiber()
      } catch (error) {
        if (!(error instanceof PoisonedError)) throw error
        name = 'poisoned'
        guard = error.guard as ReentrantGuard
      }
      // The agents share a thread: each acts as itself only while it is told to.
      who.be()
      act(guard)
      if (name === 'poisoned') mutex.clearPoison()
      guard.release()
    }),
  )
}

describe('a death at every operation of', () => {
  test('SpinMutex.lock and release: the next one gets it at once', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const mutex = new SpinMutex({ region })
      const died = await scene.kill(() => mutex.lock().release())
      const poisoned = mutex.isPoisoned
      if (!died) expect(poisoned).toBe(false)
      expect(mutex.isLocked).toBe(false)
      expect(take(survivor, mutex), `killed at ${scene.n}`).toBe(poisoned)
      expect(take(other, mutex)).toBe(false)
      other.be()
      mutex.dispose()
      return died
    })
    expect(deaths, 'a look at the header, and a look and a compare-exchange each way').toBeLessThan(6)
  })

  test('SpinMutex: one that takes over from the dead, mends and clears, dies too', async () => {
    const outcomes = new Set<boolean>()
    await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const mutex = new SpinMutex({ region })
      other.be()
      mutex.lock()
      survivor.reap(other)
      const died = victim.dieAt(scene.n, () => take(victim, mutex))
      if (died) survivor.reap(victim)
      survivor.be()
      const poisoned = mutex.isPoisoned
      outcomes.add(poisoned)
      if (!died) expect(poisoned).toBe(false)
      expect(take(survivor, mutex), `killed at ${scene.n}`).toBe(poisoned)
      expect(take(survivor, mutex)).toBe(false)
      return died
    })
    expect(outcomes).toEqual(new Set([true, false]))
  })

  test('SpinMutex.tryLock and withLock', async () => {
    await atEveryOperation(async (scene) => {
      const { region, survivor } = scene
      const mutex = new SpinMutex({ region })
      const died = await scene.kill(() => {
        mutex.tryLock()?.release()
        mutex.withLock(() => mutex.tryLock())
      })
      take(survivor, mutex)
      expect([mutex.isLocked, mutex.isPoisoned], `killed at ${scene.n}`).toEqual([false, false])
      return died
    })
  })

  test('ReentrantMutex, two deep, nobody waiting: the next owner begins anew', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const mutex = new ReentrantMutex({ region })
      const died = await scene.kill(() => {
        const outer = mutex.lock()
        const inner = mutex.tryLock()!
        inner.release()
        outer.release()
      })
      if (!died) expect(mutex.isPoisoned).toBe(false)
      const depths: number[] = []
      take(survivor, mutex, () => {
        depths.push(mutex.depth)
        mutex.withLock(() => depths.push(mutex.depth))
        depths.push(mutex.depth)
      })
      expect(depths, `killed at ${scene.n}`).toEqual([1, 2, 1])
      expect(take(other, mutex)).toBe(false)
      expect([mutex.isLocked, mutex.depth]).toEqual([false, 0])
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(8)
  })

  test('ReentrantMutex.release with fibers of two agents waiting: each has it once, alone', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const mutex = new ReentrantMutex({ region })
      const fibers = new Fibers()
      victim.be()
      const outer = mutex.lock()
      const inner = mutex.lock()
      const depths: number[] = []
      for (const who of [survivor, other])
        lockInFiber(scene, fibers, who, mutex, () => depths.push(ownerOf(load(region.words, (mutex.at >> 2) + 2)) === who.agent.tag ? 1 : 0))
      const died = await scene.kill(() => {
        inner.release()
        outer.release()
      })
      await settled()
      await settled()
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done', 'done'])
      expect(depths).toEqual([1, 1])
      expect(take(survivor, mutex)).toBe(false)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('ReentrantMutex.lockFiber: begun, and its turn', async () => {
    for (const acts of ['begin', 'turn'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other, victim } = scene
        const mutex = new ReentrantMutex({ region })
        const fibers = new Fibers()
        survivor.be()
        const held = mutex.lock()
        const begin = (): void =>
          void fibers
            .run(function* () {
              const guard = yield* mutex.lockFiber()
              guard.release()
            })
            .catch(() => undefined)
        let died: boolean
        if (acts === 'begin') {
          died = victim.dieAt(scene.n, begin)
          survivor.reap(victim)
          survivor.be()
          held.release()
        } else {
          victim.be()
          begin()
          survivor.be()
          held.release()
          died = await scene.kill(() => scene.turn())
          if (!died) survivor.reap(victim)
        }
        await settled()
        take(other, mutex)
        expect([mutex.isLocked, mutex.isPoisoned], `${acts} killed at ${scene.n}`).toEqual([false, false])
        scene.expectNoRecords()
        return died
      })
      expect(deaths).toBeGreaterThan(acts === 'begin' ? 15 : 5)
    }
  })
})

test('a ReentrantMutex whose owner died two deep is nobody’s while a fiber that has it was not run yet', async () => {
  const scene = new (await import('./support/scene.js')).Scene(Infinity)
  const { region, survivor, victim } = scene
  const mutex = new ReentrantMutex({ region })
  const fibers = new Fibers()
  victim.be()
  mutex.lock()
  mutex.lock()
  const order: string[] = []
  lockInFiber(scene, fibers, survivor, mutex, () => order.push('fiber'))
  survivor.reap(victim)
  survivor.be()
  // Its promise-like wait takes the mutex here; the fiber itself comes with the next microtask.
  survivor.agent.poll()
  expect(ownerOf(load(region.words, (mutex.at >> 2) + 2))).toBe(survivor.agent.tag)
  expect([mutex.depth, mutex.tryLock()]).toEqual([0, undefined])
  order.push('thread')
  await settled()
  expect(order).toEqual(['thread', 'fiber'])
  expect(scene.ended).toEqual(['done'])
  scene.expectNoRecords()
})
