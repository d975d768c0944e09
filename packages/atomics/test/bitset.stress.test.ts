import { expect, it } from 'vitest'
import { AtomicBitset, AtomicInt32, Region } from '../src/index.js'
import { inWorkers } from './primitives.js'
import { testSeed } from './support.js'

const WORKERS = 4
const ROUNDS = Number(process.env.HEDDLE_STRESS_SECONDS ?? 1) * 20_000

// One level; two with words that empty all the time; three and four.
it.each([24, 200, 4000, 100_000])('no member of a bitset of %i is lost or claimed twice', async (size) => {
  const seed = testSeed()
  const region = Region.create({ bytes: 1 << 20 })
  const bitset = new AtomicBitset(size, { region })
  const set = new AtomicInt32({ region })
  const claimed = new AtomicInt32({ region })
  const setters = new AtomicInt32({ region, value: WORKERS })
  const ledger = new SharedArrayBuffer(size * 4)
  const handles = { bitset: bitset.toHandle(), set: set.toHandle(), claimed: claimed.toHandle(), setters: setters.toHandle() }
  await inWorkers(WORKERS, { role: 'bitset', handles, rounds: ROUNDS, seed, ledger })
  expect(claimed.load()).toBe(set.load())
  expect(set.load()).toBeGreaterThan(0)
  expect(bitset.count()).toBe(0)
  expect(new Int32Array(ledger).every((count) => count === 0)).toBe(true)
})
