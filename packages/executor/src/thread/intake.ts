/**
 * Taking from a record's mailbox, in the agent that the record is for, over all of the record's threads.
 *
 * Invariant  The state is read before the mailbox: an owner opens the mailbox before it sets the next generation, and whoever closes sets CLOSING
 *            before the mailbox. So "closed, nothing left" is never taken for the end of a thread that comes later. (It is told of an earlier one
 *            instead when the next was opened and closed in between; then there is work still, and the next look tells it.)
 */
import { CLOSED, EMPTY, type Receiver } from '@heddle/channel'
import { canReceive } from '@heddle/channel/internal'
import { type Entry, isOrder } from './entry.js'
import type { Hub } from './hub.js'
import { R_ORDERS, refOf } from './layout.js'

/** One mailbox's receiving end. */
export class Intake {
  /** Of a mailbox that `take` found closed and empty: the record's state before that. */
  closedState = 0
  private readonly receiver: Receiver<Entry>
  /** The generation of the thread whose mailbox is known to be closed and empty. */
  private drained = 0

  constructor(
    private readonly hub: Hub,
    private readonly record: number,
  ) {
    this.receiver = hub.receiver(record)
  }

  /** Takes one entry; whoever waits for room is told. */
  take(): Entry | typeof EMPTY | typeof CLOSED {
    const { hub, record } = this
    const state = hub.stateOf(record)
    const entry = this.receiver.tryRecv()
    if (entry === CLOSED) {
      this.closedState = state
      this.drained = refOf(state, 0)
    } else if (entry !== EMPTY) {
      hub.tellRoom(record)
      if (isOrder(entry.kind)) hub.orderTaken(record)
    }
    return entry
  }

  /** Whether something is there that is to be taken now: the news that it was closed, once for each thread; an order; a message, if those are wanted. */
  hasWork(wants: boolean): boolean {
    const { receiver, hub, record } = this
    const { isClosed } = receiver
    if (isClosed && hub.generationOf(record) === this.drained) return false
    return (isClosed || wants || hub.get(record, R_ORDERS) > 0) && canReceive(receiver)
  }

  /** Whether anything is there. One look. */
  get hasAny(): boolean {
    return canReceive(this.receiver)
  }
}
