import { compareExchange, exchange, notify, wait } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, model, replay } from '../src/index.js'

/** Drepper's mutex2 on plain shared memory. */
function mutex(words: Int32Array): { lock(): void; unlock(): void } {
  return {
    lock() {
      let state = compareExchange(words, 0, 0, 1)
      if (state === 0) return
      if (state !== 2) state = exchange(words, 0, 2)
      while (state !== 0) {
        wait(words, 0, 2)
        state = exchange(words, 0, 2)
      }
    },
    unlock() {
      if (exchange(words, 0, 0) === 2) notify(words, 0, 1)
    },
  }
}

test('a two-thread mutex body', () => {
  for (const preemptions of [0, 1, 2, 3, Infinity]) {
    for (const schedules of ['dpor', 'full'] as const) {
    const report = model(
      'mutex',
      ({ spawn, shared }) => {
        const words = new Int32Array(new SharedArrayBuffer(8))
        const { lock, unlock } = mutex(words)
        for (let i = 0; i < 2; i++) {
          spawn(() => {
            lock()
            shared.set(words, 1, shared.get(words, 1) + 1)
            unlock()
          })
        }
        return () => {
          expect(words[1]).toBe(2)
          return [words[0]]
        }
      },
      { preemptions, schedules },
    )
    console.log(preemptions, schedules, report)
    }
  }
})

test('a race', () => {
  const body = ({ spawn, shared }: Parameters<Parameters<typeof model>[1]>[0]) => {
        const words = new Int32Array(new SharedArrayBuffer(8))
        const { lock, unlock } = mutex(words)
        for (let i = 0; i < 2; i++) {
          spawn(() => {
            if (i) lock()
            shared.set(words, 1, shared.get(words, 1) + 1)
            if (i) unlock()
          })
        }
      }
  const report = check('race', body)
  console.log(report.finding?.text)
  console.log(replay(report.finding!.schedule, body)?.kind)
  const lost = check('lost', ({ spawn }) => {
    const words = new Int32Array(new SharedArrayBuffer(8))
    spawn(() => { while (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0) })
    spawn(() => { Atomics.store(words, 0, 1) })
  })
  console.log(lost.finding?.text)
})
