/** Which flavours there are: how large each is, how it is made, how it is opened. */
import type { Codec, Region } from '@heddle/atomics'
import { kindBytes, readKind, writeKind } from '@heddle/atomics/internal'
import { get, set } from '@heddle/atomics/ops'
import { Buffered } from './buffered.js'
import type { Flavor } from './flavor.js'
import { CAPACITY, FLAVOR, FLAVOR_MPSC, FLAVOR_ONESHOT, FLAVOR_SHARED, FLAVOR_SPSC, FLAVOR_UNBOUNDED, KIND_AT } from './layout.js'
import { MpscRing } from './mpsc-ring.js'
import { Oneshot, oneshotBytes } from './oneshot.js'
import { RENDEZVOUS_BYTES, Rendezvous } from './rendezvous.js'
import { checkCapacity, Ring } from './ring.js'
import { SpscRing } from './spsc-ring.js'
import { formatUnbounded, List, unboundedBytes } from './unbounded.js'

/** Settings of a new channel of any flavour. */
export interface Shape {
  flavor: number
  codec: Codec<unknown>
  capacity: number
}

/** Bytes that a channel of the flavour `channel()` takes. */
export function channelBytes<T>(codec: Codec<T>, capacity: number): number {
  checkCapacity(capacity)
  return bodyBytes({ flavor: FLAVOR_SHARED, codec: codec as Codec<unknown>, capacity }, 0) + kindBytes(codec as Codec<unknown>)
}

/** Bytes that a channel takes in a region. */
export function flavorBytes(region: Region, shape: Shape): number {
  checkCapacity(shape.capacity)
  return bodyBytes(shape, region.agents) + kindBytes(shape.codec)
}

/** Bytes before the codec's kind. */
function bodyBytes({ flavor, codec, capacity }: Shape, agents: number): number {
  switch (flavor) {
    case FLAVOR_ONESHOT:
      return oneshotBytes(codec)
    case FLAVOR_UNBOUNDED:
      return unboundedBytes(codec, agents)
    default:
      return capacity === 0 ? RENDEZVOUS_BYTES : Ring.bytes(codec, capacity)
  }
}

/** Writes the settings of a new channel into zeroed memory. Before it is published: plain writes. */
export function formatChannel(region: Region, at: number, shape: Shape): void {
  const { flavor, capacity, codec } = shape
  const kindAt = bodyBytes(shape, region.agents)
  const base = at >> 2
  set(region.words, base + FLAVOR, flavor)
  set(region.words, base + CAPACITY, capacity)
  set(region.words, base + KIND_AT, kindAt)
  writeKind(region, at + kindAt, codec)
  if (flavor === FLAVOR_UNBOUNDED) formatUnbounded(region, at)
}

/** Opens the channel whose Sender is at `at`. */
export function openFlavor<T>(region: Region, at: number, codec?: Codec<T>): Flavor<T> {
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
    default:
      return capacity === 0 ? new Rendezvous(region, base, known) : new Buffered(new Ring(region, base, capacity, known), base)
  }
}
