/** broadcast: the list of every flavour, and what is its own: receivers of their own, and what a slow one is told. */
import { array, i32, InvalidArgumentError, Region, RegionFullError, revive, share, utf8, value } from '@heddle/atomics'
import { DisposedError } from '@heddle/atomics'
import { Scheduler } from '@heddle/scheduler'
import { beforeEach, describe, expect, test } from 'vitest'
import { broadcast, BroadcastReceiver, CLOSED, ClosedError, EMPTY, LaggedError, Receiver, select, selectAsync, trySelect } from '../src/index.js'
import { flavorSuite } from './support/flavor-suite.js'

flavorSuite({ name: 'broadcast', make: broadcast, delivery: 'all', whenFull: 'take' })

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What a call throws. */
function thrown(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('it threw nothing')
}

describe('broadcast', () => {
  test('every receiver gets what is sent after it was made', () => {
    const [tx, rx] = broadcast({ capacity: 8, codec: i32, region })
    tx.send(1)
    const second = rx.subscribe()
    tx.send(2)
    const third = rx.clone()
    expect([rx.length, second.length, third.length]).toEqual([2, 1, 2])
    expect(rx.recvMany(5)).toEqual([1, 2])
    expect(second.recvMany(5)).toEqual([2])
    expect(third.recv()).toBe(1)
    const fourth = third.clone()
    tx.close()
    expect([...third]).toEqual([2])
    expect([...fourth]).toEqual([2])
    expect([...rx]).toEqual([])
    expect(second.tryRecv()).toBe(CLOSED)
    expect(rx.subscribe().tryRecv()).toBe(CLOSED)
  })

  test('recvMany that lags after its first message gives that one, and tells what was missed next', () => {
    let whileRead = (): void => undefined
    const codec = Object.create(i32, {
      read: {
        value: (...where: Parameters<typeof i32.read>) => {
          const message = i32.read(...where)
          whileRead()
          return message
        },
      },
    }) as typeof i32
    const [tx, rx] = broadcast({ capacity: 2, codec, region })
    tx.send(0)
    tx.send(1)
    // By the time that it has read the first, it has missed two of the others.
    whileRead = () => {
      whileRead = () => undefined
      for (const n of [2, 3, 4]) tx.send(n)
    }
    expect(rx.recvMany(5)).toEqual([0])
    expect(thrown(() => rx.recvMany(5))).toMatchObject({ code: 'ERR_LAGGED', missed: 2 })
    expect(rx.recvMany(5)).toEqual([3, 4])
  })

  for (const capacity of [1, 2, 15, 16, 17, 100]) {
    test(`capacity ${capacity}: exactly so many are kept, and the rest is counted`, () => {
      const [tx, rx] = broadcast({ capacity, codec: i32, region })
      let sent = 0
      let received = 0
      let missed = 0
      for (let round = 0; round < 200; round++) {
        for (let i = round % (2 * capacity + 3); i > 0; i--) tx.send(sent++)
        const behind = sent - received
        if (behind > capacity) {
          const error = thrown(() => rx.tryRecv())
          expect(error).toBeInstanceOf(LaggedError)
          expect(error).toMatchObject({ code: 'ERR_LAGGED', missed: behind - capacity })
          missed += behind - capacity
          received = sent - capacity
          expect(rx.missed).toBe(missed)
        }
        expect(rx.length).toBe(sent - received)
        for (let i = (round * 5) % (capacity + 1); i > 0 && received < sent; i--) expect(rx.tryRecv()).toBe(received++)
        if (received === sent) expect(rx.tryRecv()).toBe(EMPTY)
      }
      expect(missed).toBeGreaterThan(0)
      tx.close()
      expect([...rx].length).toBe(sent - received)
    })
  }

  test("lag: 'skip' goes on with the oldest that is kept", async () => {
    const [tx, rx] = broadcast({ capacity: 2, codec: i32, region, lag: 'skip' })
    for (let i = 0; i < 5; i++) tx.send(i)
    expect(rx.recv()).toBe(3)
    expect(rx.missed).toBe(3)
    for (let i = 5; i < 9; i++) tx.send(i)
    tx.close()
    const rest: number[] = []
    for await (const n of rx) rest.push(n)
    expect(rest).toEqual([7, 8])
    expect(rx.missed).toBe(6)
  })

  test('every verb tells of a lag once, and loses nothing by that', async () => {
    const [tx, rx] = broadcast({ capacity: 2, codec: i32, region })
    const flood = (): void => {
      for (let i = 0; i < 5; i++) tx.send(i)
    }
    const scheduler = new Scheduler({ region })
    const verbs: (() => unknown)[] = [
      () => rx.recv(),
      () => rx.recvAsync(),
      () => rx.recvMany(5),
      () => rx.recvManyAsync(5),
      () => trySelect({ rx }),
      () => selectAsync({ rx }),
      () => scheduler.blockOn(rx.recvFiber() as never),
      () => rx[Symbol.iterator]().next(),
      () => rx[Symbol.asyncIterator]().next(),
    ]
    for (const verb of verbs) {
      flood()
      await expect((async () => verb())()).rejects.toMatchObject({ missed: 3 })
      expect(rx.recvMany(5)).toEqual([3, 4])
    }
  })

  test('a fiber, a promise and a select are all woken by one send', async () => {
    const [tx, rx] = broadcast({ capacity: 8, codec: i32, region })
    const others = [rx.clone(), rx.clone(), rx.clone()] as const
    const scheduler = new Scheduler({ region })
    const got: number[] = []
    scheduler.spawn(function* () {
      got.push(yield* others[0].recvFiber())
    })
    const running = scheduler.runAsync()
    const promise = rx.recvAsync()
    const again = rx.recvAsync()
    const selected = selectAsync({ a: others[1], b: others[2] })
    await turn()
    tx.send(1)
    await running
    expect(got).toEqual([1])
    expect(await promise).toBe(1)
    expect((await selected).value).toBe(1)
    tx.send(2)
    // Two receives of one receiver share its messages.
    expect(await again).toBe(2)
    expect(select({ rx: others[0] })).toEqual({ key: 'rx', value: 2 })
  })

  test('handles: an opening begins where the receiver stands, and is one of its own', () => {
    const [tx, rx] = broadcast({ capacity: 8, codec: utf8(500), region })
    tx.send('a')
    tx.send('b')
    expect(rx.recv()).toBe('a')
    const opened = [
      Receiver.fromHandle<string>(rx.toHandle()),
      Receiver.at<string>(region, rx.at),
      revive(share(rx)) as BroadcastReceiver<string>,
      BroadcastReceiver.fromHandle(rx.toHandle()),
    ]
    for (const other of opened) {
      expect(other).toBeInstanceOf(BroadcastReceiver)
      expect(other.recv()).toBe('b')
    }
    expect(rx.recv()).toBe('b')
    // Only the one that was made moves the place where others begin.
    tx.send('c')
    const next = Receiver.fromHandle<string>(rx.toHandle())
    next.recv()
    expect(Receiver.fromHandle<string>(rx.toHandle()).recv()).toBe('c')
  })

  test('a receiver that is disposed of leaves the others alone, and its memory is used again', () => {
    const [tx, rx] = broadcast({ capacity: 4, codec: i32, region })
    const { used } = region.stats()
    for (let i = 0; i < 100; i++) {
      const other = rx.subscribe()
      tx.send(i)
      expect(other.recv()).toBe(i)
      const handle = other.toHandle()
      other.dispose()
      expect(() => other.recv()).toThrow(DisposedError)
      expect(() => Receiver.fromHandle(handle)).toThrow(DisposedError)
    }
    expect(region.stats().used).toBeLessThan(used + 200)
    expect(rx.missed).toBe(0)
    expect(thrown(() => rx.recv())).toMatchObject({ missed: 96 })
    const third = rx.subscribe()
    tx.dispose()
    expect(() => rx.recv()).toThrow(DisposedError)
    expect(() => third.tryRecv()).toThrow(DisposedError)
    expect(region.stats().used).toBeLessThan(used)
  })

  test('a value that is refused changes nothing', () => {
    const [tx, rx] = broadcast({ capacity: 4, codec: utf8(10), region })
    expect(() => tx.send('x'.repeat(11))).toThrow('utf8(10)')
    tx.send('y')
    expect(rx.recv()).toBe('y')
    expect(rx.tryRecv()).toBe(EMPTY)
  })

  test('codecs: of many words, structured values; none with memory of its own', () => {
    const [tx, rx] = broadcast({ capacity: 2, codec: array(i32, 300), region })
    const numbers = Array.from({ length: 300 }, (_, i) => i * i)
    tx.send(numbers)
    expect([...rx.recv()]).toEqual(numbers)
    const [say, heard] = broadcast({ capacity: 2, codec: value(300), region })
    say.send({ a: [1, 'two'], b: new Map([[1, 2n]]) })
    expect(heard.recv()).toEqual({ a: [1, 'two'], b: new Map([[1, 2n]]) })
    expect(() => broadcast({ capacity: 0, codec: i32, region })).toThrow(InvalidArgumentError)
    expect(() => broadcast({ capacity: 1 << 20, codec: utf8(1000), region })).toThrow(RegionFullError)
  })

  test('close wakes everybody; what was accepted is received by all', async () => {
    const [tx, rx] = broadcast({ capacity: 4, codec: i32, region })
    const other = rx.subscribe()
    const waiting = other.recvAsync()
    await turn()
    tx.send(1)
    rx.close('enough')
    expect(await waiting).toBe(1)
    await expect(other.recvAsync()).rejects.toMatchObject({ reason: 'enough' })
    expect(() => tx.send(2)).toThrow(ClosedError)
    expect(rx.recv()).toBe(1)
    expect(() => rx.recv()).toThrow(ClosedError)
    expect(select({ rx })).toEqual({ key: 'rx', closed: true })
  })
})
