/**
 * A channel for one message: a result, an answer.
 *
 * Layout     layout.ts, then a state word and one slot.
 *   state           meaning                                  next
 *   EMPTY           nothing was sent                         SENDING; TAKEN, by a receiver that finds the channel closed
 *   SENDING owner   being written                            FULL; EMPTY when that fails; another's SENDING when the owner is dead (lost)
 *   FULL            sent                                     TAKING
 *   TAKING owner    being read                               TAKEN; another's TAKING when the owner is dead (lost)
 *   TAKEN           over
 * Invariants The slot is accessed by who is named in a claim only: plain accesses, published by the store that ends the claim.
 *            What the message has outside it belongs to the slot at every instant; who takes a claim over recovers it (N5 of ring.ts).
 *            From FULL on the channel counts as closed: a second send gets its message back, and receivers after the first are told.
 */
import type { Codec, Region } from '@heddle/atomics'
import { isOwnerAlive, recover, take } from '@heddle/atomics/internal'
import { add, compareExchange, load, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { type Buffer, Buffered } from './buffered.js'
import { BUSY, DONE, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { HEAD_BYTES, LOST, RECEIVERS_WAIT } from './layout.js'
import { claimed, isClaim, phaseOfClaim, SENDING, tagOf, TAKING } from './slot-state.js'
import { EMPTY } from './symbols.js'

const EMPTY_STATE = 0
const FULL = 2
const TAKEN = 4
const SLOT_AT = HEAD_BYTES + 8

/** Bytes of a oneshot, from the channel's start to its codec's kind. */
export function oneshotBytes<T>(codec: Codec<T>): number {
  return (SLOT_AT + codec.bytes + 3) & -4
}

class OneSlot<T> implements Buffer<T> {
  readonly capacity = 1
  private readonly state: number
  constructor(
    readonly region: Region,
    private readonly base: number,
    private readonly codec: Codec<T>,
  ) {
    this.state = base + (HEAD_BYTES >> 2)
  }

  get length(): number {
    return load(this.region.words, this.state) === FULL ? 1 : 0
  }

  /** Whether it was sent. */
  get isSpent(): boolean {
    const state = load(this.region.words, this.state)
    return state === FULL || state === TAKEN || (isClaim(state) && phaseOfClaim(state) === TAKING)
  }

  push(value: T): number {
    const { region, state, codec } = this
    const { words } = region
    for (;;) {
      const found = load(words, state)
      if (found !== EMPTY_STATE) {
        if (!isClaim(found) || phaseOfClaim(found) !== SENDING) return SPENT
        if (isOwnerAlive(words, tagOf(found))) return UNDERWAY
      }
      if (compareExchange(words, state, found, claimed(Agent.of(region).tag, SENDING, 0)) !== found) continue
      if (found !== EMPTY_STATE) this.lose()
      break
    }
    try {
      codec.write(region, this.base * 4 + SLOT_AT, value)
    } catch (error) {
      store(words, state, EMPTY_STATE)
      throw error
    }
    store(words, state, FULL)
    return DONE
  }

  pop(): T | typeof EMPTY | typeof BUSY {
    const { region, state, codec } = this
    const { words } = region
    const found = load(words, state)
    if (isClaim(found)) {
      if (isOwnerAlive(words, tagOf(found))) return BUSY
      // Of a dead sender's the next sender makes use.
      if (phaseOfClaim(found) === TAKING && compareExchange(words, state, found, claimed(Agent.of(region).tag, TAKING, 0)) === found) {
        this.lose()
        store(words, state, TAKEN)
      }
      return EMPTY
    }
    if (found !== FULL) return EMPTY
    if (compareExchange(words, state, FULL, claimed(Agent.of(region).tag, TAKING, 0)) !== FULL) return this.pop()
    try {
      return take(codec, region, this.base * 4 + SLOT_AT)
    } finally {
      store(words, state, TAKEN)
    }
  }

  canPush(): boolean {
    const { words } = this.region
    const state = load(words, this.state)
    return !isClaim(state) || phaseOfClaim(state) !== SENDING || !isOwnerAlive(words, tagOf(state))
  }

  look(): number {
    const { words } = this.region
    const state = load(words, this.state)
    if (state === FULL) return DONE
    if (!isClaim(state)) return NOTHING
    if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
    return phaseOfClaim(state) === TAKING ? DONE : NOTHING
  }

  /** From EMPTY straight to TAKEN. */
  seal(): number {
    const { words } = this.region
    const found = compareExchange(words, this.state, EMPTY_STATE, TAKEN)
    if (found === EMPTY_STATE || found === TAKEN) return DONE
    if (!isClaim(found)) return NOTHING
    if (isOwnerAlive(words, tagOf(found))) return UNDERWAY
    if (compareExchange(words, this.state, found, claimed(Agent.of(this.region).tag, TAKING, 0)) === found) {
      this.lose()
      store(words, this.state, TAKEN)
    }
    return NOTHING
  }

  isOwn(): boolean {
    const state = load(this.region.words, this.state)
    return isClaim(state) && tagOf(state) === Agent.of(this.region).tag
  }

  drop(): void {
    const state = load(this.region.words, this.state)
    if (state === FULL) this.pop()
    else if (isClaim(state)) this.lose()
  }

  /** A dead agent's claim, that is this one's now, comes to nothing: the message may be written, or freed, by half. */
  private lose(): void {
    const { region, base } = this
    add(region.words, base + LOST, 1)
    recover(this.codec, region, base * 4 + SLOT_AT, false)
  }
}

/** Waiting at a channel for one message. */
export class Oneshot<T> extends Buffered<T> {
  private readonly slot: OneSlot<T>
  constructor(region: Region, base: number, codec: Codec<T>) {
    const slot = new OneSlot(region, base, codec)
    super(slot, base)
    this.slot = slot
  }

  override get isClosed(): boolean {
    return super.isClosed || this.slot.isSpent
  }

  /** The others who wait learn that nothing will come. */
  protected override afterReceive(agent: Agent): void {
    this.wakeAll(agent, this.receiveQueue, RECEIVERS_WAIT)
  }
}
