/** Lazy and Shared: an agent dies at each single operation; there is always a whole value, and its memory is freed at most once. */
import { i32, json, utf8 } from '@heddle/atomics'
import { install } from '@heddle/atomics/ops-model'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fibers } from '../../park/test/support/fibers.js'
import { Lazy, PoisonedError, Shared } from '../src/index.js'
import { type Actor, atEveryOperation, installDeaths, type Scene, settled } from './support/scene.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

/** Longer than a slot has room for: in a block of its own. */
const long = (letter: string): string => letter.repeat(300)

/** The region hands out and takes back memory, and whatever is written there is nobody else's. */
function expectSoundMemory(scene: Scene, value: () => unknown): void {
  const { region } = scene
  const before = value()
  const blocks = Array.from({ length: 40 }, (_, i) => region.alloc(64 + i * 8))
  for (const at of blocks) for (let i = 0; i < 16; i++) region.words[(at >> 2) + i] = -1
  expect(value(), `killed at ${scene.n}`).toEqual(before)
  for (const at of blocks) region.free(at)
}

describe('a death at every operation of', () => {
  test('Lazy.value: another makes it', async () => {
    const made = new Set<string>()
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other } = scene
      const lazy = new Lazy({ codec: utf8(1000), region }, () => long('v'))
      const there = Lazy.at<string>(region, lazy.at, () => long('s'))
      const died = await scene.kill(() => void lazy.value)
      if (!died) expect(lazy.isSet).toBe(true)
      const values: unknown[] = []
      for (const who of [survivor, other]) scene.wait(who, () => there.valueAsync(), values.push.bind(values))
      await settled()
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done', 'done'])
      expect(values[0]).toBe(values[1])
      expect([long('v'), long('s')]).toContain(values[0])
      made.add((values[0] as string)[0]!)
      survivor.be()
      expectSoundMemory(scene, () => there.value)
      scene.expectNoRecords()
      there.dispose()
      return died
    })
    expect(deaths).toBeGreaterThan(15)
    expect(made).toEqual(new Set(['v', 's']))
  })

  test('Lazy.value with others waiting for it, a promise and a fiber', async () => {
    for (const acts of ['makes', 'gives up'] as const) {
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other, victim } = scene
        const fibers = new Fibers()
        let begun = (): void => undefined
        const lazy = new Lazy({ codec: json(1000), region }, () => {
          // The others ask while the value is being made; then it goes on as the victim.
          begun()
          victim.be()
          if (acts === 'gives up') throw new RangeError('not today')
          return { by: 'victim' }
        })
        const there = Lazy.at<{ by: string }>(region, lazy.at, () => ({ by: 'survivor' }))
        const values: unknown[] = []
        let asked = false
        begun = () => {
          asked = true
          // What they do is not the victim's.
          const counting = install({})
          scene.wait(survivor, () => there.valueAsync(), values.push.bind(values))
          scene.wait(other, () => fibers.run(() => there.valueFiber()), values.push.bind(values))
          counting()
        }
        const died = await scene.kill(() => {
          try {
            void lazy.value
          } catch (error) {
            if (!(error instanceof RangeError)) throw error
          }
        })
        await settled()
        expect(scene.ended, `${acts}, killed at ${scene.n}`).toEqual(asked ? ['done', 'done'] : [])
        survivor.be()
        const value = there.value
        expect(['victim', 'survivor']).toContain(value.by)
        for (const one of values) expect(one).toEqual(value)
        scene.expectNoRecords()
        return died
      })
      expect(deaths).toBeGreaterThan(15)
    }
  })

  test('Lazy.valueAsync, waiting, and its turn', async () => {
    for (const acts of ['begin', 'turn'] as const) {
      await atEveryOperation(async (scene) => {
        const { region, survivor, other, victim } = scene
        const lazy = new Lazy({ codec: i32, region }, () => 1)
        let finish: (value: number) => void = () => undefined
        const making = Lazy.at<number>(region, lazy.at, (() => new Promise<number>((resolve) => (finish = resolve))) as never)
        scene.wait(survivor, () => making.valueAsync())
        await settled()
        let died: boolean
        if (acts === 'begin') died = victim.dieAt(scene.n, () => void lazy.valueAsync().catch(() => undefined))
        else {
          victim.be()
          void lazy.valueAsync().catch(() => undefined)
          survivor.be()
          finish(7)
          await settled()
          died = victim.dieAt(scene.n, () => scene.turn())
        }
        survivor.reap(victim)
        survivor.be()
        finish(7)
        scene.wait(other, () => lazy.valueAsync())
        await settled()
        expect(scene.ended, `${acts} killed at ${scene.n}`).toEqual(['done', 'done'])
        expect(lazy.value).toBe(7)
        scene.expectNoRecords()
        return died
      })
    }
  })

  for (const [name, codec, before, after] of [
    ['a number', i32, 1, 2],
    ['a short text', utf8(20), 'before', 'after'],
    ['a long text', utf8(1000), long('b'), long('a')],
    ['a long text that becomes short', utf8(1000), long('b'), 'after'],
    ['an object', json(1000), { v: long('b') }, { v: long('a') }],
  ] as const) {
    test(`Shared.with that replaces ${name}: the former or the new one, poisoned while it was at it`, async () => {
      const seen = new Set<string>()
      const deaths = await atEveryOperation(async (scene) => {
        const { region, survivor, other } = scene
        const shared = new Shared<unknown>(codec as never, before, { region })
        const died = await scene.kill(() => shared.with((_value, set) => set(after)))
        const read = readWhole(survivor, shared)
        expect([before, after], `killed at ${scene.n}`).toContainEqual(read.value)
        if (!died) expect(read).toEqual({ value: after, poisoned: false })
        seen.add(`${JSON.stringify(read.value)?.slice(0, 12)} ${read.poisoned}`)
        expectSoundMemory(scene, () => readWhole(survivor, shared).value)
        mend(survivor, shared, before)
        expect(readWhole(other, shared)).toEqual({ value: before, poisoned: false })
        scene.wait(survivor, () => shared.withAsync((_value, set) => set(after)))
        scene.wait(other, () => shared.withAsync((_value, set) => set(before)))
        await settled()
        await settled()
        expect(scene.ended).toEqual(['done', 'done'])
        scene.expectNoRecords()
        survivor.be()
        shared.dispose()
        expectSoundMemory(scene, () => 0)
        return died
      })
      expect(deaths).toBeGreaterThan(6)
      expect(seen.size, [...seen].join()).toBeGreaterThan(2)
    })
  }

  test('Shared.with, with a reader and a writer waiting', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, other, victim } = scene
      const shared = new Shared(utf8(1000), long('b'), { region })
      victim.be()
      const writing = shared.lock.write()
      const values: unknown[] = []
      const keep = (value: string): void => void values.push(value)
      scene.wait(survivor, () => shared.withReadAsync(keep))
      scene.wait(other, () => shared.withAsync(keep))
      const died = await scene.kill(() => {
        shared.write(long('a'))
        writing.release()
      })
      await settled()
      expect(scene.ended.length, `killed at ${scene.n}`).toBe(2)
      // Both are told of the poison, or neither is.
      expect(new Set(scene.ended)).toEqual(new Set([shared.lock.isPoisoned ? 'PoisonedError' : 'done']))
      for (const value of values) expect(value).toBe(long('a'))
      mend(survivor, shared, long('m'))
      expect(readWhole(other, shared).value).toBe(long('m'))
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(20)
  })

  test('Shared.withRead and its release, with a writer waiting', async () => {
    const deaths = await atEveryOperation(async (scene) => {
      const { region, survivor, victim } = scene
      const shared = new Shared(utf8(1000), long('b'), { region })
      victim.be()
      const reading = shared.lock.read()
      scene.wait(survivor, () => shared.withAsync((_value, set) => set(long('a'))))
      const died = await scene.kill(() => {
        shared.withRead((value) => value.length)
        reading.release()
      })
      expect(scene.ended, `killed at ${scene.n}`).toEqual(['done'])
      expect(readWhole(survivor, shared)).toEqual({ value: long('a'), poisoned: false })
      scene.expectNoRecords()
      return died
    })
    expect(deaths).toBeGreaterThan(10)
  })
})

/** The value, also when it is poisoned: the error's guard gives access. */
function readWhole<T>(who: Actor, shared: Shared<T>): { value: T; poisoned: boolean } {
  who.be()
  try {
    return { value: shared.withRead((value) => value), poisoned: false }
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error
    const value = shared.read()
    error.guard.release()
    return { value, poisoned: true }
  }
}

/** Writes a value, whether it is poisoned or not, and ends the poisoning. */
function mend<T>(who: Actor, shared: Shared<T>, value: T): void {
  who.be()
  try {
    shared.with((_value, set) => set(value))
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error
    shared.write(value)
    shared.lock.clearPoison()
    error.guard.release()
  }
}
