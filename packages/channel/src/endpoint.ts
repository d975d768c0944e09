/** What the two ends of a channel have in common. */
import { type Codec, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { kindBytes, Place, readKind, writeKind } from '@heddle/atomics/internal'
import { get, set, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { Flavor } from './flavor.js'
import { CAPACITY, KIND_AT, RECEIVER_HEADER } from './layout.js'
import { checkCapacity, Ring } from './ring.js'

/** Bytes that a bounded channel takes. */
export function channelBytes<T>(codec: Codec<T>, capacity: number): number {
  checkCapacity(capacity)
  return Ring.bytes(codec, capacity) + kindBytes(codec as Codec<unknown>)
}

/** Writes the settings of a new channel into zeroed memory. Before it is published: plain writes. */
export function formatChannel<T>(region: Region, at: number, codec: Codec<T>, capacity: number): void {
  const kindAt = Ring.bytes(codec, capacity)
  const base = at >> 2
  set(region.words, base + CAPACITY, capacity)
  set(region.words, base + KIND_AT, kindAt)
  writeKind(region, at + kindAt, codec as Codec<unknown>)
}

/** Opens the channel whose Sender is at `at`. */
export function openFlavor<T>(region: Region, at: number, codec?: Codec<T>): Flavor<T> {
  const base = at >> 2
  // Written before the channel was published, and never again: plain reads.
  const known = codec ?? (readKind(region, at + get(region.words, base + KIND_AT)) as Codec<T>)
  return new Flavor(new Ring(region, base, get(region.words, base + CAPACITY), known), base)
}

/** One end of a channel. */
export abstract class Endpoint<T> extends SharedObject {
  protected constructor(
    place: Place,
    protected readonly flavor: Flavor<T>,
  ) {
    super(place)
  }

  /** How many messages it holds before a send waits; 0 for a channel that hands each over. */
  get capacity(): number {
    return this.flavor.buffer.capacity
  }

  /** Messages in it, those being sent or received at this moment included: a hint, unless nobody uses it. */
  get length(): number {
    this.assertLive()
    return this.flavor.buffer.length
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
