/** The sending end of a channel. */
import { type Codec, type Handle, type Region } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, type BLOCKED, block, DoneFiber, FiberWait, type Operation, promise, throwIfCancelled } from '@heddle/park/internal'
import { Endpoint, mayRest } from './endpoint.js'
import { DONE } from './flavor.js'
import { openFlavor } from './flavors.js'
import { HEAD_BYTES } from './layout.js'
import { type StreamOptions, writableOf } from './streams.js'

/**
 * The sending end of a channel; any number of agents may open it and send at the same time.
 *
 * A message is encoded into the channel's memory by its codec and is visible to receivers at once. What one agent sends arrives in the
 * order in which it was sent. A send that ends with an error has not sent its message. @example
 * const [tx, rx] = channel<string>({ codec: utf8(200) })
 * worker.postMessage(tx.toHandle())    // there: Sender.fromHandle(handle).send('hello')
 * for await (const text of rx) console.log(text)
 */
export class Sender<T> extends Endpoint<T> {
  static readonly kind = 'Sender'
  /** Of the fixed part; `channelBytes(codec, capacity)` is the whole. */
  static readonly BYTES = HEAD_BYTES
  static readonly ALIGN = 64

  /** For `channel()`, `at` and `fromHandle`; not for others. */
  constructor(place: Place, codec?: Codec<T>) {
    super(place, openFlavor(place.region, place.at, codec))
  }

  /** Opens the sender of the channel at a byte offset. @throws DisposedError when none lives there, NotShareableError for an unknown codec. */
  static at<T = unknown>(region: Region, at: number): Sender<T> {
    return new Sender<T>(Place.open(region, at, Sender))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError, NotShareableError for an unknown codec. */
  static fromHandle<T = unknown>(handle: Handle): Sender<T> {
    return new Sender<T>(Place.openHandle(handle, Sender))
  }

  /**
   * Sends a message; blocks the thread while the channel is full. Spins briefly first while another core can make progress.
   * @throws ClosedError with the message as `value`, TimeoutError, the token's reason, BlockingNotAllowedError, DisposedError, RegionFullError,
   * and what the codec throws for the value
   */
  send(value: T, options?: BlockingOptions): void {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    if (this.flavor.offer(value, true) === DONE) return
    if (options === undefined && mayRest() && this.flavor.offerSoon(value) === DONE) return
    block(this.flavor.sendOperation(Agent.of(this.region), value), options, 'sendAsync()')
  }

  /** As `send`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  sendAsync(value: T, options?: AsyncOptions): Promise<void> {
    if (options?.signal === undefined) {
      // Where there is room, no waiter is needed.
      try {
        this.assertLive()
        if (this.flavor.offer(value, true) === DONE) return Promise.resolve()
      } catch (error) {
        return Promise.reject(error as Error)
      }
    }
    return promise(() => {
      this.assertLive()
      return this.flavor.sendOperation(Agent.of(this.region), value)
    }, options)
  }

  /** As `send`, in a fiber: `yield* tx.sendFiber(value)`. */
  sendFiber(value: T, options?: WaitOptions): FiberOperation<void> {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    if (this.flavor.offer(value, true) === DONE) return new DoneFiber(undefined)
    return new FiberWait(this.flavor.sendOperation(Agent.of(this.region), value), options, 'sendFiber()')
  }

  /** Sends a message if there is room; never waits. @returns whether it was sent. @throws ClosedError with the message, what the codec throws */
  trySend(value: T): boolean {
    this.assertLive()
    return this.flavor.tryOffer(value)
  }

  /**
   * Sends all values of a list, in order; blocks the thread while the channel is full.
   * @returns how many were sent: fewer than there are only when the channel was closed, the time was over, the signal fired, or the region of an `unbounded`
   * channel was full after the first of them
   * @throws as `send`, when none was sent; `ClosedError.value` is the list. PartlySentError when a value is refused after others were sent: `sent` is how many,
   * and so the index of that value
   */
  sendMany(values: ArrayLike<T>, options?: BlockingOptions): number {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    const batch = this.flavor.sendBatch?.(values)
    if (batch?.move() === true) return batch.moved
    if (batch !== undefined && options === undefined && mayRest() && this.flavor.awaitSoon(true) && batch.move()) return batch.moved
    const operation = this.flavor.sendManyOperation(Agent.of(this.region), values, batch)
    try {
      return block(operation, options, 'sendManyAsync()')
    } catch (error) {
      return countOf(operation, options, error)
    }
  }

  /** As `sendMany`, as a promise. */
  sendManyAsync(values: ArrayLike<T>, options?: AsyncOptions): Promise<number> {
    let operation: Operation<number> | undefined
    return promise(() => {
      this.assertLive()
      return (operation = this.flavor.sendManyOperation(Agent.of(this.region), values))
    }, options).catch((error: unknown) => countOf(operation, options, error))
  }

  /** As `sendMany`, in a fiber. */
  sendManyFiber(values: ArrayLike<T>, options?: WaitOptions): FiberOperation<number> {
    this.assertLive()
    const operation = this.flavor.sendManyOperation(Agent.of(this.region), values)
    const waiting = new FiberWait(operation, options, 'sendManyFiber()')
    return (function* (): Generator<typeof BLOCKED, number, unknown> {
      try {
        return yield* waiting as FiberOperation<number>
      } catch (error) {
        return countOf(operation, options, error)
      }
    })()
  }

  /**
   * A web stream that sends what is written to it: one chunk at a time, so that `ready` resolves and `desiredSize` is 1 when the last chunk was
   * sent. Closing the stream (also by the end of a `pipeTo`) closes the channel, for everyone; aborting it closes it with that reason. With
   * `closes: false` both leave it open. An aborted stream's chunk that had to wait is not sent. @example
   * await source.pipeTo(tx.toWritableStream({ closes: false }))
   */
  toWritableStream(options: StreamOptions = {}): WritableStream<T> {
    this.assertLive()
    return writableOf(this, options)
  }
}

/** A `sendMany` that its signal ended: what was sent counts, if anything was. */
function countOf(operation: Operation<number> | undefined, options: WaitOptions | undefined, error: unknown): number {
  if (options?.signal !== undefined && error === options.signal.reason && operation !== undefined && operation.result > 0) return operation.result
  throw error
}
