import { registerCloneable, Region, SharedBox, i32 } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import { annexOf, MAX_PAYLOAD, openAnnex } from '../src/annex.js'
import { APART_BYTES, KEPT_BLOCK_BYTES, T_BLOCK, T_BLOCK_BYTES, T_STATE, UNIT_BYTES } from '../src/layout.js'
import { clear, isThrown, readArguments, readResult, takeOut, putIn, trim, writeArguments, writeResult, writeThrown } from '../src/payload.js' // prettier-ignore
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { start, finish, crash } from '../src/slot.js'
import { Submitter } from '../src/submitter.js'

const MB = 2 ** 20

function setUp(bytes = 8 * MB) {
  const region = Region.create({ bytes })
  const pool = new Pool({ region, maxWorkers: 1 })
  const chunk = pool.takeChunk(0)
  const slots = [0, 1, 2].map((i) => pool.slotAt(chunk * 32 + i))
  const annex = annexOf(region, pool.base)!
  return { region, pool, slots, annex, slot: slots[0]! }
}
const bytesOf = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i += 4093) bytes[i] = i
  return bytes
}
const isSame = (a: unknown, b: Uint8Array): boolean => a instanceof Uint8Array && Buffer.compare(a, b) === 0
/** Takes all memory of the region that a payload could have. */
function fillUp(region: Region): void {
  for (let bytes = region.stats().largest; bytes >= 64; bytes = region.stats().largest) region.alloc(bytes & -64)
}

describe('a large payload', () => {
  it.each([
    ['is more than the region has', 20 * MB],
    ['is a unit', UNIT_BYTES],
    ['is a byte more than a unit', UNIT_BYTES + 1],
    ['is a window at no word', 3 * MB],
  ])('%s', (name, length) => {
    const { region, slot, annex } = setUp()
    const before = region.stats().used
    const value = name.includes('window') ? bytesOf(length + 3).subarray(3) : bytesOf(length)
    writeArguments(region, slot, [value])
    expect(region.words[slot + T_BLOCK]).toBeLessThan(0)
    expect(isSame(readArguments(region, slot)[0], value)).toBe(true)
    writeArguments(region, slot, ['two', { value }])
    expect(isSame((readArguments(region, slot)[1] as { value: unknown }).value, value)).toBe(true)
    writeResult(region, slot, { value, text: 'x'.repeat(300_000) })
    const result = readResult(region, slot) as { value: unknown; text: string }
    expect([isSame(result.value, value), result.text.length]).toEqual([true, 300_000])
    expect(annex.used).toBeGreaterThanOrEqual(length)
    trim(region, slot)
    expect([annex.used, region.words[slot + T_BLOCK], region.words[slot + T_BLOCK_BYTES], region.stats().used]).toEqual([0, 0, 0, before])
  })

  it('shares the annex with others, and finds the room that they leave', () => {
    const { region, slots, annex } = setUp()
    const values = [1, 3, 2].map((mb) => bytesOf(mb * MB))
    values.forEach((value, i) => writeResult(region, slots[i]!, value))
    values.forEach((value, i) => expect(isSame(readResult(region, slots[i]!), value)).toBe(true))
    const held = annex.buffer.byteLength
    trim(region, slots[1]!)
    writeResult(region, slots[1]!, values[1])
    expect(isSame(readResult(region, slots[1]!), values[1]!)).toBe(true)
    expect([annex.used, annex.buffer.byteLength]).toEqual([6 * MB, held])
  })

  it('is what a small one becomes where the region is full, text and what was thrown too', () => {
    const { region, slot, annex } = setUp()
    fillUp(region)
    for (const value of ['x'.repeat(2000), { a: 'é'.repeat(2000) }, bytesOf(4096)]) {
      writeResult(region, slot, value)
      expect(readResult(region, slot)).toEqual(value)
      expect(annex.used).toBe(UNIT_BYTES)
    }
    writeThrown(region, slot, new RangeError('x'.repeat(2000)))
    expect([isThrown(region, slot), (readResult(region, slot) as Error).message.length]).toEqual([true, 2000])
    trim(region, slot)
    expect(annex.used).toBe(0)
  })

  it('goes from slot to slot, as where memory is not shared', () => {
    const { region, slots, annex } = setUp()
    const value = bytesOf(2 * MB)
    for (const args of [[value], [1, value]]) {
      writeArguments(region, slots[0]!, args)
      const { shape, length, body } = takeOut(region, slots[0]!)
      putIn(region, slots[1]!, shape, length, body)
      expect(isSame(readArguments(region, slots[1]!).at(-1), value)).toBe(true)
    }
    for (const slot of slots) trim(region, slot)
    expect(annex.used).toBe(0)
  })

  it('that has no room anywhere is an error, also where the task threw it, and leaves all as it was', () => {
    const { region, pool, slot, slots } = setUp()
    fillUp(region)
    openAnnex(region, pool.base, new SharedArrayBuffer(0, { maxByteLength: 2 * UNIT_BYTES }))
    const annex = annexOf(region, pool.base)!
    writeArguments(region, slots[2]!, [bytesOf(2 * UNIT_BYTES)])
    const full = annex.used
    expect(() => writeArguments(region, slot, [bytesOf(MB)])).toThrow(expect.objectContaining({ code: 'ERR_REGION_FULL' }))
    writeThrown(region, slots[1]!, new Error('x'.repeat(5000)))
    expect([isThrown(region, slots[1]!), readResult(region, slots[1]!)]).toEqual([true, expect.objectContaining({ code: 'ERR_REGION_FULL' })])
    expect(annex.used).toBe(full)
  })

  it('that no payload can be is refused', () => {
    const { region, slot, annex } = setUp()
    // Never touched: address space only.
    const value = new Uint8Array(MAX_PAYLOAD + 4)
    expect(() => writeResult(region, slot, value)).toThrow(expect.objectContaining({ code: 'ERR_VALUE_TOO_LARGE' }))
    expect(annex.used).toBe(0)
  })
})

describe('a payload that fails half way', () => {
  class Odd {}
  const broken = [
    ['a function at the end', () => [bytesOf(MB), () => 1], 'ERR_NOT_SHAREABLE'],
    ['a getter that throws', () => [bytesOf(MB), Object.defineProperty({}, 'x', { enumerable: true, get: () => { throw new RangeError('no') } })], undefined], // prettier-ignore
    ['a class whose codec throws', () => [bytesOf(MB), new Odd()], undefined],
    ['a box that was released', () => {
      const box = new SharedBox({ codec: i32 }, 1)
      box.release()
      return [bytesOf(MB), box]
    }, undefined], // prettier-ignore
  ] as const
  registerCloneable('Odd', Odd, {
    encode: () => {
      throw new RangeError('no')
    },
    decode: () => new Odd(),
  })

  it.each(broken)('leaves nothing behind: %s', (_, make) => {
    const { region, pool, annex } = setUp()
    const submitter = Submitter.open(pool, new Queues(pool), false)
    const call = { resolve: () => undefined, reject: () => undefined }
    const good = submitter.submit(call, 0, [1])
    submitter.tryCancel(good, call)
    const before = region.stats().used
    for (let i = 0; i < 3; i++) {
      expect(() => submitter.submit(call, 0, make())).toThrow()
      expect(() => submitter.submitPosted(call, 0, () => undefined, make())).toThrow()
    }
    expect([annex.used, region.stats().used, submitter.open]).toEqual([0, before, 0])
    expect(submitter.submit(call, 0, [1])).toBe(good)
  })

  it('gives back what it had when a result can not be read, or its worker died', () => {
    const { region, pool, annex } = setUp()
    const submitter = Submitter.open(pool, new Queues(pool), false)
    const errors: unknown[] = []
    const call = { resolve: () => undefined, reject: (error: unknown) => errors.push((error as { code?: string }).code) }
    const begin = (...args: unknown[]) => {
      const slot = submitter.submit(call, 0, args)
      const at = pool.slotAt(slot)
      return { slot, at, state: start(pool.words, at + T_STATE, 0) }
    }
    begin(0)
    const before = region.stats().used
    const unreadable = begin(bytesOf(MB))
    class Foreign {}
    registerCloneable('Foreign', Foreign, { encode: () => 1, decode: () => { throw new TypeError('unreadable') } }) // prettier-ignore
    writeResult(region, unreadable.at, [bytesOf(MB), new Foreign()])
    finish(pool.words, unreadable.at + T_STATE, unreadable.state)
    pool.markDone(unreadable.slot, submitter.number)
    submitter.takeDone()
    const died = begin(bytesOf(MB))
    // It died after it had taken memory for its result, and before its slot named that.
    annex.take(died.at, 4 * MB)
    expect(annex.used).toBe(5 * MB)
    crash(pool.words, died.at + T_STATE, 0)
    pool.markDone(died.slot, submitter.number)
    submitter.takeDone()
    expect([errors, annex.used, region.stats().used]).toEqual([[undefined, 'ERR_WORKER_CRASHED'], 0, before])
    // The agent that called dies or leaves: what waited, and what had ended and was not looked at.
    begin(bytesOf(MB))
    const ended = begin(bytesOf(MB))
    const waits = submitter.submit(call, 0, [bytesOf(MB)])
    expect(annex.used).toBe(3 * MB)
    finish(pool.words, ended.at + T_STATE, ended.state)
    submitter.tryCancel(waits, call)
    expect(annex.used).toBe(2 * MB)
    crash(pool.words, begin().at + T_STATE, 0)
    submitter.close()
    // One still runs, and keeps what it has.
    expect(annex.used).toBe(2 * MB)
  })

  it('clears slots of their large blocks, wherever they are', () => {
    const { region, slots, annex } = setUp()
    const before = region.stats().used
    writeResult(region, slots[0]!, bytesOf(KEPT_BLOCK_BYTES * 2))
    writeResult(region, slots[1]!, bytesOf(APART_BYTES + 4))
    clear(region, slots[0]!, 2)
    expect([annex.used, region.stats().used]).toEqual([0, before])
  })
})
