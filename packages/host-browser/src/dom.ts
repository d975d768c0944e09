/**
 * What this package uses of a browser, as types: the compiler's own library for browsers would lend its globals to every
 * package that is compiled with this one.
 */

export interface MessageLike {
  readonly data: unknown
  stopImmediatePropagation(): void
}
export interface ErrorLike {
  /** Absent when a script could not be loaded; set when it threw. */
  readonly message?: string
  readonly error?: unknown
  preventDefault(): void
}
interface Port {
  onmessage: ((event: MessageLike) => void) | null
  postMessage(message: unknown): void
}
/** A dedicated worker. */
export interface DedicatedWorker {
  postMessage(message: unknown, transfer: readonly object[]): void
  addEventListener(type: 'message', listener: (event: MessageLike) => void): void
  addEventListener(type: 'error', listener: (event: ErrorLike) => void): void
  terminate(): void
}
/** A dedicated worker's global scope. */
export interface WorkerScope {
  postMessage(message: unknown, transfer?: readonly object[]): void
  addEventListener(type: 'message', listener: (event: MessageLike) => void): void
}
export interface Locks {
  request(name: string, callback: () => unknown): Promise<unknown>
}
interface Browser {
  readonly navigator: { readonly hardwareConcurrency: number; readonly locks?: Locks }
  readonly MessageChannel: new () => { readonly port1: Port; readonly port2: Port }
  readonly DedicatedWorkerGlobalScope?: new () => WorkerScope
  readonly Worker: new (module: URL | string, options: { type: 'module' }) => DedicatedWorker
  setTimeout(callback: () => void, ms: number): number
  clearTimeout(timer: number | undefined): void
}

/** The browser's globals. */
export const browser = globalThis as unknown as Browser
