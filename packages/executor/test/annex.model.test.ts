/** Interleavings, within bounds, of agents that take and give back memory of an annex, and of one that dies while it writes a payload there. */
import type { Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, reap } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { Annex, openAnnex } from '../src/annex.js'
import { P_UNITS, SLOT_WORDS, T_BLOCK, T_POOL, UNIT_BYTES } from '../src/layout.js'
import { clear, trim, writeResult } from '../src/payload.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 18, preemptions: full ? 4 : 3 }

/** An annex of so few units; how its buffer grows is the engine's. */
function small(region: Region, units: number) {
  const table = region.alloc(units * 4) >> 2
  const base = table - P_UNITS
  const buffer = new SharedArrayBuffer(units * UNIT_BYTES, { maxByteLength: units * UNIT_BYTES })
  const open = (): Annex => new Annex(region, base, buffer)
  const owners = (): number[] => Array.from({ length: units }, (_, i) => load(region.words, table + i))
  return { open, owners, base, buffer }
}
const tryTake = (annex: Annex, slot: number, count: number): number => {
  try {
    return annex.take(slot, count * UNIT_BYTES)
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_REGION_FULL') return -1
    throw error
  }
}

test('takes that overlap: no unit is two slots’, one that finds none leaves none', () => {
  const report = model(
    'take 2 of 3 | take 2 of 3 | take 1, give',
    ({ region, spawn }) => {
      const { open, owners } = small(region, 3)
      const takers = [10, 20].map((slot) => spawn(() => tryTake(open(), slot, 2)))
      spawn(() => {
        const annex = open()
        const first = tryTake(annex, 30, 1)
        if (first !== -1) annex.give(first, UNIT_BYTES)
      })
      return () => {
        const expected = [0, 0, 0]
        takers.forEach(({ result }, i) => {
          if (result !== -1) expected.fill((i + 1) * 10, result, result! + 2)
        })
        expect(owners()).toEqual(expected)
        expect(expected.filter((slot) => slot !== 0).length).toBeLessThanOrEqual(2)
        return takers.map(({ result }) => result)
      }
    },
    options,
  )
  expect(report.complete).toBe(true)
})

test('where there is room for both, both have it', () => {
  const report = model(
    'take 2 of 4, give | take 2 of 4',
    ({ region, spawn }) => {
      const { open, owners } = small(region, 4)
      const a = spawn(() => {
        const annex = open()
        const first = tryTake(annex, 10, 2)
        if (first !== -1) annex.give(first, 2 * UNIT_BYTES)
        return first
      })
      const b = spawn(() => tryTake(open(), 20, 1))
      return () => {
        expect([a.result, b.result]).not.toContain(-1)
        expect(owners().filter((slot) => slot !== 0)).toEqual([20])
      }
    },
    options,
  )
  expect(report.complete).toBe(true)
})

test('one that dies anywhere while it writes, replaces or gives back a payload: its slot is cleared, nothing is left', () => {
  const report = model(
    'write ×2, trim (dies) | reap, clear',
    ({ region, spawn }) => {
      const { owners, base, buffer } = small(region, 2)
      const slot = region.alloc(SLOT_WORDS * 4, 64) >> 2
      region.words[slot + T_POOL] = base
      for (let room = region.stats().largest; room >= 128; room = region.stats().largest) region.alloc(room & -64)
      const used = region.stats().used
      const writer = spawn(() => {
        openAnnex(region, base, buffer)
        writeResult(region, slot, 'x'.repeat(300))
        trim(region, slot)
        writeResult(region, slot, 'y'.repeat(400))
      })
      spawn(
        () => {
          reap(Agent.of(region), 2, 0)
          openAnnex(region, base, buffer)
          clear(region, slot, 1)
        },
        { reaper: true },
      )
      return () => {
        if (writer.outcome !== 'dead') return writer.outcome
        expect([owners(), region.stats().used, load(region.words, slot + T_BLOCK)]).toEqual([[0, 0], used, 0])
        return writer.outcome
      }
    },
    { ...options, preemptions: full ? 1 : 0, deaths: true },
  )
  expect([...report.outcomes.keys()]).toContain('"dead"')
})
