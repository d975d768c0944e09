/** First version: size-class free lists over a bump pointer under one spin lock. Replaced by the recoverable allocator. */
import { compareExchange, fill, get, pause, set, store } from '#ops'
import { InvalidArgumentError, RegionFullError } from './errors.js'
import { ALLOCATOR_AT, H_ALLOC_LOCK, H_BYTES, H_HEAP } from './layout.js'
import type { Region } from './region.js'

/** Figures of a region's memory, in bytes. */
export interface RegionStats {
  bytes: number
  used: number
  free: number
  blocks: number
}

const BUMP = ALLOCATOR_AT >> 2
const USED = BUMP + 1
const BLOCKS = BUMP + 2
const BINS = BUMP + 4

/** The region's allocator; holds no state of its own. */
export class Allocator {
  constructor(private readonly region: Region) {}

  static format(words: Int32Array): void {
    store(words, BUMP, get(words, H_HEAP))
  }

  alloc(bytes: number, align: number): number {
    const { words } = this.region
    const total = Math.max(64, 2 ** Math.ceil(Math.log2(bytes + Math.max(align, 8))))
    const bin = BINS + Math.log2(total)
    while (compareExchange(words, H_ALLOC_LOCK, 0, 1) !== 0) pause()
    let block = get(words, bin)
    if (block !== 0) set(words, bin, get(words, block >> 2))
    else {
      block = get(words, BUMP)
      if (block + total > get(words, H_BYTES)) {
        store(words, H_ALLOC_LOCK, 0)
        throw new RegionFullError(`no room for ${bytes} bytes`)
      }
      set(words, BUMP, block + total)
    }
    set(words, USED, get(words, USED) + total)
    set(words, BLOCKS, get(words, BLOCKS) + 1)
    fill(words, block >> 2, total >> 2, 0)
    const at = Math.ceil((block + 8) / align) * align
    set(words, (at >> 2) - 1, block)
    set(words, (at >> 2) - 2, total)
    store(words, H_ALLOC_LOCK, 0)
    return at
  }

  free(at: number): void {
    const { words } = this.region
    if ((at & 3) !== 0 || at < get(words, H_HEAP)) throw new InvalidArgumentError(`${at} is not an allocation of this region`)
    while (compareExchange(words, H_ALLOC_LOCK, 0, 1) !== 0) pause()
    const block = get(words, (at >> 2) - 1)
    const total = get(words, (at >> 2) - 2)
    const bin = BINS + Math.log2(total)
    set(words, block >> 2, get(words, bin))
    set(words, bin, block)
    set(words, USED, get(words, USED) - total)
    set(words, BLOCKS, get(words, BLOCKS) - 1)
    store(words, H_ALLOC_LOCK, 0)
  }

  stats(): RegionStats {
    const { words } = this.region
    const bytes = get(words, H_BYTES)
    const used = get(words, USED)
    return { bytes, used, free: bytes - used, blocks: get(words, BLOCKS) }
  }
}
