/** Permits. */
import { DisposedError, InvalidArgumentError, type Region } from '@heddle/atomics'
import { Parker, TimeoutError } from '@heddle/park'
import { beforeEach, expect, test } from 'vitest'
import { Crew, expectNothingLeft, makeRegion, settled, until, waiting } from './support/stage.js'

let region: Region
let parker: Parker
beforeEach(() => {
  region = makeRegion()
  parker = new Parker({ region })
})

test('an unpark before the park is not lost, and many are worth one', async () => {
  expect(parker.tryPark()).toBe(false)
  parker.unpark()
  parker.wake()
  parker.park()
  expect(parker.tryPark()).toBe(false)
  parker.unpark()
  await parker.parkAsync()
  expect(() => parker.park({ timeout: 0 })).toThrow(TimeoutError)
  await expect(parker.parkAsync({ timeout: 0 })).rejects.toThrow(TimeoutError)
  expectNothingLeft(region)
})

test('a promise that waits is woken, and one that does not come first waits on', async () => {
  const order: number[] = []
  const both = [parker.parkAsync().then(() => order.push(1)), parker.parkAsync().then(() => order.push(2))]
  parker.unpark()
  await settled()
  expect(order).toEqual([1])
  parker.unpark()
  await Promise.all(both)
  expect(order).toEqual([1, 2])
  expectNothingLeft(region)
})

test('a permit that a running agent takes first leaves the waiter where it was', async () => {
  let ended = false
  const park = parker.parkAsync().then(() => (ended = true))
  parker.unpark()
  expect(parker.tryPark()).toBe(true)
  await settled()
  expect(ended).toBe(false)
  parker.unpark()
  await park
  expectNothingLeft(region)
})

test('threads hand permits to and fro', async () => {
  const back = new Parker({ region })
  const crew = new Crew(region)
  for (let round = 0; round < 100; round++) {
    crew.tell({ do: 'parker.park', at: parker.at }, { do: 'parker.unpark', at: back.at })
    if (round % 2 === 0) await until(() => waiting(region) === 1)
    parker.unpark()
    if (round % 3 === 0) await back.parkAsync()
    else back.park()
    expect(await crew.outcome()).toEqual({ value: 'parked' })
    await crew.outcome()
  }
  expectNothingLeft(region)
})

test('an aborted wait that had been given the permit gives it back', async () => {
  const controller = new AbortController()
  const aborted = parker.parkAsync({ signal: controller.signal })
  parker.unpark()
  controller.abort('late')
  await expect(aborted).rejects.toBe('late')
  expect(parker.tryPark()).toBe(true)
  expectNothingLeft(region)
})

test('options are looked at with a permit, too', () => {
  parker.unpark()
  expect(() => parker.park({ signal: new AbortController().signal })).toThrow(TypeError)
  expect(() => parker.park({ timeout: -1 })).toThrow(InvalidArgumentError)
  parker.park({ timeout: 0 })
  expect(parker.tryPark()).toBe(false)
  expectNothingLeft(region)
})

test('opens by place and by handle, and refuses what is not there', () => {
  const at = region.alloc(Parker.BYTES)
  const made = Parker.init(region, at)
  Parker.at(region, at).unpark()
  expect(Parker.fromHandle(made.toHandle()).tryPark()).toBe(true)
  made.dispose()
  for (const use of [() => made.park(), () => made.unpark(), () => made.tryPark(), () => Parker.at(region, at), () => made.parkFiber()])
    expect(use).toThrow(DisposedError)
})
