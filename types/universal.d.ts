/**
 * What every host has and the language's own library does not declare: the only host names that code below the hosts may use.
 * Kept to the members in use.
 */

declare const performance: { now(): number; readonly timeOrigin: number }

declare function queueMicrotask(callback: () => void): void

interface AbortSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}
interface AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}
declare const AbortController: { prototype: AbortController; new (): AbortController }

interface TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>
  encodeInto(text: string, target: Uint8Array): { read: number; written: number }
}
declare const TextEncoder: { prototype: TextEncoder; new (): TextEncoder }
interface TextDecoder {
  decode(bytes: Uint8Array): string
}
declare const TextDecoder: { prototype: TextDecoder; new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder }

interface URL {
  readonly href: string
}

interface ReadableStream<R = unknown> {
  cancel(reason?: R): Promise<void>
}
declare const ReadableStream: { prototype: ReadableStream; new (): ReadableStream }
interface WritableStream<W = unknown> {
  abort(reason?: W): Promise<void>
}
declare const WritableStream: { prototype: WritableStream; new (): WritableStream }
