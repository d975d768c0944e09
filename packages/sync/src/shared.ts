/**
 * A value that can only be reached under its lock.
 *
 * Source     Rust's Mutex<T> and RwLock<T>.
 * Layout     +0 header · +4 bytes from the object to its codec's kind · +8 a RwLock, with a header of its own · +84 which of two slots has the
 *            value · slot, aligned to 8 · another, aligned to 8, unless the codec has views · kind
 * Invariants S1 The slot is read under the lock and written under its writing side: plain accesses.
 *            S2 A value is written to the slot that is not in use, which then gets to be the one in use by one store; what the former one owns
 *               outside itself is freed after that. So a writer that dies leaves the former value or the new one, whole, and never one whose
 *               memory was freed; what nobody names then is lost to the region (one block a death).
 *            S3 A view is written in place, as it is by its section: codecs with views are `fixed`, and have one slot.
 */
import { type Codec, type Handle, type Region, SharedObject, type ViewCodec } from '@heddle/atomics'
import { kindBytes, Place, readKind, writeKind, regionOf, checkCodec } from '@heddle/atomics/internal'
import { get, load, set, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, WaitOptions } from '@heddle/park'
import { RwLock, type RwLockOptions } from './rw-lock.js'

const LOCK_AT = 8
/** Behind the lock: LOCK_AT + RwLock.BYTES; a plain number, so that bundlers can drop what is not used. */
export const CURRENT_AT = 84
/** The next multiple of 8 after one word. */
const SLOT_AT = 88

/** Replaces the value, within the section. */
export type SetValue<T> = (value: T) => void

/** What a section gets: a view where the codec has one (a struct, an array), else a copy. */
export type SharedValue<C> = C extends ViewCodec<unknown, infer V> ? V : C extends Codec<infer T> ? T : never

/**
 * A value and the lock that guards it. A section gets the value; a struct or an array as a view that it may read and write in place. Of
 * other codecs it gets a copy: objects and byte arrays are written back when the section ends, numbers, texts and booleans are replaced
 * through the second argument. A section that throws writes nothing back; what it wrote through a view stays. @example
 * import { f64, i32, struct } from '@heddle/atomics'
 * const hits = new Shared(i32, 0)
 * hits.with((value, set) => set(value + 1))
 * hits.withRead((value) => value) // 1
 * const place = new Shared(struct({ x: f64, y: f64 }), { x: 0, y: 0 })
 * place.with((point) => { point.x += 1 })
 */
export class Shared<T, V = T> extends SharedObject {
  static readonly kind = 'Shared'
  /** Of the fixed part; `Shared.bytes(codec)` is the whole. */
  static readonly BYTES = SLOT_AT
  static readonly ALIGN = 8
  readonly codec: Codec<T>
  /** The lock, for what sections don't cover: metrics, clearPoison. */
  readonly lock: RwLock

  /** Allocates one that holds `value`. @throws RegionFullError, and what the codec throws for the value. */
  constructor(codec: ViewCodec<T, V> | Codec<T> | Place, value?: T, options: RwLockOptions = {}) {
    super(codec instanceof Place ? codec : Place.allocate(regionOf(options), Shared, Shared.bytes(codec)))
    const { region, at } = this
    if (codec instanceof Place) {
      // Written before the object was published.
      this.codec = readKind(region, at + get(region.words, (at >> 2) + 1)) as Codec<T>
      this.lock = RwLock.at(region, at + LOCK_AT)
      return
    }
    this.codec = codec
    this.lock = RwLock.init(region, at + LOCK_AT, options)
    try {
      format(region, at, codec, value as T)
    } catch (error) {
      // There is no value to free.
      super.dispose()
      throw error
    }
  }

  /** Bytes that one of this codec takes, without what its value has outside its slot. */
  static bytes(codec: Codec<unknown>): number {
    return kindAt(checkCodec(codec)) + kindBytes(codec)
  }

  /** Makes one in `Shared.bytes(codec)` zeroed bytes that the caller owns, aligned to 8. */
  static init<T, V = T>(
    region: Region,
    at: number,
    codec: ViewCodec<T, V> | Codec<T>,
    value: T,
    options: Pick<RwLockOptions, 'poison'> = {},
  ): Shared<T, V> {
    const place = Place.format(region, at, Shared, Shared.bytes(codec))
    RwLock.init(region, at + LOCK_AT, options)
    format(region, at, codec, value)
    return new Shared<T, V>(place)
  }

  /** Opens the one at a byte offset. @throws DisposedError when none lives there, NotShareableError when its codec is not known here. */
  static at<T = unknown, V = T>(region: Region, at: number): Shared<T, V> {
    return new Shared<T, V>(Place.open(region, at, Shared))
  }

  /** Opens what a handle names. Throws as `at`. */
  static fromHandle<T = unknown, V = T>(handle: Handle): Shared<T, V> {
    return new Shared<T, V>(Place.openHandle(handle, Shared))
  }

  /** Runs `section` alone with the value. Blocks and throws as `RwLock.write`. */
  with<R>(section: (value: V, set: SetValue<T>) => R, options?: BlockingOptions): R {
    this.assertLive()
    return this.lock.withWrite(() => {
      const access = new Access<T, V>(this)
      const result = section(access.value, access.set)
      access.writeBack()
      return result
    }, options)
  }

  /** As `with`, for a section that may be asynchronous. */
  async withAsync<R>(section: (value: V, set: SetValue<T>) => R | PromiseLike<R>, options?: AsyncOptions): Promise<R> {
    this.assertLive()
    return this.lock.withWriteAsync(async () => {
      const access = new Access<T, V>(this)
      const result = await section(access.value, access.set)
      access.writeBack()
      return result
    }, options)
  }

  /** As `with`, in a fiber; the section is a generator. */
  withFiber<R>(section: (value: V, set: SetValue<T>) => Generator<unknown, R, unknown>, options?: WaitOptions): Generator<unknown, R, unknown> {
    this.assertLive()
    const make = (): Access<T, V> => new Access<T, V>(this)
    return this.lock.withWriteFiber(function* () {
      const access = make()
      const result = yield* section(access.value, access.set)
      access.writeBack()
      return result
    }, options)
  }

  /** Runs `section` with the value, beside other readers: it may not write. Blocks and throws as `RwLock.read`. */
  withRead<R>(section: (value: V) => R, options?: BlockingOptions): R {
    this.assertLive()
    return this.lock.withRead(() => section(this.read()), options)
  }

  /** As `withRead`, for a section that may be asynchronous. */
  async withReadAsync<R>(section: (value: V) => R | PromiseLike<R>, options?: AsyncOptions): Promise<R> {
    this.assertLive()
    return this.lock.withReadAsync(() => section(this.read()), options)
  }

  /** As `withRead`, in a fiber; the section is a generator. */
  withReadFiber<R>(section: (value: V) => Generator<unknown, R, unknown>, options?: WaitOptions): Generator<unknown, R, unknown> {
    this.assertLive()
    return this.lock.withReadFiber(() => section(this.read()), options)
  }

  /**
   * The value under the lock.
   * @internal
   */
  read(): V {
    const { codec, region, slot } = this
    return isViewCodec<T, V>(codec) ? codec.view(region, slot) : (codec.read(region, slot) as unknown as V)
  }

  /**
   * Replaces the value, alone under the lock. One that can't be written leaves the former.
   * @internal
   */
  write(value: T): void {
    const { codec, region, slot } = this
    if (isViewCodec(codec)) {
      codec.write(region, slot, value)
      return
    }
    const first = this.at + SLOT_AT
    const other = slot === first ? first + slotBytes(codec) : first
    codec.write(region, other, value)
    store(region.words, (this.at + CURRENT_AT) >> 2, other === first ? 0 : 1)
    codec.free?.(region, slot)
  }

  protected override onDispose(): void {
    const { slot } = this
    this.lock.dispose()
    this.codec.free?.(this.region, slot)
  }

  /** Byte offset of the value. */
  private get slot(): number {
    const first = this.at + SLOT_AT
    return load(this.region.words, (this.at + CURRENT_AT) >> 2) === 0 ? first : first + slotBytes(this.codec)
  }
}

/** One section's hold on the value. */
class Access<T, V> {
  value: V
  private readonly writesBack: boolean

  constructor(private readonly shared: Shared<T, V>) {
    this.value = shared.read()
    this.writesBack = !isViewCodec(shared.codec) && typeof this.value === 'object' && this.value !== null
  }

  readonly set = (value: T): void => {
    this.shared.write(value)
    if (this.writesBack) this.value = value as unknown as V
  }

  writeBack(): void {
    if (this.writesBack) this.shared.write(this.value as unknown as T)
  }
}

function isViewCodec<T, V>(codec: Codec<T>): codec is ViewCodec<T, V> {
  return 'view' in codec
}

function slotBytes(codec: Codec<unknown>): number {
  return (codec.bytes + 7) & ~7
}

/** Where the codec's kind is, from the object on. */
function kindAt(codec: Codec<unknown>): number {
  return SLOT_AT + slotBytes(codec) * (isViewCodec(codec) ? 1 : 2)
}

/** Writes the value and names the codec. Before the place is published: plain writes. */
function format<T>(region: Region, at: number, codec: Codec<T>, value: T): void {
  writeKind(region, at + kindAt(codec), codec)
  set(region.words, (at >> 2) + 1, kindAt(codec))
  codec.write(region, at + SLOT_AT, value)
}
