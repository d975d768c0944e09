/** The floor of this suite's cases: a word of shared memory, without anything around it. */

/** Iterations of a run: enough to drown the clock, few enough that a run is not interrupted. */
export const ITERATIONS = 2000

/** A word to work on; its index is in a variable, as in real code. */
export interface BareWord {
  readonly words: Int32Array
  readonly at: number
}

export function bareWord(value = 0): BareWord {
  const words = new Int32Array(new SharedArrayBuffer(1024))
  words[5] = value
  return { words, at: 5 }
}

/** A compare-exchange to take and an exchange to give back: the least that an uncontended lock can cost. */
export function lockPair({ words, at }: BareWord, iterations: number): number {
  let taken = 0
  for (let i = 0; i < iterations; i++) {
    if (Atomics.compareExchange(words, at, 0, 1) === 0) taken++
    Atomics.exchange(words, at, 0)
  }
  return taken
}
