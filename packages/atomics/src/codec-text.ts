/**
 * Strings to bytes and back, in private memory.
 *
 *            Values have strings as ASCII or UTF-16, never as UTF-8: V8 of Node 20 decodes UTF-8 that is not ASCII at 5 ns a byte, UTF-16 at 1.3
 *            ns a character. The codec `utf8` has no choice.
 * Cost       Measured (Node 20, V8): TextEncoder and TextDecoder have fixed costs of 55 and 95 ns, a loop costs 3 ns a character,
 *            so short strings go through loops.
 */
import { agentLocal } from '#ops'

const LOOP_CHARACTERS = 16

const encoder = /* @__PURE__ */ agentLocal(() => new TextEncoder())
/** `ignoreBOM`: a leading U+FEFF is part of the value. */
const decoder = /* @__PURE__ */ agentLocal(() => new TextDecoder('utf-8', { ignoreBOM: true }))

const decoder16 = /* @__PURE__ */ agentLocal(() => new TextDecoder('utf-16le', { ignoreBOM: true }))

/** Bytes that `encodeUtf8` may need for a string. */
export function utf8Bound(text: string): number {
  return text.length * 3
}

/** Writes the characters as bytes when all are ASCII; false, with some bytes written, when one is not. */
export function encodeAscii(target: Uint8Array<ArrayBuffer>, at: number, text: string): boolean {
  let seen = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    target[at + i] = unit
    seen |= unit
  }
  return seen < 0x80
}

/** Whether the first characters are ASCII: a guess at all of them. */
export function startsAscii(text: string): boolean {
  const end = Math.min(text.length, LOOP_CHARACTERS)
  let seen = 0
  for (let i = 0; i < end; i++) seen |= text.charCodeAt(i)
  return seen < 0x80
}

/** Writes UTF-8 (lone surrogates become U+FFFD); returns the bytes written. The target has `utf8Bound` bytes from `at`. */
export function encodeUtf8(target: Uint8Array<ArrayBuffer>, at: number, text: string): number {
  if (text.length <= LOOP_CHARACTERS && encodeAscii(target, at, text)) return text.length
  return encoder.get().encodeInto(text, at === 0 ? target : target.subarray(at)).written
}

/** The string of `length` bytes of UTF-8. */
export function decodeUtf8(source: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  if (length <= LOOP_CHARACTERS) {
    let seen = 0
    for (let i = 0; i < length; i++) seen |= source[at + i]!
    if (seen < 0x80) return decodeShort(source, at, length)
  }
  return decoder.get().decode(source.subarray(at, at + length))
}

/** The string of `length` bytes, all ASCII. */
export function decodeAscii(source: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  return length <= LOOP_CHARACTERS ? decodeShort(source, at, length) : decoder.get().decode(source.subarray(at, at + length))
}

/** The string of `length` UTF-16 units; `loose` when surrogates may be alone, which a TextDecoder would replace. */
export function decodeUtf16(source: Uint8Array<ArrayBuffer>, at: number, length: number, loose: boolean): string {
  if (!loose && length > LOOP_CHARACTERS) return decoder16.get().decode(source.subarray(at, at + length * 2))
  let text = ''
  for (let i = at; i < at + length * 2; i += 2) text += String.fromCharCode(source[i]! | (source[i + 1]! << 8))
  return text
}

/** Four characters a call: a quarter of the intermediate strings of a plain loop. */
function decodeShort(source: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  let text = ''
  let i = at
  const end = at + length
  for (; i + 4 <= end; i += 4) text += String.fromCharCode(source[i]!, source[i + 1]!, source[i + 2]!, source[i + 3]!)
  switch (end - i) {
    case 1:
      return text + String.fromCharCode(source[i]!)
    case 2:
      return text + String.fromCharCode(source[i]!, source[i + 1]!)
    case 3:
      return text + String.fromCharCode(source[i]!, source[i + 1]!, source[i + 2]!)
    default:
      return text
  }
}

const KEY_SLOTS = 1024
/** Property names seen lately, so that a decoded object's keys are not made anew: a direct-mapped table. */
const keys = /* @__PURE__ */ agentLocal(() => new Array<string>(KEY_SLOTS).fill(''))

/** Like `decodeAscii`, for property names. */
export function decodeKey(source: Uint8Array<ArrayBuffer>, at: number, length: number): string {
  let hash = length
  for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + source[at + i]!) | 0
  const table = keys.get()
  const slot = hash & (KEY_SLOTS - 1)
  const known = table[slot]!
  if (known.length === length) {
    let i = 0
    while (i < length && known.charCodeAt(i) === source[at + i]!) i++
    if (i === length) return known
  }
  return (table[slot] = decodeAscii(source, at, length))
}
