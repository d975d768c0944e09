import { Region } from '@heddle/atomics'
import { beforeEach, describe, expect, it } from 'vitest'
import { Injector } from '../src/injector.js'
import { NORMAL_QUEUE, RING_CELLS } from '../src/layout.js'
import { Pool } from '../src/pool.js'

let pool: Pool
const open = () => new Injector(pool.words, pool.ringAt(NORMAL_QUEUE))

beforeEach(() => {
  pool = new Pool({ region: Region.create({ bytes: 4 << 20 }), maxWorkers: 2 })
})

describe('Injector', () => {
  it('gives slots back in the order in which they came, whoever gives and takes', () => {
    const [a, b, c] = [open(), open(), open()]
    for (let slot = 0; slot < 300; slot++) expect((slot % 2 === 0 ? a : b).push(slot)).toBe(true)
    expect(c.hasWork()).toBe(true)
    for (let slot = 0; slot < 300; slot++) expect((slot % 3 === 0 ? c : b).pop()).toBe(slot)
    for (const one of [a, b, c]) {
      expect(one.pop()).toBe(-1)
      expect(one.hasWork()).toBe(false)
    }
  })

  it('says when it is full, and goes on over many laps', () => {
    const [giver, taker, late] = [open(), open(), open()]
    for (let i = 0; i < RING_CELLS; i++) expect(giver.push(i % 1000)).toBe(true)
    expect(giver.push(1)).toBe(false)
    expect(late.push(1)).toBe(false)
    expect(taker.pop()).toBe(0)
    expect(late.push(7)).toBe(true)
    expect(giver.push(8)).toBe(false)
    for (let i = 1; i < RING_CELLS; i++) expect(taker.pop()).toBe(i % 1000)
    expect(taker.pop()).toBe(7)
    for (let lap = 0; lap < 4; lap++) {
      for (let i = 0; i < RING_CELLS - 1; i++) {
        giver.push(i & 0x7fff)
        if (taker.pop() !== (i & 0x7fff)) expect.fail(`lap ${lap}, entry ${i}`)
      }
    }
    // One that has not looked for laps finds its place.
    late.push(3)
    expect(open().pop()).toBe(3)
    expect(late.pop()).toBe(-1)
  })
})
