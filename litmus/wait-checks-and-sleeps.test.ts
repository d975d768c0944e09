import { expect, test } from 'vitest'
import { count, printOutcomes, startWorker } from './src/run.js'

test('a wait returns without sleeping when the word has changed', () => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  words[0] = 1
  expect(Atomics.wait(words, 0, 0)).toBe('not-equal')
  expect(Atomics.waitAsync(words, 0, 0)).toEqual({ async: false, value: 'not-equal' })
})

test('a wake is not lost between the check of the word and the sleep', async () => {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const notifier = startWorker('waiter', { role: 'changeAndNotifyAll', buffer: words.buffer })
  const outcomes = new Map<string, number>()
  for (let turn = 1; turn <= 5000; turn++) {
    Atomics.store(words, 1, turn)
    Atomics.notify(words, 1)
    // Without a limit: if the wake were lost, the test would never end.
    count(outcomes, Atomics.wait(words, 0, turn - 1))
  }
  printOutcomes('wait(w, old)  |  w=new; notify(w)', outcomes)
  expect((outcomes.get('ok') ?? 0) + (outcomes.get('not-equal') ?? 0)).toBe(5000)
  await notifier.terminate()
})
