import { Region } from '@heddle/atomics'
import { decodeValue, encodeValue } from '@heddle/atomics/internal'
import { describe, expect, it } from 'vitest'
import { KEPT_BLOCK_BYTES, T_BLOCK, T_BLOCK_BYTES } from '../src/layout.js'
import { isThrown, putIn, readArguments, readResult, scalarAt, scalarCount, takeOut, trim, writeArguments, writeResult, writeThrown } from '../src/payload.js' // prettier-ignore
import { Pool } from '../src/pool.js'

const region = Region.create({ bytes: 8 << 20 })
const pool = new Pool({ region, maxWorkers: 1 })
const chunk = pool.takeChunk(0)
const slot = pool.slotAt(chunk * 32)
const other = pool.slotAt(chunk * 32 + 1)

/** What a call's arguments, and the same as a result, are on the other side. */
function sent(value: unknown): unknown[] {
  writeArguments(region, slot, [value])
  const args = readArguments(region, slot)
  const first = scalarCount(region, slot) === 1 ? scalarAt(region, slot, 0) : args[0]
  writeResult(region, slot, value)
  return [args.length, args[0], first, readResult(region, slot), isThrown(region, slot)]
}

describe('a payload', () => {
  const ascii = (length: number) => Array.from({ length }, (_, i) => String.fromCharCode(32 + ((i * 7) % 95))).join('')
  it.each([0, 1, 15, 16, 17, 223, 224, 225, 1024, 65_535, 65_536, 65_537, 100_000])('is a string of %d ASCII characters', (length) => {
    const text = ascii(length)
    expect(sent(text)).toEqual([1, text, text, text, false])
  })

  it.each([
    ['é at the end', `${ascii(300)}é`],
    ['é at the beginning', `é${ascii(300)}`],
    ['a short one', 'grün'],
    ['other letters', 'ткач'.repeat(100)],
    ['pairs of surrogates', '🧵'.repeat(50)],
    ['a lone surrogate', `${ascii(40)}\ud83e`],
    ['a byte order mark', `\ufeff${ascii(40)}`],
    ['a zero', `${ascii(20)}\0${ascii(20)}`],
  ])('is a string with %s', (_, text) => {
    expect(sent(text)).toEqual([1, text, text, text, false])
  })

  it.each([[1], [-0], [NaN], [true], [false], [null], [undefined], [{ a: 'x' }], [['x']], [new Map([['k', 1n]])]])('is %s', (value) => {
    expect(sent(value)).toEqual([1, value, value, value, false])
  })

  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31)
  it.each([
    ['small', bytes(16)],
    ['large', bytes(1 << 20)],
    ['of a length that is no word', bytes(4097)],
    ['a window of another', bytes(8192).subarray(4, 4104)],
    ['a window at no word', bytes(8192).subarray(3, 4103)],
    ['of clamped bytes', new Uint8ClampedArray(bytes(2048))],
    ['of half words', new Int16Array(bytes(4096).buffer)],
    ['of floats', Float64Array.from({ length: 500 }, (_, i) => i / 3)],
    ['of bigints', BigInt64Array.from({ length: 500 }, (_, i) => BigInt(i) << 40n)],
  ])('is a typed array: %s', (_, array) => {
    const [length, args, first, result, thrown] = sent(array)
    expect([length, thrown]).toEqual([1, false])
    // Not element by element, which takes seconds for the large one.
    const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer => Buffer.from(buffer, byteOffset, byteLength)
    for (const one of [args, first, result] as Uint8Array[]) {
      expect(bytesOf(one).equals(bytesOf(array))).toBe(true)
      expect(Object.getPrototypeOf(one)).toBe(Object.getPrototypeOf(array))
      expect(one.buffer).not.toBe(array.buffer)
    }
  })

  it.each([
    ['a Buffer', Buffer.from(bytes(2048))],
    ['a DataView', new DataView(bytes(2048).buffer)],
    ['an ArrayBuffer', bytes(2048).buffer],
    ['an array with a typed one', [bytes(2048)]],
  ])('is %s, as anywhere in a payload', (_, value) => {
    const { words, length } = encodeValue(value, { region })
    expect(sent(value)[3]).toEqual(decodeValue(new Uint8Array(words.slice().buffer, 0, length), region))
  })

  it('is what was thrown, a string too', () => {
    writeThrown(region, slot, 'a string')
    expect([readResult(region, slot), isThrown(region, slot)]).toEqual(['a string', true])
  })

  it.each([ascii(40), ascii(1000), 'ткач', 12, { a: ascii(400) }, bytes(4096)])('is the same in another slot: %s', (value) => {
    writeArguments(region, slot, [value])
    const { shape, length, body } = takeOut(region, slot)
    putIn(region, other, shape, length, body)
    expect(readArguments(region, other)).toEqual([value])
  })

  it('gives large blocks back', () => {
    const before = region.stats().used
    writeResult(region, other, ascii(KEPT_BLOCK_BYTES + 1))
    expect(region.words[other + T_BLOCK_BYTES]!).toBeGreaterThan(KEPT_BLOCK_BYTES)
    trim(region, other)
    expect(region.words[other + T_BLOCK]).toBe(0)
    expect(region.stats().used).toBeLessThanOrEqual(before)
  })
})
