import { compareExchange, exchange, notify, wait } from '@heddle/atomics/ops'
import { test } from 'vitest'
import { full, model } from '../src/index.js'

const lock = (words: Int32Array): void => {
  let state = compareExchange(words, 0, 0, 1)
  if (state === 0) return
  if (state !== 2) state = exchange(words, 0, 2)
  while (state !== 0) {
    wait(words, 0, 2)
    state = exchange(words, 0, 2)
  }
}
const unlock = (words: Int32Array): void => {
  if (exchange(words, 0, 0) === 2) notify(words, 0, 1)
}

test('executions a minute of a mutex with three sections in each of two threads (printed, not asserted)', () => {
  for (const schedules of ['full', 'dpor', 'random'] as const) {
    const report = model(
      'mutex',
      ({ spawn, shared }) => {
        const words = new Int32Array(new SharedArrayBuffer(8))
        for (let i = 0; i < 2; i++) {
          spawn(() => {
            for (let n = 0; n < 3; n++) {
              lock(words)
              shared.set(words, 1, shared.get(words, 1) + 1)
              unlock(words)
            }
          })
        }
      },
      { preemptions: Infinity, schedules, maxExecutions: full ? 30_000 : 3_000 },
    )
    console.log(
      schedules,
      report.executions,
      report.pruned,
      report.complete,
      report.longest,
      Math.round((report.executions / report.milliseconds) * 60000),
      'a minute',
    )
  }
})
