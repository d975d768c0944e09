/**
 * Each operation of a cell beside the bare `Atomics` call that gives the same value.
 *
 * npm run build (the built package is what users get), then
 * npx esbuild packages/atomics/bench/cells.bench.ts --bundle --packages=external --format=esm --platform=node --outfile=packages/atomics/bench/.cells.mjs && node packages/atomics/bench/.cells.mjs
 */
import { AtomicBigInt64, AtomicBool, AtomicInt32, AtomicUint32, Region } from '@heddle/atomics'
import { compare } from './timing.js'

const region = Region.create({ bytes: 1 << 20, agents: 4 })
const words = new Int32Array(new SharedArrayBuffer(1024))
const words64 = new BigInt64Array(new SharedArrayBuffer(1024))
const int = new AtomicInt32({ region })
const uint = new AtomicUint32({ region })
const bool = new AtomicBool({ region })
const big = new AtomicBigInt64({ region })

await compare('AtomicInt32.load', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += Atomics.load(words, 5)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += int.load()
    return seen
  },
})
await compare('AtomicInt32.store', {
  bare: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) Atomics.store(words, 5, i)
    return seen
  },
  cell: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) int.store(i)
    return seen
  },
})
await compare('AtomicInt32.add', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.add(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.add(i)
    return seen
  },
})
await compare('AtomicInt32.sub', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.sub(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.sub(i)
    return seen
  },
})
await compare('AtomicInt32.and', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.and(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.and(i)
    return seen
  },
})
await compare('AtomicInt32.or', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.or(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.or(i)
    return seen
  },
})
await compare('AtomicInt32.xor', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.xor(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.xor(i)
    return seen
  },
})
await compare('AtomicInt32.exchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.exchange(words, 5, i)
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= int.exchange(i)
    return seen
  },
})
await compare('AtomicInt32.compareExchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, 5, i, i + 1) === i) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (int.compareExchange(i, i + 1)) seen++
    return seen
  },
})
await compare('AtomicUint32.load', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += Atomics.load(words, 5) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += uint.load()
    return seen
  },
})
await compare('AtomicUint32.store', {
  bare: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) Atomics.store(words, 5, i)
    return seen
  },
  cell: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) uint.store(i)
    return seen
  },
})
await compare('AtomicUint32.add', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.add(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.add(i)
    return seen
  },
})
await compare('AtomicUint32.sub', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.sub(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.sub(i)
    return seen
  },
})
await compare('AtomicUint32.and', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.and(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.and(i)
    return seen
  },
})
await compare('AtomicUint32.or', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.or(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.or(i)
    return seen
  },
})
await compare('AtomicUint32.xor', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.xor(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.xor(i)
    return seen
  },
})
await compare('AtomicUint32.exchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= Atomics.exchange(words, 5, i) >>> 0
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen ^= uint.exchange(i)
    return seen
  },
})
await compare('AtomicUint32.compareExchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, 5, i, i + 1) === i) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (uint.compareExchange(i, i + 1)) seen++
    return seen
  },
})
await compare('AtomicBool.load', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.load(words, 5) !== 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.load()) seen++
    return seen
  },
})
await compare('AtomicBool.store', {
  bare: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) Atomics.store(words, 5, i & 1)
    return seen
  },
  cell: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) bool.store((i & 1) !== 0)
    return seen
  },
})
await compare('AtomicBool.and', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.and(words, 5, i & 1) !== 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.and((i & 1) !== 0)) seen++
    return seen
  },
})
await compare('AtomicBool.or', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.or(words, 5, i & 1) !== 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.or((i & 1) !== 0)) seen++
    return seen
  },
})
await compare('AtomicBool.xor', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.xor(words, 5, i & 1) !== 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.xor((i & 1) !== 0)) seen++
    return seen
  },
})
await compare('AtomicBool.exchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.exchange(words, 5, i & 1) !== 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.exchange((i & 1) !== 0)) seen++
    return seen
  },
})
await compare('AtomicBool.compareExchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.compareExchange(words, 5, 0, i & 1) === 0) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (bool.compareExchange(false, (i & 1) !== 0)) seen++
    return seen
  },
})
await compare('AtomicBigInt64.load', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.load(words64, 5) === 1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.load() === 1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.store', {
  bare: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) Atomics.store(words64, 5, 7n)
    return seen
  },
  cell: (n) => {
    const seen = 0
    for (let i = 0; i < n; i++) big.store(7n)
    return seen
  },
})
await compare('AtomicBigInt64.add', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.add(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.add(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.sub', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.sub(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.sub(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.and', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.and(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.and(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.or', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.or(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.or(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.xor', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.xor(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.xor(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.exchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.exchange(words64, 5, 1n) === -1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.exchange(1n) === -1n) seen++
    return seen
  },
})
await compare('AtomicBigInt64.compareExchange', {
  bare: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (Atomics.compareExchange(words64, 5, 1n, 1n) === 1n) seen++
    return seen
  },
  cell: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) if (big.compareExchange(1n, 1n)) seen++
    return seen
  },
})
