/** All flavours, verbs and modes at once, with time limits, aborts, selects, closes and kills: nothing lost, nothing twice. `HEDDLE_STRESS_SECONDS=3600` is the hour. */
import { expect, test } from 'vitest'
import { mixedRound } from './support/mixed.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 3)

test(
  'everything mixed',
  async () => {
    const end = performance.now() + seconds * 1000
    const sum = { rounds: 0, sent: 0, received: 0, missing: 0, lost: 0, kills: 0 }
    do {
      const seed = Number(process.env['HEDDLE_STRESS_SEED'] ?? (Math.random() * 2 ** 31) | 0)
      console.log(`mixed stress: seed ${seed}`)
      const result = await mixedRound(seed)
      sum.rounds++
      for (const key of ['sent', 'received', 'missing', 'lost', 'kills'] as const) sum[key] += result[key]
    } while (performance.now() < end)
    console.log('mixed stress:', JSON.stringify(sum))
    expect(sum.received).toBeGreaterThan(0)
  },
  seconds * 1000 + 120_000,
)
