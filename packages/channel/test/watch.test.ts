/** watch: the list of every flavour, and what is its own. */
import { bool, type Codec, f64, handle, i32, Region, struct, utf8, ValueTooLargeError } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { beforeEach, describe, expect, test } from 'vitest'
import { channel, CLOSED, ClosedError, EMPTY, Receiver, selectAsync, Sender, trySelect, watch, WatchReceiver } from '../src/index.js'
import { flavorSuite } from './support/flavor-suite.js'

flavorSuite({
  name: 'watch',
  make: <T>({ codec, region }: { codec: Codec<T>; region: Region }): [Sender<T>, Receiver<T>] => {
    const first: unknown = codec.kind.startsWith('utf8') ? '' : codec.kind === 'i32' ? -1 : channel({ capacity: 1, codec: i32, region })[0]
    return watch(first as T, { codec, region })
  },
  delivery: 'latest',
  whenFull: 'take',
  keeps: () => 1,
})

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('watch', () => {
  test('the latest value, and whether it is newer than what was received', () => {
    const [tx, rx] = watch('red', { codec: utf8(300), region })
    expect([rx.get(), rx.length, rx.capacity, tx.length]).toEqual(['red', 0, 1, 1])
    expect(rx.tryRecv()).toBe(EMPTY)
    tx.send('amber')
    tx.send('green')
    expect([rx.get(), rx.length]).toEqual(['green', 1])
    expect(rx.recv()).toBe('green')
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(rx.get()).toBe('green')
    expect(() => rx.recv({ timeout: 1 })).toThrow(TimeoutError)
    // The same value again is a new one.
    tx.send('green')
    expect(rx.recvMany(5)).toEqual(['green'])
  })

  test('changed in three modes: the value counts as received, and get reads it', async () => {
    const [tx, rx] = watch(0, { codec: f64, region })
    expect(() => rx.changed({ timeout: 1 })).toThrow(TimeoutError)
    tx.send(1)
    rx.changed()
    expect([rx.get(), rx.tryRecv()]).toEqual([1, EMPTY])
    const changing = rx.changedAsync()
    await turn()
    tx.send(2)
    await changing
    expect([rx.get(), rx.tryRecv()]).toEqual([2, EMPTY])
    const scheduler = new Scheduler({ region })
    const seen: number[] = []
    scheduler.spawn(function* () {
      yield* rx.changedFiber()
      seen.push(rx.get())
    })
    const running = scheduler.runAsync()
    await turn()
    tx.send(3)
    await running
    expect(seen).toEqual([3])
    const last = rx.changedAsync()
    tx.close('over')
    await expect(last).rejects.toMatchObject({ reason: 'over' })
    expect(() => rx.changed()).toThrow(ClosedError)
    expect(rx.get()).toBe(3)
  })

  test('many receivers, each with what it has seen', async () => {
    const [tx, rx] = watch(0, { codec: i32, region })
    tx.send(1)
    const fresh = rx.subscribe()
    const same = rx.clone()
    const opened = Receiver.fromHandle<number>(rx.toHandle()) as WatchReceiver<number>
    expect(opened).toBeInstanceOf(WatchReceiver)
    expect([fresh.tryRecv(), same.tryRecv(), opened.tryRecv(), rx.tryRecv()]).toEqual([EMPTY, 1, 1, 1])
    const waiting = [rx, fresh, same, opened].map((each) => each.recvAsync())
    const selected = selectAsync({ other: rx.clone() })
    await turn()
    tx.send(2)
    expect(await Promise.all(waiting)).toEqual([2, 2, 2, 2])
    expect(await selected).toEqual({ key: 'other', value: 2 })
    fresh.dispose()
    tx.send(3)
    expect(rx.recv()).toBe(3)
  })

  test('close: the last value is received by all who have not seen it', () => {
    const [tx, rx] = watch(0, { codec: i32, region })
    const late = rx.clone()
    tx.send(1)
    expect(rx.recv()).toBe(1)
    tx.close()
    expect(trySelect({ rx })).toEqual({ key: 'rx', closed: true })
    expect(() => tx.send(2)).toThrow(ClosedError)
    expect([...late]).toEqual([1])
    expect(late.tryRecv()).toBe(CLOSED)
    expect(late.get()).toBe(1)
  })

  test('a value of several words is never mixed', () => {
    const [tx, rx] = watch({ x: 0, y: 0, on: false }, { codec: struct({ x: f64, y: f64, on: bool }), region })
    for (let i = 1; i < 10; i++) {
      tx.send({ x: i, y: -i, on: i % 2 === 0 })
      expect({ ...rx.recv() }).toMatchObject({ x: i, y: -i, on: i % 2 === 0 })
    }
  })

  test('a value that is refused changes nothing; a first one that is refused makes no channel', () => {
    const { used } = region.stats()
    expect(() => watch('x'.repeat(20), { codec: utf8(10), region })).toThrow(ValueTooLargeError)
    expect(region.stats().used).toBeLessThanOrEqual(used + 4096)
    const [tx, rx] = watch('a', { codec: utf8(10), region })
    expect(() => tx.send('x'.repeat(20))).toThrow(ValueTooLargeError)
    expect([rx.get(), rx.tryRecv()]).toEqual(['a', EMPTY])
  })

  test('a channel as the value', () => {
    const [first] = channel({ capacity: 1, codec: i32, region })
    const [second, there] = channel({ capacity: 1, codec: i32, region })
    const [tx, rx] = watch(first, { codec: handle<Sender<number>>(Sender as never), region })
    tx.send(second)
    rx.recv().send(5)
    expect(there.recv()).toBe(5)
  })
})
