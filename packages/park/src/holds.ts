/**
 * The log of an agent's shared holds, so that a reaper can give them back.
 *
 * An exclusive owner's name is in the lock word. Of a shared lock an agent has a bit (or any mask that is its own alone) in a word of
 * the lock; the log says where.
 *
 * Layout     a chain of blocks from A_HOLDS, handed from one owner of the slot to the next: +0 next block (word index) · 15 entries of
 *            four words from +16: header's word index (0: unused) · header value · word that has the mask · mask
 * Invariants H1 The entry is complete before the mask is first set, and stays until the mask is clear. Whether it is set tells the
 *               reaper whether the hold was begun or ended; clearing it twice does nothing, so it is returned exactly once.
 *            H2 An entry is acted upon only while its object lives (same header): an object that is held can't be disposed of.
 *            H3 Entries are kept after the last hold ended, for the next one: a lock that is read again and again writes no log.
 * Rejected   A count in the lock word, as in most reader-writer locks: a reader that dies between its log entry and its increment can't
 *            be told from one that dies after it, whatever is written before and after.
 */
import { and, load, store } from '@heddle/atomics/ops'
import { A_HOLDS } from '@heddle/atomics/internal'
import type { Agent } from './agent.js'

/** Bytes of a block, and its entries. */
export const HOLD_BYTES = 256
export const HOLDS_CAPACITY = 15
const ENTRIES = 4
const ENTRY_WORDS = 4

/** One agent's holds of one object. */
export class Hold {
  /** How many holds the agent has. Its own knowledge: the region has the mask only. */
  count = 0
  constructor(
    /** Word index of the log's entry. */
    readonly entry: number,
    /** Word index of the object's header, and its value. */
    readonly object: number,
    readonly header: number,
    /** Word index of the word that has the mask. */
    readonly word: number,
    readonly mask: number,
  ) {}
}

/** The calling agent's log. */
export class Holds {
  private readonly byObject = new Map<number, Hold>()
  private readonly free: number[] = []
  private lastBlock = 0
  private last: Hold | undefined

  private constructor(private readonly agent: Agent) {
    const { words, record } = agent
    for (let block = load(words, record + A_HOLDS); block !== 0; block = load(words, block)) this.adopt(block)
  }

  /** The log of this agent. */
  static of(agent: Agent): Holds {
    return (agent.holds ??= new Holds(agent)) as Holds
  }

  /** The agent's holds of an object, with its entry in the log. @throws RegionFullError when that needs another block and there is no room */
  find(object: number, header: number, word: number, mask: number): Hold {
    const { last } = this
    if (last?.object === object && last.header === header) return last
    const known = this.byObject.get(object)
    return (this.last = known?.header === header ? known : this.enter(object, header, word, mask, known))
  }

  private enter(object: number, header: number, word: number, mask: number, former: Hold | undefined): Hold {
    const { words } = this.agent
    const entry = former?.entry ?? this.free.pop() ?? this.evict() ?? this.grow()
    store(words, entry, 0)
    store(words, entry + 1, header)
    store(words, entry + 2, word)
    store(words, entry + 3, mask)
    store(words, entry, object)
    const hold = new Hold(entry, object, header, word, mask)
    this.byObject.set(object, hold)
    return hold
  }

  /** The entry of an object that this agent holds no more. */
  private evict(): number | undefined {
    for (const hold of this.byObject.values()) {
      if (hold.count !== 0) continue
      this.byObject.delete(hold.object)
      if (this.last === hold) this.last = undefined
      return hold.entry
    }
    return undefined
  }

  private grow(): number {
    const { agent } = this
    const block = agent.region.alloc(HOLD_BYTES, 16) >> 2
    store(agent.words, this.lastBlock === 0 ? agent.record + A_HOLDS : this.lastBlock, block)
    this.adopt(block)
    return this.free.pop()!
  }

  private adopt(block: number): void {
    this.lastBlock = block
    for (let i = HOLDS_CAPACITY - 1; i >= 0; i--) {
      const entry = block + ENTRIES + i * ENTRY_WORDS
      store(this.agent.words, entry, 0)
      this.free.push(entry)
    }
  }
}

/** Gives back every shared hold of a dead agent, whose record is at word `record`; for its reaper. May be done twice. */
export function returnHolds(words: Int32Array, record: number): void {
  for (let block = load(words, record + A_HOLDS); block !== 0; block = load(words, block)) {
    for (let i = 0; i < HOLDS_CAPACITY; i++) {
      const entry = block + ENTRIES + i * ENTRY_WORDS
      const object = load(words, entry)
      if (object === 0) continue
      const header = load(words, entry + 1)
      const word = load(words, entry + 2)
      const mask = load(words, entry + 3)
      // Seen set between two looks at a header that lives: it is held, so it can't be disposed of before this gives it back.
      if (load(words, object) === header && (load(words, word) & mask) !== 0 && load(words, object) === header) and(words, word, ~mask)
      store(words, entry, 0)
    }
  }
}
