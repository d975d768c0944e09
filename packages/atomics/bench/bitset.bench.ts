/**
 * What a bitset costs when one agent uses it, for each depth of its hierarchy; and a counter.
 *
 * npm run build (the built package is what users get), then
 * npx esbuild packages/atomics/bench/bitset.bench.ts --bundle --packages=external --format=esm --platform=node --outfile=packages/atomics/bench/.bitset.mjs && node packages/atomics/bench/.bitset.mjs
 */
import { AtomicBitset, AtomicCounter, Region } from '@heddle/atomics'
import { compare } from './timing.js'

const region = Region.create({ bytes: 1 << 22, agents: 4 })
const leaf = new Int32Array(new SharedArrayBuffer(64))

for (const size of [32, 1024, 32_768, 1_048_576]) {
  const set = new AtomicBitset(size, { region })
  const full = new AtomicBitset(size, { region })
  for (let member = 0; member < size; member += 3) full.set(member)
  await compare(`AtomicBitset(${size})`, {
    'bare or + and': (n) => {
      let seen = 0
      for (let i = 0; i < n; i++) {
        Atomics.or(leaf, 0, 1 << (i & 31))
        seen += Atomics.and(leaf, 0, ~(1 << (i & 31)))
      }
      return seen
    },
    'set + claimFirst, else empty': (n) => {
      let seen = 0
      for (let i = 0; i < n; i++) {
        set.set((i * 37) & (size - 1))
        seen += set.claimFirst()
      }
      return seen
    },
    'claimFirst + set, a third full': (n) => {
      let seen = 0
      for (let i = 0; i < n; i++) {
        const member = full.claimFirst()
        full.set(member)
        seen += member
      }
      return seen
    },
    'claimFirst of nothing': (n) => {
      let seen = 0
      for (let i = 0; i < n; i++) seen += set.claimFirst()
      return seen
    },
    test: (n) => {
      let seen = 0
      for (let i = 0; i < n; i++) if (full.test(i & (size - 1))) seen++
      return seen
    },
  })
}

const counter = new AtomicCounter({ region })
const words64 = new BigInt64Array(new SharedArrayBuffer(64))
await compare('AtomicCounter', {
  'bare 64-bit add': (n) => {
    for (let i = 0; i < n; i++) Atomics.add(words64, 0, 1n)
  },
  'add()': (n) => {
    for (let i = 0; i < n; i++) counter.add()
  },
  'add(n)': (n) => {
    for (let i = 0; i < n; i++) counter.add(i)
  },
  sum: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += counter.sum()
    return seen
  },
})
