import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import { checkTrace } from '../../host-node/test/scenarios/trace-format.mjs'
import { BEGIN, END, EventWriter, FAILED, LEAVE, ONLINE, PARK, PAUSE, readEvents, STEAL, STEP, UNPARK, type WorkerEvent } from '../src/event-ring.js'
import { OBSERVED_EVENTS_SHIFT } from '../src/layout.js'
import { Pool } from '../src/pool.js'
import { traceOf } from '../src/trace.js'

const event = (time: number, kind: number, a = 0, b = 0): WorkerEvent => ({ kind, a, b, time })

function lanesOf(...tracks: WorkerEvent[][]): { name: string; slices: string[] }[] {
  const trace = traceOf(
    'pool',
    tracks.map((events, worker) => ({ worker, name: `w${worker}`, events })),
    (task) => `task${task}`,
    1000,
    2000,
  )
  return checkTrace(JSON.parse(String(trace))).map(({ name, events }) => ({
    name,
    slices: events.map(({ ph, name: what, ts }) => `${ph} ${what} ${ts}`),
  }))
}

describe('a trace', () => {
  it('has a lane for each worker, with its tasks, thefts and sleeps, and lanes below for what waits there', () => {
    const lanes = lanesOf(
      [
        event(1001, ONLINE, 0),
        event(1002, STEAL, 1, 3),
        event(1003, BEGIN, 7, 1),
        event(1004, END, 7, FAILED),
        event(1005, BEGIN, 8, 2),
        event(1006, LEAVE, 8),
        event(1007, BEGIN, 9, 2),
        event(1008, LEAVE, 9),
        event(1009, STEP, 8, 40),
        event(1010, PAUSE, 8, 40),
        event(1011, PARK, 0, 2),
        event(1012, END, 9),
        event(1013, UNPARK),
        event(1014, END, 8),
        event(1015, BEGIN, 10, 3),
        event(1016, LEAVE, 10),
        event(1017, PARK),
      ],
      [],
    )
    expect(lanes).toEqual([
      {
        name: 'w0',
        slices: [
          'i steal 2000',
          'B task1 3000',
          'E task1 4000',
          'B task2 5000',
          'E task2 6000',
          'B task2 7000',
          'E task2 8000',
          'B task2 9000',
          'E task2 10000',
          'B event loop 11000',
          'E event loop 13000',
          'B task3 15000',
          'E task3 16000',
          'B parked 17000',
          'E parked 1000000',
        ],
      },
      { name: 'w0 waits 1', slices: ['B task2 5000', 'B runs 9000', 'E runs 10000', 'E task2 14000', 'B task3 15000', 'E task3 1000000'] },
      { name: 'w0 waits 2', slices: ['B task2 7000', 'E task2 12000'] },
      { name: 'w1', slices: [] },
    ])
  })

  it('is whole where events are missing, repeat or make no sense', () => {
    const kinds = [BEGIN, BEGIN, LEAVE, END, END, STEP, PAUSE, PARK, UNPARK, STEAL, ONLINE]
    let state = 1
    const random = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % n
    for (let round = 0; round < 200; round++) {
      let time = 1000
      const events = Array.from({ length: 200 }, () => event((time += random(3) - 0.5), kinds[random(kinds.length)]!, random(6), random(3)))
      // The format is what the check inside is about; a worker's own lane is always there.
      expect(lanesOf(events)[0]!.name).toBe('w0')
    }
  })
})

describe('a ring of events', () => {
  const CAPACITY = 64
  function ring(): { pool: Pool; write: (from: number, to: number) => void } {
    const pool = new Pool({ region: Region.create({ bytes: 4 << 20 }), maxWorkers: 1 })
    const writer = EventWriter.of(pool, 0, Math.log2(CAPACITY) << OBSERVED_EVENTS_SHIFT)!
    return { pool, write: (from, to) => void Array.from({ length: to - from }, (_, i) => writer.write(STEAL, from + i, 2)) }
  }
  const numbers = ({ events }: { events: WorkerEvent[] }): number[] => events.map(({ a }) => a)

  it('keeps the last ones, with their times', () => {
    const { pool, write } = ring()
    expect(readEvents(pool, 0).events).toEqual([])
    const before = performance.timeOrigin + performance.now()
    write(0, 3)
    const { events } = readEvents(pool, 0)
    expect(numbers({ events })).toEqual([0, 1, 2])
    expect(events[0]).toMatchObject({ kind: STEAL, b: 2 })
    for (const { time } of events) {
      expect(time).toBeGreaterThan(before - 0.001)
      expect(time).toBeLessThan(performance.timeOrigin + performance.now() + 0.001)
    }
    write(3, 1000)
    // Not the oldest: it may be being replaced.
    expect(numbers(readEvents(pool, 0))).toEqual(Array.from({ length: CAPACITY - 1 }, (_, i) => 1000 - CAPACITY + 1 + i))
  })

  it('is read on from where it was left, and says how many were lost', () => {
    const { pool, write } = ring()
    write(0, 10)
    const first = readEvents(pool, 0, 0)
    expect([numbers(first), first.lost]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0])
    write(10, 12)
    const second = readEvents(pool, 0, first.next)
    expect([numbers(second), second.lost]).toEqual([[10, 11], 0])
    expect(readEvents(pool, 0, second.next)).toMatchObject({ events: [], lost: 0 })
    write(12, 12 + 3 * CAPACITY)
    const last = readEvents(pool, 0, second.next)
    expect(last.events.length + last.lost).toBe(3 * CAPACITY)
    expect(last.events.length).toBe(CAPACITY - 1)
  })

  it('belongs to the pool: its memory goes with it', () => {
    const region = Region.create({ bytes: 4 << 20 })
    const before = region.stats().used
    const pool = new Pool({ region, maxWorkers: 1 })
    EventWriter.of(pool, 0, 10 << OBSERVED_EVENTS_SHIFT)
    pool.dispose()
    expect(region.stats().used).toBe(before)
  })
})
