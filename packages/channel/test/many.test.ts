/** sendMany and recvMany: ranges, in every mix with single messages. */
import { bigint64, bytes, type Codec, f64, i32, Region, u32, utf8 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { channel, CLOSED, ClosedError, EMPTY, type Receiver, type Sender, spsc } from '../src/index.js'
import { random } from './support/random.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
afterEach(() => {
  expect(Agent.of(region).slab.used).toBe(0)
})
const counting = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each([
  ['channel', channel],
  ['spsc', spsc],
])('%s', (_name, make) => {
  for (const capacity of [1, 2, 3, 8, 64, 100, 1024]) {
    test(`capacity ${capacity}: single messages and lists of any length, over many laps`, () => {
      const seed = (Math.random() * 2 ** 31) | 0
      const next = random(seed)
      const [tx, rx] = make({ capacity, codec: i32, region })
      let sent = 0
      let received = 0
      const into = new Int32Array(200)
      for (let round = 0; round < 1000; round++) {
        const room = capacity - (sent - received)
        expect(rx.length, `seed ${seed}`).toBe(sent - received)
        if (room > 0 && next(2) === 0) {
          const count = 1 + next(Math.min(room, 150))
          if (next(3) === 0) expect(tx.trySend(sent++)).toBe(true)
          else {
            const list = counting(count, sent)
            expect(tx.sendMany(next(2) === 0 ? list : Int32Array.from(list), { timeout: 0 })).toBe(count)
            sent += count
          }
          if (sent - received === capacity) expect(tx.trySend(-1)).toBe(false)
        }
        if (sent > received && next(2) === 0) {
          const got = next(3) === 0 ? [rx.recv()] : [...(next(2) === 0 ? rx.recvMany(1 + next(200)) : rx.recvMany(into.subarray(0, 1 + next(200))))]
          expect(got, `seed ${seed}`).toEqual(counting(got.length, received))
          received += got.length
        }
      }
      while (received < sent) expect(rx.tryRecv()).toBe(received++)
      expect(rx.tryRecv()).toBe(EMPTY)
    })
  }

  test('typed arrays of every codec, in and out', () => {
    const through = <T>(codec: Codec<T>, values: ArrayLike<T>): void => {
      const [tx, rx] = make<T>({ capacity: 256, codec, region })
      for (let lap = 0; lap < 20; lap++) {
        tx.sendMany(values)
        const got: T[] = []
        while (got.length < values.length) got.push(...rx.recvMany(values.length))
        expect(got).toEqual(Array.from(values))
      }
      tx.close()
    }
    through(i32, Int32Array.from(counting(60, -30)))
    through(u32, Uint32Array.from(counting(60, 2 ** 31 - 30)))
    through(
      f64,
      Float64Array.from(counting(60), (x) => x / 7),
    )
    through(
      bigint64,
      BigInt64Array.from(counting(60), (x) => -BigInt(x)),
    )
    through(i32, Float64Array.from(counting(60)))
    through(f64, Int32Array.from(counting(60)))
    through(utf8(20), counting(60).map(String))
    const [tx, rx] = make({ capacity: 256, codec: f64, region })
    tx.sendMany(Float64Array.from(counting(64), (x) => x / 2))
    const wide = new Float64Array(100)
    const got = rx.recvMany(wide)
    expect(got.buffer).toBe(wide.buffer)
    expect([...got]).toEqual(counting(got.length).map((x) => x / 2))
  })

  test('a value that is refused: those before it are sent', () => {
    for (const bad of [0, 1, 30]) {
      const [tx, rx] = make({ capacity: 256, codec: i32, region })
      const values = counting(60)
      values[bad] = 0.5
      expect(() => tx.sendMany(values)).toThrow('i32')
      const got: unknown[] = []
      for (let found = rx.tryRecv(); found !== EMPTY; found = rx.tryRecv()) got.push(found)
      expect(got).toEqual(counting(bad))
      expect(tx.sendMany(counting(60))).toBe(60)
      expect(rx.recvMany(60).length).toBeGreaterThan(0)
    }
  })

  test('a list that can not be stored there: nothing is taken', () => {
    const [tx, rx] = make<bigint>({ capacity: 64, codec: bigint64, region })
    tx.sendMany([1n, 2n, 3n])
    expect(() => rx.recvMany(new Int32Array(4))).toThrow(TypeError)
    // One by one it would have taken the first.
    expect(rx.recv()).toBeLessThanOrEqual(2n)
  })

  test('more than fits: the time limit ends it with a count', async () => {
    const [tx, rx] = make({ capacity: 16, codec: i32, region })
    expect(tx.sendMany(counting(40), { timeout: 1 })).toBe(16)
    expect(() => tx.sendMany(counting(4), { timeout: 1 })).toThrow(TimeoutError)
    const sending = tx.sendManyAsync(counting(40, 16))
    const got: number[] = []
    for (; got.length < 56; await turn()) for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) got.push(found)
    expect(await sending).toBe(40)
    expect(got).toEqual(counting(56))
  })

  test('close in the middle: what was accepted is drained, the rest is told', async () => {
    const [tx, rx] = make({ capacity: 16, codec: i32, region })
    const sending = tx.sendManyAsync(counting(40))
    await turn()
    rx.close('enough')
    const sent = await sending
    expect(sent).toBe(16)
    expect([...rx]).toEqual(counting(sent))
    const list = counting(3)
    expect(() => tx.sendMany(list)).toThrow(ClosedError)
    await expect(tx.sendManyAsync(list)).rejects.toMatchObject({ value: list, reason: 'enough' })
    expect(() => rx.recvMany(3)).toThrow(ClosedError)
  })

  test('one list wakes many receivers', async () => {
    const [tx, rx] = make({ capacity: 64, codec: i32, region })
    const receives = counting(20).map(() => rx.recvAsync())
    await turn()
    tx.sendMany(counting(20))
    expect((await Promise.all(receives)).sort((a, b) => a - b)).toEqual(counting(20))
    for (let i = 0; i < 64; i++) tx.send(i)
    const sends = counting(20).map((i) => tx.sendAsync(64 + i))
    await turn()
    const got: number[] = []
    while (got.length < 84) got.push(...(await rx.recvManyAsync(50)))
    await Promise.all(sends)
    expect(got).toEqual(counting(84))
  })

  test('messages outside their slots go one by one, and are freed', () => {
    const [tx, rx] = make({ capacity: 8, codec: bytes(1000), region })
    const { used } = region.stats()
    for (let lap = 0; lap < 10; lap++) {
      expect(tx.sendMany(counting(8).map((i) => new Uint8Array(500 + i)))).toBe(8)
      expect(rx.recvMany(8).map(({ length }) => length)).toEqual(counting(8, 500))
    }
    expect(region.stats().used).toBe(used)
  })
})

test('types: a typed array comes back as what it was', () => {
  const [tx, rx]: [Sender<number>, Receiver<number>] = channel({ capacity: 8, codec: f64, region })
  tx.sendMany(Float64Array.of(1, 2))
  const got: Float64Array = rx.recvMany(new Float64Array(4))
  expect([...got]).toEqual([1, 2])
})
