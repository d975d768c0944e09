/**
 * Memory of a pool's own for payloads that are large, or for which the region has no room: a growable SharedArrayBuffer beside the region.
 *
 * Every agent gets the buffer once, with the pool's handle, and sees it grow: no payload needs a message, so that it also reaches an agent that blocks
 * in `join`, one that the program started itself, and whichever worker steals the call.
 *
 * Layout     The buffer is cut into units. A table in the pool (layout.ts, P_UNITS) has a word for each: 0, or the slot that has it (its word index).
 *            A block is a run of units; T_BLOCK is ~(number of the first), so that it is negative, and T_BLOCK_BYTES what they hold.
 * Invariants I1 A unit is taken by compare-exchange 0 → slot, and given back by a store of 0, by the owner of that slot's words alone (slot.ts, I2).
 *            I2 The table is the truth: an agent that dies while it takes or gives back units leaves some that its slot's T_BLOCK does not name. Whoever has
 *               the slot's words next after a death calls `sweep` before the slot is used again.
 *            I3 A unit that is taken lies within the buffer before T_BLOCK names it; the buffer never shrinks.
 * Pairs      The step of the slot's state that hands over its words publishes the bytes, and that the buffer has grown.
 * Progress   No locks. Of two that take overlapping runs at once the one whose run ends higher gets on, since each takes from below; the other looks further
 *            up, once. So a search may find no room where another one is about to give up its own: only when little more than both want is left.
 * Rejected   A buffer for each payload, sent with the host's message: an agent that blocks hears no messages, workers have no road to one another but
 *            through the owner's event loop, and agents that the program started have none at all. A lock: it would have to be taken over from the dead.
 *            Blocks of the region for everything: it zeroes what it gives, and one size has to fit all programs.
 * Cost       A compare-exchange and a store for each 512 KB. Memory that was needed at one time stays the pool's until it ends.
 */
import { type Region, RegionFullError, ValueTooLargeError } from '@heddle/atomics'
import { agentLocal, compareExchange, load, peek, store } from '@heddle/atomics/ops'
import { MAX_UNITS, P_UNITS, UNIT_BYTES } from './layout.js'

const MAX_ANNEX = MAX_UNITS * UNIT_BYTES
const MIN_ANNEX = 2 ** 28
/** Most bytes of one payload: lengths are signed words. */
export const MAX_PAYLOAD = 2 ** 31 - UNIT_BYTES

/** A new buffer for a pool: as much address space as there is, and no memory yet; undefined where the engine has none that grow. */
export function createAnnex(): SharedArrayBuffer | undefined {
  if (typeof SharedArrayBuffer !== 'function') return undefined
  for (let most = MAX_ANNEX; most >= MIN_ANNEX; most /= 2) {
    try {
      const buffer = new SharedArrayBuffer(0, { maxByteLength: most })
      // Older engines take no notice of the second argument.
      return (buffer as { growable?: boolean }).growable === true ? buffer : undefined
    } catch (error) {
      // Less address space, or a lower limit of the engine's.
      if (!(error instanceof RangeError)) throw error
    }
  }
  return undefined
}

/** One pool's memory for large payloads, as an agent opened it. */
export class Annex {
  private readonly words: Int32Array
  private readonly table: number
  private readonly units: number

  constructor(
    private readonly region: Region,
    /** Word index of the pool. */
    base: number,
    readonly buffer: SharedArrayBuffer,
  ) {
    this.words = region.words
    this.table = base + P_UNITS
    this.units = Math.min(MAX_UNITS, Math.floor(buffer.maxByteLength / UNIT_BYTES))
  }

  /** Takes a run of units for a slot; its first. @throws RegionFullError, and nothing was taken */
  take(slot: number, bytes: number): number {
    const count = unitsFor(bytes)
    for (let first = 0; first + count <= this.units;) {
      const busy = this.lastBusy(first, count)
      if (busy !== -1) {
        first = busy + 1
        continue
      }
      const taken = this.takeRun(slot, first, count)
      if (taken === count) return this.reach(first, count)
      first += taken + 1
    }
    throw new RegionFullError(`no room for a payload of ${bytes} bytes beside others of ${this.used} bytes`)
  }

  /** Gives a run back that `take` gave. */
  give(first: number, bytes: number): void {
    const count = unitsFor(bytes)
    for (let i = 0; i < count; i++) store(this.words, this.table + first + i, 0)
  }

  /** Gives back all that the slots from `slot` up to `end` have, whatever their words say (I2). */
  sweep(slot: number, end = slot + 1): void {
    const { words, table } = this
    for (let i = 0; i < this.units; i++) {
      // Plain: words of other slots change meanwhile, those of these don't.
      const owner = peek(words, table + i)
      if (owner >= slot && owner < end) store(words, table + i, 0)
    }
  }

  /** What stands for the region where a codec writes or reads `bytes` from offset 0: the memory of a run. */
  window(first: number, bytes: number): Region {
    const { buffer, id } = this.region
    const words = new Int32Array(this.buffer, first * UNIT_BYTES, bytes >> 2)
    // Not the region as its prototype: engines keep objects that are one in another form, and all code is optimized for the one that it has.
    return { words, buffer, id } as unknown as Region
  }

  /** Bytes that payloads hold now. */
  get used(): number {
    let used = 0
    for (let i = 0; i < this.units; i++) if (load(this.words, this.table + i) !== 0) used += UNIT_BYTES
    return used
  }

  private lastBusy(first: number, count: number): number {
    // Plain: a hint, which `takeRun` confirms.
    for (let i = first + count - 1; i >= first; i--) if (peek(this.words, this.table + i) !== 0) return i
    return -1
  }

  /** Takes units one after another; how many, up to the first that another slot has. If not all, none. */
  private takeRun(slot: number, first: number, count: number): number {
    for (let i = 0; i < count; i++) {
      if (compareExchange(this.words, this.table + first + i, 0, slot) === 0) continue
      this.give(first, i * UNIT_BYTES)
      return i
    }
    return count
  }

  /** Has the buffer grow to hold a run (I3). */
  private reach(first: number, count: number): number {
    const { buffer } = this
    const end = (first + count) * UNIT_BYTES
    try {
      if (buffer.byteLength < end) buffer.grow(end)
    } catch (cause) {
      // Another agent may have grown it further meanwhile.
      if (buffer.byteLength < end) {
        this.give(first, count * UNIT_BYTES)
        throw new RegionFullError(`the system has no memory for a payload of up to ${count * UNIT_BYTES} bytes`, { cause })
      }
    }
    return first
  }
}

function unitsFor(bytes: number): number {
  return Math.ceil(bytes / UNIT_BYTES)
}

/** What units for so many bytes hold. */
export function annexBytes(bytes: number): number {
  return unitsFor(bytes) * UNIT_BYTES
}

/** @throws ValueTooLargeError for what no payload can be */
export function checkPayload(bytes: number): void {
  if (bytes > MAX_PAYLOAD) throw new ValueTooLargeError(`a payload of ${bytes} bytes: at most ${MAX_PAYLOAD} travel with one call`)
}

/** Those of the pools that this agent has opened, by region and word index of the pool. */
const known = /* @__PURE__ */ agentLocal(() => new WeakMap<Region, Map<number, Annex>>())

/** Makes a pool's annex known to this agent. */
export function openAnnex(region: Region, base: number, buffer: SharedArrayBuffer): void {
  let pools = known.get().get(region)
  if (pools === undefined) known.get().set(region, (pools = new Map<number, Annex>()))
  if (pools.get(base)?.buffer !== buffer) pools.set(base, new Annex(region, base, buffer))
}

/** Forgets it: the pool has ended. */
export function closeAnnex(region: Region, base: number): void {
  known.get().get(region)?.delete(base)
}

/** The annex of the pool at `base`; undefined where it has none. */
export function annexOf(region: Region, base: number): Annex | undefined {
  return known.get().get(region)?.get(base)
}
