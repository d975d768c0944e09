/** Bounded channels: ring.ts is the algorithm, flavor.ts the waiting. */
import type { Codec, Region } from '@heddle/atomics'
import { checkOptions, Place, regionOf } from '@heddle/atomics/internal'
import { channelBytes, flavorBytes, formatChannel } from './flavors.js'
import { FLAVOR_MPSC, FLAVOR_ONESHOT, FLAVOR_SHARED, FLAVOR_SPSC, FLAVOR_UNBOUNDED, RECEIVER_HEADER } from './layout.js'
import { Receiver } from './receiver.js'
import { checkRing } from './ring.js'
import { Sender } from './sender.js'

/** Settings of a new channel. */
export interface ChannelOptions<T> {
  /** How many messages it holds before a send waits; 0: none, a send ends when its message is received. Default 1024. */
  capacity?: number
  /** How messages lie in shared memory. */
  codec: Codec<T>
  /** Default: `Region.default`. */
  region?: Region
}

const DEFAULT_CAPACITY = 1024

/**
 * Makes a bounded channel: first in, first out for each sender, any number of senders and receivers in any mix of threads, promises and
 * fibers. A send waits while `capacity` messages are in it; a message costs one compare-exchange, one store and one load at each end.
 * @throws InvalidArgumentError for a capacity that is no integer from 0 to 2^24, RegionFullError
 * @example
 * import { f64 } from '@heddle/atomics'
 * const [tx, rx] = channel<number>({ capacity: 64, codec: f64 })
 * tx.send(0.5)
 * rx.recv() // 0.5
 */
export function channel<T>(options: ChannelOptions<T>): [Sender<T>, Receiver<T>] {
  return make(FLAVOR_SHARED, checkOptions(options))
}

/**
 * Makes a bounded channel for one sending and one receiving agent: a little cheaper than `channel`. An end belongs to the agent that
 * uses it first; another one that uses it gets an InvalidArgumentError, unless the first has died.
 * @throws InvalidArgumentError for a capacity that is no integer from 1 to 2^24, RegionFullError
 */
export function spsc<T>(options: ChannelOptions<T>): [Sender<T>, Receiver<T>] {
  checkRing(checkOptions(options).capacity ?? DEFAULT_CAPACITY)
  return make(FLAVOR_SPSC, options)
}

/**
 * Makes a bounded channel for any number of senders and one receiving agent: a receive needs no compare-exchange. The receiving end
 * belongs to the agent that uses it first; another one that uses it gets an InvalidArgumentError, unless the first has died.
 * @throws InvalidArgumentError for a capacity that is no integer from 1 to 2^24, RegionFullError
 */
export function mpsc<T>(options: ChannelOptions<T>): [Sender<T>, Receiver<T>] {
  checkRing(checkOptions(options).capacity ?? DEFAULT_CAPACITY)
  return make(FLAVOR_MPSC, options)
}

/**
 * Makes a channel that holds as many messages as its region has room for: a send never waits, and throws `UnboundedFullError` (with the
 * message as `value`) when the region is full. Memory grows in blocks of up to 64 messages and goes back to the region as they are received,
 * but for a few blocks. Prefer `channel`, whose senders wait, unless something else bounds what is sent.
 * @throws RegionFullError
 * @example
 * import { utf8 } from '@heddle/atomics'
 * const [tx, rx] = unbounded<string>({ codec: utf8(100) })
 * for (let i = 0; i < 5000; i++) tx.send(`line ${i}`)
 * rx.length // 5000
 */
export function unbounded<T>(options: Pick<ChannelOptions<T>, 'codec' | 'region'>): [Sender<T>, Receiver<T>] {
  return make(FLAVOR_UNBOUNDED, { ...checkOptions(options), capacity: 1 })
}

/**
 * Makes a channel for one message, from whoever sends first to whoever receives first. A second send throws `ClosedError`, and so does a
 * second receive. @example
 * const [answer, answered] = oneshot<number>({ codec: f64 })
 * worker.postMessage(answer.toHandle())
 * await answered.recvAsync()
 */
export function oneshot<T>(options: Pick<ChannelOptions<T>, 'codec' | 'region'>): [Sender<T>, Receiver<T>] {
  return make(FLAVOR_ONESHOT, { ...checkOptions(options), capacity: 1 })
}

/** Makes a channel in `channelBytes(codec, capacity)` zeroed bytes that the caller owns, at a multiple of 64. */
export function channelAt<T>(region: Region, at: number, options: Pick<ChannelOptions<T>, 'capacity' | 'codec'>): [Sender<T>, Receiver<T>] {
  const { capacity = DEFAULT_CAPACITY, codec } = checkOptions(options)
  regionOf({ region })
  return open(Place.format(region, at, Sender, channelBytes(codec, capacity)), FLAVOR_SHARED, codec, capacity)
}

function make<T>(flavor: number, options: ChannelOptions<T>): [Sender<T>, Receiver<T>] {
  const { capacity = DEFAULT_CAPACITY, codec } = options
  const region = regionOf(options)
  const bytes = flavorBytes(region, { flavor, codec: codec as Codec<unknown>, capacity })
  return open(Place.allocate(region, Sender, bytes), flavor, codec, capacity)
}

function open<T>(place: Place, flavor: number, codec: Codec<T>, capacity: number): [Sender<T>, Receiver<T>] {
  const { region, at } = place
  formatChannel(region, at, { flavor, codec: codec as Codec<unknown>, capacity })
  return [new Sender(place, codec), new Receiver(Place.format(region, at + RECEIVER_HEADER * 4, Receiver), codec)]
}
