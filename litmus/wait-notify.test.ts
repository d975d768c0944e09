import type { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { count, nextMessage, printOutcomes, runProcess, startWorker } from './src/run.js'

const ROUNDS = 300

function waiter(role: string, words: Int32Array): Worker {
  return startWorker('waiter', { role, buffer: words.buffer })
}

test('F1: Atomics.wait works on the main thread of Node', async () => {
  const { code, stdout } = await runProcess(`
    import { isMainThread } from 'node:worker_threads'
    console.log(isMainThread, Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1))`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'true timed-out\n' })
})

test('waiters of several agents are woken first in, first out', async () => {
  // waitAsync enters the queue before it returns, so the order of arrival is certain; a blocking wait can't tell that it has begun.
  const words = new Int32Array(new SharedArrayBuffer(16))
  const woken: number[] = []
  const workers: Worker[] = []
  const ends: Promise<unknown>[] = []
  for (let i = 0; i < 4; i++) {
    const worker = waiter('waitAsync', words)
    workers.push(worker)
    expect(await nextMessage(worker)).toBe('waiting')
    ends.push(nextMessage(worker).then((outcome) => woken.push(outcome === 'ok' ? i : -1)))
  }
  for (let i = 0; i < 4; i++) {
    expect(Atomics.notify(words, 0, 1)).toBe(1)
    await ends[i]
    expect(woken).toEqual([0, 1, 2, 3].slice(0, i + 1))
  }
  expect(Atomics.notify(words, 0, 1)).toBe(0)
  await Promise.all(workers.map((worker) => worker.terminate()))
})

test('F5: an abandoned waitAsync on a shared word swallows a notify(1) that was meant for a blocked thread', async () => {
  // Exactly one notify(1) of each turn reports a success; the one that waits behind the abandoned waiter starves.
  const words = new Int32Array(new SharedArrayBuffer(16))
  const notifier = waiter('notifyOne', words)
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
  const notifier = waiter('changeAndNotifyAll', words)
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

test('a wait returns without sleeping when the word has changed', () => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  words[0] = 1
  expect(Atomics.wait(words, 0, 0)).toBe('not-equal')
  expect(Atomics.waitAsync(words, 0, 0)).toEqual({ async: false, value: 'not-equal' })
})

test('a wake is not lost between the check of the word and the sleep', async () => {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const notifier = waiter('changeAndNotifyAll', words)
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
