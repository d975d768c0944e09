/** Codec of a fixed number of values of one type. Layout and invariants: codec.ts. */
import { type Codec, fixedCodec, type ViewCodec } from './codec.js'
import { roundUp } from './codec-scratch.js'
import { InvalidArgumentError } from './errors.js'
import type { Region } from './region.js'

/** What indexing a slot in place gives: a view where the codec has one, else the value. */
export type InPlace<C> = C extends { view(region: Region, at: number): infer V } ? V : C extends Codec<infer T> ? T : never

/** An array in shared memory, in place. Plain accesses: whoever uses it holds what keeps others away. */
export class ArrayView<T, V = T> {
  constructor(
    readonly region: Region,
    /** Byte offset of the first element. */
    readonly at: number,
    private readonly codec: Codec<T> & { view?: (region: Region, at: number) => V },
    readonly length: number,
  ) {}
  /** The element: a view of it where its codec has one, else its value. @throws InvalidArgumentError out of range. */
  get(index: number): V {
    const at = this.place(index)
    return this.codec.view === undefined ? (this.codec.read(this.region, at) as unknown as V) : this.codec.view(this.region, at)
  }
  /** Writes an element. @throws InvalidArgumentError out of range, and what the codec throws. */
  set(index: number, value: T): void {
    this.codec.write(this.region, this.place(index), value)
  }
  /** The elements' values, copied. */
  toArray(): T[] {
    return Array.from({ length: this.length }, (_, i) => this.codec.read(this.region, this.place(i)))
  }
  *[Symbol.iterator](): IterableIterator<V> {
    for (let i = 0; i < this.length; i++) yield this.get(i)
  }
  private place(index: number): number {
    if (!(index >= 0 && index < this.length && Number.isInteger(index)))
      throw new InvalidArgumentError(`index ${index} is out of range: the array has ${this.length} elements`)
    return this.at + index * this.codec.bytes
  }
}

class ArrayCodec<T, V> implements ViewCodec<T[], ArrayView<T, V>> {
  readonly kind: string
  readonly bytes: number
  readonly align: number
  readonly fixed = true
  constructor(
    private readonly codec: Codec<T> & { view?: (region: Region, at: number) => V },
    private readonly length: number,
  ) {
    this.kind = `array(${codec.kind},${length})`
    this.bytes = roundUp(codec.bytes, codec.align) * length
    this.align = codec.align
  }
  write(region: Region, at: number, value: ArrayLike<T>): void {
    const given = (value as ArrayLike<T> | null | undefined)?.length
    if (given !== this.length) throw new InvalidArgumentError(`${this.kind} takes ${this.length} elements, got ${String(given)}`)
    for (let i = 0; i < this.length; i++) this.codec.write(region, at + i * this.codec.bytes, value[i]!)
  }
  read(region: Region, at: number): T[] {
    const value: T[] = []
    for (let i = 0; i < this.length; i++) value.push(this.codec.read(region, at + i * this.codec.bytes))
    return value
  }
  view(region: Region, at: number): ArrayView<T, V> {
    return new ArrayView<T, V>(region, at, this.codec, this.length)
  }
}

/**
 * Exactly `n` values of one type, one after the other, as in C. Nothing is outside: text and bytes have room for their maximum.
 * Written from an array (or typed array) of `n`, read as a new array; a struct's field of it is an `ArrayView`.
 * @throws InvalidArgumentError for an `n` that is not a positive integer, and when written another number of elements.
 */
export function array<C extends Codec<unknown>>(
  codec: C,
  n: number,
): ViewCodec<C extends Codec<infer T> ? T[] : never, ArrayView<C extends Codec<infer T> ? T : never, InPlace<C>>> {
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError(`array(codec, n): n is a positive integer, got ${String(n)}`)
  return new ArrayCodec(fixedCodec(codec, 'array'), n) as never
}
