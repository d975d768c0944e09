/** Channels whose every receiver gets every message: fan-out.ts is the waiting, broadcast.ts and watch.ts are the algorithms. */
import type { Codec, Region } from '@heddle/atomics'
import { checkOptions, fixedCodec, Place, regionOf } from '@heddle/atomics/internal'
import { set } from '@heddle/atomics/ops'
import { type ChannelOptions } from './channel.js'
import { flavorBytes, formatChannel, type Shape } from './flavors.js'
import { FLAVOR_BROADCAST, FLAVOR_WATCH, SKIPS } from './layout.js'
import { BroadcastReceiver, placeReceiver, WatchReceiver } from './receiver.js'
import { checkRing } from './ring.js'
import { Sender } from './sender.js'
import { FIRST_VERSION, formatWatch } from './watch.js'

/** Settings of a new broadcast. */
export interface BroadcastOptions<T> extends ChannelOptions<T> {
  /** What a receiver that missed messages learns: `'error'` (default), a `LaggedError` with their number; `'skip'`, only its `missed`. */
  lag?: 'error' | 'skip'
}

const DEFAULT_CAPACITY = 1024

/**
 * Makes a channel whose every receiver gets every message. Senders never wait for receivers: the last `capacity` messages are kept, and a
 * receiver that is further behind is told how many it missed. More receivers come from `rx.subscribe()`, `rx.clone()` and `rx`'s handle.
 * Messages lie in the ring in full: the codec is taken in its form of fixed size, and a send and a receive cost about 6 ns for each of its words.
 * @throws InvalidArgumentError for a capacity that is no integer from 1 to 2^24 and for a codec without a fixed size, RegionFullError
 * @example
 * import { utf8 } from '@heddle/atomics'
 * const [tx, rx] = broadcast<string>({ capacity: 64, codec: utf8(30) })
 * const other = rx.subscribe()
 * tx.send('all of you')
 * rx.recv() === other.recv() // true
 */
export function broadcast<T>(options: BroadcastOptions<T>): [Sender<T>, BroadcastReceiver<T>] {
  const { capacity = DEFAULT_CAPACITY, codec, lag = 'error' } = checkOptions(options)
  const region = regionOf(options)
  checkRing(capacity)
  const place = make(region, { flavor: FLAVOR_BROADCAST, codec: fixedCodec(codec, 'broadcast') as Codec<unknown>, capacity })
  set(region.words, (place.at >> 2) + SKIPS, lag === 'skip' ? 1 : 0)
  return [new Sender(place, codec), new BroadcastReceiver(firstReceiver(place, 0), codec, true)]
}

/**
 * Makes a channel that holds one value, the latest: a send replaces it and never waits for receivers, and each receiver learns that there is
 * a newer one. For state that changes: settings, progress, who leads. The codec is taken in its form of fixed size.
 * @throws InvalidArgumentError for a codec without a fixed size, RegionFullError, what the codec throws for the value
 * @example
 * import { f64 } from '@heddle/atomics'
 * const [tx, rx] = watch(0, { codec: f64 })
 * tx.send(0.25)
 * tx.send(0.5)
 * rx.recv() // 0.5
 * rx.get()  // 0.5
 */
export function watch<T>(initial: T, options: Pick<ChannelOptions<T>, 'codec' | 'region'>): [Sender<T>, WatchReceiver<T>] {
  const { codec } = checkOptions(options)
  const region = regionOf(options)
  const fixed = fixedCodec(codec, 'watch')
  const place = make(region, { flavor: FLAVOR_WATCH, codec: fixed as Codec<unknown>, capacity: 1 })
  try {
    formatWatch(region, place.at, fixed, initial)
  } catch (error) {
    region.free(place.at)
    throw error
  }
  return [new Sender(place, codec), new WatchReceiver(firstReceiver(place, FIRST_VERSION), codec, true)]
}

function make(region: Region, shape: Shape): Place {
  const place = Place.allocate(region, Sender, flavorBytes(region, shape))
  formatChannel(region, place.at, shape)
  return place
}

/** Without room for it there is no channel either. */
function firstReceiver(place: Place, position: number): Place {
  try {
    return placeReceiver(place.region, place.at, position)
  } catch (error) {
    place.region.free(place.at)
    throw error
  }
}
