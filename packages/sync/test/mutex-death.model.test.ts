/** A mutex whose owner, waiter or releaser dies at each single operation: somebody always gets it, poisoned exactly when it was owned. */
import { Region } from '@heddle/atomics'
import { H_ALLOC_LOCK, isOwnerAlive } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { Q_LOCK } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { Mutex, type MutexGuard, PoisonedError } from '../src/index.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

function stage(): { region: Region; survivor: Actor; other: Actor; victim: Actor; mutex: Mutex } {
  const region = Region.create({ bytes: 1 << 20, agents: 8 })
  const survivor = new Actor(region)
  const other = new Actor(region)
  const victim = new Actor(region)
  survivor.be()
  return { region, survivor, other, victim, mutex: new Mutex({ region }) }
}

interface Taken {
  guards: MutexGuard[]
  poisoned: number
}

/** Collects who gets the lock; a poisoned one is taken from the error. */
function collect(taken: Taken, lock: Promise<MutexGuard>): void {
  lock.then(
    (guard) => taken.guards.push(guard),
    (error: unknown) => {
      if (!(error instanceof PoisonedError)) throw error
      taken.poisoned++
      taken.guards.push(error.guard as MutexGuard)
    },
  )
}

async function atEveryOperation(scenario: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) if (!(await scenario(n))) return n
}

describe('a death at every operation of', () => {
  for (const waiters of [0, 1, 2]) {
    test(`lock and release, with ${waiters} waiting`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { region, survivor, other, victim, mutex } = stage()
        const taken: Taken = { guards: [], poisoned: 0 }
        victim.be()
        const held = waiters === 0 ? undefined : mutex.lock()
        if (waiters > 0) {
          survivor.be()
          collect(taken, mutex.lockAsync())
        }
        if (waiters > 1) {
          other.be()
          collect(taken, mutex.lockAsync())
        }
        const died = victim.dieAt(n, () => (held ?? mutex.lock()).release())
        if (died) survivor.reap(victim)
        survivor.be()
        await settled()
        if (waiters === 0) collect(taken, mutex.lockAsync())
        await settled()
        expect(taken.guards.length, `killed at ${n}: one owner at a time`).toBe(1)
        if (!died) expect(taken.poisoned).toBe(0)
        const poisonedFirst = taken.poisoned
        taken.guards.pop()!.release()
        await settled()
        if (waiters > 1) {
          expect(taken.guards.length).toBe(1)
          // Nobody cleared it.
          expect(taken.poisoned).toBe(poisonedFirst * 2)
          taken.guards.pop()!.release()
        }
        await settled()
        expect(mutex.isLocked).toBe(false)
        // A queue's lock that died with its holder is recovered by whoever needs it next.
        expect(isOwnerAlive(region.words, load(region.words, (mutex.at >> 2) + 2 + Q_LOCK))).toBe(false)
        expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
        return died
      })
      if (waiters === 0) expect(deaths, 'a look at the header, and one compare-exchange each way').toBe(3)
      else expect(deaths).toBeGreaterThan(20)
    })
  }

  test('a release that hands over: to a waiter that has lost two retries', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { survivor, other, victim, mutex } = stage()
      const taken: Taken = { guards: [], poisoned: 0 }
      other.be()
      let barger = mutex.lock()
      survivor.be()
      collect(taken, mutex.lockAsync())
      for (let lost = 0; lost < 3; lost++) {
        other.be()
        barger.release()
        // Barging: before the woken waiter's turn comes.
        const again = mutex.tryLock()
        if (again === undefined) break
        barger = again
        await settled()
      }
      if (barger.held) barger.release()
      await settled()
      // Whoever it is by now, it comes through the same road with a victim as the releaser.
      for (const guard of taken.guards.splice(0)) guard.release()
      victim.be()
      const held = mutex.lock()
      survivor.be()
      collect(taken, mutex.lockAsync({}))
      await new Promise<void>((resolve) => setImmediate(resolve))
      const start = performance.now()
      while (performance.now() - start < 1.2);
      const died = victim.dieAt(n, () => held.release())
      if (died) survivor.reap(victim)
      survivor.be()
      await settled()
      expect(taken.guards.length, `killed at ${n}`).toBe(1)
      for (const guard of taken.guards.splice(0)) guard.release()
      await settled()
      expect(mutex.isLocked).toBe(false)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(30)
  })

  test('lockAsync: the others take turns without it', async () => {
    const deaths = await atEveryOperation(async (n) => {
      const { region, survivor, other, victim, mutex } = stage()
      const taken: Taken = { guards: [], poisoned: 0 }
      survivor.be()
      const held = mutex.lock()
      const died = victim.dieAt(n, () => void mutex.lockAsync().catch(() => undefined))
      const locked = load(region.words, (mutex.at >> 2) + 2 + Q_LOCK) !== 0 || load(region.words, H_ALLOC_LOCK) !== 0
      if (locked) survivor.reap(victim)
      other.be()
      collect(taken, mutex.lockAsync())
      survivor.be()
      held.release()
      if (!locked) survivor.reap(victim)
      await settled()
      expect(taken.guards.length, `killed at ${n}`).toBe(1)
      expect(taken.poisoned).toBe(0)
      taken.guards.pop()!.release()
      await settled()
      expect(mutex.isLocked).toBe(false)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })
})
