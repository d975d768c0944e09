/**
 * The latest value, and whether it is newer than what a receiver has seen.
 *
 * Source     tokio's watch channel. The value: two copies of which one is always whole (Lamport 1977; Linux's seqcount_latch), as in SeqLock.
 * Layout     layout.ts, with TAIL the version: bit 0 SEALED, the rest counts values; then the writer's tag, or 0 · slot 0 · slot 1 · the codec's kind.
 *   version        the value is                                          next
 *   count          in slot count & 1                                     count + 1, when the writer has filled the other one; SEALED
 *   count SEALED   the last one                                          –
 * Invariants A1 The holder of the writer's word alone fills the slot that `version` does not name; it publishes by compare-exchange of the
 *               version. Who finds a dead holder takes its word over: what that had written is in the slot that nobody reads.
 *            A2 Slots are accessed by atomic 32-bit operations only; codecs work on private memory. A reader whose version has the same count
 *               before and after it copied has a whole value.
 *            A3 SEALED is set by compare-exchange, by the first receiver that finds the closed channel without a newer value: so a value is either
 *               published before that, and received, or given back.
 * Pairs      The writer's compare-exchange of `version` with a reader's load of it.
 * Progress   Reading is lock-free: it goes again only when a whole value was written meanwhile. A sender waits for another that is writing.
 *            A receiver that sleeps through an exact multiple of 2^31 values sees none of them.
 * Cost       A send: three compare-exchanges, a store for each word of the codec's size; a receive two loads, and one for each word.
 */
import { Backoff, type Codec, type Region } from '@heddle/atomics'
import { isOwnerAlive } from '@heddle/atomics/internal'
import { compareExchange, load, set, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { isScalar } from './bulk.js'
import { beginDraft, endDraft, scalarDraft } from './draft.js'
import type { SharedBuffer } from './fan-out.js'
import { DONE, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { CLOSED_BIT, HEAD_BYTES, SIGNALS, TAIL } from './layout.js'
import type { Standings } from './subscription.js'
import { EMPTY } from './symbols.js'

const SEALED_BIT = 1
const ONE_VALUE = 2
/** The version that a watch begins with. */
export const FIRST_VERSION = ONE_VALUE
const WRITER = HEAD_BYTES >> 2
const SLOTS_AT = HEAD_BYTES + 8

function slotBytes(codec: Codec<unknown>): number {
  return (codec.bytes + 7) & -8
}

/** Bytes for a value of a codec of fixed size, from the channel's start to the codec's kind. */
export function watchBytes(codec: Codec<unknown>): number {
  return SLOTS_AT + 2 * slotBytes(codec)
}

/** Puts the first value into its slot, as version 1: 0 is where senders stand. Before the channel is published: plain writes. @throws what the codec throws */
export function formatWatch<T>(region: Region, at: number, codec: Codec<T>, initial: T): void {
  codec.write(region, at + SLOTS_AT + slotBytes(codec as Codec<unknown>), initial)
  set(region.words, (at >> 2) + TAIL, FIRST_VERSION)
}

/** The value, as one end of the channel uses it. */
export class Latest<T> implements SharedBuffer<T> {
  readonly capacity = 1
  readonly missed = 0
  private readonly words: Int32Array
  private readonly version: number
  private readonly writer: number
  private readonly slots: number
  private readonly slotWords: number
  private readonly isScalar: boolean

  constructor(
    readonly region: Region,
    private readonly base: number,
    private readonly codec: Codec<T>,
    private readonly standings: Standings,
  ) {
    this.words = region.words
    this.isScalar = isScalar(codec as Codec<never>)
    this.version = base + TAIL
    this.writer = base + WRITER
    this.slots = base + (SLOTS_AT >> 2)
    this.slotWords = slotBytes(codec as Codec<unknown>) >> 2
  }

  get now(): number {
    return load(this.words, this.version) & ~SEALED_BIT
  }
  get position(): number {
    return this.standings.get().position
  }
  /** Whether there is a value that the receiver has not seen; a sender's: 1. */
  get length(): number {
    return this.now === this.position ? 0 : 1
  }

  /** @returns DONE, UNDERWAY while another sender writes, or SPENT. When the codec throws nothing has changed. */
  push(value: T): number {
    const { region, codec } = this
    const { tag } = Agent.of(region)
    if (this.isScalar) {
      const only = scalarDraft(region, codec.bytes)
      codec.write(only.region, 0, value)
      return this.publish(only.words, tag)
    }
    const draft = beginDraft(region, codec.bytes)
    try {
      codec.write(draft.region, 0, value)
      return this.publish(draft.words, tag)
    } finally {
      endDraft()
    }
  }

  private publish(value: Int32Array<ArrayBuffer>, tag: number): number {
    const { words, version, writer } = this
    for (;;) {
      const holder = compareExchange(words, writer, 0, tag)
      if (holder === 0) break
      // Its own: an error that is not ours stopped it in here.
      if (holder !== tag && isOwnerAlive(words, holder)) return UNDERWAY
      if (compareExchange(words, writer, holder, tag) === holder) break
    }
    const before = load(words, version)
    const next = (before + ONE_VALUE) | 0
    let published = false
    if ((before & SEALED_BIT) === 0) {
      const slot = this.slotOf(next)
      const count = (this.codec.bytes + 3) >> 2
      for (let i = 0; i < count; i++) store(words, slot + i, value[i]!)
      published = compareExchange(words, version, before, next) === before
    }
    // Not a plain store: one that was declared dead while it wrote doesn't free the word of who took it over.
    compareExchange(words, writer, tag, 0)
    return published ? DONE : SPENT
  }

  /** The value, if it is newer than what this receiver has seen. */
  pop(): T | typeof EMPTY {
    return this.isNewer() ? this.readCopy(true) : EMPTY
  }

  /** As `pop`, without the value. @returns whether there is a newer one */
  skip(): boolean {
    if (!this.isNewer()) return false
    this.standings.moveTo(this.standings.get(), this.now)
    return true
  }

  /** Whether there is a newer value; when not, and the channel is closed, there never will be (A3). */
  private isNewer(): boolean {
    const { words, version } = this
    const standing = this.standings.get()
    for (;;) {
      const found = load(words, version)
      const count = found & ~SEALED_BIT
      if (count !== standing.position) return true
      const isClosed = (load(words, this.base + SIGNALS) & CLOSED_BIT) !== 0
      if (!isClosed || found !== count || compareExchange(words, version, found, found | SEALED_BIT) === found) return false
    }
  }

  /** The value, seen or not; the receiver stays where it is. */
  read(): T {
    return this.readCopy(false)
  }

  canPush(): boolean {
    const holder = load(this.words, this.writer)
    return holder === 0 || !isOwnerAlive(this.words, holder)
  }

  look(): number {
    return this.now === this.position ? NOTHING : DONE
  }

  /** A closed channel is found without a newer value only when it is sealed. */
  seal(): number {
    return DONE
  }

  isOwn(): boolean {
    return false
  }

  /** Who published a value still has to give the writer's word back: that memory is not used for anything else before (C4 of flavor.ts). */
  drop(): void {
    const { words, writer } = this
    const { tag } = Agent.of(this.region)
    const backoff = new Backoff()
    for (let holder = load(words, writer); holder !== 0 && holder !== tag && isOwnerAlive(words, holder); holder = load(words, writer))
      backoff.snooze()
  }

  private readCopy(sees: boolean): T {
    const { codec, region } = this
    if (this.isScalar) {
      const only = scalarDraft(region, codec.bytes)
      this.copy(only.words, sees)
      return codec.read(only.region, 0)
    }
    const draft = beginDraft(region, codec.bytes)
    try {
      this.copy(draft.words, sees)
      return codec.read(draft.region, 0)
    } finally {
      endDraft()
    }
  }

  /** Makes a whole copy in private memory (A2), which the receiver has then seen or not. */
  private copy(to: Int32Array<ArrayBuffer>, sees: boolean): void {
    const { words, version, codec } = this
    const size = (codec.bytes + 3) >> 2
    for (;;) {
      const count = load(words, version) & ~SEALED_BIT
      const slot = this.slotOf(count)
      for (let i = 0; i < size; i++) to[i] = load(words, slot + i)
      if ((load(words, version) & ~SEALED_BIT) !== count) continue
      if (sees) this.standings.moveTo(this.standings.get(), count)
      return
    }
  }

  private slotOf(count: number): number {
    return this.slots + ((count >>> 1) & 1) * this.slotWords
  }
}

/** As the value, for receivers that want to know of a newer one and do not read it. They stand where the value's receiver stands. */
export class Changes implements SharedBuffer<void> {
  readonly capacity = 1
  readonly missed = 0
  constructor(private readonly latest: Latest<unknown>) {}
  get region(): Region {
    return this.latest.region
  }
  get now(): number {
    return this.latest.now
  }
  get position(): number {
    return this.latest.position
  }
  get length(): number {
    return this.latest.length
  }
  /** Nothing is sent through it. */
  push(): number {
    return SPENT
  }
  pop(): typeof EMPTY | undefined {
    return this.latest.skip() ? undefined : EMPTY
  }
  canPush(): boolean {
    return this.latest.canPush()
  }
  look(): number {
    return this.latest.look()
  }
  seal(): number {
    return DONE
  }
  isOwn(): boolean {
    return false
  }
  drop(): void {}
}
