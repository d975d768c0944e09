/** The receiving end of a channel. */
import { type Codec, type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import { get } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, type BLOCKED, block, DoneFiber, promise, throwIfCancelled } from '@heddle/park/internal'
import { Endpoint, mayRest } from './endpoint.js'
import { ClosedError } from './errors.js'
import { FanOut } from './fan-out.js'
import { BUSY, type Flavor } from './flavor.js'
import { openFlavor } from './flavors.js'
import { FLAVOR, FLAVOR_WATCH, RECEIVER_HEADER } from './layout.js'
import { Sender } from './sender.js'
import { type ReadableOptions, readableOf } from './streams.js'
import { keepSubscription, subscribedTo, takeSubscription } from './subscription.js'
import { CLOSED, EMPTY } from './symbols.js'
import { Changes, type Latest } from './watch.js'

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
  constructor(place: Place, codec?: Codec<T>, flavor: Flavor<T> = openFlavor(place.region, senderAt(place.at), codec)) {
    super(place, flavor)
  }

  /**
   * Opens the receiver at a byte offset (its own `at`): a BroadcastReceiver or a WatchReceiver where it is one.
   * @throws DisposedError when none lives there, NotShareableError for an unknown codec.
   */
  static at<T = unknown>(region: Region, at: number): Receiver<T> {
    return openReceiver(Place.open(region, at, Receiver))
  }

  /** Opens what a handle names, as `at`. @throws DisposedError, InvalidArgumentError, NotShareableError for an unknown codec. */
  static fromHandle<T = unknown>(handle: Handle): Receiver<T> {
    return openReceiver(Place.openHandle(handle, Receiver))
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
    const soon = options === undefined && mayRest() ? this.flavor.pollSoon() : EMPTY
    if (soon !== EMPTY && soon !== BUSY && soon !== CLOSED) return soon
    return block(this.flavor.receiveOperation(Agent.of(this.region)), options, 'recvAsync()')
  }

  /** As `recv`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  recvAsync(options?: AsyncOptions): Promise<T> {
    if (options?.signal === undefined) {
      // Where there is a message, no waiter is needed.
      try {
        this.assertLive()
        const found = this.flavor.poll()
        if (found !== EMPTY && found !== BUSY && found !== CLOSED) return Promise.resolve(found)
      } catch (error) {
        return Promise.reject(error as Error)
      }
    }
    return promise(() => {
      this.assertLive()
      return this.flavor.receiveOperation(Agent.of(this.region))
    }, options)
  }

  /** As `recv`, in a fiber: `const value = yield* rx.recvFiber()`. A fiber that is cancelled meanwhile has received nothing. */
  recvFiber(options?: WaitOptions): FiberOperation<T> {
    this.assertLive()
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    const found = this.flavor.poll()
    if (found !== EMPTY && found !== BUSY && found !== CLOSED) return new DoneFiber(found)
    return this.flavor.receiveFiber(Agent.of(this.region), options)
  }

  /** Receives a message if there is one; `EMPTY` when there is none now, `CLOSED` when none will come. Never waits. */
  tryRecv(): T | typeof EMPTY | typeof CLOSED {
    this.assertLive()
    return this.flavor.tryPoll()
  }

  /**
   * Receives what is there, at least one message and at most `max`; blocks the thread until there is one. When one that is not the first can't be opened here, those before it
   * are given; it is gone, and the next receive of this receiver here, of whatever verb, throws what the codec threw. A LaggedError likewise.
   * @throws as `recv`; InvalidArgumentError when `max` is no positive integer; TypeError when the array can't hold the first message, which the next receive gets
   */
  recvMany(max: number, options?: BlockingOptions): T[]
  /** Receives numbers into `into`, from its start. @returns the part that was filled: at least one number */
  recvMany<A extends NumberArray>(into: A, options?: BlockingOptions): A
  recvMany(target: number | NumberArray, options?: BlockingOptions): unknown {
    this.assertLive()
    const { into, max } = listOf<T>(target)
    if (options?.signal !== undefined) throwIfCancelled(options.signal)
    const batch = this.flavor.receiveBatch?.(into, max)
    if (batch?.move() === true) return filled(into, batch.moved)
    if (batch !== undefined && options === undefined && mayRest() && this.flavor.awaitSoon(false) && batch.move()) return filled(into, batch.moved)
    return filled(into, block(this.flavor.receiveManyOperation(Agent.of(this.region), into, max, batch), options, 'recvManyAsync()'))
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

  /**
   * A web stream of the messages, which ends when the channel is closed and empty. It receives one message for each read that is pending, and none
   * ahead. Cancelling it (also by leaving a `for await` over it) leaves the channel as it is; with `closes: true` it closes the channel.
   * A LaggedError, and whatever else receiving throws, is the stream's error. @example
   * await rx.toReadableStream().pipeTo(destination)
   */
  toReadableStream(options: ReadableOptions = {}): ReadableStream<T> {
    this.assertLive()
    return readableOf(this, this.flavor, options)
  }

  /**
   * Ends the channel for every agent, the sending end too.
   * @throws InvalidArgumentError while somebody waits, or, at capacity 0, was handed a message that it has not read yet; DisposedError
   */
  override dispose(): void {
    this.assertLive()
    Sender.at(this.region, senderAt(this.at)).dispose()
  }

  private isEnd(error: unknown): boolean {
    return error instanceof ClosedError && (this.isDisposed || this.flavor.isClosed)
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

/** Where the channel of a receiver that shares its messages with others begins. */
function senderAt(at: number): number {
  return at - RECEIVER_HEADER * 4
}

/** A receiver with a position of its own: it gets every message, whatever others receive. */
abstract class OwnReceiver<T> extends Receiver<T> {
  declare protected readonly flavor: FanOut<T>
  private readonly channelAt: number

  /** For `broadcast()`, `watch()`, `at` and `fromHandle`; not for others. */
  constructor(place: Place, codec?: Codec<T>, isOwn = false) {
    const channelAt = subscribedTo(place.region, place.at)
    super(place, codec, openFlavor(place.region, channelAt, codec, place.at, isOwn))
    this.channelAt = channelAt
  }

  /** Ends this receiver for every agent, and those that were opened from its handle; the channel goes on. @throws DisposedError */
  override dispose(): void {
    SharedObject.prototype.dispose.call(this)
  }

  protected override onDispose(): void {}

  /** The place of a new receiver of the same channel. */
  protected placeAt(position: number): Place {
    this.assertLive()
    return placeReceiver(this.region, this.channelAt, position)
  }
}

/**
 * The receiving end of a `broadcast`: it gets every message that is sent from where it stands. Opening its handle, in any agent, makes another
 * receiver, which begins where this one stands at that moment.
 *
 * One that is more than `capacity` messages behind has missed some: its next receive, of whatever verb, throws `LaggedError` with the
 * number, and the one after it goes on with the oldest message that is kept. With `lag: 'skip'` it goes on at once. @example
 * const [tx, rx] = broadcast<number>({ capacity: 2, codec: i32 })
 * for (const n of [1, 2, 3]) tx.send(n)
 * rx.tryRecv()   // throws LaggedError: missed 1
 * rx.tryRecv()   // 2
 */
export class BroadcastReceiver<T> extends OwnReceiver<T> {
  /** How many messages this receiver has missed so far, modulo 2^32. */
  get missed(): number {
    this.assertLive()
    return this.flavor.shared.missed
  }

  /** A receiver that gets what is sent from now on. @throws RegionFullError, DisposedError */
  subscribe(): BroadcastReceiver<T> {
    return new BroadcastReceiver<T>(this.placeAt(this.flavor.shared.now), undefined, true)
  }

  /** A receiver that gets what this one has not received yet. @throws RegionFullError, DisposedError */
  clone(): BroadcastReceiver<T> {
    return new BroadcastReceiver<T>(this.placeAt(this.flavor.shared.position), undefined, true)
  }
}

/**
 * The receiving end of a `watch`. It receives a value when there is one that is newer than what it received last (the first time: than what
 * there was when it was made), always the latest: values in between are passed over. Opening its handle, in any agent, makes another
 * receiver, which has seen what this one has seen at that moment. @example
 * const [tx, rx] = watch('red', { codec: utf8(10) })
 * rx.get()        // red
 * rx.tryRecv()    // EMPTY: nothing newer
 * tx.send('amber')
 * tx.send('green')
 * rx.recv()       // green
 */
export class WatchReceiver<T> extends OwnReceiver<T> {
  /** As the flavour, but nothing is read: for `changed`. */
  private readonly changes = new FanOut<void>(new Changes(this.latest), subscribedTo(this.region, this.at) >> 2)

  private get latest(): Latest<T> {
    return this.flavor.shared as Latest<T>
  }

  /** The latest value, newer or not; never waits, and the receiver has not received it by that. @throws DisposedError */
  get(): T {
    this.assertLive()
    return this.latest.read()
  }

  /** Blocks the thread until there is a newer value, which then counts as received; `get` reads it, or one that is newer still. @throws as `recv` */
  changed(options?: BlockingOptions): void {
    this.assertLive()
    block(this.changes.receiveOperation(Agent.of(this.region)), options, 'changedAsync()')
  }

  /** As `changed`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  changedAsync(options?: AsyncOptions): Promise<void> {
    return promise(() => {
      this.assertLive()
      return this.changes.receiveOperation(Agent.of(this.region))
    }, options)
  }

  /** As `changed`, in a fiber. */
  changedFiber(options?: WaitOptions): FiberOperation<void> {
    this.assertLive()
    return this.changes.receiveFiber(Agent.of(this.region), options)
  }

  /** A receiver that has seen the value that there is now. @throws RegionFullError, DisposedError */
  subscribe(): WatchReceiver<T> {
    return new WatchReceiver<T>(this.placeAt(this.flavor.shared.now), undefined, true)
  }

  /** A receiver that has seen what this one has. @throws RegionFullError, DisposedError */
  clone(): WatchReceiver<T> {
    return new WatchReceiver<T>(this.placeAt(this.flavor.shared.position), undefined, true)
  }
}

/** Makes the place of a receiver with a position of its own. @throws RegionFullError */
export function placeReceiver(region: Region, channelAt: number, position: number): Place {
  const at = takeSubscription(region, channelAt, position)
  const place = Place.format(region, at, Receiver)
  keepSubscription(region, at)
  return place
}

function openReceiver<T>(place: Place): Receiver<T> {
  const { region, at } = place
  const channelAt = subscribedTo(region, at)
  if (channelAt === 0) return new Receiver<T>(place)
  // Never changed after the channel was made.
  return get(region.words, (channelAt >> 2) + FLAVOR) === FLAVOR_WATCH ? new WatchReceiver<T>(place) : new BroadcastReceiver<T>(place)
}
