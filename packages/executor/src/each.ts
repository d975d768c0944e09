/**
 * One call for many inputs: what `map` sends with `chunk`, so that the price of a call is shared.
 *
 * Invariants I1 The outcome has the results of all inputs before the first that failed; what came after it is dropped, as a loop would.
 */

/** What a chunk ended with: the results, and what the input after them failed with, if one did. */
export type ChunkOutcome<R> = readonly [results: R[]] | readonly [results: R[], error: unknown]

/**
 * Calls `fn` for each input, those that give promises side by side.
 */
export function callEach(fn: (input: unknown) => unknown, inputs: readonly unknown[], isPromise: (result: unknown) => boolean): unknown {
  const results: unknown[] = []
  let failure: { readonly error: unknown } | undefined
  let waits = false
  for (const input of inputs) {
    try {
      const result = fn(input)
      waits ||= isPromise(result)
      results.push(result)
    } catch (error) {
      failure = { error }
      break
    }
  }
  if (!waits) return outcome(results, failure)
  return Promise.allSettled(results).then((settled) => {
    const values: unknown[] = []
    for (const one of settled) {
      if (one.status === 'rejected') return outcome(values, { error: one.reason })
      values.push(one.value)
    }
    return outcome(values, failure)
  })
}

function outcome(results: unknown[], failure: { readonly error: unknown } | undefined): ChunkOutcome<unknown> {
  return failure === undefined ? [results] : [results, failure.error]
}
