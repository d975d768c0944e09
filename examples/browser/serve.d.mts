export interface Served {
  readonly origin: string
  close(): Promise<void>
}
export function serveExample(options?: { port?: number }): Promise<Served>
