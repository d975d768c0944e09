/** The value below which a share `q` (0 to 1) of the samples lies, interpolated. */
export function quantile(samples: readonly number[], q: number): number {
  if (samples.length === 0) throw new RangeError('no samples')
  const sorted = [...samples].sort((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const low = Math.floor(position)
  const lower = sorted[low]!
  return lower + (sorted[Math.min(low + 1, sorted.length - 1)]! - lower) * (position - low)
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** Width of the middle half of the samples, as a share of the median. */
export function spread(samples: readonly number[]): number {
  return (quantile(samples, 0.75) - quantile(samples, 0.25)) / median(samples)
}
