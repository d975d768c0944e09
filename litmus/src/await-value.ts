const SPINS = 1000

/** Until the word, which counts up, has the value: spins for a moment, then sleeps, so that on a busy machine the other thread has a core. It notifies. */
export function awaitValue(words: Int32Array, index: number, value: number): void {
  for (let spins = 0; Atomics.load(words, index) !== value; spins++) if (spins > SPINS) Atomics.wait(words, index, value - 1)
}
