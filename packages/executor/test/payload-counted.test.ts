import { i32, NotShareableError, Region, SharedBox } from '@heddle/atomics'
import { expect, it } from 'vitest'
import { T_STATE } from '../src/layout.js'
import { clear, readArguments, readResult, writeResult, writeThrown } from '../src/payload.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { crash, finish, start } from '../src/slot.js'
import { Submitter } from '../src/submitter.js'
import { transfer } from '../src/transfer.js'

const WORKER = 0
const region = Region.create({ bytes: 32 << 20 })
const box = new SharedBox({ codec: i32, region }, 7)
type Carrier = { readonly box: SharedBox<number> }

/** A submitter of a pool of its own, and the worker's steps, one by one. */
function newPool() {
  const pool = new Pool({ region, maxWorkers: 1 })
  const submitter = Submitter.open(pool, new Queues(pool), false)
  const settled: unknown[] = []
  const call = { resolve: (value: unknown) => settled.push(value), reject: (error: unknown) => settled.push(error) }
  const begin = (slot: number) => {
    const at = pool.slotAt(slot)
    const state = start(pool.words, at + T_STATE, WORKER)
    const end = (): void => {
      finish(pool.words, at + T_STATE, state)
      pool.markDone(slot, submitter.number)
      submitter.takeDone()
    }
    return { at, end }
  }
  return { pool, submitter, call, settled, begin, submit: (...args: unknown[]) => submitter.submit(call, 0, args) }
}

/** Of the box. */
const only = 1

it.each([
  ['small', () => ({ box })],
  ['in a block', () => ({ box, text: 'ä'.repeat(1000) })],
  ['in the annex', () => ({ box, text: 'ä'.repeat(400_000) })],
])('a payload, %s, owns one reference until it is read: then the reader has one', (_, make) => {
  const { submitter, settled, submit, begin } = newPool()
  const run = begin(submit(make()))
  expect(box.count).toBe(2)
  const [args] = readArguments(region, run.at) as [Carrier]
  expect([args.box.value, box.count]).toEqual([7, 2])
  args.box.release()
  writeResult(region, run.at, make())
  expect(box.count).toBe(2)
  run.end()
  const result = settled[0] as Carrier
  expect([result.box.value, box.count]).toEqual([7, 2])
  result.box.release()
  expect(box.count).toBe(only)
  submitter.close()
})

it('arguments that no worker reads are given up', () => {
  const { submitter, call, submit, begin } = newPool()
  // Taken back before it started.
  const queued = submit({ box })
  expect(submitter.tryCancel(queued, call)).toBe(true)
  expect(box.count).toBe(only)
  // Failed before its function was called.
  const failed = begin(submit({ box }))
  writeThrown(region, failed.at, new Error('no module'))
  failed.end()
  expect(box.count).toBe(only)
  // What they hand over can't be.
  expect(() => submit(transfer({ box }, [{}]))).toThrow(NotShareableError)
  expect(box.count).toBe(only)
  submitter.close()
})

it('what a dead worker has not read, or has written, is given up by whoever settles the call', () => {
  const { pool, submitter, submit, begin } = newPool()
  for (const writes of [false, true]) {
    const slot = submit({ box })
    const { at } = begin(slot)
    if (writes) writeResult(region, at, { box })
    crash(pool.words, at + T_STATE, WORKER)
    pool.markDone(slot, submitter.number)
    submitter.takeDone()
    expect([writes, box.count]).toEqual([writes, only])
  }
  submitter.close()
})

it('results and thrown values that nobody takes are given up', () => {
  const { submitter, call, submit, begin } = newPool()
  const slot = submit()
  const run = begin(slot)
  submitter.abandon(slot, call)
  writeResult(region, run.at, [box])
  expect(box.count).toBe(2)
  run.end()
  expect(box.count).toBe(only)

  const thrown = begin(submit())
  writeThrown(region, thrown.at, Object.assign(new Error('x'), { box }))
  const error = readResult(region, thrown.at) as Error & Carrier
  expect([error.box.value, box.count]).toEqual([7, 2])
  error.box.release()

  // A result of which something can't be handed over is replaced by the error.
  const marked = begin(submit())
  expect(() => writeResult(region, marked.at, transfer({ box }, [{}]))).toThrow(NotShareableError)
  writeThrown(region, marked.at, new Error('not handed over'))
  expect(box.count).toBe(only)
  submitter.close()
})

it('a submitter that ends leaves none, nor does one that died', () => {
  const { pool, submitter, submit } = newPool()
  const slot = submit({ box })
  submit({ box })
  expect(box.count).toBe(3)
  clear(region, pool.slotAt(slot), 1)
  expect(box.count).toBe(2)
  submitter.close()
  expect(box.count).toBe(only)
})

it('calls that wait for a slot own their references, with a slot or without one ever', () => {
  const { pool, submitter, call, settled, submit, begin } = newPool()
  const slot = submit()
  while (pool.takeChunk(1) !== -1);
  for (let i = 1; i < 32; i++) submit()
  for (let i = 0; i < 4; i++) expect(submit({ box })).toBe(-1)
  expect([submitter.overflowing, box.count]).toEqual([4, 5])
  const run = begin(slot)
  writeResult(region, run.at, 1)
  run.end()
  // The first has that slot now.
  expect([settled, submitter.overflowing, box.count]).toEqual([[1], 3, 5])
  const [args] = readArguments(region, begin(slot).at) as [Carrier]
  args.box.release()
  expect(box.count).toBe(4)
  submitter.tryCancel(-1, call)
  expect([submitter.overflowing, box.count]).toEqual([2, 3])
  submitter.rejectAll(() => new Error('over'))
  expect(box.count).toBe(only)
})
