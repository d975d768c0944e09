/**
 * Atomic 32-bit cells: a signed integer, an unsigned one, a boolean.
 *
 * Layout     +0 header (shared-object.ts) · +4 value, the byte offset that `valueAt` names
 * Invariants I1 Every access to the value is atomic and of 32 bits: nothing here can tear or race.
 *            I2 The header is read plainly and may race: the read only refuses misuse (see SharedObject).
 * Cost       One `Atomics` call, and 0.3 to 1.1 ns for the check that the cell was not disposed of: a plain read that the engine
 *            inlines. Two things keep it there. Each cell has a view of its own two words (header 0, value 1), so that both indexes
 *            are constants; with an index into the region's view `add` is 1.18 times the bare call instead of 1.14, and the view
 *            costs about 100 bytes of the agent's own memory. And the three classes repeat one another: methods of a common base
 *            would be call sites that see three shapes of `this`, and finding out which costs as much as the check. Fields are
 *            declared, not defined: see SharedObject.
 * Progress   Everything is wait-free but `update`, which is lock-free: it tries again only when another agent changed the value.
 * Rejected   A check by atomic load: doubles the price of `load`.
 */
import { add, and, compareExchange, exchange, load, or, peek, store, sub, xor } from '#ops'
import { checkOptions, regionOf } from './arguments.js'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'
import { type Handle, Place, SharedObject } from './shared-object.js'

// V8 puts a constant of the module into the compiled code, but loads and checks an imported binding at every call (1 to 2 cycles for each
// of the two calls here). tsup.config.ts keeps these constant through the bundler.
const inlineAdd = add
const inlineAnd = and
const inlineCompareExchange = compareExchange
const inlineExchange = exchange
const inlineLoad = load
const inlineOr = or
const inlinePeek = peek
const inlineStore = store
const inlineSub = sub
const inlineXor = xor

/** Where a new cell lives and what it starts with. */
export interface CellOptions<T> {
  /** Default: `Region.default`. */
  region?: Region
  /** Default: 0, 0n or false. */
  value?: T
}

/** What all cells have in common: enough to wait on one. */
export interface AtomicCell<T> {
  readonly region: Region
  /** Byte offset of the value in the region: the address to wait on and to notify. */
  readonly valueAt: number
  load(): T
  store(value: T): void
  exchange(value: T): T
  compareExchange(expected: T, replacement: T): boolean
  update(next: (value: T) => T): T
}

/**
 * A signed 32-bit integer that agents share.
 *
 * Operations wrap around as `Int32Array` does; their arguments are taken modulo 2³² (fractions are cut off). None blocks; each is one
 * `Atomics` call. Every operation throws `DisposedError` (`ERR_DISPOSED`) once the cell was disposed of in any agent.
 *
 * @example
 * const hits = new AtomicInt32()
 * hits.add(1)                             // 0, the value before
 * const message = hits.toHandle()         // postMessage carries it; there:
 * AtomicInt32.fromHandle(message).add(1)  // 1
 */
export class AtomicInt32 extends SharedObject implements AtomicCell<number> {
  static readonly kind = 'AtomicInt32'
  static readonly BYTES = 8
  static readonly ALIGN = 4
  declare private readonly view: Int32Array

  /**
   * Allocates a cell.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `value` is no integer from -2³¹ to 2³¹ - 1, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(options: CellOptions<number> | Place = {}) {
    const value = options instanceof Place ? 0 : checkInt32(checkOptions(options).value ?? 0)
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicInt32))
    this.view = viewOf(this)
    if (value !== 0) inlineStore(this.view, 1, value)
  }

  /** Makes a cell in BYTES bytes that the caller owns. @throws InvalidArgumentError for a bad `value`, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, value = 0): AtomicInt32 {
    checkInt32(value)
    const cell = new AtomicInt32(Place.format(region, at, AtomicInt32))
    cell.store(value)
    return cell
  }

  /** Opens the cell at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicInt32 {
    return new AtomicInt32(Place.open(region, at, AtomicInt32))
  }

  /** Opens the cell that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicInt32 {
    return new AtomicInt32(Place.openHandle(handle, AtomicInt32))
  }

  /** Byte offset of the value in the region. */
  get valueAt(): number {
    return this.at + 4
  }

  /** The value. */
  load(): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineLoad(this.view, 1)
  }

  /** Sets the value. */
  store(value: number): void {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    inlineStore(this.view, 1, value | 0)
  }

  /** Adds; returns the value before. */
  add(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineAdd(this.view, 1, value | 0)
  }

  /** Subtracts; returns the value before. */
  sub(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineSub(this.view, 1, value | 0)
  }

  /** Keeps the bits that `value` has; returns the value before. */
  and(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineAnd(this.view, 1, value | 0)
  }

  /** Sets the bits that `value` has; returns the value before. */
  or(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineOr(this.view, 1, value | 0)
  }

  /** Flips the bits that `value` has; returns the value before. */
  xor(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineXor(this.view, 1, value | 0)
  }

  /** Sets the value; returns the one before. */
  exchange(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineExchange(this.view, 1, value | 0)
  }

  /** Sets the value to `replacement` if it is `expected`; returns whether it was. */
  compareExchange(expected: number, replacement: number): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineCompareExchange(this.view, 1, expected | 0, replacement | 0) === (expected | 0)
  }

  /**
   * Replaces the value by `next(value)` in one step; returns the **new** value, as Java's `updateAndGet` does. `next` runs again when another
   * agent was faster, so it should only compute; when it throws, the cell is unchanged.
   * @example
   * const peak = new AtomicInt32()
   * peak.update((value) => Math.max(value, 7))     // 7
   */
  update(next: (value: number) => number): number {
    for (;;) {
      const value = this.load()
      const replacement = next(value) | 0
      if (this.compareExchange(value, replacement)) return replacement
    }
  }
}

/**
 * An unsigned 32-bit integer that agents share: as `AtomicInt32`, with values from 0 to 2³² - 1.
 *
 * Operations wrap around as `Uint32Array` does. None blocks; each is one `Atomics` call. Every operation throws `DisposedError`
 * (`ERR_DISPOSED`) once the cell was disposed of in any agent.
 *
 * @example
 * const sequence = new AtomicUint32({ value: 0xffff_ffff })
 * sequence.add(1)     // 4294967295, the value before
 * sequence.load()     // 0
 */
export class AtomicUint32 extends SharedObject implements AtomicCell<number> {
  static readonly kind = 'AtomicUint32'
  static readonly BYTES = 8
  static readonly ALIGN = 4
  declare private readonly view: Int32Array

  /**
   * Allocates a cell.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `value` is no integer from 0 to 2³² - 1, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(options: CellOptions<number> | Place = {}) {
    const value = options instanceof Place ? 0 : checkUint32(checkOptions(options).value ?? 0)
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicUint32))
    this.view = viewOf(this)
    if (value !== 0) inlineStore(this.view, 1, value | 0)
  }

  /** Makes a cell in BYTES bytes that the caller owns. @throws InvalidArgumentError for a bad `value`, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, value = 0): AtomicUint32 {
    checkUint32(value)
    const cell = new AtomicUint32(Place.format(region, at, AtomicUint32))
    cell.store(value)
    return cell
  }

  /** Opens the cell at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicUint32 {
    return new AtomicUint32(Place.open(region, at, AtomicUint32))
  }

  /** Opens the cell that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicUint32 {
    return new AtomicUint32(Place.openHandle(handle, AtomicUint32))
  }

  /** Byte offset of the value in the region. */
  get valueAt(): number {
    return this.at + 4
  }

  /** The value. */
  load(): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineLoad(this.view, 1) >>> 0
  }

  /** Sets the value. */
  store(value: number): void {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    inlineStore(this.view, 1, value | 0)
  }

  /** Adds; returns the value before. */
  add(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineAdd(this.view, 1, value | 0) >>> 0
  }

  /** Subtracts; returns the value before. */
  sub(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineSub(this.view, 1, value | 0) >>> 0
  }

  /** Keeps the bits that `value` has; returns the value before. */
  and(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineAnd(this.view, 1, value | 0) >>> 0
  }

  /** Sets the bits that `value` has; returns the value before. */
  or(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineOr(this.view, 1, value | 0) >>> 0
  }

  /** Flips the bits that `value` has; returns the value before. */
  xor(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineXor(this.view, 1, value | 0) >>> 0
  }

  /** Sets the value; returns the one before. */
  exchange(value: number): number {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineExchange(this.view, 1, value | 0) >>> 0
  }

  /** Sets the value to `replacement` if it is `expected`; returns whether it was. */
  compareExchange(expected: number, replacement: number): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineCompareExchange(this.view, 1, expected | 0, replacement | 0) === (expected | 0)
  }

  /** Replaces the value by `next(value)` in one step; returns the **new** value. See `AtomicInt32.update`. */
  update(next: (value: number) => number): number {
    for (;;) {
      const value = this.load()
      const replacement = next(value) >>> 0
      if (this.compareExchange(value, replacement)) return replacement
    }
  }
}

/**
 * A boolean that agents share. Its word is 0 or 1; it has the operations that mean something for a boolean, so no `add` and `sub`.
 *
 * None blocks; each is one `Atomics` call. Every operation throws `DisposedError` (`ERR_DISPOSED`) once the cell was disposed of in any agent.
 *
 * @example
 * const started = new AtomicBool()
 * if (!started.exchange(true)) console.log('exactly one agent gets here')
 */
export class AtomicBool extends SharedObject implements AtomicCell<boolean> {
  static readonly kind = 'AtomicBool'
  static readonly BYTES = 8
  static readonly ALIGN = 4
  declare private readonly view: Int32Array

  /**
   * Allocates a cell.
   * @throws InvalidArgumentError (`ERR_INVALID_ARGUMENT`) when `value` is no boolean, RegionFullError (`ERR_REGION_FULL`).
   */
  constructor(options: CellOptions<boolean> | Place = {}) {
    const value = options instanceof Place ? false : checkBoolean(checkOptions(options).value ?? false)
    super(options instanceof Place ? options : Place.allocate(regionOf(options), AtomicBool))
    this.view = viewOf(this)
    if (value) inlineStore(this.view, 1, 1)
  }

  /** Makes a cell in BYTES bytes that the caller owns. @throws InvalidArgumentError for a bad `value`, or a place that is misaligned or outside the region. */
  static init(region: Region, at: number, value = false): AtomicBool {
    checkBoolean(value)
    const cell = new AtomicBool(Place.format(region, at, AtomicBool))
    cell.store(value)
    return cell
  }

  /** Opens the cell at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): AtomicBool {
    return new AtomicBool(Place.open(region, at, AtomicBool))
  }

  /** Opens the cell that a handle names. @throws InvalidArgumentError for another kind's handle, DisposedError for a stale one. */
  static fromHandle(handle: Handle): AtomicBool {
    return new AtomicBool(Place.openHandle(handle, AtomicBool))
  }

  /** Byte offset of the value (a 32-bit word, 0 or 1) in the region. */
  get valueAt(): number {
    return this.at + 4
  }

  /** The value. */
  load(): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineLoad(this.view, 1) !== 0
  }

  /** Sets the value. */
  store(value: boolean): void {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    inlineStore(this.view, 1, value ? 1 : 0)
  }

  /** Sets to false unless `value`; returns the value before. */
  and(value: boolean): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineAnd(this.view, 1, value ? 1 : 0) !== 0
  }

  /** Sets to true if `value`; returns the value before. */
  or(value: boolean): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineOr(this.view, 1, value ? 1 : 0) !== 0
  }

  /** Flips if `value`; returns the value before. */
  xor(value: boolean): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineXor(this.view, 1, value ? 1 : 0) !== 0
  }

  /** Sets the value; returns the one before. */
  exchange(value: boolean): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    return inlineExchange(this.view, 1, value ? 1 : 0) !== 0
  }

  /** Sets the value to `replacement` if it is `expected`; returns whether it was. */
  compareExchange(expected: boolean, replacement: boolean): boolean {
    if (inlinePeek(this.view, 0) !== this.header) this.assertLive()
    const word = replacement ? 1 : 0
    return expected ? inlineCompareExchange(this.view, 1, 1, word) === 1 : inlineCompareExchange(this.view, 1, 0, word) === 0
  }

  /** Replaces the value by `next(value)` in one step; returns the **new** value. See `AtomicInt32.update`. */
  update(next: (value: boolean) => boolean): boolean {
    for (;;) {
      const value = this.load()
      const replacement = next(value)
      if (this.compareExchange(value, replacement)) return replacement
    }
  }
}

/** The cell's header and value, as words 0 and 1. */
function viewOf(cell: SharedObject): Int32Array {
  return new Int32Array(cell.region.buffer, cell.at, 2)
}

function checkInt32(value: number): number {
  if (typeof value !== 'number' || value !== (value | 0))
    throw new InvalidArgumentError(`value must be an integer from -2147483648 to 2147483647, got ${String(value)}`)
  return value
}

function checkUint32(value: number): number {
  if (typeof value !== 'number' || value !== value >>> 0)
    throw new InvalidArgumentError(`value must be an integer from 0 to 4294967295, got ${String(value)}`)
  return value
}

function checkBoolean(value: boolean): boolean {
  if (typeof value !== 'boolean') throw new InvalidArgumentError(`value must be a boolean, got ${String(value)}`)
  return value
}
