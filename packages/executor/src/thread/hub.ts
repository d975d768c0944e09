/** A pool's threads, as each agent sees them: layout.ts. */
import type { Region } from '@heddle/atomics'
import { ringDoorbell } from '@heddle/park/internal'
import { channelAt, channelBytes, type Receiver, Sender } from '@heddle/channel'
import { receiverOf, reopen } from '@heddle/channel/internal'
import { add, and, compareExchange, exchange, get, load, set, store, sub } from '@heddle/atomics/ops'
import type { Pool } from '../pool.js'
import { callOwner } from '../wakeup.js'
import { type Entry, entryCodec, isOrder } from './entry.js'
import {
  ASLEEP,
  AWAKE,
  HUNGRY_THREADS,
  MAX_THREADS,
  NAME_UNITS,
  OWNER_RECORD,
  OWNER_REF,
  P_MAILBOX,
  P_THREADS,
  R_ASLEEP,
  R_BELL,
  R_MAILBOX,
  R_NAME,
  R_NAME_LENGTH,
  R_ORDERS,
  R_STATE,
  R_WANTED,
  refOf,
  RECORD_WORDS,
  RUNNING,
  stateOf,
} from './layout.js'

/** How many messages a mailbox holds before whoever sends has to wait. */
export const MAILBOX = 1000

/** One agent's access to the block. */
export class Hub {
  readonly region: Region
  private readonly words: Int32Array
  private readonly senders: (Sender<Entry> | undefined)[] = []
  private readonly records: number

  private constructor(
    readonly pool: Pool,
    /** Word index of the block. */
    private readonly base: number,
  ) {
    this.region = pool.region
    this.words = pool.words
    this.records = base + recordsAt(pool.region)
  }

  /** The pool's threads; undefined while there were none. */
  static find(pool: Pool): Hub | undefined {
    const at = load(pool.words, pool.base + P_THREADS)
    return at === 0 ? undefined : new Hub(pool, at)
  }

  /** The pool's threads; makes the block if need be. @throws RegionFullError */
  static open(pool: Pool): Hub {
    const { region, words } = pool
    const known = Hub.find(pool)
    if (known !== undefined) return known
    const block = region.alloc((recordsAt(region) + (MAX_THREADS + 1) * RECORD_WORDS) * 4, 64)
    const at = block >> 2
    store(words, at + recordsAt(region) + R_STATE, stateOf(OWNER_REF, RUNNING))
    const other = compareExchange(words, pool.base + P_THREADS, 0, at)
    if (other !== 0) region.free(block)
    return new Hub(pool, other === 0 ? at : other)
  }

  /** Word index of a record. */
  recordAt(record: number): number {
    return this.records + record * RECORD_WORDS
  }

  /** The state word of a record. */
  stateOf(record: number): number {
    return load(this.words, this.recordAt(record) + R_STATE)
  }

  /** What tells a record's thread from those before and after it. Never 0 but for a record that had none. */
  generationOf(record: number): number {
    return refOf(this.stateOf(record), 0)
  }

  /** Changes a record's state from one that was seen; whether it was still that. */
  change(record: number, from: number, to: number): boolean {
    return compareExchange(this.words, this.recordAt(record) + R_STATE, from, to) === from
  }

  /** A word of a record. */
  get(record: number, word: number): number {
    return load(this.words, this.recordAt(record) + word)
  }

  /** Sets a word of a record. */
  set(record: number, word: number, value: number): void {
    store(this.words, this.recordAt(record) + word, value)
  }

  /** The sending end of a record's mailbox, which is made if need be. @throws RegionFullError */
  sender(record: number): Sender<Entry> {
    return (this.senders[record] ??= this.mailboxOf(record))
  }

  /** The receiving end of a record's mailbox. @throws RegionFullError */
  receiver(record: number): Receiver<Entry> {
    return receiverOf(this.sender(record))
  }

  /** Opens a closed mailbox for the record's next thread. */
  reopen(record: number): void {
    reopen(this.sender(record))
  }

  /**
   * Puts an entry into a mailbox and tells the receiver.
   * @returns false when there is no room
   * @throws ClosedError, NotShareableError, RegionFullError, ValueTooLargeError
   */
  post(record: number, entry: Entry): boolean {
    const { words } = this
    const index = this.recordAt(record)
    const order = isOrder(entry.kind)
    if (order) add(words, index + R_ORDERS, 1)
    let sent = false
    try {
      sent = this.sender(record).trySend(entry)
    } finally {
      if (order && !sent) sub(words, index + R_ORDERS, 1)
    }
    if (sent) this.wake(record, order)
    return sent
  }

  /** Rings a record's agent if it sleeps; `order`: also when nobody there wants messages. */
  wake(record: number, order: boolean): void {
    const { words } = this
    const index = this.recordAt(record)
    const asleep = load(words, index + R_ASLEEP)
    if ((asleep === ASLEEP || (order && asleep !== AWAKE)) && exchange(words, index + R_ASLEEP, AWAKE) !== AWAKE) this.ring(record)
    else if (record === OWNER_RECORD && load(words, index + R_BELL) === 0) callOwner(this.pool, HUNGRY_THREADS)
  }

  /** Rings a record's agent. */
  ring(record: number): void {
    const bell = load(this.words, this.recordAt(record) + R_BELL)
    if (bell !== 0) ringDoorbell(this.region, bell)
  }

  /** An entry that was no message was taken from a mailbox. */
  orderTaken(record: number): void {
    sub(this.words, this.recordAt(record) + R_ORDERS, 1)
  }

  /** Something was taken from a mailbox, or it was closed: whoever waits for room looks again. */
  tellRoom(record: number): void {
    const { words } = this
    const wanted = this.recordAt(record) + R_WANTED
    if (load(words, wanted) === 0 || exchange(words, wanted, 0) === 0) return
    for (let agent = 0; agent < this.region.agents; agent++) {
      const bell = load(words, this.base + agent)
      if (bell !== 0) ringDoorbell(this.region, bell)
    }
  }

  /** The agent waits for room in a mailbox, and is to be rung by this bell. */
  wantRoom(record: number): void {
    store(this.words, this.recordAt(record) + R_WANTED, 1)
  }

  /** Where an agent is rung when there may be room somewhere. */
  setBell(agent: number, bell: number): void {
    store(this.words, this.base + agent, bell)
  }

  /** The name of a record's thread; text of another if it has ended meanwhile. */
  nameOf(record: number): string {
    const { words } = this
    const index = this.recordAt(record)
    // Plain: written by the owner before the state that names the thread (R3). Whoever asks for a thread that has ended may read what is being
    // written for the next: its text is for people.
    const length = Math.min(get(words, index + R_NAME_LENGTH), NAME_UNITS)
    let name = ''
    for (let i = 0; i < length; i++) name += String.fromCharCode((get(words, index + R_NAME + (i >> 1)) >>> ((i & 1) * 16)) & 0xffff)
    return name
  }

  /** Sets the name of a record's next thread. Names are cut to NAME_UNITS. */
  setName(record: number, name: string): void {
    const { words } = this
    const index = this.recordAt(record)
    const length = Math.min(name.length, NAME_UNITS)
    set(words, index + R_NAME_LENGTH, length)
    for (let i = 0; i < length; i += 2)
      set(words, index + R_NAME + (i >> 1), name.charCodeAt(i) | ((i + 1 < length ? name.charCodeAt(i + 1) : 0) << 16))
  }

  /** Frees all of it; nobody uses the pool any more. */
  dispose(): void {
    const { words, region, pool } = this
    for (let record = 0; record <= MAX_THREADS; record++) {
      const at = load(words, this.recordAt(record) + R_MAILBOX)
      if (at === 0) continue
      this.sender(record).dispose()
      region.free(at)
    }
    and(words, pool.base + P_THREADS, 0)
    region.free(this.base << 2)
  }

  private mailboxOf(record: number): Sender<Entry> {
    const { words, region, pool } = this
    const index = this.recordAt(record) + R_MAILBOX
    const codec = entryCodec()
    const capacity = load(words, pool.base + P_MAILBOX) || MAILBOX
    let at = load(words, index)
    if (at === 0) {
      const made = region.alloc(channelBytes(codec, capacity), 64)
      channelAt(region, made, { codec, capacity })
      at = compareExchange(words, index, 0, made)
      if (at !== 0) {
        Sender.at<Entry>(region, made).dispose()
        region.free(made)
      } else at = made
    }
    return Sender.at<Entry>(region, at)
  }
}

/** Words before the records, a multiple of a cache line. */
function recordsAt(region: Region): number {
  return (region.agents + RECORD_WORDS) & -16
}
