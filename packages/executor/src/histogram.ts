/**
 * Times in buckets: how long calls waited, and how long they took.
 *
 * Layout     HISTOGRAM_WORDS counts; bucket b has times from 2^(b/2) - 1 to 2^((b+1)/2) - 1 µs, the last one all that are longer.
 * Invariants I1 A count is written by the worker that the histogram belongs to alone, with atomic stores; others read it at any time.
 * Rejected   Exact times: a million calls would be a million numbers. Two buckets to the octave tell a percentile to within 42 %.
 */
import { load, store } from '@heddle/atomics/ops'

/** Words of a histogram: up to 2^24 µs, which are 17 s. */
export const HISTOGRAM_WORDS = 48

/** Times of a sample of the calls, in ms. */
export interface Histogram {
  /** How many times were measured. */
  readonly samples: number
  /** Half, 90 % and 99 % of them were shorter; upper ends of buckets. 0 without samples. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** The buckets that have any: times below `below` ms, and at or above the one before. */
  readonly buckets: readonly { readonly below: number; readonly count: number }[]
}

/** Counts a time in µs. By the worker whose histogram it is. */
export function record(words: Int32Array, at: number, us: number): void {
  const bucket = Math.min(HISTOGRAM_WORDS - 1, Math.floor(2 * Math.log2(Math.max(0, us) + 1)))
  store(words, at + bucket, load(words, at + bucket) + 1)
}

/** Adds up histograms. */
export function histogramOf(words: Int32Array, places: readonly number[]): Histogram {
  const counts: number[] = []
  let samples = 0
  for (let bucket = 0; bucket < HISTOGRAM_WORDS; bucket++) {
    const count = places.reduce((sum, at) => sum + load(words, at + bucket), 0)
    counts.push(count)
    samples += count
  }
  const end = (bucket: number): number => (bucket === HISTOGRAM_WORDS - 1 ? Infinity : (2 ** ((bucket + 1) / 2) - 1) / 1000)
  const percentile = (share: number): number => {
    let seen = 0
    for (let bucket = 0; bucket < HISTOGRAM_WORDS; bucket++) if ((seen += counts[bucket]!) >= samples * share && seen > 0) return end(bucket)
    return 0
  }
  const buckets = counts.flatMap((count, bucket) => (count === 0 ? [] : [{ below: end(bucket), count }]))
  return { samples, p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), buckets }
}
