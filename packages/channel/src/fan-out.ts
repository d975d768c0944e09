/**
 * Waiting at a channel whose every receiver gets every message.
 *
 * Invariants F1 Who sent wakes everybody who waits to receive, after it published (B1 of buffered.ts). So nobody passes a wake on, and whoever
 *               was woken looks again.
 *            F2 A receive makes no room: nobody waits for it. A sender waits only while another one is in the middle of a message in its way, and
 *               whoever published wakes one of them.
 */
import type { Agent } from '@heddle/park/internal'
import { type Buffer, Buffered } from './buffered.js'
import { RECEIVERS_WAIT, SENDERS_WAIT } from './layout.js'
import { dropSubscriptions } from './subscription.js'

/** A buffer that receivers only read. */
export interface SharedBuffer<T> extends Buffer<T> {
  /** Where a receiver that is made now begins. */
  readonly now: number
  /** Where this one stands. */
  readonly position: number
  /** How many messages this one missed. */
  readonly missed: number
}

/** A channel whose every receiver gets every message. */
export class FanOut<T> extends Buffered<T> {
  override readonly wakesAll: boolean = true

  constructor(
    readonly shared: SharedBuffer<T>,
    base: number,
  ) {
    super(shared, base)
  }

  /** F1 */
  protected override afterSend(agent: Agent, signals: number): void {
    if ((signals & RECEIVERS_WAIT) !== 0) this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
    if ((signals & SENDERS_WAIT) !== 0 && this.buffer.canPush()) this.wakeOne(agent, this.sendQueue, SENDERS_WAIT)
  }

  /** F2 */
  protected override afterReceive(): void {}

  protected override dropMessages(): void {
    super.dropMessages()
    dropSubscriptions(this.region, this.base * 4)
  }
}
