/** What the engine's own operations cost here and now; every other figure is to be read against these. */
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { bareWord, ITERATIONS, lockPair } from './bare.js'

const sum = (result: number, iterations: number): void => expectEqual(result, 3 * iterations)

export const bareCalls: Case = {
  name: 'bare Atomics',
  unit: 'operation',
  isolation: 'shared',
  iterations: ITERATIONS,
  contenders: [
    contender({
      name: 'plain read',
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        // A moving index, so that the read stays in the loop.
        for (let i = 0; i < n; i++) seen += words[at + (i & 64)]!
        return seen
      },
      check: (result, n) => {
        let expected = 0
        for (let i = 0; i < n; i++) if ((i & 64) === 0) expected += 3
        expectEqual(result, expected)
      },
    }),
    contender({
      name: 'load',
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += Atomics.load(words, at)
        return seen
      },
      check: sum,
    }),
    contender({
      name: 'store',
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        for (let i = 0; i < n; i++) Atomics.store(words, at, i)
        return words[at]
      },
      check: (result, n) => expectEqual(result, n - 1),
    }),
    contender({
      name: 'add',
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        const before = words[at]!
        for (let i = 0; i < n; i++) Atomics.add(words, at, 1)
        return (words[at]! - before) | 0
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: 'exchange',
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += Atomics.exchange(words, at, 3)
        return seen
      },
      check: sum,
    }),
    contender({
      name: 'compareExchange',
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += Atomics.compareExchange(words, at, 3, 3)
        return seen
      },
      check: sum,
    }),
    contender({ name: 'compareExchange + exchange', setup: () => bareWord(), run: lockPair, check: (result, n) => expectEqual(result, n) }),
    contender({
      name: 'notify, nobody waits',
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let woken = n
        for (let i = 0; i < n; i++) woken += Atomics.notify(words, at)
        return woken
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: '64-bit load',
      setup: () => new BigInt64Array(new SharedArrayBuffer(64)).fill(3n),
      run: (words, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (Atomics.load(words, i & 7) === 3n) seen += 3
        return seen
      },
      check: sum,
    }),
    contender({
      name: '64-bit add',
      setup: () => new BigInt64Array(new SharedArrayBuffer(64)),
      run: (words, n) => {
        const before = Atomics.load(words, 0)
        for (let i = 0; i < n; i++) Atomics.add(words, 0, 1n)
        return Number(Atomics.load(words, 0) - before)
      },
      check: (result, n) => expectEqual(result, n),
    }),
  ],
}
