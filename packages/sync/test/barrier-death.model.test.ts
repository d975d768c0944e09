/** Barrier: an agent dies at each single operation; the others come through together, or all learn that it is broken. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Barrier } from '../src/index.js'
import { atEveryOperation, installDeaths, type Scene, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** Whatever happened, after `reset` it works for those that live. */
async function expectUsable(scene: Scene, barrier: Barrier): Promise<void> {
  scene.survivor.be()
  barrier.reset()
  await settled()
  scene.ended.length = 0
  for (let i = 0; i < barrier.parties; i++) scene.wait(i % 2 === 0 ? scene.survivor : scene.other, () => barrier.waitAsync())
  await settled()
  expect(scene.ended, `killed at ${scene.n}`).toEqual(Array(barrier.parties).fill('done'))
  expect([barrier.waiting, barrier.isBroken]).toEqual([0, false])
  scene.expectNoRecords()
}

describe('a death at every operation of', () => {
  for (const action of [undefined, () => undefined]) {
    test(`the last party${action === undefined ? '' : ', with an action'}`, async () => {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other } = scene
        const barrier = new Barrier(3, { region, ...(action && { action }) })
        scene.wait(survivor, () => barrier.waitAsync())
        scene.wait(other, () => barrier.waitAsync())
        const died = await scene.kill(() => void barrier.waitAsync().catch(() => undefined))
        // Before it arrived nobody knows of it: they wait for another.
        if (scene.ended.length === 0) expect(barrier.waiting, `killed at ${scene.n}`).toBe(2)
        else
          expect([['done', 'done'].join(), ['BrokenBarrierError', 'BrokenBarrierError'].join()], `killed at ${scene.n}`).toContain(scene.ended.join())
        if (!died) expect(scene.ended).toEqual(['done', 'done'])
        await expectUsable(scene, barrier)
        return died
      })
      expect(deaths).toBeGreaterThan(20)
    })
  }

  test('a party that waits: the others learn that it is broken', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const barrier = new Barrier(3, { region })
      scene.wait(other, () => barrier.waitAsync())
      const died = await scene.kill(() => void barrier.waitAsync().catch(() => undefined))
      if (!died) survivor.reap(victim)
      await settled()
      if (barrier.isBroken) expect(scene.ended).toEqual(['BrokenBarrierError'])
      else expect([scene.ended.length, barrier.waiting], `killed at ${scene.n}`).toEqual([0, 1])
      if (!died) expect(barrier.isBroken).toBe(true)
      await expectUsable(scene, barrier)
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })

  test('abort and reset', async () => {
    for (const act of ['abort', 'reset'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other } = scene
        const barrier = new Barrier(3, { region })
        scene.wait(survivor, () => barrier.waitAsync())
        scene.wait(other, () => barrier.waitAsync())
        const died = await scene.kill(() => barrier[act]())
        expect(['', 'BrokenBarrierError,BrokenBarrierError'], `killed at ${scene.n}`).toContain(scene.ended.join())
        if (scene.ended.length === 0) expect([barrier.waiting, barrier.isBroken]).toEqual([2, false])
        await expectUsable(scene, barrier)
        return died
      })
      expect(deaths).toBeGreaterThan(15)
    }
  })

  test('a party that was let through and did not learn of it: the next round is not disturbed', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const barrier = new Barrier(2, { region })
      victim.be()
      void barrier.waitAsync().catch(() => undefined)
      scene.wait(survivor, () => barrier.waitAsync())
      scene.wait(other, () => barrier.waitAsync())
      const died = await scene.kill(() => scene.turn())
      if (!died) survivor.reap(victim)
      await settled()
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      expect([barrier.waiting, barrier.isBroken]).toEqual([1, false])
      scene.wait(survivor, () => barrier.waitAsync())
      await settled()
      expect(scene.ended).toEqual(['done', 'done', 'done'])
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(3)
  })
})
