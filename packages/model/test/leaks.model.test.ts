/** What is left over when everybody has finished: the checker's own look, and the body's. */
import { made } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, type ModelContext } from '../src/index.js'

const words = (n: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * n))

/** A lock in one word, which says of itself that it is held. */
class Lock {
  constructor(readonly view: Int32Array) {
    made(this)
  }
  get isLocked(): boolean {
    return Atomics.load(this.view, 0) === 1
  }
  lock(): void {
    while (Atomics.compareExchange(this.view, 0, 0, 1) !== 0) Atomics.wait(this.view, 0, 1)
  }
  unlock(): void {
    Atomics.store(this.view, 0, 0)
    Atomics.notify(this.view, 0, 1)
  }
}

const earlyReturn =
  (inThread: boolean) =>
  ({ spawn }: ModelContext): void => {
    const view = words(2)
    const outer = inThread ? undefined : new Lock(view)
    spawn(() => {
      const lock = outer ?? new Lock(view)
      lock.lock()
      if (Atomics.load(view, 1) === 1) return
      lock.unlock()
    })
    spawn(() => Atomics.store(view, 1, 1))
  }

test.each([false, true])('a lock that is left locked in some interleaving, made in a thread: %s', (inThread) => {
  const { finding } = check('early return', earlyReturn(inThread))
  expect(finding?.kind).toBe('leak')
  expect(finding?.message).toContain('a Lock is still locked')
  expect(check('early return', earlyReturn(inThread), { leaks: false }).finding).toBeUndefined()
})

test("the body's own look", () => {
  const body =
    (correct: boolean) =>
    ({ spawn, leaks }: ModelContext): void => {
      const view = words(1)
      leaks(() => (view[0] === 0 ? undefined : `${view[0]} slots are taken`))
      spawn(() => {
        Atomics.add(view, 0, 1)
        if (correct || Atomics.load(view, 0) === 1) Atomics.sub(view, 0, 1)
      })
      spawn(() => {
        Atomics.add(view, 0, 1)
        Atomics.sub(view, 0, 1)
      })
    }
  const { finding } = check('slots', body(false))
  expect([finding?.kind, finding?.message]).toEqual(['leak', 'everybody has finished, but 1 slots are taken'])
  expect(check('slots', body(true)).complete).toBe(true)
})

test("what a dead thread leaves is its reaper's, and a leak once that has finished", () => {
  const body =
    (reaper: boolean) =>
    ({ spawn }: ModelContext): void => {
      const lock = new Lock(words(1))
      spawn(() => {
        lock.lock()
        lock.unlock()
      })
      if (reaper) spawn(() => undefined, { reaper: true })
    }
  expect(check('no reaper', body(false), { deaths: true }).finding).toBeUndefined()
  expect(check('a reaper that does nothing', body(true), { deaths: true }).finding?.kind).toBe('leak')
})
