import { describe, expect, it } from 'vitest'
import { MAX_GENERATION } from '../src/fiber-bits.js'
import { FiberTable, idOf } from '../src/fiber-table.js'

describe('FiberTable', () => {
  it('gives the last slot out again under the next generation, and grows', () => {
    const table = new FiberTable()
    const slots = Array.from({ length: 100 }, () => table.take())
    expect(slots).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(table.capacity).toBeGreaterThanOrEqual(100)
    table.release(7)
    table.release(5)
    expect([table.take(), table.take(), table.take()]).toEqual([5, 7, 100])
    expect([table.generation(5), table.generation(7), table.generation(100)]).toEqual([1, 1, 0])
  })

  it('never names two fibers alike: a slot whose generations are used up is given out no more', () => {
    const table = new FiberTable()
    const seen = new Set<number>()
    const count = MAX_GENERATION * 2 + 10
    for (let i = 0; i < count; i++) {
      const slot = table.take()
      seen.add(idOf(slot, table.generation(slot)))
      table.release(slot)
    }
    expect(seen.size).toBe(count)
    expect(table.fibers.length).toBe(3)
  })
})
