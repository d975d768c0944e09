/** What the two ends of a channel have in common. */
import { SharedObject } from '@heddle/atomics'
import type { Place } from '@heddle/atomics/internal'
import { store } from '@heddle/atomics/ops'
import { Agent, canBlock, runningFiber } from '@heddle/park/internal'
import type { Flavor } from './flavor.js'
import { RECEIVER_HEADER } from './layout.js'

/** Whether the caller may block here, and so may spin as well. */
export function mayRest(): boolean {
  return runningFiber.get() === undefined && canBlock()
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

  /** Refuses while somebody waits (at capacity 0 also while a message that was handed over has not been read); frees what is left. */
  protected override onDispose(): void {
    this.flavor.end()
    store(this.region.words, (this.at >> 2) + RECEIVER_HEADER, 0)
  }
}
