import { describe, expect, it } from 'vitest'
import { abandonQueued, cancel, CLAIMED, crash, CRASHED, DONE, enqueue, finish, FREE, GENERATION_UNIT, generationOf, giveBack, holdBack, phaseOf, QUEUED, release, releaseEnded, start, startClaimed, STARTED, workerOf } from '../src/slot.js' // prettier-ignore

const fresh = () => new Int32Array(new SharedArrayBuffer(4))
const state = (words: Int32Array) => Atomics.load(words, 0)
const phase = (words: Int32Array) => phaseOf(state(words))

describe('a slot', () => {
  it('goes from call to result and is free with the next generation', () => {
    const words = fresh()
    enqueue(words, 0, 0)
    expect(phase(words)).toBe(QUEUED)
    const started = start(words, 0, 200)
    expect([phaseOf(started), workerOf(started), generationOf(started)]).toEqual([STARTED, 200, 0])
    expect(start(words, 0, 3)).toBe(0)
    expect(cancel(words, 0, 0)).toBe(false)
    expect(finish(words, 0, started)).toBe(true)
    expect(finish(words, 0, started)).toBe(false)
    expect(phase(words)).toBe(DONE)
    expect(release(words, 0, 0)).toBe(GENERATION_UNIT)
    expect([phase(words), generationOf(state(words))]).toEqual([FREE, GENERATION_UNIT])
    expect(start(words, 0, 1)).toBe(0)
  })

  it('is taken back by its submitter until it has started, in its own generation only', () => {
    const words = fresh()
    enqueue(words, 0, 5 * GENERATION_UNIT)
    expect(cancel(words, 0, 4 * GENERATION_UNIT)).toBe(false)
    expect(cancel(words, 0, 5 * GENERATION_UNIT)).toBe(true)
    expect(state(words)).toBe(6 * GENERATION_UNIT)
    expect(start(words, 0, 1)).toBe(0)
    enqueue(words, 0, 6 * GENERATION_UNIT)
    const claimed = holdBack(words, 0, start(words, 0, 9))
    expect([phaseOf(claimed), workerOf(claimed)]).toEqual([CLAIMED, 9])
    expect(cancel(words, 0, 6 * GENERATION_UNIT)).toBe(true)
    expect(startClaimed(words, 0, claimed)).toBe(0)
  })

  it('crashes with its worker once started, and goes back to the queue before', () => {
    const words = fresh()
    enqueue(words, 0, 0)
    const claimed = holdBack(words, 0, start(words, 0, 9))
    expect(crash(words, 0, 9)).toBe(false)
    expect(giveBack(words, 0, 8)).toBe(false)
    expect(giveBack(words, 0, 9)).toBe(true)
    expect(phase(words)).toBe(QUEUED)
    expect(startClaimed(words, 0, claimed)).toBe(0)
    const started = start(words, 0, 2)
    expect(crash(words, 0, 9)).toBe(false)
    expect(crash(words, 0, 2)).toBe(true)
    expect([phase(words), workerOf(state(words))]).toEqual([CRASHED, 2])
    expect(finish(words, 0, started)).toBe(false)
    expect(holdBack(words, 0, started)).toBe(0)
  })

  it('is freed for a dead submitter unless it runs', () => {
    const words = fresh()
    expect(abandonQueued(words, 0)).toBe(true)
    enqueue(words, 0, 0)
    const started = start(words, 0, 1)
    expect(abandonQueued(words, 0)).toBe(false)
    finish(words, 0, started)
    expect(abandonQueued(words, 0)).toBe(true)
    releaseEnded(words, 0)
    expect(state(words)).toBe(GENERATION_UNIT)
    releaseEnded(words, 0)
    expect(state(words)).toBe(GENERATION_UNIT)
  })

  it('counts generations round', () => {
    const words = fresh()
    const last = 0xfffff000 | 0
    enqueue(words, 0, last)
    expect(cancel(words, 0, last)).toBe(true)
    expect(state(words)).toBe(FREE)
  })
})
