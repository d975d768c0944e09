/**
 * The blocks of a region's heap: headers that are the truth, and segregated free lists that can be rebuilt from them.
 * No lock is taken here; allocator.ts does that.
 *
 * Source     Boundary tags: Knuth, TAOCP 1, 2.5, as in Lea's malloc. Segregated lists with a bitmap: Masmano, Ripoll et al., "TLSF"
 *            (ECRTS 2004), with four lists to a power of two and first fit within a list.
 * Layout     Blocks tile the heap from `first` to TOP without a gap. Their addresses are 8 modulo 16, so that payloads are 16-aligned.
 *            +0 header   size in bytes (a multiple of 16) · bit 0 USED · bit 1 PREVIOUS_FREE · bit 2 QUICK
 *            +4 mark     a hash of the block's address and the region's id
 *            +8 payload; of a free block: +12 next and +16 previous block of its list, last word: its size again
 *            No word of a free block at a 16-aligned address is written: a disposed object's header there stays 0 until the memory is
 *            given out again, so that opening the object by its address fails.
 *            At TOP stands a header of size 0, USED. Above TOP + 8 nothing was ever written: that memory is still zero.
 *            Control words (from ALLOCATOR_AT): TOP, figures, a bitmap of the lists that are not empty, the lists' heads, quick lists.
 *   USED QUICK  meaning
 *    1    0     somebody's
 *    0    0     free, in the list of its size; merged with its neighbours, and the block behind it has PREVIOUS_FREE
 *    0    1     free, in the quick list of exactly its size, not merged: at most QUICK_LIMIT small blocks, the last ones freed. They are
 *               merged when there are more, before memory never used is taken, and for the figures.
 * Invariants I1 Size and USED of the headers from `first` to TOP are the truth. Each change of it is one store, before and after which
 *               the blocks tile the heap: a split writes the inner header before it shrinks the outer one; a merge grows the outer one.
 *               Everything else (PREVIOUS_FREE, QUICK, the last word, links, heads, bitmap, figures) is a hint that `rebuild` derives from it.
 *            I2 A word of free memory that was once a header says free: a header becomes free before it is swallowed, and a used
 *               block's payload is zeroed before its user sees it.
 *            I3 Only the holder of the allocator's lock comes here, so that plain accesses to headers, hints and control words don't race.
 * Progress   take and release: constant, but for the scan of at most SCAN blocks of a list (all of them before giving up) and
 *            for every QUICK_LIMIT-th release of a small block, which merges that many.
 *            rebuild: linear in the number of blocks.
 * Rejected   A bump pointer with power-of-two classes (never coalesces: one size's garbage starves the others). Free lists as the
 *            truth (a death between two stores of a link loses blocks). Merging every small block at once (60 ns more for each pair of
 *            alloc and free). A cache of blocks for each agent (lost when it dies).
 */
import { fill, get, set } from '#ops'
import { ALLOCATOR_AT, FLAG_BORROWED, H_BYTES, H_FLAGS, H_HEAP, H_ID_LOW } from './layout.js'

const USED_BIT = 1
const PREVIOUS_FREE_BIT = 2
const QUICK_BIT = 4
const SIZE_MASK = ~15
/** Words of a free block's links, from its header. */
const NEXT = 3
const PREVIOUS = 4
export const HEADER_BYTES = 8
/** Smallest block: header, two links and the size at the end. */
const MIN_BLOCK = 32
/** Payloads are aligned to this without further ado. */
const NATURAL_ALIGN = 16

const CONTROL = ALLOCATOR_AT >> 2
/** Byte offset where never used memory begins. */
const TOP = CONTROL
const USED = CONTROL + 1
const BLOCKS = CONTROL + 2
/** First of the words that debug.ts keeps. */
export const DEBUG_CONTROL = CONTROL + 3
const BITMAP = CONTROL + 8
const BITMAP_WORDS = 4
const LISTS = CONTROL + 12
const LIST_COUNT = 102
/** How many blocks are in quick lists. */
const QUICK_COUNT = LISTS + LIST_COUNT
const QUICK_LISTS = QUICK_COUNT + 1
/** Largest block that goes to a quick list; their heads fill the control words up to the agent table. */
const QUICK_BYTES = 224
const QUICK_LIST_COUNT = (QUICK_BYTES >> 4) - 1
const QUICK_LIMIT = 64
/** How many blocks of a list are tried before the next list. */
const SCAN = 16

/** Which list a free block of `size` bytes is in: two for 32 and 48, then four to a power of two. */
function listOf(size: number): number {
  if (size < 64) return (size >> 4) - 2
  const power = 31 - Math.clz32(size)
  return ((power - 6) << 2) + ((size >> (power - 2)) & 3) + 2
}

/** What a block leaves free in front so that its payload is aligned: 0, or enough for a block. */
function gapBefore(block: number, align: number): number {
  if (align <= NATURAL_ALIGN) return 0
  const gap = ((block + HEADER_BYTES + align - 1) & -align) - HEADER_BYTES - block
  return gap === 16 ? gap + align : gap
}

/** Size of the block that holds `bytes` bytes. */
export function blockSizeFor(bytes: number): number {
  return Math.max(MIN_BLOCK, (bytes + HEADER_BYTES + 15) & SIZE_MASK)
}

/** Word with the head of the quick list of a size. */
function quickListOf(size: number): number {
  return QUICK_LISTS + (size >> 4) - 2
}

/** Figures of the heap, in bytes. */
export interface HeapFigures {
  used: number
  capacity: number
  blocks: number
  /** The most that one allocation of natural alignment could get. */
  largest: number
}

/** One region's blocks. All methods need the allocator's lock. */
export class Heap {
  private readonly first: number
  private readonly end: number
  private readonly key: number
  private readonly startsZero: boolean

  constructor(private readonly words: Int32Array) {
    this.first = firstBlock(words)
    this.end = get(words, H_BYTES) - HEADER_BYTES
    this.key = get(words, H_ID_LOW)
    this.startsZero = (get(words, H_FLAGS) & FLAG_BORROWED) === 0
  }

  /** Makes an empty heap. The control words are zero. */
  static format(words: Int32Array): void {
    set(words, TOP, firstBlock(words))
    set(words, firstBlock(words) >> 2, USED_BIT)
  }

  /** Size of a block in bytes, its header included. */
  sizeOf(block: number): number {
    return get(this.words, block >> 2) & SIZE_MASK
  }

  /** Where never used memory begins. */
  get top(): number {
    return get(this.words, TOP)
  }

  /** Up to where a block's memory may be other than zero, when TOP was `top` before the block was taken. */
  dirtyEnd(block: number, top: number): number {
    const end = block + this.sizeOf(block)
    return this.startsZero && end > top + HEADER_BYTES ? top + HEADER_BYTES : end
  }

  /** Whether `at` is the payload of a block that is used (1), of one that was freed and not given out since (0), or neither (-1). */
  probe(at: number): -1 | 0 | 1 {
    const block = at - HEADER_BYTES
    if (!Number.isInteger(at) || at % NATURAL_ALIGN !== 0 || block < this.first || block >= this.top) return -1
    if (get(this.words, (block >> 2) + 1) !== this.mark(block)) return -1
    return (get(this.words, block >> 2) & USED_BIT) as 0 | 1
  }

  /**
   * Takes a block of `size` bytes whose payload is aligned to `align`; 0 when there is none. Notes the block in the word
   * `pending` before the store that makes it used.
   */
  take(size: number, align: number, pending: number): number {
    const { words } = this
    if (size <= QUICK_BYTES) {
      const list = quickListOf(size)
      const block = get(words, list)
      if (block !== 0 && ((block + HEADER_BYTES) & (align - 1)) === 0) {
        set(words, list, get(words, (block >> 2) + NEXT))
        set(words, QUICK_COUNT, get(words, QUICK_COUNT) - 1)
        set(words, pending, block)
        set(words, block >> 2, (get(words, block >> 2) & ~QUICK_BIT) | USED_BIT)
        this.count(size, 1)
        return block
      }
    }
    return this.takeListed(size, align, pending)
  }

  /** Takes a block out of the lists, or from memory never used. */
  private takeListed(size: number, align: number, pending: number): number {
    const { words } = this
    let block = this.find(size, align, SCAN)
    if (block === 0 && get(words, QUICK_COUNT) !== 0) {
      this.mergeQuick()
      block = this.find(size, align, SCAN)
    }
    let isListed = block !== 0
    if (!isListed) {
      block = this.extend(size, align)
      if (block === 0) {
        block = this.find(size, align, Infinity)
        if (block === 0) return 0
        isListed = true
      }
    }
    const whole = get(words, block >> 2) & SIZE_MASK
    const gap = gapBefore(block, align)
    let available = whole - gap
    const rest = available - size
    let flags = USED_BIT
    // Often the rest belongs where the whole was.
    const isReplaced = isListed && gap === 0 && rest >= MIN_BLOCK && listOf(rest) === listOf(whole)
    if (isListed && !isReplaced) this.remove(block, whole)
    if (gap !== 0) {
      this.writeHeader(block + gap, available | PREVIOUS_FREE_BIT)
      set(words, block >> 2, gap)
      this.insert(block, gap)
      block += gap
      flags |= PREVIOUS_FREE_BIT
    }
    if (rest >= MIN_BLOCK) {
      const inner = block + size
      this.writeHeader(inner, rest)
      set(words, pending, block)
      set(words, block >> 2, size | flags)
      if (isReplaced) this.replace(block, inner, rest)
      else this.insert(inner, rest)
      available = size
    } else {
      set(words, pending, block)
      set(words, block >> 2, available | flags)
      const next = (block + available) >> 2
      set(words, next, get(words, next) & ~PREVIOUS_FREE_BIT)
    }
    this.count(available, 1)
    return block
  }

  /** Gives back a used block: it is free with the first store. */
  release(block: number): void {
    const { words } = this
    const header = get(words, block >> 2)
    const size = header & SIZE_MASK
    const isQuick = size <= QUICK_BYTES
    set(words, block >> 2, (header & ~USED_BIT) | (isQuick ? QUICK_BIT : 0))
    this.count(-size, -1)
    if (!isQuick) {
      this.merge(block)
      return
    }
    const list = quickListOf(size)
    set(words, (block >> 2) + NEXT, get(words, list))
    set(words, list, block)
    const quick = get(words, QUICK_COUNT) + 1
    set(words, QUICK_COUNT, quick)
    if (quick > QUICK_LIMIT) this.mergeQuick()
  }

  private count(bytes: number, blocks: number): void {
    const { words } = this
    set(words, USED, get(words, USED) + bytes)
    set(words, BLOCKS, get(words, BLOCKS) + blocks)
  }

  /** Empties the quick lists. */
  private mergeQuick(): void {
    const { words } = this
    for (let list = QUICK_LISTS; list < QUICK_LISTS + QUICK_LIST_COUNT; list++) {
      for (let block = get(words, list); block !== 0; block = get(words, list)) {
        set(words, list, get(words, (block >> 2) + NEXT))
        set(words, block >> 2, get(words, block >> 2) & ~QUICK_BIT)
        this.merge(block)
      }
    }
    set(words, QUICK_COUNT, 0)
  }

  /** Puts a free block that is in no list into one, with the free blocks on both sides. */
  private merge(block: number): void {
    const { words } = this
    const header = get(words, block >> 2)
    let size = header & SIZE_MASK
    const next = block + size
    const nextHeader = get(words, next >> 2)
    const flags = header & PREVIOUS_FREE_BIT
    if ((nextHeader & (USED_BIT | QUICK_BIT)) === 0) {
      const nextSize = nextHeader & SIZE_MASK
      size += nextSize
      set(words, block >> 2, size | flags)
      // The block after `next` knows already that its predecessor is free.
      if (flags === 0 && listOf(nextSize) === listOf(size)) {
        this.replace(next, block, size)
        return
      }
      this.remove(next, nextSize)
    }
    if (flags !== 0) {
      const previousSize = get(words, (block >> 2) - 1)
      block -= previousSize
      this.remove(block, previousSize)
      size += previousSize
      set(words, block >> 2, size)
    }
    const after = (block + size) >> 2
    set(words, after, get(words, after) | PREVIOUS_FREE_BIT)
    this.insert(block, size)
  }

  /**
   * Marks as free the block that an agent that can't finish had in hand, and clears the note. Safe to repeat at any point, the
   * hints are left for `rebuild`.
   */
  abandon(pending: number): void {
    const { words } = this
    const block = get(words, pending)
    set(words, block >> 2, get(words, block >> 2) & ~USED_BIT)
    set(words, pending, 0)
  }

  /**
   * Derives every hint from the headers and merges free neighbours. Safe to repeat at any point.
   * @returns 0, or the address of a header that makes no sense: what follows it is fenced off as one used block.
   */
  rebuild(): number {
    const { words } = this
    const top = this.top
    fill(words, BITMAP, BITMAP_WORDS, 0)
    fill(words, LISTS, LIST_COUNT + 1 + QUICK_LIST_COUNT, 0)
    let used = 0
    let blocks = 0
    let flags = 0
    let damaged = 0
    let block = this.first
    while (block < top) {
      if (!this.isSound(block, top)) {
        damaged = block
        this.writeHeader(block, (top - block) | USED_BIT)
      }
      const header = get(words, block >> 2)
      let size = header & SIZE_MASK
      if ((header & USED_BIT) !== 0) {
        set(words, block >> 2, size | USED_BIT | flags)
        used += size
        blocks++
        flags = 0
      } else {
        for (let next = block + size; next < top && this.isSound(next, top); next = block + size) {
          const nextHeader = get(words, next >> 2)
          if ((nextHeader & USED_BIT) !== 0) break
          size += nextHeader & SIZE_MASK
        }
        set(words, block >> 2, size)
        this.insert(block, size)
        flags = PREVIOUS_FREE_BIT
      }
      block += size
    }
    set(words, top >> 2, USED_BIT | flags)
    set(words, USED, used)
    set(words, BLOCKS, blocks)
    return damaged
  }

  figures(): HeapFigures {
    const { words } = this
    this.mergeQuick()
    const top = this.top
    let largest = this.end - top
    if ((get(words, top >> 2) & PREVIOUS_FREE_BIT) !== 0 && largest > 0) largest += get(words, (top >> 2) - 1)
    let last = -1
    for (let list = this.nextList(0); list !== -1; list = this.nextList(list + 1)) last = list
    if (last !== -1)
      for (let block = get(words, LISTS + last); block !== 0; block = get(words, (block >> 2) + NEXT)) largest = Math.max(largest, this.sizeOf(block))
    return { used: get(words, USED), capacity: this.end - this.first, blocks: get(words, BLOCKS), largest: Math.max(0, largest - HEADER_BYTES) }
  }

  /** Calls `visit` with the address of each used block, in order. */
  forEachUsed(visit: (block: number) => void): void {
    const top = this.top
    for (let block = this.first; block < top && this.isSound(block, top); block += this.sizeOf(block)) {
      if ((get(this.words, block >> 2) & USED_BIT) !== 0) visit(block)
    }
  }

  /** Compares headers, hints and figures with each other; one sentence for each contradiction. */
  check(): string[] {
    const { words } = this
    const problems: string[] = []
    const top = this.top
    const free = new Map<number, number>()
    const quick = new Set<number>()
    let used = 0
    let blocks = 0
    let previous = 0
    let block = this.first
    while (block < top) {
      if (!this.isSound(block, top)) {
        problems.push(`the block header at byte ${block} was overwritten`)
        return problems
      }
      const header = get(words, block >> 2)
      const size = header & SIZE_MASK
      const isFree = (header & (USED_BIT | QUICK_BIT)) === 0
      if (((header & PREVIOUS_FREE_BIT) !== 0) !== (previous !== 0)) problems.push(`the block at byte ${block} is wrong about its predecessor`)
      if (isFree) {
        if (previous !== 0) problems.push(`the free blocks at bytes ${previous} and ${block} were not merged`)
        if (get(words, ((block + size) >> 2) - 1) !== size) problems.push(`the free block at byte ${block} was written to`)
        free.set(block, size)
      } else if ((header & QUICK_BIT) !== 0) quick.add(block)
      else {
        used += size
        blocks++
      }
      previous = isFree ? block : 0
      block += size
    }
    if (get(words, top >> 2) !== (USED_BIT | (previous !== 0 ? PREVIOUS_FREE_BIT : 0))) problems.push(`the end mark at byte ${top} was overwritten`)
    if (used !== get(words, USED) || blocks !== get(words, BLOCKS))
      problems.push(`${blocks} blocks of ${used} bytes are used, the figures say ${get(words, BLOCKS)} of ${get(words, USED)}`)
    for (let list = 0; list < LIST_COUNT; list++) {
      const head = get(words, LISTS + list)
      if ((head !== 0) !== ((get(words, BITMAP + (list >> 5)) & (1 << (list & 31))) !== 0))
        problems.push(`the bitmap is wrong about free list ${list}`)
      let before = 0
      for (let entry = head; entry !== 0; entry = get(words, (entry >> 2) + NEXT)) {
        const size = free.get(entry)
        if (size === undefined || listOf(size) !== list || get(words, (entry >> 2) + PREVIOUS) !== before) {
          problems.push(`free list ${list} is broken at byte ${entry}`)
          break
        }
        free.delete(entry)
        before = entry
      }
    }
    const listed = quick.size
    for (let list = QUICK_LISTS; list < QUICK_LISTS + QUICK_LIST_COUNT; list++) {
      for (let entry = get(words, list); entry !== 0; entry = get(words, (entry >> 2) + NEXT)) {
        if (quick.delete(entry) && quickListOf(this.sizeOf(entry)) === list) continue
        problems.push(`quick list ${list - QUICK_LISTS} is broken at byte ${entry}`)
        break
      }
    }
    if (quick.size !== 0 || listed !== get(words, QUICK_COUNT))
      problems.push(`the quick lists lack ${quick.size} blocks of ${listed}, the figure says ${get(words, QUICK_COUNT)}`)
    for (const lost of free.keys()) problems.push(`the free block at byte ${lost} is in no list`)
    return problems
  }

  /** First block that fits, still in its list; 0 for none. Every block of a list above the size's own fits, but for alignment. */
  private find(size: number, align: number, scan: number): number {
    const { words } = this
    for (let list = this.nextList(listOf(size)); list !== -1; list = this.nextList(list + 1)) {
      let left = scan
      for (let block = get(words, LISTS + list); block !== 0 && left > 0; block = get(words, (block >> 2) + NEXT), left--) {
        if (gapBefore(block, align) + size <= this.sizeOf(block)) return block
      }
    }
    return 0
  }

  /** A free block, in no list, that ends at a TOP moved up; the last block is part of it if it was free. 0 when there is no room. */
  private extend(size: number, align: number): number {
    const { words } = this
    const top = this.top
    const flags = get(words, top >> 2) & PREVIOUS_FREE_BIT
    const lastSize = flags !== 0 ? get(words, (top >> 2) - 1) : 0
    const block = top - lastSize
    const extra = Math.max(MIN_BLOCK, gapBefore(block, align) + size - lastSize)
    if (extra > this.end - top) return 0
    this.writeHeader(top, extra | flags)
    set(words, TOP, top + extra)
    set(words, (top + extra) >> 2, USED_BIT | PREVIOUS_FREE_BIT)
    if (lastSize !== 0) {
      this.remove(block, lastSize)
      set(words, block >> 2, lastSize + extra)
    }
    return block
  }

  private insert(block: number, size: number): void {
    const { words } = this
    const list = listOf(size)
    const head = get(words, LISTS + list)
    const index = block >> 2
    set(words, index + NEXT, head)
    set(words, index + PREVIOUS, 0)
    set(words, index + (size >> 2) - 1, size)
    if (head !== 0) set(words, (head >> 2) + PREVIOUS, block)
    else set(words, BITMAP + (list >> 5), get(words, BITMAP + (list >> 5)) | (1 << (list & 31)))
    set(words, LISTS + list, block)
  }

  /** Puts a block into the place that another has in their common list. */
  private replace(former: number, block: number, size: number): void {
    const { words } = this
    const next = get(words, (former >> 2) + NEXT)
    const previous = get(words, (former >> 2) + PREVIOUS)
    const index = block >> 2
    set(words, index + NEXT, next)
    set(words, index + PREVIOUS, previous)
    set(words, index + (size >> 2) - 1, size)
    if (next !== 0) set(words, (next >> 2) + PREVIOUS, block)
    if (previous !== 0) set(words, (previous >> 2) + NEXT, block)
    else set(words, LISTS + listOf(size), block)
  }

  private remove(block: number, size: number): void {
    const { words } = this
    const next = get(words, (block >> 2) + NEXT)
    const previous = get(words, (block >> 2) + PREVIOUS)
    if (next !== 0) set(words, (next >> 2) + PREVIOUS, previous)
    if (previous !== 0) {
      set(words, (previous >> 2) + NEXT, next)
      return
    }
    const list = listOf(size)
    set(words, LISTS + list, next)
    if (next === 0) set(words, BITMAP + (list >> 5), get(words, BITMAP + (list >> 5)) & ~(1 << (list & 31)))
  }

  /** The first list from `from` on that is not empty, or -1. */
  private nextList(from: number): number {
    let word = from >> 5
    let bits = word < BITMAP_WORDS ? get(this.words, BITMAP + word) & (-1 << (from & 31)) : 0
    while (bits === 0) {
      if (++word >= BITMAP_WORDS) return -1
      bits = get(this.words, BITMAP + word)
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits)
  }

  private writeHeader(block: number, header: number): void {
    set(this.words, (block >> 2) + 1, this.mark(block))
    set(this.words, block >> 2, header)
  }

  private isSound(block: number, top: number): boolean {
    const size = this.sizeOf(block)
    return size >= MIN_BLOCK && size <= top - block && get(this.words, (block >> 2) + 1) === this.mark(block)
  }

  /** Never 0, so that zeroed memory is no header. */
  private mark(block: number): number {
    return Math.imul(block ^ this.key, 0x9e3779b1) | 1
  }
}

function firstBlock(words: Int32Array): number {
  return get(words, H_HEAP) + HEADER_BYTES
}
