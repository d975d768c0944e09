/**
 * A set of small integers with one bit each, in which any agent finds a member in a few steps: a hierarchy of 32-bit words.
 *
 * Source     Hierarchical bitmaps of ready queues (Solaris dispatcher, Linux O(1) scheduler), made lock-free: the leaves are the truth, the
 *            summary bits above them are hints that whoever changes a leaf mends.
 * Layout     +0 header · +4 size in bits · line 1: +64 BEGUN, +68 ENDED (clears of summary bits, see I4) · line 2 on, the levels from the
 *            root down: one root word; …; one word for each 32 leaves; the leaves, 32 bits each. Up to 32 bits the root is the leaf.
 *            "Child" is a word, "its hint" the bit for it in the word above.
 *   leaf   hint   meaning
 *   empty    0    nothing there
 *   bits     1    something there
 *   empty    1    a hint that is out of date: whoever looks there clears it
 *   bits     0    for a moment only: a `set` is on its way up, or a clear has not looked again yet
 * Invariants I1 Membership is the leaf bit alone. A bit leaves the set in exactly one agent: the one whose `and` on the leaf returned
 *               it. So no bit is claimed twice, whatever the hints say.
 *            I2 Who makes a child nonempty then looks at its hint, and sets it if it is clear, and goes on upwards to the root even past
 *               hints that are set (the one who set them may not have got higher yet).
 *            I3 Who clears a hint then looks at the child again, and if it is not empty does what I2 says.
 *               So once every `set` and every clear has returned, no hint is clear over a nonempty child. Proof: take the last clear of
 *               the hint. A writer of the child either looked at the hint after that clear and set it (I2), or looked before it: then its
 *               write to the child came before the clear too, and the clearer, looking again afterwards, saw it (I3).
 *            I4 Between the clear and the second look a hint can be missing although its `set` has returned. A clear therefore counts
 *               itself in BEGUN before and in ENDED after. A search that finds nothing counts only when no clear was under way when
 *               it began and none has begun since; else it is done again, and at last leaf by leaf.
 *               So `claimFirst` and `claimWord` never say "empty" while a bit is in the set for the whole call: who goes to sleep on
 *               that answer, after announcing that he sleeps, has not missed a bit whose `set` returned before.
 * Pairs      `set`'s `or` on the leaf is seen by the `and` that claims the bit: what the setter wrote before, the claimer sees.
 * Progress   Lock-free. `set`, `clear` and a claim that succeeds touch each level a bounded number of times, unless another agent changes
 *            the same words meanwhile. Claims start at a cursor, one for each agent, that goes round: a bit in the set is passed over by an
 *            agent at most once for each other bit. An agent that dies inside `set` may leave its bit without a hint: it is found with the
 *            next `set` in its word, or after `mend()`. One that dies inside a clear leaves BEGUN ahead of ENDED: from then on the
 *            answer "empty" (no other) costs a look at every leaf.
 * Rejected   One cursor in the region: every claim of every agent would write one word. Looking at hints only: an "empty" that is wrong
 *            for a moment is a lost wake for whoever sleeps on it. A count of members: two more atomic operations, on one contended word.
 */
import { add, agentLocal, and, limits, load, or, pause, set } from '#ops'
import { regionOf } from './arguments.js'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

/** Where a new bitset lives. */
export interface BitsetOptions {
  /** Default: `Region.default`. */
  region?: Region
}

/** A word of members that `claimWord` took. */
export interface ClaimedWord {
  /** The number that bit 0 stands for, a multiple of 32. */
  base: number
  /** Which of the 32 were members: bit i stands for `base + i`. A signed word, never 0. */
  bits: number
}

const MAX_SIZE = 2 ** 20
const SIZE_AT = 4
const BEGUN_AT = 64
const ENDED_AT = 68
const LEVELS_AT = 128
/** Searches that are spoilt by clears before the leaves are looked at one by one. */
const ATTEMPTS = 8

/**
 * A set of the integers from 0 to `size - 1` that agents share: `size` up to 1,048,576, members found in O(log₃₂ size).
 *
 * Nothing blocks, nothing allocates. All methods throw `DisposedError` (`ERR_DISPOSED`) once the set was disposed of in any agent, and
 * `InvalidArgumentError` (`ERR_INVALID_ARGUMENT`) for a number that is no integer in range. Memory: about `size / 8` bytes and 192 more.
 *
 * @example
 * const ready = new AtomicBitset(1000)
 * ready.set(17)                                   // any agent
 * const next = ready.claimFirst()                 // 17, in exactly one agent; then -1
 */
export class AtomicBitset extends SharedObject {
  static readonly kind = 'AtomicBitset'
  // LEVELS_AT and one word; a plain number, so that bundlers can drop the class.
  /** Bytes of the smallest set; `bytesFor(size)` has those of others. */
  static readonly BYTES = 132
  static readonly ALIGN = 64
  /** The members are 0 … `size - 1`. */
  declare readonly size: number
  declare private readonly words: Int32Array
  /** How many words each level has, the leaves first. */
  declare private readonly widths: readonly number[]
  /** Index of each level's first word, the leaves first. */
  declare private readonly levels: readonly number[]
  private readonly cursor = agentLocal(() => ({ next: 0 }))

  /**
   * Allocates an empty set.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `size` is no integer from 1 to 1,048,576, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(size: number, options: BitsetOptions | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicBitset, AtomicBitset.bytesFor(size)))
    this.words = this.region.words
    this.size = size
    this.widths = widthsOf(size)
    this.levels = levelsOf(this.widths, (this.at + LEVELS_AT) >> 2)
    // Plain: nobody else has a new place yet. An old one has its size.
    if (!(options instanceof Place) || options.isNew) set(this.words, (this.at + SIZE_AT) >> 2, size)
  }

  /** Bytes that a set of `size` takes. @throws InvalidArgumentError when `size` is out of range. */
  static bytesFor(size: number): number {
    checkSize(size)
    return LEVELS_AT + 4 * widthsOf(size).reduce((sum, width) => sum + width, 0)
  }

  /** Makes an empty set in `bytesFor(size)` zeroed bytes that the caller owns. @throws InvalidArgumentError for a bad size, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, size: number): AtomicBitset {
    return new AtomicBitset(size, Place.format(region, at, AtomicBitset, AtomicBitset.bytesFor(size)))
  }

  /** Opens the set at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicBitset {
    return AtomicBitset.open(Place.open(region, at, AtomicBitset))
  }

  /** Opens the set that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicBitset {
    return AtomicBitset.open(Place.openHandle(handle, AtomicBitset))
  }

  private static open(place: Place): AtomicBitset {
    // The size was written before the place was handed on, and never changes.
    return new AtomicBitset(load(place.region.words, (place.at + SIZE_AT) >> 2), place)
  }

  /** Adds a member; returns whether it was none before. One `or` and one look at each level above. */
  set(member: number): boolean {
    this.check(member)
    const bit = 1 << (member & 31)
    const before = or(this.words, this.levels[0]! + (member >>> 5), bit)
    this.mark(1, member >>> 5)
    return (before & bit) === 0
  }

  /** Removes a member; returns whether it was one. */
  clear(member: number): boolean {
    this.check(member)
    return this.take(member >>> 5, 1 << (member & 31)) !== 0
  }

  /** Whether it is a member at this moment. One load. */
  test(member: number): boolean {
    this.check(member)
    return (load(this.words, this.levels[0]! + (member >>> 5)) & (1 << (member & 31))) !== 0
  }

  /**
   * Finds a member and removes it; -1 when there is none. Exactly one agent gets each member that was set.
   *
   * Starts after this agent's last claim and goes round, so no member waits for ever. -1 means that no number was a member during the whole call.
   * @param from start here instead, and leave the cursor alone: `claimFirst(0)` takes the smallest member
   */
  claimFirst(from?: number): number {
    this.assertLive()
    if (from !== undefined) {
      this.check(from)
      return this.claim(from, undefined)
    }
    const cursor = this.cursor.get()
    const member = this.claim(cursor.next, undefined)
    if (member >= 0) cursor.next = member + 1 === this.size ? 0 : member + 1
    return member
  }

  /**
   * Takes up to 32 members at once: all of one word. `undefined` when there is none. Rotates as `claimFirst` does, by whole words.
   * @param into receives the result, so that a loop allocates nothing
   * @example
   * const ready = new AtomicBitset(64)
   * ready.set(5)
   * const word = ready.claimWord() ?? { base: 0, bits: 0 }
   * for (let { bits } = word; bits !== 0; bits &= bits - 1) console.log(word.base + 31 - Math.clz32(bits & -bits))     // 5
   */
  claimWord(into: ClaimedWord = { base: 0, bits: 0 }): ClaimedWord | undefined {
    this.assertLive()
    const cursor = this.cursor.get()
    const base = this.claim(cursor.next & ~31, into)
    if (base < 0) return undefined
    cursor.next = base + 32 >= this.size ? 0 : base + 32
    return into
  }

  /** Calls `visit` for each member in ascending order. Members that come and go meanwhile may or may not be visited. One load for each 32 numbers. */
  forEach(visit: (member: number) => void): void {
    this.assertLive()
    for (let word = 0; word < this.widths[0]!; word++) {
      for (let bits = load(this.words, this.levels[0]! + word); bits !== 0; bits &= bits - 1) visit((word << 5) + lowest(bits))
    }
  }

  /** How many members there are; exact only while nobody changes the set. One load for each 32 numbers. */
  count(): number {
    this.assertLive()
    let count = 0
    for (let word = 0; word < this.widths[0]!; word++) count += bitCount(load(this.words, this.levels[0]! + word))
    return count
  }

  /**
   * Makes every member findable again after an agent died in the middle of `set`: for whoever noticed the death. Safe at any time, in any agent.
   * One load for each 32 numbers.
   */
  mend(): void {
    this.assertLive()
    for (let word = 0; word < this.widths[0]!; word++) if (load(this.words, this.levels[0]! + word) !== 0) this.mark(1, word)
  }

  /** Takes one member, or with `into` a word of them, from `start` on and round; -1 when there is none that can be believed to be missing (I4). */
  private claim(start: number, into: ClaimedWord | undefined): number {
    const member = this.sweep(start, into)
    return member >= 0 ? member : this.claimSlow(start, into)
  }

  private claimSlow(start: number, into: ClaimedWord | undefined): number {
    const begunIndex = (this.at + BEGUN_AT) >> 2
    for (let attempt = Math.min(ATTEMPTS, limits.spin); attempt > 0; attempt--) {
      const ended = load(this.words, (this.at + ENDED_AT) >> 2)
      const begun = load(this.words, begunIndex)
      const member = this.sweep(start, into)
      if (member >= 0) return member
      if (begun === ended && load(this.words, begunIndex) === begun) return -1
      pause()
    }
    for (let word = 0; word < this.widths[0]!; word++) {
      const member = this.claimIn(word, -1, into, false)
      if (member >= 0) return member
    }
    return -1
  }

  /** One way round by the hints: the rest of the first word, the words after it, the words up to it. */
  private sweep(start: number, into: ClaimedWord | undefined): number {
    const first = start >>> 5
    let member = this.claimIn(first, -1 << (start & 31), into, false)
    if (member >= 0) return member
    for (let word = this.nextWord(first + 1); word >= 0; word = this.nextWord(word + 1)) {
      member = this.claimIn(word, -1, into, true)
      if (member >= 0) return member
    }
    for (let word = this.nextWord(0); word >= 0 && word <= first; word = this.nextWord(word + 1)) {
      member = this.claimIn(word, -1, into, true)
      if (member >= 0) return member
    }
    return -1
  }

  /** Claims in one leaf, among the bits of `mask`. Clears the hint that led here when it was out of date. */
  private claimIn(word: number, mask: number, into: ClaimedWord | undefined, hinted: boolean): number {
    for (;;) {
      const bits = load(this.words, this.levels[0]! + word) & mask
      if (bits === 0) {
        if (hinted) this.unmark(1, word)
        return -1
      }
      const taken = this.take(word, into === undefined ? bits & -bits : -1)
      if (taken === 0) continue
      if (into === undefined) return (word << 5) + lowest(taken)
      into.base = word << 5
      into.bits = taken
      return into.base
    }
  }

  /** Removes the bits of `mask` from a leaf; returns those that were there, which are now the caller's (I1). */
  private take(word: number, mask: number): number {
    const before = and(this.words, this.levels[0]! + word, ~mask)
    if ((before & mask) !== 0 && (before & ~mask) === 0) this.unmark(1, word)
    return before & mask
  }

  /** The first leaf from `start` on that the hints speak of; -1 when they speak of none. */
  private nextWord(start: number): number {
    const top = this.levels.length - 1
    if (top === 0) return start === 0 ? 0 : -1
    let child = start
    let descended = false
    for (let level = 1; level <= top && child >>> 5 < this.widths[level]!;) {
      const parent = child >>> 5
      const hints = load(this.words, this.levels[level]! + parent) & (-1 << (child & 31))
      if (hints !== 0) {
        child = (child & ~31) | lowest(hints)
        if (level === 1) return child
        child <<= 5
        level--
        descended = true
      } else {
        if (descended) this.unmark(level + 1, parent)
        child = parent + 1
        level++
        descended = false
      }
    }
    return -1
  }

  /** I2: sees to the hints above a child that was made nonempty. `level` is that of the first hint. */
  private mark(level: number, child: number): void {
    for (; level < this.levels.length; level++) {
      const index = this.levels[level]! + (child >>> 5)
      const bit = 1 << (child & 31)
      if ((load(this.words, index) & bit) === 0) or(this.words, index, bit)
      child >>>= 5
    }
  }

  /** I3: clears the hint of a child that was seen empty, and of its parents that become empty by that; looks again each time. */
  private unmark(level: number, child: number): void {
    if (level === this.levels.length) return
    add(this.words, (this.at + BEGUN_AT) >> 2, 1)
    for (; level < this.levels.length; level++) {
      const bit = 1 << (child & 31)
      const before = and(this.words, this.levels[level]! + (child >>> 5), ~bit)
      // Somebody else cleared it, and looks again.
      if ((before & bit) === 0) break
      if (load(this.words, this.levels[level - 1]! + child) !== 0) {
        this.mark(level, child)
        break
      }
      if ((before & ~bit) !== 0) break
      child >>>= 5
    }
    add(this.words, (this.at + ENDED_AT) >> 2, 1)
  }

  private check(member: number): void {
    this.assertLive()
    if (!(member >= 0 && member < this.size) || !Number.isInteger(member)) {
      throw new InvalidArgumentError(`a member is an integer from 0 to ${this.size - 1}, got ${String(member)}`)
    }
  }
}

function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function bitCount(bits: number): number {
  bits -= (bits >>> 1) & 0x5555_5555
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}

function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
    throw new InvalidArgumentError(`size must be an integer from 1 to ${MAX_SIZE}, got ${String(size)}`)
}

/** Words of each level, the leaves first, the one root word last. */
function widthsOf(size: number): number[] {
  const widths = [Math.ceil(size / 32)]
  while (widths.at(-1)! > 1) widths.push(Math.ceil(widths.at(-1)! / 32))
  return widths
}

/** Where each level begins when the root comes first, from word index `start` on. */
function levelsOf(widths: readonly number[], start: number): number[] {
  const levels = widths.slice()
  let index = start
  for (let level = widths.length - 1; level >= 0; level--) {
    levels[level] = index
    index += widths[level]!
  }
  return levels
}
