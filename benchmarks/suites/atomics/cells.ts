/** The 32-bit cells. Each loop is written out: a shared one would see two kinds of body and measure the call, not the cell. */
import { AtomicBool, AtomicInt32, AtomicUint32, Region } from '@heddle/atomics'
import { type Case, expectEqual } from '../../src/suite.js'
import { bareWord } from './bare.js'
import { pair } from './pair.js'

const smallRegion = (): Region => Region.create({ bytes: 1 << 20 })

export const int32: Case[] = [
  pair(
    'AtomicInt32.load',
    {
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += Atomics.load(words, at)
        return seen
      },
    },
    {
      setup: () => new AtomicInt32({ region: smallRegion(), value: 3 }),
      run: (cell, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += cell.load()
        return seen
      },
    },
    (result, n) => expectEqual(result, 3 * n),
  ),
  pair(
    'AtomicInt32.store',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        for (let i = 0; i < n; i++) Atomics.store(words, at, i)
        return Atomics.load(words, at)
      },
    },
    {
      setup: () => new AtomicInt32({ region: smallRegion() }),
      run: (cell, n) => {
        for (let i = 0; i < n; i++) cell.store(i)
        return cell.load()
      },
    },
    (result, n) => expectEqual(result, n - 1),
  ),
  pair(
    'AtomicInt32.add',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        const before = Atomics.load(words, at)
        for (let i = 0; i < n; i++) Atomics.add(words, at, 1)
        return (Atomics.load(words, at) - before) | 0
      },
    },
    {
      setup: () => new AtomicInt32({ region: smallRegion() }),
      run: (cell, n) => {
        const before = cell.load()
        for (let i = 0; i < n; i++) cell.add(1)
        return (cell.load() - before) | 0
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicInt32.exchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let seen = 0
        Atomics.store(words, at, 0)
        for (let i = 0; i < n; i++) seen += Atomics.exchange(words, at, i)
        return seen
      },
    },
    {
      setup: () => new AtomicInt32({ region: smallRegion() }),
      run: (cell, n) => {
        let seen = 0
        cell.store(0)
        for (let i = 0; i < n; i++) seen += cell.exchange(i)
        return seen
      },
    },
    (result, n) => expectEqual(result, ((n - 1) * (n - 2)) / 2),
  ),
  pair(
    'AtomicInt32.compareExchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let won = 0
        Atomics.store(words, at, 0)
        for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, at, i, i + 1) === i) won++
        return won
      },
    },
    {
      setup: () => new AtomicInt32({ region: smallRegion() }),
      run: (cell, n) => {
        let won = 0
        cell.store(0)
        for (let i = 0; i < n; i++) if (cell.compareExchange(i, i + 1)) won++
        return won
      },
    },
    (result, n) => expectEqual(result, n),
  ),
]

export const uint32: Case[] = [
  pair(
    'AtomicUint32.load',
    {
      setup: () => bareWord(3),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += Atomics.load(words, at)
        return seen
      },
    },
    {
      setup: () => new AtomicUint32({ region: smallRegion(), value: 3 }),
      run: (cell, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) seen += cell.load()
        return seen
      },
    },
    (result, n) => expectEqual(result, 3 * n),
  ),
  pair(
    'AtomicUint32.store',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        for (let i = 0; i < n; i++) Atomics.store(words, at, i)
        return Atomics.load(words, at)
      },
    },
    {
      setup: () => new AtomicUint32({ region: smallRegion() }),
      run: (cell, n) => {
        for (let i = 0; i < n; i++) cell.store(i)
        return cell.load()
      },
    },
    (result, n) => expectEqual(result, n - 1),
  ),
  pair(
    'AtomicUint32.add',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        const before = Atomics.load(words, at)
        for (let i = 0; i < n; i++) Atomics.add(words, at, 1)
        return (Atomics.load(words, at) - before) | 0
      },
    },
    {
      setup: () => new AtomicUint32({ region: smallRegion() }),
      run: (cell, n) => {
        const before = cell.load()
        for (let i = 0; i < n; i++) cell.add(1)
        return (cell.load() - before) | 0
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicUint32.exchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let seen = 0
        Atomics.store(words, at, 0)
        for (let i = 0; i < n; i++) seen += Atomics.exchange(words, at, i)
        return seen
      },
    },
    {
      setup: () => new AtomicUint32({ region: smallRegion() }),
      run: (cell, n) => {
        let seen = 0
        cell.store(0)
        for (let i = 0; i < n; i++) seen += cell.exchange(i)
        return seen
      },
    },
    (result, n) => expectEqual(result, ((n - 1) * (n - 2)) / 2),
  ),
  pair(
    'AtomicUint32.compareExchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let won = 0
        Atomics.store(words, at, 0)
        for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, at, i, i + 1) === i) won++
        return won
      },
    },
    {
      setup: () => new AtomicUint32({ region: smallRegion() }),
      run: (cell, n) => {
        let won = 0
        cell.store(0)
        for (let i = 0; i < n; i++) if (cell.compareExchange(i, i + 1)) won++
        return won
      },
    },
    (result, n) => expectEqual(result, n),
  ),
]

/** The bare loops have booleans too, and make words of them as anybody would: the cell is to cost no more than that. */
export const bool: Case[] = [
  pair(
    'AtomicBool.load',
    {
      setup: () => bareWord(1),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (Atomics.load(words, at) !== 0) seen++
        return seen
      },
    },
    {
      setup: () => new AtomicBool({ region: smallRegion(), value: true }),
      run: (cell, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (cell.load()) seen++
        return seen
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicBool.store',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        for (let i = 0; i < n; i++) Atomics.store(words, at, (i & 1) === 1 ? 1 : 0)
        return Atomics.load(words, at) !== 0
      },
    },
    {
      setup: () => new AtomicBool({ region: smallRegion() }),
      run: (cell, n) => {
        for (let i = 0; i < n; i++) cell.store((i & 1) === 1)
        return cell.load()
      },
    },
    (result, n) => expectEqual(result, ((n - 1) & 1) === 1),
  ),
  pair(
    'AtomicBool.exchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let seen = 0
        Atomics.store(words, at, 0)
        for (let i = 1; i <= n; i++) if (Atomics.exchange(words, at, (i & 1) === 1 ? 1 : 0) !== 0) seen++
        return seen
      },
    },
    {
      setup: () => new AtomicBool({ region: smallRegion() }),
      run: (cell, n) => {
        let seen = 0
        cell.store(false)
        for (let i = 1; i <= n; i++) if (cell.exchange((i & 1) === 1)) seen++
        return seen
      },
    },
    (result, n) => expectEqual(result, n >> 1),
  ),
  pair(
    'AtomicBool.compareExchange',
    {
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let won = 0
        Atomics.store(words, at, 0)
        for (let i = 0; i < n; i++) {
          const expected = (i & 1) === 1 ? 1 : 0
          if (Atomics.compareExchange(words, at, expected, (i & 1) === 0 ? 1 : 0) === expected) won++
        }
        return won
      },
    },
    {
      setup: () => new AtomicBool({ region: smallRegion() }),
      run: (cell, n) => {
        let won = 0
        cell.store(false)
        for (let i = 0; i < n; i++) if (cell.compareExchange((i & 1) === 1, (i & 1) === 0)) won++
        return won
      },
    },
    (result, n) => expectEqual(result, n),
  ),
]
