import { describe, expect, it } from 'vitest'
import { Deque, EMPTY } from '../src/deque.js'
import { D_BOTTOM, D_CELLS, D_TOP } from '../src/layout.js'

const BITS = 3
const make = (start = 0) => {
  const words = new Int32Array(new SharedArrayBuffer((D_CELLS + (1 << BITS)) * 4))
  words[D_TOP] = words[D_BOTTOM] = start
  return { words, owner: new Deque(words, 0, BITS), thief: new Deque(words, 0, BITS) }
}

describe('Deque', () => {
  it('gives its owner the newest and thieves the oldest', () => {
    const { owner, thief } = make()
    expect([owner.take(), thief.steal(), owner.length]).toEqual([EMPTY, EMPTY, 0])
    for (const slot of [1, 2, 3, 4]) expect(owner.push(slot)).toBe(true)
    expect([owner.length, thief.length]).toEqual([4, 4])
    expect([owner.take(), thief.steal(), thief.steal(), owner.take(), owner.take(), thief.steal()]).toEqual([4, 1, 2, 3, EMPTY, EMPTY])
  })

  it.each([0, 5, 2 ** 31 - 4, -3])('goes round its cells, and round the numbers, from %i', (start) => {
    const { owner, thief } = make(start)
    for (let lap = 0; lap < 5; lap++) {
      for (let slot = 0; slot < 8; slot++) expect(owner.push(slot)).toBe(true)
      expect(owner.push(9)).toBe(false)
      expect(owner.length).toBe(8)
      expect(thief.steal()).toBe(0)
      expect(owner.push(8)).toBe(true)
      for (let slot = 8; slot > 4; slot--) expect(owner.take()).toBe(slot)
      for (let slot = 1; slot <= 4; slot++) expect(thief.steal()).toBe(slot)
      expect(owner.take()).toBe(EMPTY)
    }
  })

  it('can be owned by another after a reset, whatever the former owner left', () => {
    for (const bottom of [0, 3, -1]) {
      const { words, owner, thief } = make()
      for (const slot of [1, 2, 3]) owner.push(slot)
      words[D_BOTTOM] = bottom
      owner.reset()
      expect([owner.length, thief.steal(), owner.take()]).toEqual([0, EMPTY, EMPTY])
      for (const slot of [5, 6]) expect(owner.push(slot)).toBe(true)
      expect([thief.steal(), owner.take(), owner.take()]).toEqual([5, 6, EMPTY])
    }
  })
})
