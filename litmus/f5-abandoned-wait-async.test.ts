import { expect, test } from 'vitest'
import { count, printOutcomes, startWorker } from './src/run.js'

const ROUNDS = 300

test('F5: an abandoned waitAsync on a shared word swallows a notify(1) that was meant for a blocked thread', async () => {
  // Exactly one notify(1) of each turn reports a success; the one that waits behind the abandoned waiter starves.
  const words = new Int32Array(new SharedArrayBuffer(16))
  const notifier = startWorker('waiter', { role: 'notifyOne', buffer: words.buffer })
  const outcomes = new Map<string, number>()
  for (let turn = 1; turn <= 20; turn++) {
    const abandoned = Atomics.waitAsync(words, 0, 0)
    Atomics.store(words, 1, turn)
    Atomics.notify(words, 1)
    count(outcomes, Atomics.wait(words, 0, 0, 5))
    expect(await abandoned.value).toBe('ok')
    while (Atomics.load(words, 2) < turn);
  }
  printOutcomes('F5  waitAsync (abandoned), then wait  |  notify(1) until it wakes one', outcomes, ['ok'])
  expect(outcomes.has('ok')).toBe(false)
  await notifier.terminate()
})

test('notify of all on an own word, after it was changed, is not swallowed by an abandoned waitAsync', async () => {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const notifier = startWorker('waiter', { role: 'changeAndNotifyAll', buffer: words.buffer })
  const outcomes = new Map<string, number>()
  const abandoned: unknown[] = []
  for (let turn = 1; turn <= ROUNDS; turn++) {
    if (turn % 10 === 1) abandoned.push(Atomics.waitAsync(words, 0, turn - 1))
    Atomics.store(words, 1, turn)
    Atomics.notify(words, 1)
    // Without a limit: if the wake were lost, the test would never end.
    count(outcomes, Atomics.wait(words, 0, turn - 1))
    while (Atomics.load(words, 2) < turn);
  }
  printOutcomes('wait (own word)  |  change; notify(all)', outcomes)
  expect((outcomes.get('ok') ?? 0) + (outcomes.get('not-equal') ?? 0)).toBe(ROUNDS)
  await notifier.terminate()
})
