/** As much as is used of packages whose own types their `exports` hide. */

declare module 'nanothreads' {
  interface Pool {
    exec(value: unknown): Promise<unknown>
    terminate(): Promise<void>
  }
  const nanothreads: { ThreadPool: new (options: { task: (value: unknown) => unknown; count: number; maxConcurrency: number }) => Pool }
  export default nanothreads
}

declare module 'comlink/dist/esm/comlink.mjs' {
  export function expose(api: object, endpoint: object): void
  export function wrap(endpoint: object): Record<string, (value: unknown) => Promise<unknown>>
}

declare module 'comlink/dist/esm/node-adapter.mjs' {
  export default function nodeEndpoint(worker: object): object
}
