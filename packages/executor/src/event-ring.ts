/**
 * A worker's last events, in memory that any agent may read at any time.
 *
 * Layout     +0 how many were ever written · +1 capacity, a power of 2 · from +EVENT_HEAD on, EVENT_WORDS for each:
 *            +0 kind (bits 0–3) and b (bits 4–31) · +1 a · +2, +3 quarters of a µs since 1970, low word first
 *   kind     a        b                 meaning
 *   BEGIN    slot     task              a call's function begins
 *   LEAVE    slot                       the function has returned, the call goes on
 *   END      slot     FAILED or 0       the call has ended; if its function ran, that as well
 *   STEP     slot     fiber             a fiber of the call runs
 *   PAUSE    slot     fiber             it waits, yields or has ended
 *   PARK              calls             the worker returns to its event loop, where so many calls wait
 *   UNPARK                              it wakes
 *   STEAL    victim   calls             it has taken calls of another worker's
 *   ONLINE   worker                     it begins, or is observed from now on
 * Invariants I1 One writer: the worker, or its successor of the same number after the worker's thread has ended.
 *            I2 The count is stored after the event. A reader that copies events and then finds the count at c may trust those from c - capacity + 1 on:
 *               the writer may be in the middle of the one that replaces number c - capacity.
 * Rejected   Messages to the reader: they need it to run, and a reader that is blocked would gather them without bound.
 */
import { RegionFullError } from '@heddle/atomics'
import { load, now, store } from '@heddle/atomics/ops'
import { K_EVENTS, OBSERVED_EVENTS_SHIFT } from './layout.js'
import type { Pool } from './pool.js'

export const BEGIN = 1
export const LEAVE = 2
export const END = 3
export const STEP = 4
export const PAUSE = 5
export const PARK = 6
export const UNPARK = 7
export const STEAL = 8
export const ONLINE = 9
/** In an END: by an error. */
export const FAILED = 1

const EVENT_COUNT = 0
const EVENT_CAPACITY = 1
const EVENT_HEAD = 16
const EVENT_WORDS = 4
const KIND_MASK = 15
const B_SHIFT = 4
const QUARTERS = 4000

/** What a worker did. */
export interface WorkerEvent {
  readonly kind: number
  readonly a: number
  readonly b: number
  /** In ms, as `now()`. */
  readonly time: number
}

/** Writes a worker's events, in the worker. */
export class EventWriter {
  private count: number

  private constructor(
    private readonly words: Int32Array,
    private readonly at: number,
    readonly capacity: number,
  ) {
    this.count = load(words, at + EVENT_COUNT)
  }

  /** The ring of a worker, which is made if need be; none where the region is full. */
  static of(pool: Pool, worker: number, observed: number): EventWriter | undefined {
    const { words } = pool
    const wanted = 1 << (observed >>> OBSERVED_EVENTS_SHIFT)
    try {
      const at = pool.makeBlock(pool.workerAt(worker) + K_EVENTS, EVENT_HEAD + wanted * EVENT_WORDS, (block) =>
        store(words, block + EVENT_CAPACITY, wanted),
      )
      return new EventWriter(words, at, load(words, at + EVENT_CAPACITY))
    } catch (error) {
      if (error instanceof RegionFullError) return undefined
      throw error
    }
  }

  write(kind: number, a: number, b: number): void {
    const { words, capacity } = this
    const at = this.at + EVENT_HEAD + (this.count & (capacity - 1)) * EVENT_WORDS
    const quarters = Math.round(now() * QUARTERS)
    store(words, at, kind | (b << B_SHIFT))
    store(words, at + 1, a)
    store(words, at + 2, quarters | 0)
    store(words, at + 3, Math.floor(quarters / 2 ** 32))
    this.count = (this.count + 1) | 0
    store(words, this.at + EVENT_COUNT, this.count)
  }
}

/** The events of a worker from number `from` on, as far as they are still there; `next` is where to read on. */
export function readEvents(pool: Pool, worker: number, from?: number): { events: WorkerEvent[]; next: number; lost: number } {
  const { words } = pool
  const ring = load(words, pool.workerAt(worker) + K_EVENTS)
  if (ring === 0) return { events: [], next: 0, lost: 0 }
  const capacity = load(words, ring + EVENT_CAPACITY)
  const end = load(words, ring + EVENT_COUNT)
  // Counts wrap: only differences mean something.
  const first = (end - Math.min(from === undefined ? capacity : (end - from) | 0, capacity)) | 0
  const events: WorkerEvent[] = []
  for (let i = first; i !== end; i = (i + 1) | 0) {
    const at = ring + EVENT_HEAD + (i & (capacity - 1)) * EVENT_WORDS
    const word = load(words, at)
    const time = ((load(words, at + 2) >>> 0) + load(words, at + 3) * 2 ** 32) / QUARTERS
    events.push({ kind: word & KIND_MASK, a: load(words, at + 1), b: word >> B_SHIFT, time })
  }
  // I2. Also what was never written, in a ring that is not full yet.
  const count = load(words, ring + EVENT_COUNT)
  const overwritten = Math.max(0, (count - capacity + 1 - first) | 0)
  const kept = events.slice(overwritten).filter(({ kind }) => kind !== 0)
  return { events: kept, next: end, lost: from === undefined ? 0 : Math.max(0, ((end - from) | 0) - kept.length) }
}
