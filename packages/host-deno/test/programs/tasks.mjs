import { Region } from '../../../atomics/dist/index.js'
import { tasks } from '../../../executor/dist/index.js'

// The places are word indices: [0] is waited on, [1] counts what is done after a wake, [2] counts a loop.
export const work = tasks(import.meta.url, {
  sleep(at) {
    const { words } = Region.default
    Atomics.store(words, at + 3, 1)
    Atomics.wait(words, at, 0)
    Atomics.add(words, at + 1, 1)
  },
  compute(at) {
    const { words } = Region.default
    Atomics.store(words, at + 3, 1)
    for (;;) Atomics.add(words, at + 2, 1)
  },
})
