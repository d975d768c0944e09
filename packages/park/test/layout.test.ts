/** Records fill whole cache lines at the offsets that the layouts say, and sizes that are written as plain numbers (so that bundlers can drop classes) are right. */
import { AtomicBitset, AtomicCounter, AtomicInt32, Region } from '@heddle/atomics'
import * as atomics from '@heddle/atomics/internal'
import { Parker, waitOnAsync, WaitQueue } from '@heddle/park'
import { Agent, CHUNK_HEADER_WORDS, FIRST_CHUNK, forEachRecord, FULL_CHUNK, QUEUE_BYTES, RECORD_WORDS } from '@heddle/park/internal'
import { expect, test } from 'vitest'

const { AGENT_BYTES, AGENT_TABLE_AT, agentRecord, H_ROOTS, LINE_BYTES, ROOT_PARK_TABLE } = atomics
const lineOf = (word: number): number => Math.floor((word * 4) / LINE_BYTES)

test('BYTES of classes', () => {
  expect(AtomicBitset.BYTES).toBe(AtomicBitset.bytesFor(1))
  expect(AtomicCounter.BYTES).toBe(LINE_BYTES * 17)
  expect(Parker.BYTES).toBe(8 + QUEUE_BYTES)
  expect(WaitQueue.BYTES).toBe(4 + QUEUE_BYTES)
})

test('an agent’s record is whole lines: what others write to wake it is on a line apart from what it alone writes', () => {
  expect([AGENT_BYTES % LINE_BYTES, AGENT_TABLE_AT % LINE_BYTES]).toEqual([0, 0])
  for (const id of [1, 2, 128]) expect(agentRecord(id) % LINE_BYTES).toBe(0)
  const words = Object.entries(atomics).filter((entry): entry is [string, number] => /^A_/.test(entry[0]) && typeof entry[1] === 'number')
  expect(words.length).toBeGreaterThan(15)
  const places = words.map(([, word]) => word)
  expect(new Set(places).size, 'no two words in one place').toBe(places.length)
  expect(Math.max(...places) * 4).toBeLessThan(AGENT_BYTES)
  const onLine = (line: number): string[] => words.filter(([, word]) => lineOf(word) === line).map(([name]) => name)
  expect(onLine(0).sort()).toEqual(['A_SHUTDOWN', 'A_STATUS', 'A_THREAD'])
  expect(onLine(1).sort()).toEqual(['A_MODE', 'A_READY_ROOT'])
  expect(onLine(2)).toContain('A_BLOCKED')
  expect(onLine(3)).toEqual(['A_READY_MIDDLE'])
})

test('the header’s words are in one place each, and what everybody writes under load has lines of its own', () => {
  const words = Object.entries(atomics).filter((entry): entry is [string, number] => /^H_/.test(entry[0]) && typeof entry[1] === 'number')
  expect(new Set(words.map(([, word]) => word)).size).toBe(words.length)
  const alone = (name: string): void => {
    const line = lineOf(words.find(([other]) => other === name)![1])
    expect(words.filter(([, word]) => lineOf(word) === line).map(([other]) => other)).toEqual([name])
  }
  alone('H_ALLOC_LOCK')
  alone('H_SPINNING')
})

test('waiter records, chunks and the queues of cells are aligned to lines', async () => {
  const region = Region.create({ bytes: 1 << 20, agents: 4 })
  expect(RECORD_WORDS * 4).toBe(LINE_BYTES)
  expect((CHUNK_HEADER_WORDS * 4) % LINE_BYTES).toBe(0)
  const { slab } = Agent.of(region)
  for (let i = 0; i <= FIRST_CHUNK; i++) slab.acquire()
  let records = 0
  forEachRecord(region.words, region.agents, (r) => {
    records++
    expect((r * 4) % LINE_BYTES).toBe(0)
  })
  expect(records).toBe(FIRST_CHUNK + FULL_CHUNK)
  await waitOnAsync(new AtomicInt32({ region, value: 1 }), 0)
  const table = region.words[H_ROOTS + ROOT_PARK_TABLE]!
  expect(table).toBeGreaterThan(0)
  expect(table % LINE_BYTES).toBe(0)
})
