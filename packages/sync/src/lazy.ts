/**
 * A value that is made when it is first asked for, once for all agents.
 *
 * Source     Rust's std::sync::LazyLock; Java's initialization-on-demand holder.
 * Layout     +0 header · +8 a OnceCell, with a header of its own
 */
import { type Codec, type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { Place, regionOf } from '@heddle/atomics/internal'
import type { AsyncOptions, BlockingOptions, WaitOptions } from '@heddle/park'
import { OnceCell, type OnceCellOptions } from './once-cell.js'

const CELL_AT = 8

/**
 * A OnceCell with the function that fills it. The function belongs to this object: pass the same one where the handle is opened; without one
 * an agent can only use a value that another has made. @example
 * import { i32 } from '@heddle/atomics'
 * const answer = new Lazy({ codec: i32 }, () => 42)
 * answer.value // 42
 */
export class Lazy<T> extends SharedObject {
  static readonly kind = 'Lazy'
  /** Of the fixed part; `Lazy.bytes(codec)` is the whole. */
  static readonly BYTES = CELL_AT + OnceCell.BYTES
  static readonly ALIGN = 8
  private readonly cell: OnceCell<T>

  /** Allocates one without its value. `make` runs when it is first asked for. @throws RegionFullError */
  constructor(
    options: OnceCellOptions<T> | Place,
    private readonly make?: () => T,
  ) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), Lazy, Lazy.bytes(options.codec)))
    const inner = this.at + CELL_AT
    this.cell = options instanceof Place ? OnceCell.at<T>(this.region, inner) : OnceCell.init(this.region, inner, options.codec)
  }

  /** Bytes that one of this codec takes, without what its value has outside its slot. */
  static bytes(codec: Codec<unknown>): number {
    return CELL_AT + OnceCell.bytes(codec)
  }

  /** Makes one in `Lazy.bytes(codec)` zeroed bytes that the caller owns, aligned to 8. */
  static init<T>(region: Region, at: number, codec: Codec<T>, make?: () => T): Lazy<T> {
    const place = Place.format(region, at, Lazy, Lazy.bytes(codec))
    OnceCell.init(region, at + CELL_AT, codec)
    return new Lazy<T>(place, make)
  }

  /** Opens the one at a byte offset. @throws DisposedError when none lives there, NotShareableError when its codec is not known here. */
  static at<T = unknown>(region: Region, at: number, make?: () => T): Lazy<T> {
    return new Lazy<T>(Place.open(region, at, Lazy), make)
  }

  /** Opens what a handle names. Throws as `at`. */
  static fromHandle<T = unknown>(handle: Handle, make?: () => T): Lazy<T> {
    return new Lazy<T>(Place.openHandle(handle, Lazy), make)
  }

  /** Whether the value is there. */
  get isSet(): boolean {
    return this.cell.isSet
  }

  /** The value, as a copy. Makes it, or blocks the thread while another agent does. Throws as `OnceCell.getOrInit`. */
  get value(): T {
    return this.valueWithin()
  }

  /** As `value`, with limits. */
  valueWithin(options?: BlockingOptions): T {
    this.assertLive()
    return this.cell.getOrInit(() => this.run(), options)
  }

  /** As `value`, as a promise. */
  valueAsync(options?: AsyncOptions): Promise<T> {
    return this.cell.getOrInitAsync(() => this.run(), options)
  }

  /** As `value`, in a fiber. */
  valueFiber(options?: WaitOptions): Generator<unknown, T, unknown> {
    return this.cell.getOrInitFiber(() => this.run(), options)
  }

  protected override onDispose(): void {
    this.cell.dispose()
  }

  private run(): T {
    if (this.make === undefined)
      throw new InvalidArgumentError('this Lazy was opened without its function, and nobody has made the value yet: pass the function to fromHandle')
    return this.make()
  }
}
