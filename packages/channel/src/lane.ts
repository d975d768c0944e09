/**
 * The fast lane of a channel that keeps nothing: a receiving thread that spins is handed its message in its own slot (rendezvous.ts),
 * without the queue's lock. Two threads that both run so move one line for each message.
 *
 * Source     After the exchangers of W. Scherer, D. Lea and M. Scott, "A Scalable Elimination-based Exchange Channel" (SCOOL 2005).
 * Layout     LANE, in the channel's head, names the slot of a receiver that spun. +12 of a slot is its door:
 *   SHUT       nobody spins here                    OPEN, by the slot's owner
 *   OPEN       its owner spins                      SHUT, by the owner; a tag, by a sender
 *   a tag      that sender writes the message       GIVEN, by the sender; OPEN, when the codec refuses; SHUT, by the owner when the sender is dead
 *   GIVEN      the message is there                 SHUT, by the owner, which has read it
 * Invariants E1 Only the slot's owner opens its door; its value is written only by the sender whose tag the door has, and read by the owner after
 *               GIVEN: plain accesses. A dead owner's slot is not inherited while a living sender's tag is on the door.
 *            E2 A receiver opens only while nobody waits in the queue and the channel is open, and shuts as soon as it sees that somebody does:
 *               so who waits there is passed over for a moment at most. No wake depends on the lane: every stay in it is bounded.
 *            E3 Only codecs without memory outside the slot. While a tag is on the door nothing runs that may wait for its receiver: a codec that may call
 *               anything writes into a slot of the sender's own before (`move`).
 * Pairs      GIVEN's compare-exchange with the owner's load of it.
 * Progress   A receiver on whose door is the tag of a sender that lives waits for it: it has a few words to write.
 */
import { Backoff, type Codec, type Region } from '@heddle/atomics'
import { isOwnerAlive } from '@heddle/atomics/internal'
import { compareExchange, get, limits, load, pause, peek, set, store } from '@heddle/atomics/ops'
import type { Agent } from '@heddle/park/internal'
import { TAIL } from './layout.js'
import { EMPTY } from './symbols.js'

/** In the line that other flavours have for the senders' end. */
const LANE = TAIL
/** Words of a slot. */
const S_OWNER = 1
export const S_DOOR = 3
/** No tag is one of these: a tag has its lowest bits free. */
const SHUT = 0
const OPEN = 1
const GIVEN = 2
/** Looks of a sender that comes first, before it goes to the queue. */
const LOOKS = 200

/** Takes a spare slot back from the lane, before it is used for anything else. @returns whether nobody writes to it */
export function shutDoor(words: Int32Array, slot: number): boolean {
  for (let door = load(words, slot + S_DOOR); door !== SHUT; door = load(words, slot + S_DOOR)) {
    if (isWriting(door) && isOwnerAlive(words, door)) return false
    if (compareExchange(words, slot + S_DOOR, door, SHUT) === door) return true
  }
  return true
}

/** Whether a receiver that lives is in the lane with this slot. */
export function isInLane(words: Int32Array, slot: number): boolean {
  return load(words, slot + S_DOOR) !== SHUT && isOwnerAlive(words, load(words, slot + S_OWNER))
}

function isWriting(door: number): boolean {
  return door !== SHUT && door !== OPEN && door !== GIVEN
}

export class Lane<T> {
  private readonly words: Int32Array
  private readonly lane: number
  private readonly valueWords: number

  constructor(
    private readonly region: Region,
    base: number,
    private readonly signals: number,
    private readonly codec: Codec<T>,
    /** Byte offset of the value in a slot. */
    private readonly valueAt: number,
  ) {
    this.words = region.words
    this.lane = base + LANE
    this.valueWords = (codec.bytes + 3) >> 2
  }

  /** Gives a number to the receiver that spins, if there is one. @returns whether it has it. @throws what the codec throws */
  give(agent: Agent, value: T): boolean {
    const { words } = this
    const slot = this.take(agent)
    if (slot === 0) return false
    try {
      this.codec.write(this.region, slot * 4 + this.valueAt, value)
    } catch (error) {
      compareExchange(words, slot + S_DOOR, agent.tag, OPEN)
      throw error
    }
    // False: this agent was declared dead, and the receiver did not wait for it.
    return compareExchange(words, slot + S_DOOR, agent.tag, GIVEN) === agent.tag
  }

  /** The same with the message in a slot of the agent's own. */
  move(agent: Agent, from: number): boolean {
    const { words } = this
    const slot = this.take(agent)
    if (slot === 0) return false
    const first = this.valueAt >> 2
    for (let i = first; i < first + this.valueWords; i++) set(words, slot + i, get(words, from + i))
    return compareExchange(words, slot + S_DOOR, agent.tag, GIVEN) === agent.tag
  }

  /** Whether a receiver spins. */
  get isOpen(): boolean {
    return this.open() !== 0
  }

  /** Puts the agent's tag on the door of the receiver that spins. @returns its slot; 0: there is none */
  private take(agent: Agent): number {
    const { words } = this
    const slot = this.open()
    // Not to the dead, as far as that is known.
    if (slot === 0 || !isOwnerAlive(words, load(words, slot + S_OWNER))) return 0
    return compareExchange(words, slot + S_DOOR, OPEN, agent.tag) === OPEN ? slot : 0
  }

  /** Whether a receiver is there, or comes within a moment, and nobody waits in the queue. */
  awaitOpen(): boolean {
    const { words, signals } = this
    for (let look = Math.min(LOOKS, limits.spin); look > 0 && peek(words, signals) === 0; look--) {
      if (this.open() !== 0) return true
      pause()
    }
    return false
  }

  /** Spins with a spare slot of the agent's until it is given a message. @returns EMPTY when it was none for as long as spinning is worth it */
  receive(agent: Agent, slot: number): T | typeof EMPTY {
    const { words, signals, lane } = this
    const door = slot + S_DOOR
    const there = load(words, lane)
    if (there !== slot && ((there !== 0 && isInLane(words, there)) || compareExchange(words, lane, there, slot) !== there)) return EMPTY
    store(words, door, OPEN)
    do {
      // Most often it comes before a look at the clock is over.
      for (let look = Math.min(LOOKS, limits.spin - 1); look > 0 && load(words, door) === OPEN; look--) pause()
      agent.spin.until(() => load(words, door) !== OPEN || load(words, signals) !== 0)
      // A codec that refused has opened it again.
    } while (!this.close(door))
    if (load(words, door) !== GIVEN) return EMPTY
    try {
      return this.codec.read(this.region, slot * 4 + this.valueAt)
    } finally {
      store(words, door, SHUT)
    }
  }

  /** Ends a stay in the lane: SHUT or GIVEN after it. @returns false when it is OPEN again */
  private close(door: number): boolean {
    const { words } = this
    let found = load(words, door)
    if (found === OPEN) found = compareExchange(words, door, OPEN, SHUT)
    if (found === OPEN || found === GIVEN) return true
    const backoff = new Backoff()
    for (; found !== GIVEN; found = load(words, door)) {
      if (found === OPEN) return false
      if (!isOwnerAlive(words, found) && compareExchange(words, door, found, SHUT) === found) return true
      backoff.snooze()
    }
    return true
  }

  /** The slot of the receiver that spins; 0: none does. */
  private open(): number {
    const slot = peek(this.words, this.lane)
    return slot !== 0 && peek(this.words, slot + S_DOOR) === OPEN ? slot : 0
  }
}
