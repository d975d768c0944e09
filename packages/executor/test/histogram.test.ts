import { describe, expect, it } from 'vitest'
import { HISTOGRAM_WORDS, histogramOf, record } from '../src/histogram.js'

const make = (...times: number[]) => {
  const words = new Int32Array(new SharedArrayBuffer(2 * HISTOGRAM_WORDS * 4))
  times.forEach((us, i) => record(words, i % 2 === 0 ? 0 : HISTOGRAM_WORDS, us))
  return histogramOf(words, [0, HISTOGRAM_WORDS])
}

describe('a histogram', () => {
  it('has nothing at first', () => {
    expect(make()).toEqual({ samples: 0, p50: 0, p90: 0, p99: 0, buckets: [] })
  })

  it('adds up all workers, and its percentiles are not below the times by more than nothing, nor above by more than 42 %', () => {
    const times = Array.from({ length: 1000 }, (_, i) => i + 1)
    const { samples, p50, p90, p99, buckets } = make(...times)
    expect(samples).toBe(1000)
    for (const [value, exact] of [
      [p50, 0.5],
      [p90, 0.9],
      [p99, 0.99],
    ] as const) {
      expect(value).toBeGreaterThanOrEqual(exact)
      expect(value).toBeLessThanOrEqual(exact * 1.42)
    }
    expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(1000)
    expect([...buckets].sort((a, b) => a.below - b.below)).toEqual(buckets)
  })

  it('takes what is no time, and what is very long', () => {
    expect(make(-5, 0, 0).p99).toBeLessThan(0.001)
    expect(make(1e12).p50).toBe(Infinity)
  })
})
