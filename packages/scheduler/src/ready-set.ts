/**
 * A set of runnable slots of one agent: the ready bitmap without its atomics.
 *
 * Source     Hierarchical bitmaps of ready queues (Solaris dispatcher, Linux's O(1) scheduler).
 * Layout     Levels of 32-bit words in private memory. Level 0 has a bit for each slot; a bit of level k + 1 stands for a word of level k. The
 *            highest level is one word.
 * Invariants I1 Level 0 is the truth. A bit above a word that is not empty is set; one above an empty word may be: it is cleared by the search
 *               that comes upon it. So a fiber that runs, yields and runs again changes one word twice, and no summary.
 *            I2 `take` goes round: it starts after the slot that it took last. A slot in the set is passed over at most once by each other.
 * Rejected   A bitmap in the region for fibers too: only their own agent wakes them (park turns a wake from another thread into a call on
 *            this one), and each atomic operation costs 8 ns of a 30 ns switch; bench/scheduler.bench.ts has both rows.
 *            A queue: the same speed, but 8 bytes for each fiber, no test of membership, and no removal in O(1).
 */

export class ReadySet {
  private readonly levels: Int32Array<ArrayBuffer>[] = []
  /** Level 0, where nearly everything happens. */
  private leaves: Int32Array<ArrayBuffer>
  /** The level that is one word. */
  private top = 0
  /** Where the next search begins. */
  private cursor = 0

  constructor(capacity: number) {
    this.leaves = new Int32Array(0)
    this.reserve(capacity)
  }

  /** Makes room for slots 0 … capacity - 1. */
  reserve(capacity: number): void {
    let bits = capacity
    for (let level = 0; level === 0 || bits > 1; level++) {
      const words = new Int32Array(Math.max(1, Math.ceil(bits / 32)))
      const former = this.levels[level]
      // A level that is new stands over one word only, which may not be empty.
      if (former === undefined) words[0] = level === 0 ? 0 : 1
      else words.set(former)
      this.levels[level] = words
      bits = words.length
    }
    this.leaves = this.levels[0]!
    this.top = this.levels.length - 1
  }

  add(slot: number): void {
    const word = slot >>> 5
    const before = this.leaves[word]!
    this.leaves[word] = before | (1 << (slot & 31))
    if (before === 0) this.raise(word)
  }

  /** Takes a slot out; false when it was not in. */
  remove(slot: number): boolean {
    const bit = 1 << (slot & 31)
    const before = this.leaves[slot >>> 5]!
    this.leaves[slot >>> 5] = before & ~bit
    return (before & bit) !== 0
  }

  /** Takes the next slot in turn; -1 when the set is empty. */
  take(): number {
    const { cursor, leaves } = this
    let word = cursor >>> 5
    let bits = word < leaves.length ? leaves[word]! & (-1 << (cursor & 31)) : 0
    if (bits === 0) {
      if (this.top > 0) return this.takeFrom(cursor)
      // The only word: round to its beginning.
      word = 0
      bits = leaves[0]!
      if (bits === 0) return -1
    }
    const lowest = bits & -bits
    leaves[word]! ^= lowest
    const slot = (word << 5) | (31 - Math.clz32(lowest))
    this.cursor = slot + 1
    return slot
  }

  /** Takes the first slot from `start` on, going round; -1 when the set is empty. */
  takeFrom(start: number): number {
    let slot = this.seek(0, start)
    if (slot < 0) slot = this.seek(0, 0)
    if (slot < 0) return -1
    this.leaves[slot >>> 5]! &= ~(1 << (slot & 31))
    this.cursor = slot + 1
    return slot
  }

  /** Sets the hints above a word that is no longer empty. */
  private raise(word: number): void {
    let index = word
    for (let level = 1; level <= this.top; level++) {
      const words = this.levels[level]!
      const bit = 1 << (index & 31)
      index >>>= 5
      const before = words[index]!
      if ((before & bit) !== 0) return
      words[index] = before | bit
      if (before !== 0) return
    }
  }

  /** The first set bit of a level at or after `index`, or -1. Clears the hints that lead to empty words. */
  private seek(level: number, index: number): number {
    const words = this.levels[level]!
    let word = index >>> 5
    let bits = word < words.length ? words[word]! & (-1 << (index & 31)) : 0
    while (bits === 0) {
      if (level === this.top) return -1
      if (word < words.length && words[word] === 0) this.levels[level + 1]![word >>> 5]! &= ~(1 << (word & 31))
      word = this.seek(level + 1, word + 1)
      if (word < 0) return -1
      bits = words[word]!
    }
    return (word << 5) | (31 - Math.clz32(bits & -bits))
  }
}
