export interface Runtime {
  readonly host: 'node' | 'deno' | 'bun'
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}
export function nodeRuntime(path?: string): Runtime
export function denoRuntime(): Runtime | undefined
export function bunRuntime(): Runtime | undefined
export function unshared(runtime: Runtime): Runtime
