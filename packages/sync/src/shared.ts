/**
 * A value that can only be reached under its lock.
 *
 * Source     Rust's Mutex<T> and RwLock<T>.
 * Layout     +0 header · +4 bytes from the object to its codec's kind · +8 a RwLock, with a header of its own · slot, aligned to 8 · kind
 * Invariants S1 The slot is read under the lock and written under its writing side: plain accesses.
 */
import { type Codec, type Handle, Region, SharedObject, type ViewCodec } from '@heddle/atomics'
import { kindBytes, Place, readKind, writeKind } from '@heddle/atomics/internal'
import { copy, get, set } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, WaitOptions } from '@heddle/park'
import { RwLock, type RwLockOptions } from './rw-lock.js'

const LOCK_AT = 8
const SLOT_AT = (LOCK_AT + RwLock.BYTES + 7) & ~7

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
    super(codec instanceof Place ? codec : Place.allocate(options.region ?? Region.default, Shared, Shared.bytes(codec)))
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
    return SLOT_AT + ((codec.bytes + 3) & ~3) + kindBytes(codec)
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
    const { codec, region, at } = this
    return isViewCodec<T, V>(codec) ? codec.view(region, at + SLOT_AT) : (codec.read(region, at + SLOT_AT) as unknown as V)
  }

  /**
   * Replaces the value, alone under the lock. One that can't be written leaves the former.
   * @internal
   */
  write(value: T): void {
    const { codec, region, at } = this
    if (codec.fixed) {
      codec.write(region, at + SLOT_AT, value)
      return
    }
    // The former value is freed when the new one is written, and not before: one of the two is in the slot at every throw.
    const slot = at + SLOT_AT
    const former = new Uint8Array(codec.bytes)
    const written = new Uint8Array(codec.bytes)
    // Under the lock (S1).
    copy(former, 0, region.bytes, slot, codec.bytes)
    try {
      codec.write(region, slot, value)
    } catch (error) {
      copy(region.bytes, slot, former, 0, codec.bytes)
      throw error
    }
    copy(written, 0, region.bytes, slot, codec.bytes)
    copy(region.bytes, slot, former, 0, codec.bytes)
    codec.free?.(region, slot)
    copy(region.bytes, slot, written, 0, codec.bytes)
  }

  protected override onDispose(): void {
    this.lock.dispose()
    this.codec.free?.(this.region, this.at + SLOT_AT)
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

/** Writes the value and names the codec. Before the place is published: plain writes. */
function format<T>(region: Region, at: number, codec: Codec<T>, value: T): void {
  const kindAt = SLOT_AT + ((codec.bytes + 3) & ~3)
  writeKind(region, at + kindAt, codec)
  set(region.words, (at >> 2) + 1, kindAt)
  codec.write(region, at + SLOT_AT, value)
}
