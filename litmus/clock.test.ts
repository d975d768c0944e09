import { expect, test } from 'vitest'
import { awaitValue } from './src/await-value.js'
import { count, nextMessage, printOutcomes, startWorker } from './src/run.js'

test('setTimeout may fire before a fractional delay is over, by less than two milliseconds: whoever needs the time looks at the clock again', async () => {
  const outcomes = new Map<string, number>()
  for (let i = 0; i < 60; i++) {
    const delay = 1.05 + (i % 20) * 0.1
    const begin = performance.now()
    await new Promise((resolve) => setTimeout(resolve, delay))
    const early = delay - (performance.now() - begin)
    count(outcomes, early <= 0 ? 'not early' : early < 1 ? 'early by less than 1 ms' : early < 2 ? 'early by 1 to 2 ms' : 'early by 2 ms or more')
  }
  printOutcomes('setTimeout(fractional delay)', outcomes, ['early by 2 ms or more'])
  expect(outcomes.has('early by 2 ms or more')).toBe(false)
})

test('Atomics.wait with a limit ends no earlier than the limit', () => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  const outcomes = new Map<string, number>()
  for (let i = 0; i < 60; i++) {
    const delay = 0.05 + i * 0.037
    const begin = performance.now()
    expect(Atomics.wait(words, 0, 0, delay)).toBe('timed-out')
    count(outcomes, performance.now() - begin >= delay ? 'not early' : 'early')
  }
  printOutcomes('Atomics.wait(limit)', outcomes, ['early'])
  expect(outcomes.has('early')).toBe(false)
})

test('performance.timeOrigin + performance.now() of different agents can be compared', async () => {
  const rounds = 1_000
  const outcomes = new Map<string, number>()
  for (let run = 0; run < 3; run++) {
    const buffer = new SharedArrayBuffer(24)
    const words = new Int32Array(buffer, 0, 2)
    const stamps = new Float64Array(buffer, 8, 2)
    const worker = startWorker('clock', { buffer, rounds })
    const now = (): number => performance.timeOrigin + performance.now()
    let smallest = Infinity
    for (let round = 1; round <= rounds; round++) {
      stamps[0] = now()
      Atomics.store(words, 0, round)
      Atomics.notify(words, 0)
      awaitValue(words, 1, round)
      smallest = Math.min(smallest, now() - stamps[1]!)
    }
    const there = await nextMessage<number>(worker)
    for (const difference of [there, smallest]) count(outcomes, difference >= 0 ? 'forwards' : 'backwards')
    await worker.terminate()
  }
  printOutcomes('t1=now(); send  |  receive; now()-t1', outcomes, ['backwards'])
  expect(outcomes.has('backwards')).toBe(false)
})
