/** Condvar: an agent dies at each single operation; every waiter goes on with the mutex, and no notify is lost on the dead. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Condvar, Mutex, type MutexGuard } from '../src/index.js'
import { atEveryOperation, installDeaths, type Scene, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** Takes the mutex and waits; collects how the wait ended, and releases. */
async function waitOnce(scene: Scene, condvar: Condvar, mutex: Mutex): Promise<void> {
  const guard = await mutex.lockAsync()
  try {
    await condvar.waitAsync(guard)
    scene.ended.push('done')
  } catch (error) {
    scene.ended.push((error as Error).name)
  }
  expect(guard.held).toBe(true)
  guard.release()
}

async function stage(scene: Scene): Promise<{ condvar: Condvar; mutex: Mutex }> {
  const { region, survivor, other } = scene
  const condvar = new Condvar({ region })
  const mutex = new Mutex({ region })
  for (const who of [survivor, other]) {
    who.be()
    void waitOnce(scene, condvar, mutex)
    await settled()
  }
  return { condvar, mutex }
}

describe('a death at every operation of', () => {
  for (const holding of [true, false]) {
    test(`notifyAll${holding ? ', with the mutex held' : ''}`, async () => {
      const deaths = await atEveryOperation(async (scene) => {
        const { condvar, mutex } = await stage(scene)
        const died = await scene.kill(() => {
          const guard = holding ? mutex.lock() : undefined
          condvar.notifyAll()
          guard?.release()
        })
        await settled()
        await settled()
        expect(scene.ended.length, `killed at ${scene.n}: ${scene.ended.join()}`).toBe(2)
        if (!died || !holding) expect(scene.ended).toEqual(['done', 'done'])
        expect(mutex.isLocked).toBe(false)
        scene.expectNoRecords()
        return died
      })
      expect(deaths).toBeGreaterThan(25)
    })
  }

  test('notifyOne: after a death all look again, without one exactly one goes on', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { condvar, mutex } = await stage(scene)
      const died = await scene.kill(() => condvar.notifyOne())
      await settled()
      expect(scene.ended.length, `killed at ${scene.n}`).toBe(died ? 2 : 1)
      scene.survivor.be()
      condvar.notifyAll()
      await settled()
      expect(scene.ended).toEqual(['done', 'done'])
      expect(mutex.isLocked).toBe(false)
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('a waiter: before it sleeps, and when it was notified', async () => {
    for (const acts of ['begin', 'turn'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, victim } = scene
        const condvar = new Condvar({ region })
        const mutex = new Mutex({ region })
        victim.be()
        const guard = mutex.lock()
        let died: boolean
        if (acts === 'begin') died = await scene.kill(() => void condvar.waitAsync(guard).catch(() => undefined))
        else {
          void condvar.waitAsync(guard).catch(() => undefined)
          survivor.be()
          condvar.notifyOne()
          died = await scene.kill(() => scene.turn())
        }
        if (!died) survivor.reap(victim)
        await settled()
        let taken: MutexGuard | undefined
        survivor.be()
        mutex.lockAsync().then(
          (own) => (taken = own),
          (error: unknown) => (taken = (error as { guard: MutexGuard }).guard),
        )
        await settled()
        expect(taken?.held, `${acts} killed at ${scene.n}`).toBe(true)
        survivor.be()
        taken!.release()
        condvar.notifyAll()
        expect(mutex.isLocked).toBe(false)
        scene.expectNoRecords()
        return died
      })
      expect(deaths).toBeGreaterThan(10)
    }
  })
})
