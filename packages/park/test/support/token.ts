/** The smallest cancel token: a flag and a queue, as `CancelSignal` asks. */
import type { Region } from '@heddle/atomics'
import { load, store } from '@heddle/atomics/ops'
import type { CancelSignal } from '@heddle/park'
import { Agent, cancelWaiters, QUEUE_BYTES } from '@heddle/park/internal'

/** What waits that a TestToken ends throw. */
export class Stopped extends Error {
  override name = 'Stopped'
}

/** A token at a byte offset of a region; every agent can cancel it. */
export class TestToken implements CancelSignal {
  readonly reason = new Stopped('stopped')
  readonly waiters: number
  constructor(
    readonly region: Region,
    readonly at: number = region.alloc(4 + QUEUE_BYTES),
  ) {
    this.waiters = (at >> 2) + 1
  }
  get isCancelled(): boolean {
    return load(this.region.words, this.at >> 2) !== 0
  }
  /** The flag alone: what a canceller does first. */
  set(): void {
    store(this.region.words, this.at >> 2, 1)
  }
  cancel(): void {
    this.set()
    cancelWaiters(Agent.of(this.region), this.waiters)
  }
}
