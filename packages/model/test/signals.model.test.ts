/** Signals that the checker fires, and what replays have to restore of them: listeners and timers that were set up in effects. */
import { effect } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, model, type ModelContext } from '../src/index.js'

const words = (n: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * n))
const outcomesOf = (body: (context: ModelContext) => () => unknown): unknown[] => {
  const report = model('signals', body, { preemptions: Infinity })
  expect(report.complete).toBe(true)
  return [...report.outcomes.keys()].map((key): unknown => JSON.parse(key)).sort()
}

test('a signal fires before, after or between everything else, or not at all', () => {
  const seen = outcomesOf(({ spawn, abortSignal }) => {
    const view = words(2)
    const waits = spawn(() => {
      const signal = abortSignal()
      const seen: unknown[] = [signal.aborted]
      effect(() => signal.addEventListener('abort', () => seen.push('abort', signal.aborted, (signal.reason as Error).name)))
      const outcome = Atomics.waitAsync(view, 0, 0)
      if (outcome.async) void outcome.value.then((how) => seen.push(how))
      else seen.push(outcome.value)
      return seen
    })
    spawn(() => {
      Atomics.store(view, 0, 1)
      Atomics.notify(view, 0)
    })
    return () => waits.result
  })
  expect(seen).toEqual(
    [
      [false, 'abort', true, 'AbortError', 'ok'],
      [false, 'not-equal'],
      [false, 'ok'],
      [false, 'ok', 'abort', true, 'AbortError'],
    ].sort(),
  )
})

test('it fires at last when nothing else ends a wait that it can end', () => {
  const body =
    (listens: boolean) =>
    ({ spawn, abortSignal }: ModelContext): void => {
      const view = words(1)
      spawn(() => {
        const signal = abortSignal()
        const outcome = Atomics.waitAsync(view, 0, 0)
        if (listens) signal.addEventListener('abort', () => Atomics.notify(view, 0))
        if (outcome.async) void outcome.value.then(() => undefined)
      })
    }
  expect(check('listens', body(true)).finding).toBeUndefined()
  expect(check('does not', body(false)).finding?.kind).toBe('deadlock')
})

test('a listener that was taken back is not called', () => {
  expect(
    outcomesOf(({ spawn, abortSignal }) => {
      const view = words(1)
      const thread = spawn(() => {
        const signal = abortSignal()
        let calls = 0
        const listener = (): void => void calls++
        signal.addEventListener('abort', listener)
        signal.removeEventListener('abort', listener)
        Atomics.add(view, 0, 1)
        setTimeout(() => Atomics.store(view, 0, 10 + calls), 1)
        return () => calls
      })
      spawn(() => Atomics.add(view, 0, 1))
      return () => [thread.outcome, view[0]! < 12]
    }),
  ).toEqual([['finished', true]])
})

test('only a thread has one', () => {
  expect(() => check('in the body', ({ abortSignal }) => void abortSignal())).toThrow(/for a thread/)
})

test('a timer that was set in an effect fires in a thread that was replayed', () => {
  expect(
    outcomesOf(({ spawn }) => {
      const view = words(2)
      spawn(() => {
        const cancel = effect(() => {
          const timer = setTimeout(() => Atomics.store(view, 1, 7), 5)
          return () => clearTimeout(timer)
        })
        Atomics.add(view, 0, 1)
        Atomics.add(view, 0, 1)
        expect(typeof cancel).toBe('function')
      })
      spawn(() => Atomics.add(view, 0, 1) + Atomics.add(view, 0, 1))
      return () => view[1]
    }),
  ).toEqual([7])
})

test('a buffer that a thread makes is the same in all of its replays', () => {
  expect(
    outcomesOf(({ spawn }) => {
      const view = words(1)
      const thread = spawn(() => {
        const own = new Int32Array(new SharedArrayBuffer(4))
        Atomics.store(own, 0, 5)
        Atomics.add(view, 0, 1)
        Atomics.add(view, 0, 1)
        return Atomics.load(own, 0)
      })
      spawn(() => Atomics.add(view, 0, 1) + Atomics.add(view, 0, 1))
      return () => thread.result
    }),
  ).toEqual([5])
})
