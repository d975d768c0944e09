/** What heddle's own packages build on; not covered by semantic versioning. */
import { and } from '@heddle/atomics/ops'
import type { Buffered } from './buffered.js'
import { Endpoint } from './endpoint.js'
import { CLOSED_BIT, RECEIVER_HEADER, SIGNALS } from './layout.js'
import { Receiver } from './receiver.js'
import type { Sender } from './sender.js'

/** The receiving end of a `channel()`, by its sending end. */
export function receiverOf<T>(sender: Sender<T>): Receiver<T> {
  return Receiver.at<T>(sender.region, sender.at + RECEIVER_HEADER * 4)
}

/**
 * Opens a closed `channel()` of a capacity of 1 or more again, in place, when nobody receives from it. For an owner whose own words say to which opening a message belongs: a
 * sender that is still inside its send since before the close may leave its message in the new opening, and one that tries once more succeeds. A
 * `close` with a reason keeps that reason for the next one: give none.
 */
export function reopen<T>(sender: Sender<T>): void {
  // In this order: who finds it closed puts the end into the ring.
  and(sender.region.words, (sender.at >> 2) + SIGNALS, ~CLOSED_BIT)
  ;(Endpoint.flavorOf(sender) as Buffered<T>).reopen()
}

/** Whether a receive would get a message now, or learn that the channel is closed. */
export function canReceive<T>(receiver: Receiver<T>): boolean {
  return (Endpoint.flavorOf(receiver) as Buffered<T>).canPoll()
}
