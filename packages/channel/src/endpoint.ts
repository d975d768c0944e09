/** What the two ends of a channel have in common. */
import { type Codec, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { kindBytes, type Place, readKind, writeKind } from '@heddle/atomics/internal'
import { get, set, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { Buffered } from './buffered.js'
import type { Flavor } from './flavor.js'
import { CAPACITY, FLAVOR, FLAVOR_ONESHOT, FLAVOR_SHARED, FLAVOR_SPSC, KIND_AT, RECEIVER_HEADER } from './layout.js'
import { Oneshot, oneshotBytes } from './oneshot.js'
import { RENDEZVOUS_BYTES, Rendezvous } from './rendezvous.js'
import { checkCapacity, Ring } from './ring.js'
import { SpscRing } from './spsc-ring.js'

/** Bytes that a channel of the flavour `channel()` takes. */
export function channelBytes<T>(codec: Codec<T>, capacity: number): number {
  return flavorBytes(FLAVOR_SHARED, codec, capacity)
}

/** Bytes that a channel takes. */
export function flavorBytes<T>(flavor: number, codec: Codec<T>, capacity: number): number {
  checkCapacity(capacity)
  return bodyBytes(flavor, codec, capacity) + kindBytes(codec as Codec<unknown>)
}

/** Bytes before the codec's kind. */
function bodyBytes<T>(flavor: number, codec: Codec<T>, capacity: number): number {
  if (flavor === FLAVOR_ONESHOT) return oneshotBytes(codec)
  return capacity === 0 ? RENDEZVOUS_BYTES : Ring.bytes(codec, capacity)
}

/** Writes the settings of a new channel into zeroed memory. Before it is published: plain writes. */
export function formatChannel<T>(region: Region, at: number, flavor: number, codec: Codec<T>, capacity: number): void {
  const kindAt = bodyBytes(flavor, codec, capacity)
  const base = at >> 2
  set(region.words, base + FLAVOR, flavor)
  set(region.words, base + CAPACITY, capacity)
  set(region.words, base + KIND_AT, kindAt)
  writeKind(region, at + kindAt, codec as Codec<unknown>)
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
    default:
      return capacity === 0 ? new Rendezvous(region, base, known) : new Buffered(new Ring(region, base, capacity, known), base)
  }
}

/** One end of a channel. */
export abstract class Endpoint<T> extends SharedObject {
  protected constructor(
    place: Place,
    protected readonly flavor: Flavor<T>,
  ) {
    super(place)
  }

  /**
   * What an end works with, for select.
   * @internal
   */
  static flavorOf<T>(end: Endpoint<T>): Flavor<T> {
    end.assertLive()
    return end.flavor
  }

  /** How many messages it holds before a send waits; 0 for a channel that hands each over. */
  get capacity(): number {
    return this.flavor.capacity
  }

  /** Messages in it, those being sent or received at this moment included: a hint, unless nobody uses it. */
  get length(): number {
    this.assertLive()
    return this.flavor.length
  }

  /** Whether it was closed; there may be messages left to receive. One load. */
  get isClosed(): boolean {
    this.assertLive()
    return this.flavor.isClosed
  }

  /** How many messages were lost because an agent died in the middle of sending or receiving them. */
  get lost(): number {
    this.assertLive()
    return this.flavor.lost
  }

  /**
   * Closes the channel for everyone: later sends throw `ClosedError`, receivers get what is there and then `ClosedError`. Whoever waits is
   * woken. Never blocks; closing again does nothing.
   * @param reason what the errors' `reason` is; what can't travel is told as text
   */
  close(reason?: unknown): void {
    this.assertLive()
    this.flavor.close(Agent.of(this.region), reason)
  }

  /** Refuses while somebody waits; frees what is left. */
  protected override onDispose(): void {
    if (this.flavor.hasWaiters) throw new InvalidArgumentError('somebody waits at this channel: close it before disposing of it')
    this.flavor.drop()
    store(this.region.words, (this.at >> 2) + RECEIVER_HEADER, 0)
  }
}
