/**
 * A pool's memory, as each agent that uses it opens it. Layout: layout.ts.
 *
 * Invariants I1 A chunk's block, once made, stays where it is until the pool is disposed of: its address may be cached.
 *            I2 A chunk belongs to the submitter named in its owner word, which changes by compare-exchange only.
 */
import { type Handle, type Region, type SharedClass, SharedObject } from '@heddle/atomics'
import { Place } from '@heddle/atomics/internal'
import { compareExchange, exchange, load, or, set, store } from '@heddle/atomics/ops'
import { ringDoorbell } from '@heddle/park/internal'
import { closeAnnex, createAnnex, openAnnex } from './annex.js'
import {
  CHUNK_SLOTS,
  DEQUE_WORDS,
  K_DEQUE,
  K_EVENTS,
  MAX_CHUNKS,
  MAX_TASKS,
  MAX_WORKERS,
  NORMAL_QUEUE,
  P_BLOCKS,
  P_LIMITED,
  P_RING,
  P_RING_AT,
  P_SPIN,
  QUEUES,
  RING_WORDS,
  P_CHUNK_AT,
  P_CHUNK_DONE,
  P_CHUNK_OWNER,
  P_SUBMITTERS,
  P_TASK_TABLE,
  P_WORKER_RECORDS,
  P_WORKERS,
  POOL_WORDS,
  S_CHUNKS,
  S_ROOT,
  SLOT_WORDS,
  SPIN_BALANCED,
  SUBMITTER_WORDS,
  T_BLOCK,
  T_POOL,
  T_SUBMITTER,
  WORKER_WORDS,
} from './layout.js'

/** What opens a pool: with the buffer of its annex, if it has one. */
export interface PoolHandle extends Handle {
  readonly annex?: SharedArrayBuffer
}

/** The words of a pool. */
export class Pool extends SharedObject {
  static readonly kind = 'ExecutorPool'
  static readonly BYTES: number = POOL_WORDS * 4
  static readonly ALIGN = 64

  readonly words: Int32Array
  /** Word index of the pool. */
  readonly base: number
  /** How many workers the pool may have; set when it is made. */
  readonly maxWorkers: number
  /** SPIN_*. */
  readonly spin: number
  /** Whether workers that have nothing to run block their threads. */
  readonly blocks: boolean
  /** Word indexes of chunks that this agent has looked up (I1). */
  private readonly chunkAt = new Int32Array(MAX_CHUNKS)
  /** The buffer of its annex; undefined where there is none. */
  readonly annex: SharedArrayBuffer | undefined

  /** @param annex of a pool that is opened: its annex */
  constructor(o: { region: Region; maxWorkers: number; isLimited?: boolean; spin?: number; blocks?: boolean } | Place, annex?: SharedArrayBuffer) {
    super(o instanceof Place ? o : Place.allocate(o.region, Pool as SharedClass))
    this.words = this.region.words
    this.base = this.at >> 2
    this.annex = o instanceof Place ? annex : createAnnex()
    if (this.annex !== undefined) openAnnex(this.region, this.base, this.annex)
    if (!(o instanceof Place)) {
      store(this.words, this.base + P_WORKERS, o.maxWorkers)
      store(this.words, this.base + P_LIMITED, o.isLimited === true ? 1 : 0)
      store(this.words, this.base + P_SPIN, o.spin ?? SPIN_BALANCED)
      store(this.words, this.base + P_BLOCKS, o.blocks === true ? 1 : 0)
      store(this.words, this.base + P_RING_AT + NORMAL_QUEUE, this.base + P_RING)
    }
    this.maxWorkers = load(this.words, this.base + P_WORKERS)
    this.spin = load(this.words, this.base + P_SPIN)
    this.blocks = load(this.words, this.base + P_BLOCKS) !== 0
  }

  static fromHandle(handle: PoolHandle): Pool {
    return new Pool(Place.openHandle(handle, Pool as SharedClass), handle.annex)
  }

  override toHandle(): PoolHandle {
    return { ...super.toHandle(), ...(this.annex !== undefined && { annex: this.annex }) }
  }

  /** Word index of a slot. */
  slotAt(slot: number): number {
    const chunk = slot >>> 5
    let at = this.chunkAt[chunk]!
    if (at === 0) at = this.chunkAt[chunk] = load(this.words, this.base + P_CHUNK_AT + chunk)
    return at + (slot & (CHUNK_SLOTS - 1)) * SLOT_WORDS
  }

  /** Word index of a submitter's record. */
  submitterAt(submitter: number): number {
    return this.base + P_SUBMITTERS + submitter * SUBMITTER_WORDS
  }

  /** Word index of a worker's record. */
  workerAt(worker: number): number {
    return this.base + P_WORKER_RECORDS + worker * WORKER_WORDS
  }

  /** Word index of a queue's ring; 0 when it was not made. */
  ringAt(queue: number): number {
    return load(this.words, this.base + P_RING_AT + queue)
  }

  /** Word index of a queue's ring, which is made if need be. @throws RegionFullError */
  makeRing(queue: number): number {
    return this.makeBlock(this.base + P_RING_AT + queue, RING_WORDS)
  }

  /** Word index of a worker's deque, which is made if need be. @throws RegionFullError */
  makeDeque(worker: number): number {
    return this.makeBlock(this.workerAt(worker) + K_DEQUE, DEQUE_WORDS)
  }

  /** The block that a word names; whoever sets the word first makes it. @throws RegionFullError */
  makeBlock(index: number, words: number, format?: (block: number) => void): number {
    const known = load(this.words, index)
    if (known !== 0) return known
    const block = this.region.alloc(words * 4, 64)
    format?.(block >> 2)
    const other = compareExchange(this.words, index, 0, block >> 2)
    if (other === 0) return block >> 2
    this.region.free(block)
    return other
  }

  /** Takes a chunk that nobody has, with memory; -1 when all are taken. @throws RegionFullError */
  takeChunk(submitter: number): number {
    const { words, base } = this
    for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
      if (load(words, base + P_CHUNK_OWNER + chunk) !== 0 || compareExchange(words, base + P_CHUNK_OWNER + chunk, 0, submitter + 1) !== 0) continue
      if (load(words, base + P_CHUNK_AT + chunk) === 0) {
        try {
          store(words, base + P_CHUNK_AT + chunk, this.region.alloc(CHUNK_SLOTS * SLOT_WORDS * 4, 64) >> 2)
        } catch (error) {
          store(words, base + P_CHUNK_OWNER + chunk, 0)
          throw error
        }
      }
      // Plain: nobody else needs a slot before it was queued; a reaper that goes through all of them peeks.
      for (let i = 0; i < CHUNK_SLOTS; i++) {
        const at = this.slotAt(chunk * CHUNK_SLOTS + i)
        set(words, at + T_SUBMITTER, submitter)
        set(words, at + T_POOL, base)
      }
      return chunk
    }
    return -1
  }

  /** Says that a slot's call is over. True: nobody had said so of this submitter, it may have to be rung. */
  markDone(slot: number, submitter: number): boolean {
    const { words, base } = this
    const chunk = slot >>> 5
    if (or(words, base + P_CHUNK_DONE + chunk, 1 << (slot & 31)) !== 0) return false
    const record = this.submitterAt(submitter)
    const word = chunk >>> 5
    if (or(words, record + S_CHUNKS + word, 1 << (chunk & 31)) === 0) or(words, record + S_ROOT, 1 << word)
    return true
  }

  /** As `markDone`, whatever was said before: a worker that died may have stopped half way. */
  markDoneAgain(slot: number, submitter: number): void {
    const { words, base } = this
    const chunk = slot >>> 5
    const record = this.submitterAt(submitter)
    or(words, base + P_CHUNK_DONE + chunk, 1 << (slot & 31))
    or(words, record + S_CHUNKS + (chunk >>> 5), 1 << (chunk & 31))
    or(words, record + S_ROOT, 1 << (chunk >>> 5))
  }

  /** Rings an agent by the bell word of its record; nobody if it has none any more. */
  ring(bellWord: number): void {
    const bell = load(this.words, bellWord)
    if (bell !== 0) ringDoorbell(this.region, bell)
  }

  /** Takes all that `markDone` said of a submitter; `seen` gets each slot. */
  takeDone(submitter: number, seen: (slot: number) => void): void {
    const { words, base } = this
    const record = this.submitterAt(submitter)
    for (let root = exchange(words, record + S_ROOT, 0); root !== 0; root &= root - 1) {
      const word = lowest(root)
      for (let chunks = exchange(words, record + S_CHUNKS + word, 0); chunks !== 0; chunks &= chunks - 1) {
        const chunk = (word << 5) | lowest(chunks)
        for (let bits = exchange(words, base + P_CHUNK_DONE + chunk, 0); bits !== 0; bits &= bits - 1) seen((chunk << 5) | lowest(bits))
      }
    }
  }

  protected override onDispose(): void {
    const { words, base, region } = this
    for (let task = 0; task < MAX_TASKS; task++) {
      const name = load(words, base + P_TASK_TABLE + task)
      if (name !== 0) region.free(name)
    }
    for (let queue = 0; queue < QUEUES; queue++) {
      const ring = this.ringAt(queue)
      if (ring !== 0 && ring !== base + P_RING) region.free(ring << 2)
    }
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      for (const named of [K_DEQUE, K_EVENTS]) {
        const block = load(words, this.workerAt(worker) + named)
        if (block !== 0) region.free(block << 2)
      }
    }
    for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
      const at = load(words, base + P_CHUNK_AT + chunk)
      if (at === 0) continue
      for (let i = 0; i < CHUNK_SLOTS; i++) {
        const block = load(words, at + i * SLOT_WORDS + T_BLOCK)
        if (block > 0) region.free(block)
      }
      region.free(at << 2)
    }
    closeAnnex(region, base)
  }
}

/** Number of the lowest set bit. */
export function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
