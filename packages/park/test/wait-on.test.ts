/** Waiting on the value of a cell. */
import {
  AtomicBigInt64,
  AtomicBool,
  type AtomicCell,
  AtomicInt32,
  AtomicUint32,
  DisposedError,
  InvalidArgumentError,
  type Region,
} from '@heddle/atomics'
import { H_ROOTS, ROOT_PARK_TABLE } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { notify, TimeoutError, waitOn, waitOnAsync } from '@heddle/park'
import { beforeEach, describe, expect, test } from 'vitest'
import { Crew, expectNothingLeft, makeRegion, settled, until, waiting } from './support/stage.js'

let region: Region
beforeEach(() => {
  region = makeRegion()
})

describe('each kind of cell', () => {
  const kinds: [string, () => AtomicCell<unknown>, unknown, unknown][] = [
    ['AtomicInt32', () => new AtomicInt32({ region, value: -5 }) as AtomicCell<unknown>, -5, 4],
    ['AtomicUint32', () => new AtomicUint32({ region, value: 4e9 }) as AtomicCell<unknown>, 4e9, 0],
    ['AtomicBool', () => new AtomicBool({ region, value: true }) as AtomicCell<unknown>, true, false],
    ['AtomicBigInt64', () => new AtomicBigInt64({ region, value: 1n << 40n }) as AtomicCell<unknown>, 1n << 40n, 1n],
  ]
  test.each(kinds)('%s: waits while it has the value, and tells when it had another', async (_, make, value, other) => {
    const cell = make()
    expect(waitOn(cell, other)).toBe('not-equal')
    expect(await waitOnAsync(cell, other)).toBe('not-equal')
    const wait = waitOnAsync(cell, value)
    await settled()
    expect(notify(cell)).toBe(1)
    expect(await wait).toBe('ok')
    expect(() => waitOn(cell, value, { timeout: 0 })).toThrow(TimeoutError)
    await expect(waitOnAsync(cell, value, { timeout: 1 })).rejects.toThrow(TimeoutError)
    expect(notify(cell)).toBe(0)
    expectNothingLeft(region)
  })

  test('a blocked thread on 32 and on 64 bits', async () => {
    const cells = [new AtomicInt32({ region, value: 3 }), new AtomicBigInt64({ region, value: 3n })] as const
    const crews = [new Crew(region), new Crew(region)] as const
    const ends = [crews[0].do({ do: 'waitOn', at: cells[0].at, value: 3 }), crews[1].do({ do: 'waitOn64', at: cells[1].at, value: 3 })]
    await until(() => waiting(region) === 2)
    cells[0].store(4)
    expect(notify(cells[0])).toBe(1)
    expect(await ends[0]).toEqual({ value: 'ok' })
    cells[1].store(4n)
    expect(notify(cells[1])).toBe(1)
    expect(await ends[1]).toEqual({ value: 'ok' })
    expectNothingLeft(region)
  })
})

describe('notify', () => {
  test('wakes at most so many, in order of arrival', async () => {
    const cell = new AtomicInt32({ region })
    const order: number[] = []
    const all = Promise.all([0, 1, 2, 3, 4].map((index) => waitOnAsync(cell, 0).then(() => order.push(index))))
    expect(notify(cell, 0)).toBe(0)
    expect(notify(cell, 2)).toBe(2)
    await until(() => order.length === 2)
    expect(notify(cell, 1)).toBe(1)
    await until(() => order.length === 3)
    expect(notify(cell)).toBe(2)
    await all
    expect(order).toEqual([0, 1, 2, 3, 4])
    expectNothingLeft(region)
  })

  test('costs nothing while nobody has ever waited', () => {
    expect(notify(new AtomicInt32({ region }))).toBe(0)
    expect(load(region.words, H_ROOTS + ROOT_PARK_TABLE)).toBe(0)
  })

  test.each([-1, NaN])('of %d is refused', (count) => {
    expect(() => notify(new AtomicInt32({ region }), count)).toThrow(InvalidArgumentError)
  })
})

test("cells of one bucket don't steal from each other", async () => {
  // Words whose numbers hash alike (the upper byte of a multiplication).
  const bucket = (cell: AtomicInt32): number => Math.imul(cell.valueAt >> 2, 0x9e3779b1) >>> 24
  const byBucket = new Map<number, AtomicInt32>()
  let pair: [AtomicInt32, AtomicInt32] | undefined
  while (pair === undefined) {
    const cell = new AtomicInt32({ region })
    const former = byBucket.get(bucket(cell))
    if (former !== undefined) pair = [former, cell]
    byBucket.set(bucket(cell), cell)
  }
  const [first, second] = pair
  const ends: string[] = []
  const waits: Promise<unknown>[] = [waitOnAsync(first, 0).then(() => ends.push('first')), waitOnAsync(second, 0).then(() => ends.push('second 1'))]
  const controller = new AbortController()
  waits.push(
    waitOnAsync(second, 0, { signal: controller.signal }).catch(() => 0),
    waitOnAsync(second, 0).then(() => ends.push('second 3')),
  )
  expect(notify(second, 1)).toBe(1)
  await settled()
  expect(ends).toEqual(['second 1'])
  // Chosen and aborted at once: it passes its notify on to one that waits for the same cell.
  expect(notify(second, 1)).toBe(1)
  controller.abort()
  await settled()
  expect(ends).toEqual(['second 1', 'second 3'])
  expect(notify(second)).toBe(0)
  expect(notify(first)).toBe(1)
  await Promise.all(waits)
  expectNothingLeft(region)
})

test('what is no cell is refused', async () => {
  for (const value of [{}, undefined, 5, new Int32Array(1)]) {
    const cell = value as never
    expect(() => waitOn(cell, 0)).toThrow(InvalidArgumentError)
    await expect(waitOnAsync(cell, 0)).rejects.toThrow(InvalidArgumentError)
    expect(() => notify(cell)).toThrow(InvalidArgumentError)
  }
})

test('a cell that was disposed of is refused, and its queue works on', async () => {
  const cell = new AtomicInt32({ region })
  cell.dispose()
  await expect(waitOnAsync(cell, 0)).rejects.toThrow(DisposedError)
  expect(() => waitOn(cell, 0)).toThrow(DisposedError)
  expectNothingLeft(region)
})
