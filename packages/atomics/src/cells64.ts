/**
 * An atomic 64-bit integer, read and written as a bigint.
 *
 * Layout     +0 header (shared-object.ts) · +4 unused · +8 value, the byte offset that `valueAt` names
 * Invariants I1 The value is only accessed as one 64-bit word: no mixed-size access, no tearing.
 * Cost       One `Atomics` call and the bigint that it returns, and the check of cells.ts. A cell has views of its own, as there. It has call sites of its own (`load64` …, in a file of its own), so a
 *            program that uses bigint cells pays nothing for it in its 32-bit ones.
 * Progress   As cells.ts.
 */
import { add64, and64, compareExchange64, exchange64, load64, or64, peek, store64, sub64, xor64 } from '#ops'
import { checkOptions, regionOf } from './arguments.js'
import type { AtomicCell, CellOptions } from './cells.js'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

// As in cells.ts.
const inlineAdd64 = add64
const inlineAnd64 = and64
const inlineCompareExchange64 = compareExchange64
const inlineExchange64 = exchange64
const inlineLoad64 = load64
const inlineOr64 = or64
const inlinePeek = peek
const inlineStore64 = store64
const inlineSub64 = sub64
const inlineXor64 = xor64

/**
 * A signed 64-bit integer that agents share, as a bigint.
 *
 * Operations wrap around as `BigInt64Array` does; their arguments are taken modulo 2⁶⁴. None blocks; each is one `Atomics` call, 1.1 to
 * 1.5 times what a 32-bit one costs. Every operation throws `DisposedError` (`ERR_DISPOSED`) once the cell was disposed of in any agent,
 * and `TypeError` for an argument that is no bigint.
 *
 * @example
 * const bytes = new AtomicBigInt64()
 * bytes.add(5_000_000_000n)     // 0n, the value before
 */
export class AtomicBigInt64 extends SharedObject implements AtomicCell<bigint> {
  static readonly kind = 'AtomicBigInt64'
  static readonly BYTES = 16
  static readonly ALIGN = 8
  declare private readonly head: Int32Array
  declare private readonly view: BigInt64Array

  /**
   * Allocates a cell.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `value` is no bigint from -2⁶³ to 2⁶³ - 1, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(options: CellOptions<bigint> | Place = {}) {
    const value = options instanceof Place ? 0n : checkInt64(checkOptions(options).value ?? 0n)
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicBigInt64))
    this.head = new Int32Array(this.region.buffer, this.at, 1)
    this.view = new BigInt64Array(this.region.buffer, this.at + 8, 1)
    if (value !== 0n) inlineStore64(this.view, 0, value)
  }

  /** Makes a cell in BYTES bytes that the caller owns. @throws InvalidArgumentError for a bad `value`, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, value = 0n): AtomicBigInt64 {
    checkInt64(value)
    const cell = new AtomicBigInt64(Place.format(region, at, AtomicBigInt64))
    cell.store(value)
    return cell
  }

  /** Opens the cell at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicBigInt64 {
    return new AtomicBigInt64(Place.open(region, at, AtomicBigInt64))
  }

  /** Opens the cell that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicBigInt64 {
    return new AtomicBigInt64(Place.openHandle(handle, AtomicBigInt64))
  }

  /** Byte offset of the value (8 bytes) in the region. */
  get valueAt(): number {
    return this.at + 8
  }

  /** The value. */
  load(): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineLoad64(this.view, 0)
  }

  /** Sets the value. */
  store(value: bigint): void {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    inlineStore64(this.view, 0, value)
  }

  /** Adds; returns the value before. */
  add(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineAdd64(this.view, 0, value)
  }

  /** Subtracts; returns the value before. */
  sub(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineSub64(this.view, 0, value)
  }

  /** Keeps the bits that `value` has; returns the value before. */
  and(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineAnd64(this.view, 0, value)
  }

  /** Sets the bits that `value` has; returns the value before. */
  or(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineOr64(this.view, 0, value)
  }

  /** Flips the bits that `value` has; returns the value before. */
  xor(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineXor64(this.view, 0, value)
  }

  /** Sets the value; returns the one before. */
  exchange(value: bigint): bigint {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineExchange64(this.view, 0, value)
  }

  /** Sets the value to `replacement` if it is `expected`; returns whether it was. */
  compareExchange(expected: bigint, replacement: bigint): boolean {
    if (inlinePeek(this.head, 0) !== this.header) this.assertLive()
    return inlineCompareExchange64(this.view, 0, expected, replacement) === BigInt.asIntN(64, expected)
  }

  /** Replaces the value by `next(value)` in one step; returns the **new** value. See `AtomicInt32.update`. */
  update(next: (value: bigint) => bigint): bigint {
    for (;;) {
      const value = this.load()
      const replacement = BigInt.asIntN(64, next(value))
      if (this.compareExchange(value, replacement)) return replacement
    }
  }
}

function checkInt64(value: bigint): bigint {
  if (typeof value !== 'bigint' || value !== BigInt.asIntN(64, value)) {
    throw new InvalidArgumentError(`value must be a bigint from -(2n ** 63n) to 2n ** 63n - 1n, got ${String(value)}`)
  }
  return value
}
