/** Bounded channels: ring.ts is the algorithm, flavor.ts the waiting. */
import { type Codec, Region } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import { channelBytes, formatChannel } from './endpoint.js'
import { RECEIVER_HEADER } from './layout.js'
import { Receiver } from './receiver.js'
import { checkCapacity } from './ring.js'
import { Sender } from './sender.js'

/** Settings of a new channel. */
export interface ChannelOptions<T> {
  /** How many messages it holds before a send waits. Default 1024. */
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
 * @throws InvalidArgumentError for a capacity that is no positive integer (at most 2^24), RegionFullError
 * @example
 * const [tx, rx] = channel<number>({ capacity: 64, codec: f64 })
 * tx.send(0.5)
 * rx.recv() // 0.5
 */
export function channel<T>(options: ChannelOptions<T>): [Sender<T>, Receiver<T>] {
  const { capacity = DEFAULT_CAPACITY, codec } = options
  checkCapacity(capacity)
  const place = Place.allocate(options.region ?? Region.default, Sender, channelBytes(codec, capacity))
  return open(place, codec, capacity)
}

/** Makes a channel in `channelBytes(codec, capacity)` zeroed bytes that the caller owns, at a multiple of 64. */
export function channelAt<T>(region: Region, at: number, options: Pick<ChannelOptions<T>, 'capacity' | 'codec'>): [Sender<T>, Receiver<T>] {
  const { capacity = DEFAULT_CAPACITY, codec } = options
  return open(Place.format(region, at, Sender, channelBytes(codec, capacity)), codec, capacity)
}

function open<T>(place: Place, codec: Codec<T>, capacity: number): [Sender<T>, Receiver<T>] {
  const { region, at } = place
  formatChannel(region, at, codec, capacity)
  return [new Sender(place, codec), new Receiver(Place.format(region, at + RECEIVER_HEADER * 4, Receiver), codec)]
}
