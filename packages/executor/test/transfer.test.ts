import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import type { Call } from '../src/call.js'
import { HEARS, T_STATE } from '../src/layout.js'
import { readArguments, readResult, writeArguments, writeResult } from '../src/payload.js'
import { Pool } from '../src/pool.js'
import { PostedResults, postResult } from '../src/posted-results.js'
import { Queues } from '../src/queues.js'
import { finish, start } from '../src/slot.js'
import { Submitter } from '../src/submitter.js'
import { transfer, transferOf } from '../src/transfer.js'

const region = Region.create({ bytes: 8 << 20 })
const pool = new Pool({ region, maxWorkers: 1 })
const slot = pool.slotAt(pool.takeChunk(0) * 32)

describe('transfer', () => {
  it('detaches what was copied, and only then', () => {
    const bytes = new Uint8Array([1, 2, 3])
    expect(transfer(bytes, [bytes.buffer])).toBe(bytes)
    writeResult(region, slot, bytes)
    expect([readResult(region, slot), bytes.length, transferOf(bytes)]).toEqual([new Uint8Array([1, 2, 3]), 0, undefined])
    const [a, b] = [new Uint8Array(2000), new Uint8Array(8)]
    writeArguments(region, slot, [transfer(a, [a.buffer]), 1, transfer({ b }, [b.buffer])])
    expect([readArguments(region, slot), a.length, b.length]).toEqual([[new Uint8Array(2000), 1, { b: new Uint8Array(8) }], 0, 0])
    const kept = new Uint8Array(8)
    const bad = transfer({ kept, no: () => 1 }, [kept.buffer])
    expect(() => writeResult(region, slot, bad)).toThrow(expect.objectContaining({ code: 'ERR_NOT_SHAREABLE' }))
    expect(kept.length).toBe(8)
    structuredClone(null, { transfer: [kept.buffer] })
    expect(() => writeArguments(region, slot, [transfer(kept, [kept.buffer])])).toThrow(expect.objectContaining({ code: 'ERR_NOT_SHAREABLE' }))
  })

  it.each([
    ['no object', () => transfer(1 as never, [])],
    ['no list', () => transfer({}, {} as never)],
    ['a list with what is no object', () => transfer({}, [1 as never])],
    ['the same twice', () => ((buffer) => transfer(buffer, [buffer, buffer]))(new ArrayBuffer(8))],
  ])('refuses %s', (_, call) => {
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('a result that comes by message', () => {
  const setUp = () => {
    const submitter = Submitter.open(pool, new Queues(pool), false)
    const settled: unknown[] = []
    const call: Call = { resolve: (value) => settled.push(value), reject: (error) => settled.push((error as { code?: string }).code) }
    const run = (task = HEARS) => {
      const number = submitter.submit(call, task, [])
      const state = start(pool.words, pool.slotAt(number) + T_STATE, 3)
      const posted: Parameters<Submitter['hear']>[0][] = []
      const bytes = new Uint8Array(4)
      const isPosted = postResult(pool, 3, (result) => posted.push(result), number, state, transfer(bytes, [bytes.buffer]))
      const end = () => {
        finish(pool.words, pool.slotAt(number) + T_STATE, state)
        pool.markDone(number, submitter.number)
        submitter.takeDone()
      }
      return { number, isPosted, message: posted[0]!, end, bytes }
    }
    return { submitter, settled, call, run }
  }

  it('is settled once, whichever of the two is seen first', () => {
    const { submitter, settled, run } = setUp()
    const early = run()
    submitter.hear(early.message)
    expect(settled).toEqual([])
    early.end()
    expect([settled, submitter.open]).toEqual([[early.bytes], 0])
    const late = run()
    late.end()
    expect([settled.length, submitter.open]).toEqual([1, 1])
    // Its slot is another call's already.
    const next = run()
    expect(next.number).toBe(late.number)
    submitter.hear(late.message)
    submitter.hear(late.message)
    expect([settled.length, submitter.open]).toEqual([2, 1])
    next.end()
    submitter.hear(next.message)
    expect([settled.length, submitter.open, submitter.completed]).toEqual([3, 0, 3])
    submitter.close()
  })

  it('that does not come, or comes too late, is the end of its worker, or of all', () => {
    const { submitter, settled, call, run } = setUp()
    const [a, b, c] = [run(), run(), run()]
    a.end()
    b.end()
    submitter.abandon(c.number, call)
    c.end()
    submitter.hear(c.message)
    submitter.posted.lost(2, 'not this one')
    expect([settled, submitter.open]).toEqual([[], 2])
    submitter.posted.lost(3, 'why')
    expect([settled, submitter.open, submitter.failed]).toEqual([['ERR_WORKER_CRASHED', 'ERR_WORKER_CRASHED'], 0, 2])
    submitter.hear(a.message)
    const d = run()
    d.end()
    submitter.rejectAll(() => ({ code: 'ended' }))
    submitter.hear(d.message)
    expect([settled.length, settled[2], submitter.open]).toEqual([3, 'ended', 0])
    submitter.close()
  })

  it('is only where its caller hears, and something is handed over', () => {
    const { submitter, run } = setUp()
    expect([run().isPosted, run(0).isPosted]).toEqual([true, false])
    expect(postResult(pool, 3, () => undefined, 0, 0, {})).toBe(false)
    submitter.rejectAll(() => ({}))
    submitter.close()
    const posted = new PostedResults(() => undefined)
    expect(posted.giveUp()).toEqual([])
  })
})
