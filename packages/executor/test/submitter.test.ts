import { Region } from '@heddle/atomics'
import { expect, it } from 'vitest'
import { CHUNK_SLOTS, T_STATE } from '../src/layout.js'
import { writeResult } from '../src/payload.js'
import { Pool } from '../src/pool.js'
import { Queues } from '../src/queues.js'
import { finish, start } from '../src/slot.js'
import { Submitter } from '../src/submitter.js'

const WORKER = 0

it('a call that is announced again, by its slot or by its bit, is settled once, and its slot is free once', () => {
  const pool = new Pool({ region: Region.create({ bytes: 8 << 20 }), maxWorkers: 1 })
  const submitter = Submitter.open(pool, new Queues(pool), false)
  const settled: unknown[] = []
  const submit = (): number => submitter.submit({ resolve: (value: unknown) => settled.push(value), reject: (error) => settled.push(error) }, 0, [])
  const end = (slot: number, value: unknown): void => {
    const at = pool.slotAt(slot)
    const state = start(pool.words, at + T_STATE, WORKER)
    writeResult(pool.region, at, value)
    finish(pool.words, at + T_STATE, state)
    pool.markDoneAgain(slot, submitter.number)
  }
  const first = submit()
  end(first, 'one')
  submitter.takeDone()
  // As a reaper does for every slot whose call has ended.
  pool.markDoneAgain(first, submitter.number)
  submitter.takeDone()
  expect([settled, submitter.open]).toEqual([['one'], 0])
  const slots = Array.from({ length: CHUNK_SLOTS }, submit)
  expect(new Set(slots).size).toBe(CHUNK_SLOTS)

  // One that was given up while it ran keeps its slot until it has ended, and is free once from then on.
  const given = { resolve: () => settled.push('given up'), reject: () => settled.push('given up') }
  const slot = submitter.submit(given, 0, [])
  const state = start(pool.words, pool.slotAt(slot) + T_STATE, WORKER)
  submitter.abandon(slot, given)
  expect(submit()).not.toBe(slot)
  finish(pool.words, pool.slotAt(slot) + T_STATE, state)
  for (let i = 0; i < 2; i++) {
    pool.markDoneAgain(slot, submitter.number)
    submitter.takeDone()
  }
  expect([submit(), submit()].filter((one) => one === slot)).toEqual([slot])
  expect(settled).toEqual(['one'])
  submitter.close()
})
