/** Checks a trace, by assertions. */
export function checkTrace(trace: unknown): {
  readonly name: string
  readonly events: readonly {
    readonly ph: string
    readonly name: string
    readonly cat: string
    readonly ts: number
    readonly args?: Record<string, unknown>
  }[]
}[]
