import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import {
  CHUNK_SLOTS,
  HUNGRY_POOL,
  INLINE_BYTES,
  K_BELL,
  K_RUNNING,
  KEPT_BLOCK_BYTES,
  MAX_CHUNKS,
  P_CHUNK_DONE,
  T_BLOCK_BYTES,
} from '../src/layout.js'
import {
  isThrown,
  prepareArguments,
  readArguments,
  readResult,
  scalarCount,
  trim,
  writeArguments,
  writePrepared,
  writeResult,
  writeThrown,
} from '../src/payload.js'
import { Pool } from '../src/pool.js'
import { TaskTable } from '../src/task-table.js'
import { TaskRef } from '../src/tasks.js'
import { announceWork, beginSpin, claimSleeper, endSpin, setSleeping } from '../src/wakeup.js'

const make = (bytes = 8 << 20, maxWorkers = 40) => new Pool({ region: Region.create({ bytes }), maxWorkers })

describe('Pool', () => {
  it('hands out chunks once each, and gives all memory back', () => {
    const region = Region.create({ bytes: 16 << 20 })
    const before = region.stats().used
    const pool = new Pool({ region, maxWorkers: 1 })
    const twin = Pool.fromHandle(pool.toHandle())
    expect(twin.maxWorkers).toBe(1)
    const chunks = new Set<number>()
    for (let i = 0; i < MAX_CHUNKS; i++) chunks.add((i % 2 === 0 ? pool : twin).takeChunk(i % 128))
    expect(chunks.size).toBe(MAX_CHUNKS)
    expect(chunks.has(-1)).toBe(false)
    expect(pool.takeChunk(0)).toBe(-1)
    expect(twin.slotAt(77)).toBe(pool.slotAt(77))
    const handle = pool.toHandle()
    pool.dispose()
    expect(region.stats().used).toBe(before)
    expect(() => Pool.fromHandle(handle)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
  })

  it('refuses a chunk that has no memory, and can take it later', () => {
    const region = Region.create({ bytes: 1 << 20 })
    const pool = new Pool({ region, maxWorkers: 1 })
    const held: number[] = []
    expect(() => {
      for (;;) held.push(region.alloc(4096))
    }).toThrow(expect.objectContaining({ code: 'ERR_REGION_FULL' }))
    expect(() => pool.takeChunk(3)).toThrow(expect.objectContaining({ code: 'ERR_REGION_FULL' }))
    for (const at of held) region.free(at)
    expect(pool.takeChunk(3)).toBe(0)
  })

  it('tells a submitter each finished slot once, and rings once for many', () => {
    const pool = make()
    const slots = [0, 1, 31, 32, 1000, 32_767]
    const rings = [...slots, ...slots].map((slot) => pool.markDone(slot, 5))
    // The first of each chunk.
    expect(rings).toEqual([true, false, false, true, true, true, ...slots.map(() => false)])
    const seen: number[] = []
    pool.takeDone(6, () => expect.fail())
    pool.takeDone(5, (slot) => seen.push(slot))
    expect(seen.sort((a, b) => a - b)).toEqual(slots)
    pool.takeDone(5, () => expect.fail())
    expect(pool.markDone(1, 5)).toBe(true)
  })

  it('says again what a worker that died said by half, and rings nobody where there is no bell', () => {
    const pool = make()
    // It died after the first of three words: nobody who finishes later goes further.
    Atomics.or(pool.words, pool.base + P_CHUNK_DONE + 3, 1)
    expect(pool.markDone(97, 9)).toBe(false)
    const seen: number[] = []
    pool.takeDone(9, (slot) => seen.push(slot))
    expect(seen).toEqual([])
    pool.markDoneAgain(97, 9)
    pool.takeDone(9, (slot) => seen.push(slot))
    expect(seen).toEqual([96, 97])
    const before = pool.words.slice(0, pool.base)
    pool.ring(pool.workerAt(1) + K_BELL)
    expect(pool.words.slice(0, pool.base)).toEqual(before)
  })

  it('wakes each sleeper once, and nobody while somebody looks', () => {
    const pool = make()
    expect(announceWork(pool)).toBe(HUNGRY_POOL)
    for (const worker of [3, 39]) setSleeping(pool, worker)
    expect(claimSleeper(pool, 3)).toBe(true)
    expect(claimSleeper(pool, 3)).toBe(false)
    expect(beginSpin(pool, 35, 2)).toBe(true)
    expect(announceWork(pool)).toBe(0)
    expect(claimSleeper(pool, 39)).toBe(true)
    expect(beginSpin(pool, 2, 2)).toBe(true)
    expect(beginSpin(pool, 4, 2)).toBe(false)
    endSpin(pool, 35)
    expect(announceWork(pool)).toBe(0)
    endSpin(pool, 2)
    expect(announceWork(pool)).toBe(HUNGRY_POOL)
  })

  it('wakes sleepers that have no async calls first', () => {
    const pool = make()
    for (const worker of [1, 2, 36]) setSleeping(pool, worker)
    for (const worker of [1, 2]) pool.words[pool.workerAt(worker) + K_RUNNING] = 1
    expect(announceWork(pool)).toBe(0)
    expect(claimSleeper(pool, 36)).toBe(false)
    expect(announceWork(pool)).toBe(0)
    expect(announceWork(pool)).toBe(0)
    expect(announceWork(pool)).toBe(HUNGRY_POOL)
  })

  it('numbers tasks by module and name, the same in every view', () => {
    const pool = make()
    const [a, b] = [new TaskTable(pool), new TaskTable(pool)]
    const ref = (module: string, name: string) => new TaskRef(module, name, () => undefined, 0)
    const one = ref('file:///one.mjs', 'work')
    expect(a.numberOf(one)).toBe(0)
    expect(a.numberOf(ref('file:///one.mjs', 'other'))).toBe(1)
    expect(b.numberOf(ref('file:///two.mjs', 'work'))).toBe(2)
    expect(b.numberOf(ref('file:///one.mjs', 'work'))).toBe(0)
    expect(a.numberOf(one)).toBe(0)
    expect(a.nameOf(2)).toEqual({ module: 'file:///two.mjs', name: 'work', family: 0 })
  })
})

describe('payloads', () => {
  const pool = make()
  const { region } = pool
  const slot = pool.slotAt(pool.takeChunk(0) * CHUNK_SLOTS)

  it.each([
    [[]],
    [[1]],
    [[-0, NaN, Infinity, 1.5]],
    [[undefined, null, true, false]],
    [[1, 2, 3, 4, 5]],
    [['text', { a: [1, { b: null }] }]],
    [['x'.repeat(INLINE_BYTES - 20)]],
    [['x'.repeat(5000), new Uint8Array(3000)]],
    [[10n, new Date(3), new Map([[1, 2]])]],
  ])('carries arguments %#', (args) => {
    writeArguments(region, slot, args)
    expect(readArguments(region, slot)).toEqual(args)
    writePrepared(region, slot, prepareArguments(region, args))
    expect(scalarCount(region, slot)).toBe(-1)
    expect(readArguments(region, slot)).toEqual(args)
    for (const value of args) {
      writeResult(region, slot, value)
      expect(isThrown(region, slot)).toBe(false)
      expect(readResult(region, slot)).toEqual(value)
    }
  })

  it('carries what was thrown, or says what it was', () => {
    writeThrown(region, slot, new RangeError('far'))
    expect(isThrown(region, slot)).toBe(true)
    expect(readResult(region, slot)).toBeInstanceOf(RangeError)
    writeThrown(region, slot, undefined)
    expect([isThrown(region, slot), readResult(region, slot)]).toEqual([true, undefined])
    writeThrown(region, slot, () => 5)
    expect(readResult(region, slot)).toMatchObject({ message: expect.stringContaining('() => 5'), cause: { code: 'ERR_NOT_SHAREABLE' } })
    const hostile = {
      f: () => 1,
      toString() {
        throw new Error('no')
      },
    }
    writeThrown(region, slot, hostile)
    expect(readResult(region, slot)).toMatchObject({ message: expect.stringContaining('object') })
  })

  it('keeps a small block and gives a large one back', () => {
    const used = () => region.stats().used
    writeArguments(region, slot, ['x'.repeat(5000)])
    trim(region, slot)
    const kept = used()
    expect(region.words[slot + T_BLOCK_BYTES]).toBeGreaterThan(5000)
    writeArguments(region, slot, ['x'.repeat(4 * KEPT_BLOCK_BYTES)])
    expect(used()).toBeGreaterThan(kept)
    trim(region, slot)
    expect(used()).toBeLessThanOrEqual(kept)
    writeArguments(region, slot, ['x'.repeat(300)])
    expect(readArguments(region, slot)).toEqual(['x'.repeat(300)])
  })
})
