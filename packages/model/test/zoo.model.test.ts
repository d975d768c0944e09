import { expect, test } from 'vitest'
import { check, full, replay } from '../src/index.js'
import * as locks from './zoo/locks.js'
import type { Specimen } from './zoo/specimen.js'
import * as structures from './zoo/structures.js'
import * as waiting from './zoo/waiting.js'

const zoo: Specimen[] = [...Object.values(locks), ...Object.values(waiting), ...Object.values(structures)]

test('the zoo has at least 25 bugs', () => {
  expect(zoo.length).toBeGreaterThanOrEqual(25)
})

for (const { name, kind, options = {}, build } of zoo) {
  test(`${name}: the bug is found, its schedule replays it, the twin passes`, () => {
    const caught = check(name, build(false), options)
    expect(caught.finding?.kind, caught.finding?.text ?? 'nothing was found').toBe(kind)
    expect(replay(caught.finding!.schedule, build(false), options)?.kind).toBe(kind)
    const twin = check(`${name}, correct`, build(true), options)
    expect(twin.finding?.text).toBeUndefined()
    expect(twin.complete).toBe(true)
    if (!full) return
    // For the table that `npm run model` prints: what the reduction saves, and what remembering states saves of the rest.
    for (const [how, more] of Object.entries({ full: { schedules: 'full' }, reduced: {}, remembered: { cache: true } } as const)) {
      const report = check(`${name} · ${how}`, build(true), { ...options, ...more, maxExecutions: 50_000 })
      expect(report.finding?.text).toBeUndefined()
    }
  })
}
