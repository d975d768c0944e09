/**
 * A slot taken and given back by one agent, beside the two compare-and-swaps of 64 bits that a tagged stack needs.
 *
 * npm run build (the built package is what users get), then
 * npx esbuild packages/atomics/bench/slots.bench.ts --bundle --packages=external --format=esm --platform=node --outfile=packages/atomics/bench/.slots.mjs && node packages/atomics/bench/.slots.mjs
 */
import { Region, SlotAllocator } from '@heddle/atomics'
import { compare } from './timing.js'

const region = Region.create({ bytes: 1 << 24, agents: 4 })
const head = new BigInt64Array(new SharedArrayBuffer(64))
const slots = new SlotAllocator(1024, { region })
const many = new SlotAllocator(1_048_576, { region })
const held = new Int32Array(512)

await compare('SlotAllocator', {
  'bare 64-bit CAS, twice': (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) {
      if (Atomics.compareExchange(head, 0, 0n, 1n) === 0n) seen++
      Atomics.compareExchange(head, 0, 1n, 0n)
    }
    return seen
  },
  'acquire + release': (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) {
      const slot = slots.acquire()
      slots.release(slot)
      seen += slot
    }
    return seen
  },
  '512 acquired, then released': (n) => {
    let seen = 0
    for (let i = 0; i < n; i += held.length) {
      for (let k = 0; k < held.length; k++) held[k] = many.acquire()
      for (let k = 0; k < held.length; k++) many.release(held[k]!)
      seen += held[0]!
    }
    return seen
  },
  generation: (n) => {
    let seen = 0
    for (let i = 0; i < n; i++) seen += slots.generation(i & 1023)
    return seen
  },
})
