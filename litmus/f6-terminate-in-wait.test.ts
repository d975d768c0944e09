import { expect, test } from 'vitest'
import { nextMessage, startWorker } from './src/run.js'

test('F6: terminate() during Atomics.wait is clean, and a later notify(1) reaches a live waiter', async () => {
  for (let round = 0; round < 8; round++) {
    const words = new Int32Array(new SharedArrayBuffer(16))
    const errors: unknown[] = []
    const victim = startWorker('waiter', { role: 'waitForEver', buffer: words.buffer })
    victim.on('error', (error) => errors.push(error))
    await nextMessage(victim)
    for (let i = 0; i < round * 4000; i++) Atomics.load(words, 0)
    expect(await victim.terminate()).toBe(1)
    expect(errors).toEqual([])

    const live = startWorker('waiter', { role: 'wait', buffer: words.buffer })
    await nextMessage(live)
    // Exactly one notify(1) says that it woke somebody; only the live one is left to be that.
    while (Atomics.notify(words, 0, 1) === 0);
    expect(await nextMessage(live)).toBe('ok')
    await live.terminate()
  }
})
