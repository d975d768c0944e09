/** Goroutines in the suite's cases: on one thread, as the fibers are, and on every core. */
import { goContender } from '../../src/go.js'
import { type Contender } from '../../src/suite.js'

export const GO_ALONE = 'Go, one thread'
const GO_CORES = 'Go, every core'
export const GO: readonly string[] = [GO_ALONE, GO_CORES]

/** @param times how many times as many iterations it does */
export function goroutines(work: string, expected: (n: number) => number, times = 1): Contender<never>[] {
  return [goContender(GO_ALONE, 'scheduler', expected, times, [work, 1]), goContender(GO_CORES, 'scheduler', expected, times, [work, 0])]
}
