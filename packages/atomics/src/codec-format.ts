/**
 * The bytes of an encoded value: what codec-encode.ts writes and codec-decode.ts reads. Not a storage format: both sides run the
 * same version of this code.
 *
 *   byte        meaning                                          followed by
 *   00–03       undefined, null, true, false
 *   04          integer of 32 bits                               zigzag varint
 *   05          number                                           float64
 *   06          bigint of 64 bits                                int64
 *   07, 08      bigint ≥ 0, < 0                                  value: its magnitude in hexadecimal
 *   09, 0a      ASCII string                                     length in 1 or 4 bytes, bytes
 *   0b          other string                                     length in 4 bytes, UTF-16 units
 *   0c          string with lone surrogates                      the same
 *   0d          array                                            varint length, values
 *   0e          sparse array                                     varint length, varint count, count × (index as value, value)
 *   0f          plain object                                     varint count, count × (key, value)
 *   10          reference to an earlier object                   varint: which, in order of appearance
 *   11          Date                                             float64
 *   12          RegExp                                           values: source, flags
 *   13          Map                                              varint size, size × (value, value)
 *   14          Set                                              varint size, values
 *   15          error                                            see Encoder.error
 *   16          ArrayBuffer                                      varint length, bytes
 *   17          typed array or DataView                          kind in VIEW_TYPES, varint length in bytes, bytes
 *   18          shared object of the region                      values: kind, offset, header
 *   19          instance of a registered class                   values: name, representation
 *   1a          hole in an array
 *   1b          end of an error's fields
 *   30–3f       array of 0–15
 *   40–5f       ASCII string of 0–31                             bytes
 *   60–6f       plain object of 0–15 properties
 *   80–ff       integer 0–127
 *
 * A key is one byte with the length of an ASCII name (00–7f) and its bytes, or 80 and a string value.
 */
export const UNDEFINED = 0x00
export const NULL = 0x01
export const TRUE = 0x02
export const FALSE = 0x03
export const INTEGER = 0x04
export const FLOAT = 0x05
export const BIGINT_64 = 0x06
export const BIGINT_POSITIVE = 0x07
export const BIGINT_NEGATIVE = 0x08
export const ASCII_8 = 0x09
export const ASCII_32 = 0x0a
export const UTF16 = 0x0b
export const UTF16_LOOSE = 0x0c
export const ARRAY = 0x0d
export const SPARSE_ARRAY = 0x0e
export const OBJECT = 0x0f
export const REFERENCE = 0x10
export const DATE = 0x11
export const REGEXP = 0x12
export const MAP = 0x13
export const SET = 0x14
export const ERROR = 0x15
export const BUFFER = 0x16
export const VIEW = 0x17
export const SHARED = 0x18
export const CLASS = 0x19
export const HOLE = 0x1a
export const END = 0x1b
export const SMALL_ARRAY = 0x30
export const SMALL_STRING = 0x40
export const SMALL_OBJECT = 0x60
export const SMALL_INTEGER = 0x80
export const GENERAL_KEY = 0x80

/** Lengths below these fit into the tag. */
export const SMALL_ARRAY_LIMIT = 16
export const SMALL_STRING_LIMIT = 32
export const SMALL_OBJECT_LIMIT = 16
export const SMALL_INTEGER_LIMIT = 128

/** A field of an error: bits of the byte before its key. */
export const FIELD = 0x20
export const FIELD_ENUMERABLE = 0x01

/** Views by the number that stands for them, under the names of their `Symbol.toStringTag`. */
export const VIEW_TYPES: readonly { readonly name: string; readonly make: (buffer: ArrayBuffer) => ArrayBufferView }[] = [
  { name: 'Uint8Array', make: (buffer) => new Uint8Array(buffer) },
  { name: 'Int8Array', make: (buffer) => new Int8Array(buffer) },
  { name: 'Uint8ClampedArray', make: (buffer) => new Uint8ClampedArray(buffer) },
  { name: 'Int16Array', make: (buffer) => new Int16Array(buffer) },
  { name: 'Uint16Array', make: (buffer) => new Uint16Array(buffer) },
  { name: 'Int32Array', make: (buffer) => new Int32Array(buffer) },
  { name: 'Uint32Array', make: (buffer) => new Uint32Array(buffer) },
  { name: 'Float32Array', make: (buffer) => new Float32Array(buffer) },
  { name: 'Float64Array', make: (buffer) => new Float64Array(buffer) },
  { name: 'BigInt64Array', make: (buffer) => new BigInt64Array(buffer) },
  { name: 'BigUint64Array', make: (buffer) => new BigUint64Array(buffer) },
  { name: 'DataView', make: (buffer) => new DataView(buffer) },
  {
    name: 'Float16Array',
    make: (buffer) => new (globalThis as unknown as { Float16Array: new (of: ArrayBuffer) => ArrayBufferView }).Float16Array(buffer),
  },
]
