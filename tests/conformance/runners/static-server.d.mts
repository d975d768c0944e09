export interface Served {
  readonly origin: string
  close(): Promise<void>
}
export function serve(options?: {
  isolated?: boolean
  wasm?: boolean
  port?: number
  extra?: (path: string) => { status?: number; type: string; body: string } | undefined
}): Promise<Served>
