/**
 * What a slot carries: a call's arguments, then its result, in the same place.
 *
 * Layout     T_SHAPE  SCALARS, INLINE or BLOCK, with THROWN when the task threw, with COUNTED when it owns references · T_LENGTH  tags, or bytes
 *   shape    where                    T_LENGTH
 *   SCALARS  up to 4 values of 8      bits 0–2 how many · 4 bits for each: what it is. Numbers are in their place as floats.
 *            bytes at T_INLINE
 *   INLINE   encoded, at T_INLINE     bytes
 *   BLOCK    encoded, in T_BLOCK      bytes
 *   TEXT     an ASCII string, inline  bytes
 *            or in T_BLOCK, by length
 *   BYTES    a typed array, in        bytes; T_SHAPE also has its type
 *            T_BLOCK
 *   POSTED   in a message             nothing; of a result: the worker's number
 * Invariants I1 Who writes or reads a payload owns the slot's words (slot.ts, I2): all accesses are plain.
 *            I2 The block in T_BLOCK belongs to the slot, whoever dies; it is replaced only by who owns the words.
 *            I3 What is large, or finds no room in the region, has its block in the pool's annex (annex.ts): T_BLOCK is negative.
 *            I4 A COUNTED payload owns a reference to each counted object in it (atomics/counted.ts): whoever reads it, or has the slot's words and no use for it, takes
 *               the bit away and then gives them up. The bit is set after they were taken, on bytes and a length that stay as they are for as long as it is set. Who
 *               dies in between keeps what it had taken from being freed; nothing is given up twice.
 * Cost       Scalars: one store each. Everything else: encoded in private memory, checked, then copied once each way.
 */
import { type Region, RegionFullError } from '@heddle/atomics'
import { type EncodedValue, encodeValue, loadEncoded, storeEncoded } from '@heddle/atomics/internal'
import { copy, get, getFloat, set, setFloat } from '@heddle/atomics/ops'
import { type Annex, annexBytes, annexOf, checkPayload } from './annex.js'
import { loadBytes, storeBytes, typeOfBytes } from './payload-bytes.js'
import { dropPrepared, dropReferences } from './payload-counted.js'
import { loadText, MAX_TEXT, prepareText, storeText } from './payload-text.js'
import { APART_BYTES, INLINE_BYTES, KEPT_BLOCK_BYTES, SLOT_WORDS, T_BLOCK, T_BLOCK_BYTES, T_INLINE, T_LENGTH, T_POOL, T_SHAPE } from './layout.js'
import { checkMarked, detach, transferOf } from './transfer.js'

const SCALARS = 0
const INLINE = 1
const BLOCK = 2
const POSTED = 3
const TEXT = 4
const BYTES = 5
const TYPE_SHIFT = 4
/** The task threw the payload. */
export const THROWN = 8
/** The payload, which is encoded, owns references (I4). */
const COUNTED = 1 << 16
const WHERE = 7

const MAX_SCALARS = 4
const NUMBER = 1
const UNDEFINED = 2
const NULL = 3
const TRUE = 4
const FALSE = 5

/** What a scalar is, 0 when it is none. */
function tagOf(value: unknown): number {
  switch (typeof value) {
    case 'number':
      return NUMBER
    case 'undefined':
      return UNDEFINED
    case 'boolean':
      return value ? TRUE : FALSE
    default:
      return value === null ? NULL : 0
  }
}

/** Writes a call's arguments, and detaches what they hand over. @throws NotShareableError, with the path to what can't travel */
export function writeArguments(region: Region, slot: number, args: readonly unknown[]): void {
  const { length } = args
  if (length <= MAX_SCALARS) {
    let tags = length
    for (let i = 0; i < length; i++) {
      const value = args[i]
      const tag = tagOf(value)
      if (tag === 0) return writeObjects(region, slot, args)
      if (tag === NUMBER) setFloat(region.floats, ((slot + T_INLINE) >> 1) + i, value as number)
      tags |= tag << (3 + i * 4)
    }
    set(region.words, slot + T_SHAPE, SCALARS)
    set(region.words, slot + T_LENGTH, tags)
    return
  }
  writeObjects(region, slot, args)
}

function writeObjects(region: Region, slot: number, args: readonly unknown[]): void {
  checkMarked(args)
  if (args.length !== 1 || !writeWhole(region, slot, args[0])) writeEncoded(region, slot, args, 'args', 0)
  detach(args)
}

/** Encodes arguments for a slot that there will be later. @throws NotShareableError */
export function prepareArguments(region: Region, args: readonly unknown[]): EncodedValue {
  checkMarked(args)
  const encoded = encodeValue(args, { region, root: 'args' })
  const { length, isCounted } = encoded
  const words = encoded.words.slice(0, (length + 3) >> 2)
  const prepared = { words, bytes: new Uint8Array(words.buffer), length, isCounted, commit: () => undefined }
  encoded.commit()
  try {
    detach(args)
  } catch (error) {
    dropPrepared(region, prepared)
    throw error
  }
  return prepared
}

/** Writes what `prepareArguments` made, or drops it. @throws RegionFullError */
export function writePrepared(region: Region, slot: number, encoded: EncodedValue): void {
  try {
    place(region, slot, encoded, 0)
  } catch (error) {
    dropPrepared(region, encoded)
    throw error
  }
  if (encoded.isCounted) markCounted(region, slot)
}

/** Says that the payload travels in a message; for a result, of which worker. */
export function writePosted(region: Region, slot: number, worker = 0): void {
  set(region.words, slot + T_SHAPE, POSTED)
  set(region.words, slot + T_LENGTH, worker)
}

/** The worker in whose message a result travels. */
export function posterOf(region: Region, slot: number): number {
  return get(region.words, slot + T_LENGTH)
}

/** Whether the payload travels in a message. */
export function isPosted(region: Region, slot: number): boolean {
  return get(region.words, slot + T_SHAPE) === POSTED
}

/** Writes a task's result, and detaches what it hands over. @throws NotShareableError */
export function writeResult(region: Region, slot: number, value: unknown): void {
  disown(region, slot)
  const tag = tagOf(value)
  if (tag === 0) return transferOf(value) === undefined ? writeValue(region, slot, value) : writeMarked(region, slot, value)
  if (tag === NUMBER) setFloat(region.floats, (slot + T_INLINE) >> 1, value as number)
  set(region.words, slot + T_SHAPE, SCALARS)
  set(region.words, slot + T_LENGTH, 1 | (tag << 3))
}

function writeValue(region: Region, slot: number, value: unknown): void {
  if (!writeWhole(region, slot, value)) writeEncoded(region, slot, value, 'result', 0)
}

function writeMarked(region: Region, slot: number, value: unknown): void {
  checkMarked([value])
  writeValue(region, slot, value)
  detach([value])
}

/** Writes what a task threw; what can't travel is replaced by an error that says what it was. */
export function writeThrown(region: Region, slot: number, thrown: unknown): void {
  // Arguments that nobody has read, or a result of which something could not be handed over.
  disown(region, slot)
  try {
    writeEncoded(region, slot, thrown, 'error', THROWN)
  } catch (cause) {
    const error =
      cause instanceof RegionFullError ? withoutRoom(cause) : new Error(`the task threw what can't travel: ${describe(thrown)}`, { cause })
    try {
      writeEncoded(region, slot, error, 'error', THROWN)
    } catch (full) {
      if (!(full instanceof RegionFullError)) throw full
      writeEncoded(region, slot, withoutRoom(full), 'error', THROWN)
    }
  }
}

/** An error that fits into any slot. */
function withoutRoom(full: RegionFullError): RegionFullError {
  const error = new RegionFullError(full.message.slice(0, 64))
  error.stack = ''
  return error
}

function describe(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return typeof thrown
  }
}

/** Whether the payload is what a task threw. */
export function isThrown(region: Region, slot: number): boolean {
  return (get(region.words, slot + T_SHAPE) & THROWN) !== 0
}

/** The arguments, as the call gave them. Read once: references in them go over to the reader. */
export function readArguments(region: Region, slot: number): unknown[] {
  if (isWhole(get(region.words, slot + T_SHAPE))) return [readWhole(region, slot)]
  if ((get(region.words, slot + T_SHAPE) & WHERE) !== SCALARS) return readEncoded(region, slot) as unknown[]
  const tags = get(region.words, slot + T_LENGTH)
  const length = tags & 7
  const args: unknown[] = []
  for (let i = 0; i < length; i++) args.push(scalar(region, slot, tags, i))
  return args
}

/** How many arguments there are that need no array: scalars, a string, or a typed array; -1 when they are encoded. */
export function scalarCount(region: Region, slot: number): number {
  const shape = get(region.words, slot + T_SHAPE)
  if (shape === SCALARS) return get(region.words, slot + T_LENGTH) & 7
  return isWhole(shape) ? 1 : -1
}

/** An argument of those that `scalarCount` counts. */
export function scalarAt(region: Region, slot: number, i: number): unknown {
  if (isWhole(get(region.words, slot + T_SHAPE))) return readWhole(region, slot)
  return scalar(region, slot, get(region.words, slot + T_LENGTH), i)
}

/** The result, or what the task threw. Read once, as the arguments. */
export function readResult(region: Region, slot: number): unknown {
  if (isWhole(get(region.words, slot + T_SHAPE))) return readWhole(region, slot)
  if ((get(region.words, slot + T_SHAPE) & WHERE) !== SCALARS) return readEncoded(region, slot)
  return scalar(region, slot, get(region.words, slot + T_LENGTH), 0)
}

/** After the call: gives up what nobody has read, and a large block, so that one large payload does not hold memory for ever. */
export function trim(region: Region, slot: number): void {
  disown(region, slot)
  if (get(region.words, slot + T_BLOCK_BYTES) > KEPT_BLOCK_BYTES) drop(region, slot)
}

/** After the death of an agent that may have been writing payloads: gives back what of the annex `count` slots from `slot` on have, named or not, and large blocks. */
export function clear(region: Region, slot: number, count: number): void {
  const { words } = region
  const end = slot + count * SLOT_WORDS
  for (let at = slot; at < end; at += SLOT_WORDS) disown(region, at)
  annexAt(region, slot)?.sweep(slot, end)
  for (let at = slot; at < end; at += SLOT_WORDS) {
    if (get(words, at + T_BLOCK) < 0) {
      set(words, at + T_BLOCK_BYTES, 0)
      set(words, at + T_BLOCK, 0)
    }
    trim(region, at)
  }
}

/** Gives back the slot's block. In this order: whoever dies here leaves a slot without room, never room without a block. */
function drop(region: Region, slot: number): void {
  const { words } = region
  const block = get(words, slot + T_BLOCK)
  const bytes = get(words, slot + T_BLOCK_BYTES)
  set(words, slot + T_BLOCK_BYTES, 0)
  set(words, slot + T_BLOCK, 0)
  if (block < 0) annexAt(region, slot)!.give(~block, bytes)
  else if (block !== 0) region.free(block)
}

function annexAt(region: Region, slot: number): Annex | undefined {
  return annexOf(region, get(region.words, slot + T_POOL))
}

/** The memory that a block at `at` is in, which begins with it if that is not the region. */
function memoryOf(region: Region, slot: number, at: number): Region {
  return at < 0 ? annexAt(region, slot)!.window(~at, get(region.words, slot + T_BLOCK_BYTES)) : region
}

/** Where in its memory. */
function offsetOf(at: number): number {
  return at < 0 ? 0 : at
}

function scalar(region: Region, slot: number, tags: number, i: number): unknown {
  switch ((tags >>> (3 + i * 4)) & 15) {
    case NUMBER:
      return getFloat(region.floats, ((slot + T_INLINE) >> 1) + i)
    case NULL:
      return null
    case TRUE:
      return true
    case FALSE:
      return false
    default:
      return undefined
  }
}

function isWhole(shape: number): boolean {
  return (shape & WHERE) >= TEXT
}

/** Writes a string or a typed array as it stands; false when it can't be, and nothing was written. */
function writeWhole(region: Region, slot: number, value: unknown): boolean {
  if (typeof value === 'string') return writeText(region, slot, value)
  const type = typeOfBytes(value)
  if (type === -1) return false
  const bytes = value as ArrayBufferView
  const length = bytes.byteLength
  const at = block(region, slot, length)
  storeBytes(memoryOf(region, slot, at), offsetOf(at), bytes)
  set(region.words, slot + T_SHAPE, BYTES | (type << TYPE_SHIFT))
  set(region.words, slot + T_LENGTH, length)
  return true
}

function writeText(region: Region, slot: number, text: string): boolean {
  const { length } = text
  if (length > MAX_TEXT || !prepareText(text)) return false
  const at = length <= INLINE_BYTES ? (slot + T_INLINE) << 2 : block(region, slot, length)
  storeText(memoryOf(region, slot, at), offsetOf(at), length)
  set(region.words, slot + T_SHAPE, TEXT)
  set(region.words, slot + T_LENGTH, length)
  return true
}

function readWhole(region: Region, slot: number): unknown {
  const { words } = region
  const shape = get(words, slot + T_SHAPE)
  const length = get(words, slot + T_LENGTH)
  const isText = (shape & WHERE) === TEXT
  const at = isText && length <= INLINE_BYTES ? (slot + T_INLINE) << 2 : get(words, slot + T_BLOCK)
  const memory = memoryOf(region, slot, at)
  return isText ? loadText(memory, offsetOf(at), length) : loadBytes(memory, offsetOf(at), length, shape >>> TYPE_SHIFT)
}

function writeEncoded(region: Region, slot: number, value: unknown, root: string, flag: number): void {
  const encoded = encodeValue(value, { region, root })
  const { isCounted } = encoded
  place(region, slot, encoded, flag)
  encoded.commit()
  if (isCounted) markCounted(region, slot)
}

function markCounted({ words }: Region, slot: number): void {
  set(words, slot + T_SHAPE, get(words, slot + T_SHAPE) | COUNTED)
}

/** Gives up the references of a payload, if it owns any (I4). */
function disown(region: Region, slot: number): void {
  const { words } = region
  const shape = get(words, slot + T_SHAPE)
  if ((shape & COUNTED) === 0) return
  set(words, slot + T_SHAPE, shape & ~COUNTED)
  const at = encodedAt(region, slot)
  dropReferences(memoryOf(region, slot, at), offsetOf(at), get(words, slot + T_LENGTH))
}

function place(region: Region, slot: number, encoded: EncodedValue, flag: number): void {
  const { words } = region
  const { length } = encoded
  const inline = length <= INLINE_BYTES
  const at = inline ? (slot + T_INLINE) << 2 : block(region, slot, length)
  storeEncoded(memoryOf(region, slot, at), offsetOf(at), encoded)
  set(words, slot + T_SHAPE, (inline ? INLINE : BLOCK) | flag)
  set(words, slot + T_LENGTH, length)
}

/** The slot's block, made or replaced so that it has room. @throws RegionFullError, ValueTooLargeError: then the slot may have none */
function block(region: Region, slot: number, length: number): number {
  const { words } = region
  return get(words, slot + T_BLOCK_BYTES) >= length ? get(words, slot + T_BLOCK) : replaceBlock(region, slot, length)
}

function replaceBlock(region: Region, slot: number, length: number): number {
  checkPayload(length)
  // What it holds is of no use any more, and its room may be needed.
  drop(region, slot)
  const annex = annexAt(region, slot)
  if (annex === undefined) return inRegion(region, slot, length)
  const isLarge = length > APART_BYTES
  try {
    return isLarge ? inAnnex(annex, region, slot, length) : inRegion(region, slot, length)
  } catch (error) {
    if (!(error instanceof RegionFullError)) throw error
  }
  return isLarge ? inRegion(region, slot, length) : inAnnex(annex, region, slot, length)
}

function inRegion(region: Region, slot: number, length: number): number {
  const bytes = (length + 63) & -64
  return own(region, slot, region.alloc(bytes), bytes)
}

function inAnnex(annex: Annex, region: Region, slot: number, length: number): number {
  return own(region, slot, ~annex.take(slot, length), annexBytes(length))
}

function own(region: Region, slot: number, at: number, bytes: number): number {
  set(region.words, slot + T_BLOCK, at)
  set(region.words, slot + T_BLOCK_BYTES, bytes)
  return at
}

function encodedAt({ words }: Region, slot: number): number {
  return (get(words, slot + T_SHAPE) & WHERE) === INLINE ? (slot + T_INLINE) << 2 : get(words, slot + T_BLOCK)
}

function readEncoded(region: Region, slot: number): unknown {
  const at = encodedAt(region, slot)
  try {
    return loadEncoded(memoryOf(region, slot, at), offsetOf(at), get(region.words, slot + T_LENGTH))
  } finally {
    // The reader has references of its own.
    disown(region, slot)
  }
}

function isInBlock(where: number, length: number): boolean {
  return where === BLOCK || where === BYTES || (where === TEXT && length > INLINE_BYTES)
}

/** The payload as it is, in private memory. */
export function takeOut(region: Region, slot: number): { shape: number; length: number; body: Int32Array<ArrayBuffer> } {
  const { words } = region
  const shape = get(words, slot + T_SHAPE)
  const length = get(words, slot + T_LENGTH)
  const where = shape & WHERE
  const count = where === SCALARS ? (length & 7) * 2 : where === POSTED ? 0 : (length + 3) >> 2
  const body = new Int32Array(count)
  const at = isInBlock(where, length) ? get(words, slot + T_BLOCK) : (slot + T_INLINE) << 2
  copy<Int32Array>(body, 0, memoryOf(region, slot, at).words, offsetOf(at) >> 2, count)
  return { shape, length, body }
}

/** Puts in what `takeOut` gave, here or in another agent's region. @throws RegionFullError */
export function putIn(region: Region, slot: number, shape: number, length: number, body: Int32Array<ArrayBuffer>): void {
  const { words } = region
  const at = isInBlock(shape & WHERE, length) ? block(region, slot, length) : (slot + T_INLINE) << 2
  copy<Int32Array>(memoryOf(region, slot, at).words, offsetOf(at) >> 2, body, 0, body.length)
  set(words, slot + T_SHAPE, shape)
  set(words, slot + T_LENGTH, length)
}

/** As `takeOut`, of what was never in a slot: an error. */
export function packThrown(error: Error): { shape: number; length: number; body: Int32Array<ArrayBuffer> } {
  const { words, length } = encodeValue(error, { root: 'error' })
  return { shape: BLOCK | THROWN, length, body: words.slice(0, (length + 3) >> 2) }
}

/** Whether a payload, by its shape, is what a task threw. */
export function isThrownShape(shape: number): boolean {
  return (shape & THROWN) !== 0
}
