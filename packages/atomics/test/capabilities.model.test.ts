/** An agent that may not block, as a browser's window: made with the replaceable operations. */
import { expect, it } from 'vitest'
import { Backoff, capabilities } from '../src/index.js'
import { canBlock } from '../src/internal.js'
import { install } from '../src/ops-model.js'

it('an agent whose engine refuses to wait can not block, and is told so', () => {
  let waits = 0
  const restore = install({
    wait: () => {
      waits++
      throw new TypeError('Atomics.wait cannot be called in this context')
    },
  })
  try {
    expect(canBlock()).toBe(false)
    expect(capabilities()).toMatchObject({ canBlock: false, sharedMemory: true })
    expect(capabilities().missing[0]).toContain('Async')
    const backoff = new Backoff()
    for (let i = 0; i < 12; i++) backoff.snooze()
    expect(backoff.isCompleted).toBe(true)
    // Once, to find out.
    expect(waits).toBe(1)
  } finally {
    restore()
  }
  expect(canBlock()).toBe(true)
})

it('an error that says anything else is not swallowed', () => {
  const restore = install({
    wait: () => {
      throw new RangeError('stopped')
    },
  })
  try {
    expect(() => canBlock()).toThrow(RangeError)
  } finally {
    restore()
  }
})

it('Backoff pauses for doubling rounds, then gives up the core, then is completed', () => {
  let pauses = 0
  let waits = 0
  const restore = install({
    pause: () => void pauses++,
    wait: (_words, _index, expected, timeout) => {
      if (timeout === 0) return 'not-equal'
      expect(expected).toBe(0)
      expect(timeout).toBeGreaterThan(0)
      expect(timeout).toBeLessThan(1)
      waits++
      return 'timed-out'
    },
  })
  try {
    const backoff = new Backoff()
    const steps: [number, number, boolean][] = []
    for (let i = 0; i < 12; i++) {
      pauses = waits = 0
      backoff.snooze()
      steps.push([pauses, waits, backoff.isCompleted])
    }
    const spins = [1, 2, 4, 8, 16, 32, 64].map((rounds) => [rounds, 0, false])
    expect(steps).toEqual([...spins, [0, 1, false], [0, 1, false], [0, 1, false], [0, 1, true], [0, 1, true]])
    backoff.reset()
    expect(backoff.isCompleted).toBe(false)
    waits = 0
    const rounds: number[] = []
    for (let i = 0; i < 20; i++) {
      pauses = 0
      backoff.spin()
      rounds.push(pauses)
    }
    expect(rounds.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 64, 64])
    expect(rounds.at(-1)).toBe(64)
    expect(backoff.isCompleted).toBe(false)
    expect(waits).toBe(0)
  } finally {
    restore()
  }
})
