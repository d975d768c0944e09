/**
 * A typed array that is all of a payload, as it stands: one bulk copy each way, without the form that says what else there could be.
 *
 * Whole words only, since memory of the region is accessed in words: other lengths and offsets go the general way, and small ones, which are as
 * quick there.
 */
import type { Region } from '@heddle/atomics'
import { copy } from '@heddle/atomics/ops'

type Bytes = Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

/** Their numbers travel. */
const TYPES: readonly { readonly prototype: Bytes; new (buffer: ArrayBuffer): Bytes }[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
]
const LEAST_BYTES = 1024

/** The number of the type of an array that can travel as it stands; -1 for all else. */
export function typeOfBytes(value: unknown): number {
  if (!ArrayBuffer.isView(value) || value.byteLength < LEAST_BYTES || ((value.byteLength | value.byteOffset) & 3) !== 0) return -1
  if (!(value.buffer instanceof ArrayBuffer)) return -1
  const prototype: unknown = Object.getPrototypeOf(value)
  return TYPES.findIndex((type) => type.prototype === prototype)
}

/** Copies the array's bytes to `at`, a multiple of 8 in memory that the caller owns. */
export function storeBytes(region: Region, at: number, { buffer, byteOffset, byteLength }: ArrayBufferView): void {
  copy<Int32Array>(region.words, at >> 2, new Int32Array(buffer, byteOffset, byteLength >> 2), 0, byteLength >> 2)
}

/** A new array of a type with so many bytes of `at`. */
export function loadBytes(region: Region, at: number, length: number, type: number): ArrayBufferView {
  const buffer = new ArrayBuffer(length)
  copy<Int32Array>(new Int32Array(buffer), 0, region.words, at >> 2, length >> 2)
  return new TYPES[type]!(buffer)
}
