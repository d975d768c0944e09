import { expect, it } from 'vitest'
import { Region, SlotAllocator } from '../src/index.js'
import { inWorkers } from './primitives.js'
import { testSeed } from './support.js'

const WORKERS = 4
const ROUNDS = Number(process.env.HEDDLE_STRESS_SECONDS ?? 1) * 60_000

// So few that every agent meets every other at the head, and that many acquires find nothing; and enough for all.
it.each([3, 1000])('no slot of %i is held twice or lost', async (size) => {
  const seed = testSeed()
  const region = Region.create({ bytes: 1 << 20 })
  const slots = new SlotAllocator(size, { region })
  const ledger = new SharedArrayBuffer(size * 4)
  const refused = await inWorkers<number>(WORKERS, { role: 'slots', handles: { slots: slots.toHandle() }, rounds: ROUNDS, seed, ledger })
  const seen = new Set<number>()
  for (let i = 0; i < size; i++) seen.add(slots.acquire())
  expect(slots.acquire()).toBe(-1)
  expect(seen.size).toBe(size)
  expect(seen.has(-1)).toBe(false)
  expect(refused.some((count) => count > 0)).toBe(size === 3)
})
