/** Which flavours there are: how large each is, how it is made, how it is opened. */
import type { Codec, Region } from '@heddle/atomics'
import { checkCodec, fixedCodec, kindBytes, readKind, writeKind } from '@heddle/atomics/internal'
import { get, set } from '@heddle/atomics/ops'
import { BroadcastRing, broadcastBytes } from './broadcast.js'
import { Buffered } from './buffered.js'
import { FanOut } from './fan-out.js'
import type { Flavor } from './flavor.js'
import {
  CAPACITY,
  FLAVOR,
  FLAVOR_BROADCAST,
  FLAVOR_MPSC,
  FLAVOR_ONESHOT,
  FLAVOR_SHARED,
  FLAVOR_SPSC,
  FLAVOR_UNBOUNDED,
  FLAVOR_WATCH,
  KIND_AT,
  LIFE,
} from './layout.js'
import { MpscRing } from './mpsc-ring.js'
import { Oneshot, oneshotBytes } from './oneshot.js'
import { RENDEZVOUS_BYTES, Rendezvous } from './rendezvous.js'
import { checkCapacity, Ring } from './ring.js'
import { RangeRing } from './ring-range.js'
import { SpscRing } from './spsc-ring.js'
import { Standings } from './subscription.js'
import { formatUnbounded, List, unboundedBytes } from './unbounded.js'
import { Latest, watchBytes } from './watch.js'

/** Settings of a new channel of any flavour. */
export interface Shape {
  flavor: number
  codec: Codec<unknown>
  capacity: number
}

/** Bytes that a channel of the flavour `channel()` takes. */
export function channelBytes<T>(codec: Codec<T>, capacity: number): number {
  checkCapacity(capacity)
  checkCodec(codec)
  return bodyBytes({ flavor: FLAVOR_SHARED, codec: codec as Codec<unknown>, capacity }, 0) + kindBytes(codec as Codec<unknown>)
}

/** Bytes that a channel takes in a region. */
export function flavorBytes(region: Region, shape: Shape): number {
  checkCapacity(shape.capacity)
  checkCodec(shape.codec)
  return bodyBytes(shape, region.agents) + kindBytes(shape.codec)
}

/** Bytes before the codec's kind. */
function bodyBytes({ flavor, codec, capacity }: Shape, agents: number): number {
  switch (flavor) {
    case FLAVOR_ONESHOT:
      return oneshotBytes(codec)
    case FLAVOR_UNBOUNDED:
      return unboundedBytes(codec, agents)
    case FLAVOR_BROADCAST:
      return broadcastBytes(fixedCodec(codec, 'broadcast'), capacity)
    case FLAVOR_WATCH:
      return watchBytes(fixedCodec(codec, 'watch'))
    default:
      return capacity === 0 ? RENDEZVOUS_BYTES : Ring.bytes(codec, capacity, flavor !== FLAVOR_MPSC)
  }
}

/** Writes the settings of a new channel, whose Sender's header is in place, into zeroed memory. Before it is published: plain writes. */
export function formatChannel(region: Region, at: number, shape: Shape): void {
  const { flavor, capacity, codec } = shape
  const kindAt = bodyBytes(shape, region.agents)
  const base = at >> 2
  set(region.words, base + LIFE, get(region.words, base))
  set(region.words, base + FLAVOR, flavor)
  set(region.words, base + CAPACITY, capacity)
  set(region.words, base + KIND_AT, kindAt)
  writeKind(region, at + kindAt, codec)
  if (flavor === FLAVOR_UNBOUNDED) formatUnbounded(region, at)
}

/**
 * Opens the channel whose Sender is at `at`.
 * @param receiver byte offset of the receiver that it is for, when that has a position of its own
 * @param isOwn whether that is the one that the handle names, not an opening of it
 */
export function openFlavor<T>(region: Region, at: number, codec?: Codec<T>, receiver = 0, isOwn = false): Flavor<T> {
  const { words } = region
  const base = at >> 2
  // Written before the channel was published, and never again: plain reads.
  const known = codec ?? (readKind(region, at + get(words, base + KIND_AT)) as Codec<T>)
  const capacity = get(words, base + CAPACITY)
  switch (get(words, base + FLAVOR)) {
    case FLAVOR_ONESHOT:
      return new Oneshot(region, base, known)
    case FLAVOR_SPSC:
      return new Buffered(new SpscRing(region, base, capacity, known), base)
    case FLAVOR_MPSC:
      return new Buffered(new MpscRing(region, base, capacity, known), base)
    case FLAVOR_UNBOUNDED:
      return new Buffered(new List(region, base, known), base)
    case FLAVOR_BROADCAST: {
      const standings = new Standings(region, receiver, isOwn)
      return new FanOut(new BroadcastRing(region, base, capacity, fixedCodec(known, 'broadcast'), standings), base)
    }
    case FLAVOR_WATCH:
      return new FanOut(new Latest(region, base, fixedCodec(known, 'watch'), new Standings(region, receiver, isOwn)), base)
    default:
      return capacity === 0 ? new Rendezvous(region, base, known) : new Buffered(new RangeRing(region, base, capacity, known), base)
  }
}
