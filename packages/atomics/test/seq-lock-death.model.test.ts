/** A writer that dies at each of its operations in turn: runs under the condition `heddle-model`, on replaced operations. */
import { expect, test } from 'vitest'
import { array, i32, Region, SeqLock } from '../src/index.js'
import { install, type Ops } from '../src/ops-model.js'
import * as native from '../src/ops.js'
import { declareDead, releaseSlot } from './support.js'

class Death extends Error {}

/** Operations that end their agent when `left` of them were done. */
function mortal(fuse: { left: number }): Partial<Ops> {
  const step = <A extends unknown[], R>(run: (...args: A) => R): ((...args: A) => R) => {
    return (...args) => {
      if (fuse.left-- === 0) throw new Death()
      return run(...args)
    }
  }
  const { load, store, add, compareExchange, get, set, peek, getFloat, setFloat, copy } = native
  return {
    load: step(load),
    store: step(store),
    add: step(add),
    compareExchange: step(compareExchange),
    get: step(get),
    set: step(set),
    peek: step(peek),
    getFloat: step(getFloat),
    setFloat: step(setFloat),
    copy: step(copy as (...args: unknown[]) => void) as Ops['copy'],
  }
}

test('a writer that dies at any operation leaves the old value or the new one, and lets the next writer in', () => {
  const region = Region.create({ bytes: 1 << 20, agents: 4 })
  const lock = new SeqLock(array(i32, 3), { region, value: [0, 0, 0] })
  region.self.get()
  const seen = new Set<number>()
  let deaths = 0
  for (let n = 0; ; n++) {
    const fuse = { left: Infinity }
    // Other operations are another agent: agent-local values belong to the operations in place.
    const restore = install(mortal(fuse))
    const me = region.self.get()
    fuse.left = n
    let died = false
    try {
      lock.write([n + 1, n + 1, n + 1])
    } catch (error) {
      if (!(error instanceof Death)) throw error
      died = true
    } finally {
      restore()
    }
    declareDead(region, me)
    const [a, b, c] = lock.read()
    expect([b, c]).toEqual([a, a])
    expect([n + 1, -n]).toContain(a)
    seen.add(a === n + 1 ? 1 : 0)
    lock.write([-(n + 1), -(n + 1), -(n + 1)])
    expect(lock.read()).toEqual([-(n + 1), -(n + 1), -(n + 1)])
    releaseSlot(region, me)
    if (!died) break
    deaths++
  }
  expect(deaths).toBeGreaterThan(10)
  expect(seen).toEqual(new Set([0, 1]))
})
