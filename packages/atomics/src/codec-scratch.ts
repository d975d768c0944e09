/**
 * Private memory between JS values and shared memory: text is encoded here, checked, and only then copied into a slot.
 *
 * The scratch is never shared, so it is indexed directly; shared words are only touched by the two `copyWords…` functions, one
 * 32-bit word at a time or in bulk, so that a slot's data is never accessed in two sizes.
 *
 * Rejected   `encodeInto`/`decode` on shared views: browsers refuse both. A byte-wise bulk copy: it mixes access sizes, and is
 *            no faster (measured, V8: a copy whose ends are equally aligned modulo 8 runs 4 to 6 times as fast as one whose ends
 *            are not; blocks and the scratch both start at a multiple of 8).
 */
import { agentLocal, copy, get, set } from '#ops'
import type { Region } from './region.js'

/** Growable private bytes with the views that the codecs need. */
export class Scratch {
  bytes: Uint8Array<ArrayBuffer>
  words: Int32Array<ArrayBuffer>

  constructor(size = 1024) {
    this.bytes = new Uint8Array(size)
    this.words = new Int32Array(this.bytes.buffer)
  }

  /** Makes room for `size` bytes; what was there is not kept. */
  reserve(size: number): void {
    if (size <= this.bytes.length) return
    this.bytes = new Uint8Array(Math.max(this.bytes.length * 2, roundUp(size, 8)))
    this.words = new Int32Array(this.bytes.buffer)
  }

  /** Gives up memory that one large value needed. */
  trim(): void {
    if (this.bytes.length <= KEPT_BYTES) return
    this.bytes = new Uint8Array(KEPT_BYTES)
    this.words = new Int32Array(this.bytes.buffer)
  }
}

/** A scratch larger than this is given up after use. */
const KEPT_BYTES = 1 << 20
/** Up to this many words a loop beats a bulk copy's fixed cost of about 50 ns (measured, V8). */
const LOOP_WORDS = 24

/** This agent's scratch, for uses in which no foreign code runs between filling and reading it. */
export const scratch = /* @__PURE__ */ agentLocal(() => new Scratch())

/** The least multiple of `unit` (a power of two) that is not below `value`. */
export function roundUp(value: number, unit: number): number {
  return (value + unit - 1) & -unit
}

/**
 * Copies `length` bytes, rounded up to whole words, from the scratch's start into the region at `at` (a multiple of 4).
 * Race-free because the caller owns the slot or block until it publishes it.
 */
export function copyWordsIn(region: Region, at: number, from: Int32Array<ArrayBuffer>, length: number): void {
  const count = (length + 3) >> 2
  const first = at >> 2
  if (count <= LOOP_WORDS) for (let i = 0; i < count; i++) set(region.words, first + i, from[i]!)
  else copy<Int32Array>(region.words, first, from, 0, count)
}

/** The way back: fills the scratch from its start. Race-free because whoever reads a slot was handed it. */
export function copyWordsOut(region: Region, at: number, to: Scratch, length: number): void {
  to.reserve(length)
  const count = (length + 3) >> 2
  const first = at >> 2
  const { words } = to
  if (count <= LOOP_WORDS) for (let i = 0; i < count; i++) words[i] = get(region.words, first + i)
  else copy<Int32Array>(words, 0, region.words, first, count)
}
