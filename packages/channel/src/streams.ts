/**
 * A channel's ends as web streams.
 *
 * A readable pulls one message for each read that is pending and keeps none: what nobody asked for stays in the channel for other receivers.
 * It waits until there is a message, and only then receives it and hands it on, in one step: so a stream that is cancelled while it waits has
 * taken nothing. A channel of capacity 0 has nothing to wait for but the message itself: one that is handed over at the very moment of the
 * cancel is gone.
 */
import type { Region } from '@heddle/atomics'
import { Agent, promise } from '@heddle/park/internal'
import { Buffered } from './buffered.js'
import { ClosedError } from './errors.js'
import type { Flavor } from './flavor.js'
import { ReadableOperation } from './operations.js'
import { CLOSED, EMPTY } from './symbols.js'

/** Settings of a stream over a channel's end. */
export interface StreamOptions {
  /** Whether the end of the stream is the end of the channel. */
  closes?: boolean
}
/** Settings of a readable stream. */
export interface ReadableOptions extends StreamOptions {
  /** `'bytes'`: a byte stream of the messages' bytes, which must be Uint8Arrays; its readers may bring their own buffers. */
  type?: 'bytes'
}

/** What a readable is made of: the part of the platform's interface that is used here. */
interface PullController<T> {
  /** Of byte streams only: the buffer that a reader brought, or null. */
  readonly byobRequest?: { respond(bytes: number): void } | null
  enqueue(chunk: T): void
  close(): void
}
interface PullSource<T> {
  type?: 'bytes'
  pull(controller: PullController<T>): Promise<void>
  cancel(reason: unknown): void
}
interface WriteSink<T> {
  /** The signal is missing in older browsers. */
  write(chunk: T, controller: { readonly signal?: AbortSignal }): Promise<void> | undefined
  close(): void
  abort(reason: unknown): void
}

interface Source<T> {
  readonly region: Region
  tryRecv(): T | typeof EMPTY | typeof CLOSED
  recvAsync(options: { signal: AbortSignal }): Promise<T>
  close(reason?: unknown): void
  readonly isClosed: boolean
  readonly isDisposed: boolean
}
interface Sink<T> {
  trySend(value: T): boolean
  sendAsync(value: T, options?: { signal?: AbortSignal }): Promise<void>
  close(reason?: unknown): void
}

/** The stream of what a receiver receives. */
export function readableOf<T>(receiver: Source<T>, flavor: Flavor<T>, { closes = false, type }: ReadableOptions): ReadableStream<T> {
  const cancelled = new AbortController()
  const source: PullSource<T> = {
    ...(type === undefined ? {} : { type }),
    async pull(controller) {
      try {
        await pullOne(receiver, flavor, controller, cancelled.signal)
      } catch (error) {
        // Whoever cancelled is not interested any more.
        if (cancelled.signal.aborted) return
        if (!isEnd(error, receiver)) throw error
        controller.close()
        // A reader with a buffer of its own gets that back.
        controller.byobRequest?.respond(0)
      }
    },
    cancel(reason) {
      cancelled.abort(reason)
      if (closes) receiver.close(reason)
    },
  }
  // Its declarations differ between hosts.
  const Readable = ReadableStream as unknown as new (source: PullSource<T>, strategy: { highWaterMark: number }) => ReadableStream<T>
  return new Readable(source, { highWaterMark: 0 })
}

async function pullOne<T>(receiver: Source<T>, flavor: Flavor<T>, controller: PullController<T>, signal: AbortSignal): Promise<void> {
  const isBuffered = flavor instanceof Buffered
  while (!signal.aborted) {
    // From here to the end of the round nothing is awaited where it is buffered: it can't be cancelled in between.
    const found = isBuffered ? receiver.tryRecv() : await receiver.recvAsync({ signal })
    if (found === CLOSED) throw flavor.closed(undefined)
    if (found === EMPTY) await promise(() => new ReadableOperation(Agent.of(receiver.region), flavor as Buffered<unknown>), { signal })
    else if (controller.byobRequest === undefined || (found as Uint8Array).length > 0) {
      if (!signal.aborted) pass(flavor, found as T, controller)
      return
    }
    // A byte stream has no empty chunks.
  }
}

/** Hands a chunk on; one that the stream does not take is received by the next. @throws TypeError */
function pass<T>(flavor: Flavor<T>, chunk: T, controller: PullController<T>): void {
  try {
    controller.enqueue(chunk)
  } catch (error) {
    flavor.owe({ value: chunk })
    throw error
  }
}

function isEnd(error: unknown, receiver: { readonly isClosed: boolean; readonly isDisposed: boolean }): boolean {
  return error instanceof ClosedError && (receiver.isDisposed || receiver.isClosed)
}

/** A stream that sends what is written to it. */
export function writableOf<T>(sender: Sink<T>, { closes = true }: StreamOptions): WritableStream<T> {
  const sink: WriteSink<T> = {
    write(value, { signal }) {
      // Most of the time there is room, and no promise is needed.
      return sender.trySend(value) ? undefined : sender.sendAsync(value, signal === undefined ? {} : { signal })
    },
    close() {
      if (closes) sender.close()
    },
    abort(reason) {
      if (closes) sender.close(reason)
    },
  }
  const Writable = WritableStream as unknown as new (sink: WriteSink<T>, strategy: { highWaterMark: number }) => WritableStream<T>
  return new Writable(sink, { highWaterMark: 1 })
}
