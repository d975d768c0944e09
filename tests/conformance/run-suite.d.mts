import type { Runtime } from './runtimes.mjs'

export interface Result {
  readonly group: string
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly error?: string
}
export interface Outcome {
  readonly code: number | null
  readonly killed: boolean
  readonly out: string
  readonly errors: string
}
export function runModule(
  runtime: Runtime,
  path: string | URL,
  args?: readonly string[],
  options?: { limit?: number; onLine?: (line: string) => void },
): Promise<Outcome>
export function runSuiteOn(
  runtime: Runtime,
  report: (result: Result) => void,
  options?: { limit?: number },
): Promise<Omit<Outcome, 'out'> & { readonly done: { readonly failed: number } | undefined }>
