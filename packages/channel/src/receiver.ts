/** The receiving end of a channel. */
import { type Codec, type Handle, InvalidArgumentError, type Region } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, type BLOCKED, block, promise, throwIfCancelled } from '@heddle/park/internal'
import { Endpoint } from './endpoint.js'
import { ClosedError } from './errors.js'
import { BUSY } from './flavor.js'
import { openFlavor } from './flavors.js'
import { RECEIVER_HEADER } from './layout.js'
import { Sender } from './sender.js'
import { CLOSED, EMPTY } from './symbols.js'

/** The typed arrays that messages may be received into. */
export type NumberArray =
  Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

/**
 * The receiving end of a channel; any number of agents may open it and receive at the same time: each message goes to one of them.
 * Iterating ends when the channel is closed and empty, and leaves the channel as it is when you break out. @example
 * const rx = Receiver.fromHandle<string>(handle)
 * for (const text of rx) work(text)             // blocks; on an event loop: for await
 */
export class Receiver<T> extends Endpoint<T> {
  static readonly kind = 'Receiver'
  static readonly BYTES = 4
  static readonly ALIGN = 16

  /** For `channel()`, `at` and `fromHandle`; not for others. */
  constructor(place: Place, codec?: Codec<T>) {
    super(place, openFlavor(place.region, senderAt(place.at), codec))
  }

  /** Opens the receiver at a byte offset (its own `at`). @throws DisposedError when none lives there, NotShareableError for an unknown codec. */
  static at<T = unknown>(region: Region, at: number): Receiver<T> {
    return new Receiver<T>(Place.open(region, at, Receiver))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError, NotShareableError for an unknown codec. */
  static fromHandle<T = unknown>(handle: Handle): Receiver<T> {
    return new Receiver<T>(Place.openHandle(handle, Receiver))
  }

  /**
   * Receives a message; blocks the thread until there is one. Spins briefly first while another core can make progress.
   * @throws ClosedError when the channel is closed and empty, TimeoutError, the token's reason, BlockingNotAllowedError, DisposedError,
   * RegionFullError, and what the codec throws for a value that can't be opened here (it is gone then)
   */
  recv(options?: BlockingOptions): T {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    const found = this.flavor.poll()
    if (found !== EMPTY && found !== BUSY && found !== CLOSED) return found
    return block(this.flavor.receiveOperation(Agent.of(this.region)), options, 'recvAsync()')
  }

  /** As `recv`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  recvAsync(options?: AsyncOptions): Promise<T> {
    return promise(() => {
      this.assertLive()
      return this.flavor.receiveOperation(Agent.of(this.region))
    }, options)
  }

  /** As `recv`, in a fiber: `const value = yield* rx.recvFiber()`. A fiber that is cancelled meanwhile has received nothing. */
  recvFiber(options?: WaitOptions): FiberOperation<T> {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    return this.flavor.receiveFiber(Agent.of(this.region), options)
  }

  /** Receives a message if there is one; `EMPTY` when there is none now, `CLOSED` when none will come. Never waits. */
  tryRecv(): T | typeof EMPTY | typeof CLOSED {
    this.assertLive()
    return this.flavor.tryPoll()
  }

  /**
   * Receives what is there, at least one message and at most `max`; blocks the thread until there is one.
   * @throws as `recv`; InvalidArgumentError when `max` is no positive integer
   */
  recvMany(max: number, options?: BlockingOptions): T[]
  /** Receives numbers into `into`, from its start. @returns the part that was filled: at least one number */
  recvMany<A extends NumberArray>(into: A, options?: BlockingOptions): A
  recvMany(target: number | NumberArray, options?: BlockingOptions): unknown {
    this.assertLive()
    const { into, max } = listOf<T>(target)
    return filled(into, block(this.flavor.receiveManyOperation(Agent.of(this.region), into, max), options, 'recvManyAsync()'))
  }

  /** As `recvMany`, as a promise. */
  recvManyAsync(max: number, options?: AsyncOptions): Promise<T[]>
  recvManyAsync<A extends NumberArray>(into: A, options?: AsyncOptions): Promise<A>
  recvManyAsync(target: number | NumberArray, options?: AsyncOptions): Promise<unknown> {
    let list: unknown
    return promise(() => {
      this.assertLive()
      const { into, max } = listOf<T>(target)
      list = into
      return this.flavor.receiveManyOperation(Agent.of(this.region), into, max)
    }, options).then((count) => filled(list, count))
  }

  /** As `recvMany`, in a fiber. */
  recvManyFiber(max: number, options?: WaitOptions): FiberOperation<T[]>
  recvManyFiber<A extends NumberArray>(into: A, options?: WaitOptions): FiberOperation<A>
  recvManyFiber(target: number | NumberArray, options?: WaitOptions): unknown {
    this.assertLive()
    const { into, max } = listOf<T>(target)
    const counted = this.flavor.receiveManyFiber(Agent.of(this.region), into, max, options)
    return (function* (): Generator<typeof BLOCKED, unknown, unknown> {
      return filled(into, yield* counted as Iterable<typeof BLOCKED, number>)
    })()
  }

  /** Receives until the channel is closed and empty; blocks the thread. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (;;) {
      let value: T
      try {
        value = this.recv()
      } catch (error) {
        if (this.isEnd(error)) return
        throw error
      }
      yield value
    }
  }

  /** Receives until the channel is closed and empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      let value: T
      try {
        value = await this.recvAsync()
      } catch (error) {
        if (this.isEnd(error)) return
        throw error
      }
      yield value
    }
  }

  /** Ends the channel for every agent, the sending end too. @throws InvalidArgumentError while somebody waits, DisposedError */
  override dispose(): void {
    this.assertLive()
    Sender.at(this.region, senderAt(this.at)).dispose()
  }

  private isEnd(error: unknown): boolean {
    return error instanceof ClosedError && this.flavor.isClosed
  }
}

/** Where to receive to, and how much. */
function listOf<T>(target: number | NumberArray): { into: { [index: number]: T }; max: number } {
  const max = typeof target === 'number' ? target : target.length
  if (!Number.isInteger(max) || max < 1)
    throw new InvalidArgumentError(`recvMany takes a positive integer or a typed array that is not empty, got ${String(max)}`)
  return { into: (typeof target === 'number' ? [] : target) as { [index: number]: T }, max }
}

function filled(into: unknown, count: number): unknown {
  return Array.isArray(into) ? into : (into as NumberArray).subarray(0, count)
}

/** Where the channel of the receiver at `at` begins. */
function senderAt(at: number): number {
  return at - RECEIVER_HEADER * 4
}
