/** Codecs that refuse or fail in the middle of a list, and codecs that call the channel which they work for: nothing is lost, and what happened is told. */
import { bigint64, type Codec, f64, i32, json, Region, RegionFullError, registerCodec, utf8 } from '@heddle/atomics'
import { get, set } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  broadcast,
  channel,
  CLOSED,
  EMPTY,
  LaggedError,
  mpsc,
  oneshot,
  PartlySentError,
  Receiver,
  ReentrantError,
  select,
  Sender,
  spsc,
  unbounded,
  watch,
} from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
afterEach(() => {
  expect(Agent.of(region).slab.used).toBe(0)
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A number; 13 can't be read, and -1 not be written. */
const picky: Codec<number> = {
  kind: 'test.picky',
  bytes: 4,
  align: 4,
  fixed: true,
  write(to, at, value) {
    if (value === -1) throw new RangeError('-1 is refused')
    set(to.words, at >> 2, value)
  },
  read(from, at) {
    const value = get(from.words, at >> 2)
    if (value === 13) throw new RangeError('13 can not be read')
    return value
  },
}

type Make = <T>(options: { capacity: number; codec: Codec<T>; region: Region }) => [Sender<T>, Receiver<T>]
const flavors: [string, Make][] = [
  ['channel', channel],
  ['mpsc', mpsc],
  ['spsc', spsc],
  ['unbounded', unbounded],
  ['broadcast', broadcast],
  ['capacity 0', (options) => channel({ ...options, capacity: 0 })],
]

/** Sends without waiting for anybody. */
function offer<T>(tx: Sender<T>, values: readonly T[]): Promise<void>[] {
  return values.map((value) => tx.sendAsync(value))
}

describe.each(flavors)('%s', (name, make) => {
  test('recvMany: what was received before a message that fails is given, the failure is told by the next receive, of any kind', async () => {
    const verbs: Record<string, (rx: Receiver<number>) => unknown> = {
      recv: (rx) => rx.recv(),
      tryRecv: (rx) => rx.tryRecv(),
      recvAsync: (rx) => rx.recvAsync(),
      'recvAsync with a signal': (rx) => rx.recvAsync({ signal: new AbortController().signal }),
      recvMany: (rx) => rx.recvMany(8),
      recvManyAsync: (rx) => rx.recvManyAsync(8),
      select: (rx) => select({ rx }),
    }
    for (const [verb, receive] of Object.entries(verbs)) {
      const [tx, rx] = make({ capacity: 8, codec: picky, region })
      const sends = offer(tx, [1, 2, 13, 4])
      await turn()
      expect(rx.recvMany(8), verb).toEqual([1, 2])
      await expect((async () => receive(rx))(), verb).rejects.toThrow('13 can not be read')
      expect(rx.recv(), verb).toBe(4)
      expect(rx.tryRecv(), verb).toBe(EMPTY)
      await Promise.all(sends)
    }
  })

  test('recvMany: a failure that nothing was received before is told at once', async () => {
    const [tx, rx] = make({ capacity: 8, codec: picky, region })
    const sends = offer(tx, [13, 4])
    await turn()
    expect(() => rx.recvMany(8)).toThrow('13 can not be read')
    expect(rx.recvMany(8)).toEqual([4])
    await Promise.all(sends)
  })

  test('recvMany: a message that the array can not hold is there for the next receive', async () => {
    const [tx, rx] = make<bigint>({ capacity: 8, codec: bigint64, region })
    const sends = offer(tx, [1n, 2n])
    await turn()
    for (let i = 0; i < 3; i++) expect(() => rx.recvMany(new Int32Array(4))).toThrow(TypeError)
    expect(rx.recv()).toBe(1n)
    expect(rx.tryRecv()).toBe(2n)
    expect(rx.tryRecv()).toBe(EMPTY)
    await Promise.all(sends)
  })

  test('sendMany: which value was refused is told exactly, and those before it were sent', async () => {
    for (const receiving of [false, true]) {
      const [tx, rx] = make({ capacity: 8, codec: picky, region })
      const got: unknown[] = []
      if (receiving || name === 'capacity 0')
        void (async () => {
          for await (const value of rx) got.push(value)
        })()
      await turn()
      const error: unknown = await tx.sendManyAsync([1, 2, -1, 4]).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(PartlySentError)
      expect(error).toMatchObject({ code: 'ERR_PARTLY_SENT', sent: 2, cause: { message: '-1 is refused' } })
      await expect(tx.sendManyAsync([-1, 4])).rejects.toThrow(new RangeError('-1 is refused'))
      if (!receiving && name !== 'capacity 0') for (let found = rx.tryRecv(); found !== EMPTY; found = rx.tryRecv()) got.push(found)
      tx.close()
      await turn()
      expect(got).toEqual([1, 2])
    }
  })
})

test('sendMany, blocking and without waiting: the error of a list', () => {
  for (const make of [channel, spsc]) {
    const [tx, rx] = make({ capacity: 8, codec: i32, region })
    expect(() => tx.sendMany([1, 2, 0.5])).toThrow(PartlySentError)
    expect(() => tx.sendMany([0.5])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error)
    expect(rx.recvMany(8).concat(rx.tryRecv() as never)).toEqual([1, 2, EMPTY])
  }
})

test('sendMany: no room in the region for a value is told likewise', () => {
  const [tx, rx] = channel({ capacity: 64, codec: utf8(1 << 20), region })
  const text = 'x'.repeat(1 << 20)
  let error: unknown
  try {
    tx.sendMany(Array.from({ length: 8 }, () => text))
  } catch (reason) {
    error = reason
  }
  expect(error).toBeInstanceOf(PartlySentError)
  expect((error as PartlySentError).cause).toBeInstanceOf(RegionFullError)
  expect(rx.length).toBeGreaterThanOrEqual((error as PartlySentError).sent)
  expect(rx.recvMany(64).length).toBe((error as PartlySentError).sent)
})

test('broadcast: what was missed is told after what was received', () => {
  const [tx, rx] = broadcast({ capacity: 4, codec: picky, region })
  tx.send(1)
  expect(rx.recv()).toBe(1)
  for (let i = 2; i < 9; i++) tx.send(i)
  expect(() => rx.recvMany(8)).toThrow(LaggedError)
  expect(rx.recvMany(8)).toEqual([5, 6, 7, 8])
})

test('streams: a message that fails is the error of the stream, and the others stay', async () => {
  const [tx, rx] = channel({ capacity: 8, codec: picky, region })
  tx.sendMany([1, 13, 3])
  const reader = rx.toReadableStream().getReader()
  expect((await reader.read()).value).toBe(1)
  await expect(reader.read()).rejects.toThrow('13 can not be read')
  expect(rx.recv()).toBe(3)
})

test('streams: what a byte stream does not take is received by the next', async () => {
  const [tx, rx] = channel<unknown>({ capacity: 8, codec: json(40), region })
  tx.sendMany(['no bytes', 2])
  const reader = rx.toReadableStream({ type: 'bytes' }).getReader()
  await expect(reader.read()).rejects.toThrow(TypeError)
  expect(rx.recvMany(8)).toEqual(['no bytes', 2])
})

interface Nested {
  name: string
  inner?: unknown
}

describe('a codec that sends to the channel which it writes for', () => {
  const works: [string, Make][] = [...flavors.filter(([name]) => name !== 'spsc' && name !== 'capacity 0')]
  test.each(works)('%s: both are sent', (_name, make) => {
    for (const codec of [json<unknown>(100), json<unknown>(5000)]) {
      if (!codec.fixed && _name === 'broadcast') continue
      const [tx, rx] = make({ capacity: 4, codec, region })
      const value = {
        toJSON(): Nested {
          tx.send({ name: 'inner' })
          return { name: 'outer' }
        },
      }
      tx.send(value)
      expect([rx.recv(), rx.recv()].map((got) => (got as Nested).name).sort()).toEqual(['inner', 'outer'])
      expect(rx.tryRecv()).toBe(EMPTY)
    }
  })

  test('broadcast, watch: a codec that sends when it has written half of its value', () => {
    let inside: (() => void) | undefined
    const halves: Codec<number> = {
      kind: 'test.halves',
      bytes: 8,
      align: 4,
      fixed: true,
      write(to, at, value) {
        set(to.words, at >> 2, value)
        const act = inside
        inside = undefined
        act?.()
        set(to.words, (at >> 2) + 1, value)
      },
      read: (from, at) => get(from.words, at >> 2) * 1000 + get(from.words, (at >> 2) + 1),
    }
    const [tx, rx] = broadcast({ capacity: 4, codec: halves, region })
    inside = () => tx.send(1)
    tx.send(2)
    expect([rx.recv(), rx.recv()]).toEqual([1001, 2002])
    const [latestTx, latest] = watch(0, { codec: halves, region })
    inside = () => latestTx.send(1)
    latestTx.send(2)
    expect(latest.get()).toBe(2002)
  })

  test('capacity 0: both are received', async () => {
    const [tx, rx] = channel<unknown>({ capacity: 0, codec: json(100), region })
    const got = [rx.recvAsync(), rx.recvAsync()]
    await turn()
    tx.send({
      toJSON(): Nested {
        tx.send({ name: 'inner' })
        return { name: 'outer' }
      },
    })
    expect((await Promise.all(got)).map((value) => (value as Nested).name).sort()).toEqual(['inner', 'outer'])
  })

  test('watch: the outer value is the latest', () => {
    const [tx, rx] = watch<unknown>({ name: 'first' }, { codec: json(100), region })
    tx.send({
      toJSON(): Nested {
        tx.send({ name: 'inner' })
        return { name: 'outer' }
      },
    })
    expect(rx.get()).toEqual({ name: 'outer' })
  })

  test('another broadcast: both arrive whole', () => {
    const [tx, rx] = broadcast<unknown>({ capacity: 4, codec: json(100), region })
    const [otherTx, otherRx] = broadcast<unknown>({ capacity: 4, codec: json(100), region })
    tx.send({
      toJSON(): Nested {
        otherTx.send({ name: 'to the other one, and longer' })
        return { name: 'outer' }
      },
    })
    expect([rx.recv(), otherRx.recv()]).toEqual([{ name: 'outer' }, { name: 'to the other one, and longer' }])
  })

  test('spsc: refused at the call, by whichever opening, and nothing is lost', () => {
    const [tx, rx] = spsc<unknown>({ capacity: 4, codec: json(100), region })
    const other = Sender.at<unknown>(region, tx.at)
    for (const by of [tx, other])
      for (const send of [() => by.send(0), () => by.trySend(0), () => by.sendMany([0])]) {
        let inner: unknown
        tx.send({
          toJSON() {
            try {
              send()
            } catch (error) {
              inner = error
            }
            return { name: 'outer' }
          },
        })
        expect(inner).toBeInstanceOf(ReentrantError)
        expect(inner).toMatchObject({ code: 'ERR_REENTRANT' })
        expect(rx.recv()).toEqual({ name: 'outer' })
        expect(rx.tryRecv()).toBe(EMPTY)
      }
    expect(() => tx.send({ toJSON: () => tx.send(0) })).toThrow(ReentrantError)
    expect(rx.tryRecv()).toBe(EMPTY)
    tx.send('after')
    expect(rx.recv()).toBe('after')
  })

  test('spsc: a list whose elements send goes one by one', () => {
    const [tx, rx] = spsc({ capacity: 16, codec: f64, region })
    const list = Object.defineProperty([1, 2, 3], 1, {
      get() {
        tx.send(0)
        return 2
      },
    })
    expect(tx.sendMany(list)).toBe(3)
    expect(rx.recvMany(16).concat(rx.tryRecv() as never)).toEqual([1, 0, 2, 3, EMPTY])
  })

  test('a wait for its own call is refused; what does not wait says no', async () => {
    for (const [name, make] of [...flavors.filter(([flavor]) => flavor === 'channel' || flavor === 'mpsc'), ['oneshot', oneshot] as [string, Make]]) {
      const [tx, rx] = make<unknown>({ capacity: 1, codec: json(100), region })
      const inner: unknown[] = []
      let later: Promise<unknown> | undefined
      tx.send({
        toJSON() {
          inner.push(tx.trySend('no room'))
          try {
            tx.send('no room')
          } catch (error) {
            inner.push(error)
          }
          try {
            rx.recv()
          } catch (error) {
            inner.push(error)
          }
          later = tx.sendAsync('later').catch((error: unknown) => error)
          return 'outer'
        },
      })
      expect(inner, name).toEqual([false, expect.any(ReentrantError), expect.any(ReentrantError)])
      expect(rx.recv(), name).toBe('outer')
      await turn()
      if (name === 'oneshot') expect(await later).toMatchObject({ code: 'ERR_CLOSED', value: 'later' })
      else expect(rx.recv(), name).toBe('later')
    }
  })
})

describe('a codec that receives from the channel which it reads for', () => {
  let inside: (() => unknown) | undefined
  const asking: Codec<number> = {
    kind: 'test.asking',
    bytes: 4,
    align: 4,
    fixed: true,
    write: (to, at, value) => set(to.words, at >> 2, value),
    read(from, at) {
      const act = inside
      inside = undefined
      // First of what it calls, then the value: what it reads from must be as it was.
      act?.()
      return get(from.words, at >> 2)
    },
  }
  const ask = (act: () => unknown): unknown[] => {
    const seen: unknown[] = []
    inside = () => {
      try {
        seen.push(act())
      } catch (error) {
        seen.push(error)
      }
    }
    return seen
  }

  test.each(flavors.filter(([name]) => name !== 'spsc' && name !== 'capacity 0'))('%s: each message once', (_name, make) => {
    const [tx, rx] = make({ capacity: 4, codec: asking, region })
    tx.sendMany([1, 2, 3])
    const seen = ask(() => rx.recv())
    expect([rx.recv(), ...seen, rx.recv()]).toEqual([1, 2, 3])
    expect(rx.tryRecv()).toBe(EMPTY)
  })

  test('spsc: refused, and nothing is lost', () => {
    const [tx, rx] = spsc({ capacity: 4, codec: asking, region })
    tx.sendMany([1, 2, 3])
    for (const receive of [() => rx.recv(), () => rx.tryRecv(), () => rx.recvMany(2)]) {
      const seen = ask(receive)
      const value = rx.recv()
      expect(seen).toEqual([expect.any(ReentrantError)])
      tx.send(value + 3)
    }
    expect(rx.recvMany(4)).toEqual([4, 5, 6])
  })

  test('mpsc: not by another opening, which would get the same message', () => {
    registerCodec(asking)
    const [tx, rx] = mpsc({ capacity: 4, codec: asking, region })
    const other = Receiver.at<number>(region, rx.at)
    tx.sendMany([1, 2])
    const seen = ask(() => other.recv())
    expect(rx.recv()).toBe(1)
    expect(seen).toEqual([expect.any(ReentrantError)])
    expect(other.recv()).toBe(2)
  })

  test.each(flavors.filter(([name]) => ['channel', 'mpsc', 'spsc'].includes(name)))(
    '%s: a send that waits for its room is refused',
    (_name, make) => {
      const [tx, rx] = make({ capacity: 1, codec: asking, region })
      tx.send(1)
      const seen = ask(() => tx.send(2))
      expect(rx.recv()).toBe(1)
      expect(seen).toEqual([expect.any(ReentrantError)])
      tx.send(2)
      expect(rx.recv()).toBe(2)
    },
  )

  test.each(flavors.filter(([name]) => name === 'channel' || name === 'mpsc'))(
    '%s, closed: it is not told that there is nothing to come',
    (_name, make) => {
      const [tx, rx] = make({ capacity: 1, codec: asking, region })
      tx.send(1)
      tx.close()
      const seen = ask(() => rx.tryRecv())
      expect(rx.recv()).toBe(1)
      expect(seen).toEqual([EMPTY])
      expect(rx.tryRecv()).toBe(CLOSED)
    },
  )
})

test('who waits at a channel that is closed and disposed of is told that it is closed', async () => {
  for (const capacity of [0, 1]) {
    const [tx, rx] = channel({ capacity, codec: i32, region })
    const receiving = rx.recvAsync()
    const chosen = (async () => {
      for await (const value of rx) expect(value).toBeUndefined()
      return 'ended'
    })()
    await turn()
    tx.close('over')
    tx.dispose()
    await expect(receiving).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(await chosen).toBe('ended')
  }
})
