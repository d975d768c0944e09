/** The 64-bit cell. Values come from a table: making BigInts in the loop would cost more than the operation. */
import { AtomicBigInt64, Region } from '@heddle/atomics'
import { type Case, expectEqual } from '../../src/suite.js'
import { pair } from './pair.js'

const VALUES = [10n, 11n, 12n, 13n]
const smallRegion = (): Region => Region.create({ bytes: 1 << 20 })

interface BareWord64 {
  readonly words: BigInt64Array
  readonly at: number
}
function bareWord64(value = 0n): BareWord64 {
  const words = new BigInt64Array(new SharedArrayBuffer(1024))
  words[5] = value
  return { words, at: 5 }
}

export const bigint64: Case[] = [
  pair(
    'AtomicBigInt64.load',
    {
      setup: () => bareWord64(3n),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (Atomics.load(words, at) === 3n) seen++
        return seen
      },
    },
    {
      setup: () => new AtomicBigInt64({ region: smallRegion(), value: 3n }),
      run: (cell, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (cell.load() === 3n) seen++
        return seen
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicBigInt64.store',
    {
      setup: () => bareWord64(),
      run: ({ words, at }, n) => {
        for (let i = 0; i < n; i++) Atomics.store(words, at, VALUES[i & 3]!)
        return Atomics.load(words, at)
      },
    },
    {
      setup: () => new AtomicBigInt64({ region: smallRegion() }),
      run: (cell, n) => {
        for (let i = 0; i < n; i++) cell.store(VALUES[i & 3]!)
        return cell.load()
      },
    },
    (result, n) => expectEqual(result, VALUES[(n - 1) & 3]),
  ),
  pair(
    'AtomicBigInt64.add',
    {
      setup: () => bareWord64(),
      run: ({ words, at }, n) => {
        const before = Atomics.load(words, at)
        for (let i = 0; i < n; i++) Atomics.add(words, at, 1n)
        return Number(Atomics.load(words, at) - before)
      },
    },
    {
      setup: () => new AtomicBigInt64({ region: smallRegion() }),
      run: (cell, n) => {
        const before = cell.load()
        for (let i = 0; i < n; i++) cell.add(1n)
        return Number(cell.load() - before)
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicBigInt64.exchange',
    {
      setup: () => bareWord64(),
      run: ({ words, at }, n) => {
        let seen = 0
        Atomics.store(words, at, 10n)
        for (let i = 1; i <= n; i++) if (Atomics.exchange(words, at, VALUES[i & 3]!) === VALUES[(i - 1) & 3]) seen++
        return seen
      },
    },
    {
      setup: () => new AtomicBigInt64({ region: smallRegion() }),
      run: (cell, n) => {
        let seen = 0
        cell.store(10n)
        for (let i = 1; i <= n; i++) if (cell.exchange(VALUES[i & 3]!) === VALUES[(i - 1) & 3]) seen++
        return seen
      },
    },
    (result, n) => expectEqual(result, n),
  ),
  pair(
    'AtomicBigInt64.compareExchange',
    {
      setup: () => bareWord64(),
      run: ({ words, at }, n) => {
        let won = 0
        Atomics.store(words, at, 10n)
        for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, at, VALUES[i & 3]!, VALUES[(i + 1) & 3]!) === VALUES[i & 3]) won++
        return won
      },
    },
    {
      setup: () => new AtomicBigInt64({ region: smallRegion() }),
      run: (cell, n) => {
        let won = 0
        cell.store(10n)
        for (let i = 0; i < n; i++) if (cell.compareExchange(VALUES[i & 3]!, VALUES[(i + 1) & 3]!)) won++
        return won
      },
    },
    (result, n) => expectEqual(result, n),
  ),
]
