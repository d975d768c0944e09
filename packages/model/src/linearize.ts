/**
 * Linearizability: could the calls of an execution have taken effect one after the other, each between its start and its end,
 * as a sequential object would have answered them?
 *
 * Source     Wing & Gong, "Testing and Verifying Concurrent Objects", 1993, with Lowe's memoisation of configurations, 2017.
 * Cost       Exponential in the calls that overlap; a handful of calls takes microseconds.
 */

/** One call. `end` is Infinity for a call that never returned: it may have taken effect or not. */
export interface Call {
  readonly thread: number
  readonly name: string
  readonly args: readonly unknown[]
  result: unknown
  readonly start: number
  end: number
}

type Specification = Record<string, (...args: unknown[]) => unknown>

const text = (value: unknown): string => {
  if (value instanceof Map || value instanceof Set) return `{${[...value].map(text).join()}}`
  if (Array.isArray(value)) return `[${value.map(text).join()}]`
  if (typeof value === 'object' && value !== null) return `{${Object.entries(value).map(([key, field]) => `${key}:${text(field)}`).join()}}` // prettier-ignore
  return typeof value === 'string' ? JSON.stringify(value) : `${typeof value === 'bigint' ? 'n' : ''}${String(value)}`
}

/** The visible state of a sequential object: its fields that are no functions. Undefined when it has none: then nothing is remembered. */
function stateOf(specification: Specification): string | undefined {
  const fields = Object.entries(specification).filter(([, field]) => typeof field !== 'function')
  return fields.length === 0 ? undefined : text(fields)
}

/** Whether some order of the calls fits the specification. @throws RangeError for more than 30 calls. */
export function isLinearizable(calls: readonly Call[], specification: () => object): boolean {
  if (calls.length > 30) throw new RangeError(`a history of ${calls.length} calls is too long to compare (30 at most)`)
  const failed = new Set<string>()
  const order: number[] = []
  // The state after a prefix is found by doing the prefix again: specifications need no copying, and histories are short.
  const stateAfter = (): Specification => {
    const state = specification() as Specification
    for (const index of order) state[calls[index]!.name]!(...calls[index]!.args)
    return state
  }
  const search = (taken: number): boolean => {
    let earliestEnd = Infinity
    let open = false
    for (let i = 0; i < calls.length; i++) {
      if ((taken >> i) & 1) continue
      const { end } = calls[i]!
      if (end < Infinity) open = true
      if (end < earliestEnd) earliestEnd = end
    }
    if (!open) return true
    const state = stateOf(stateAfter())
    const key = `${taken} ${state}`
    if (state !== undefined && failed.has(key)) return false
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i]!
      if ((taken >> i) & 1 || call.start > earliestEnd) continue
      const result = stateAfter()[call.name]!(...call.args)
      if (call.end < Infinity && text(result) !== text(call.result)) continue
      order.push(i)
      if (search(taken | (1 << i))) return true
      order.pop()
    }
    if (state !== undefined) failed.add(key)
    return false
  }
  return search(0)
}

/** The history in one line for each call, in order of their starts. */
export function printHistory(calls: readonly Call[], names: readonly string[]): string {
  return [...calls]
    .sort((a, b) => a.start - b.start)
    .map(
      (call) =>
        `  ${names[call.thread]}: ${call.name}(${call.args.map(text).join(', ')}) ${call.end === Infinity ? 'did not return' : `→ ${text(call.result)}`}  [${call.start}, ${call.end === Infinity ? '…' : call.end}]`,
    )
    .join('\n')
}
