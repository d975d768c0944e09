/** Channels as web streams: back-pressure, the end, cancel and abort, and who owns the channel. */
import { bytes, i32, Region, utf8 } from '@heddle/atomics'
import { beforeEach, describe, expect, test } from 'vitest'
import { broadcast, channel, CLOSED, ClosedError, EMPTY, LaggedError, unbounded } from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 22 })
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each([
  ['a channel', 4],
  ['a channel of capacity 0', 0],
])('the readable of %s', (_name, capacity) => {
  test('receives for each read, and nothing ahead', async () => {
    const [tx, rx] = channel({ capacity, codec: i32, region })
    const sends = [1, 2, 3].map((n) => tx.sendAsync(n))
    const stream = rx.toReadableStream()
    await turn()
    const reader = stream.getReader()
    await turn()
    if (capacity > 0) expect(rx.length).toBe(3)
    expect(await reader.read()).toEqual({ done: false, value: 1 })
    reader.releaseLock()
    // The rest is there for others.
    expect(rx.recv()).toBe(2)
    expect(rx.recv()).toBe(3)
    await Promise.all(sends)
    const later = stream.getReader()
    const reading = later.read()
    await turn()
    await tx.sendAsync(4)
    expect((await reading).value).toBe(4)
  })

  test('ends when the channel is closed', async () => {
    const [tx, rx] = channel({ capacity, codec: i32, region })
    const sends = [1, 2].map((n) => tx.sendAsync(n))
    const got: number[] = []
    const reading = (async () => {
      for await (const n of rx.toReadableStream()) got.push(n)
    })()
    await Promise.all(sends)
    await turn()
    tx.close('the reason is not an error')
    await reading
    expect(got).toEqual([1, 2])
  })

  test('cancel leaves the channel open, and takes no message with it', async () => {
    const [tx, rx] = channel({ capacity, codec: i32, region })
    const reader = rx.toReadableStream().getReader()
    const reading = reader.read()
    await turn()
    await reader.cancel('not interested')
    expect((await reading).done).toBe(true)
    await turn()
    const sending = tx.sendAsync(5)
    expect(rx.isClosed).toBe(false)
    expect(await rx.recvAsync()).toBe(5)
    await sending
    for (const owns of [false, true]) {
      const feeding = tx.sendAsync(6)
      for await (const n of rx.toReadableStream({ closes: owns })) {
        expect(n).toBe(6)
        break
      }
      await feeding
      expect(rx.isClosed).toBe(owns)
    }
    expect(() => tx.send(7)).toThrow(ClosedError)
  })
})

test('a cancel while a message arrives: it is in the channel, or it was read', async () => {
  const [tx, rx] = channel({ capacity: 4, codec: i32, region })
  for (let round = 0; round < 100; round++) {
    const reader = rx.toReadableStream().getReader()
    const reading = reader.read()
    for (let i = round % 5; i > 0; i--) await Promise.resolve()
    tx.send(round)
    for (let i = round % 7; i > 0; i--) await Promise.resolve()
    const cancelling = reader.cancel()
    const { value } = await reading
    await cancelling
    await turn()
    expect(value ?? rx.tryRecv(), `round ${round}`).toBe(round)
    expect(rx.tryRecv()).toBe(EMPTY)
  }
})

test('a lag is the error of the stream', async () => {
  const [tx, rx] = broadcast({ capacity: 2, codec: i32, region })
  for (let i = 0; i < 5; i++) tx.send(i)
  await expect(rx.toReadableStream().getReader().read()).rejects.toThrow(LaggedError)
  const again = rx.toReadableStream().getReader()
  expect((await again.read()).value).toBe(3)
})

test('a byte stream: chunks, buffers that the reader brings, and the end', async () => {
  const [tx, rx] = channel({ capacity: 8, codec: bytes(1000), region })
  tx.send(Uint8Array.of(1, 2, 3))
  tx.send(new Uint8Array(0))
  tx.send(Uint8Array.of(4, 5, 6, 7))
  const stream = rx.toReadableStream({ type: 'bytes' })
  const reader = stream.getReader({ mode: 'byob' })
  const first = await reader.read(new Uint8Array(2))
  expect([...first.value!]).toEqual([1, 2])
  const second = await reader.read(new Uint8Array(8))
  expect([...second.value!]).toEqual([3])
  reader.releaseLock()
  const plain = stream.getReader()
  expect([...(await plain.read()).value!]).toEqual([4, 5, 6, 7])
  plain.releaseLock()
  const last = stream.getReader({ mode: 'byob' })
  const reading = last.read(new Uint8Array(8))
  await turn()
  tx.close()
  const end = await reading
  expect([end.done, end.value!.length]).toEqual([true, 0])
})

describe('the writable', () => {
  test('waits for room, and says so', async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    const writer = tx.toWritableStream().getWriter()
    expect(writer.desiredSize).toBe(1)
    await writer.write(1)
    await writer.ready
    const second = writer.write(2)
    let isReady = false
    const ready = writer.ready.then(() => (isReady = true))
    await turn()
    expect([isReady, writer.desiredSize, rx.length]).toEqual([false, 0, 1])
    expect(rx.recv()).toBe(1)
    await second
    await ready
    expect(rx.recv()).toBe(2)
  })

  test('close closes the channel after what was written, unless it was told not to', async () => {
    for (const closes of [true, false]) {
      const [tx, rx] = channel({ capacity: 1, codec: i32, region })
      const writer = tx.toWritableStream({ closes }).getWriter()
      const writes = [writer.write(1), writer.write(2)]
      const closing = writer.close()
      expect(await rx.recvAsync()).toBe(1)
      expect(await rx.recvAsync()).toBe(2)
      await Promise.all([...writes, closing])
      expect(rx.tryRecv()).toBe(closes ? CLOSED : EMPTY)
    }
  })

  test('abort: what waits is not sent, and the channel is closed with the reason, unless it was told not to', async () => {
    for (const closes of [true, false]) {
      const [tx, rx] = channel({ capacity: 1, codec: i32, region })
      const writer = tx.toWritableStream({ closes }).getWriter()
      await writer.write(1)
      const second = writer.write(2)
      second.catch(() => undefined)
      writer.closed.catch(() => undefined)
      await turn()
      await writer.abort('stop')
      await expect(second).rejects.toBe('stop')
      expect(rx.recv()).toBe(1)
      expect(rx.tryRecv()).toBe(closes ? CLOSED : EMPTY)
      if (closes) await expect(rx.recvAsync()).rejects.toMatchObject({ reason: 'stop' })
    }
  })

  test("a closed channel is the stream's error", async () => {
    const [tx, rx] = channel({ capacity: 1, codec: i32, region })
    const writer = tx.toWritableStream().getWriter()
    writer.closed.catch(() => undefined)
    rx.close('gone')
    await expect(writer.write(1)).rejects.toMatchObject({ code: 'ERR_CLOSED', value: 1, reason: 'gone' })
  })

  test('through a pipe: from one channel over a transform to another', async () => {
    const [tx, rx] = channel({ capacity: 2, codec: utf8(20), region })
    const [out, got] = unbounded({ codec: utf8(20), region })
    const upper = new TransformStream<string, string>({ transform: (text, controller) => controller.enqueue(text.toUpperCase()) })
    const piping = rx.toReadableStream().pipeThrough(upper).pipeTo(out.toWritableStream())
    for (const text of ['a', 'b', 'c', 'd', 'e']) await tx.sendAsync(text)
    tx.close()
    await piping
    expect([...got]).toEqual(['A', 'B', 'C', 'D', 'E'])
  })
})

describe('iteration closes nothing', () => {
  test('a loop that is left early leaves the channel as it is', async () => {
    const [tx, rx] = channel({ capacity: 4, codec: i32, region })
    tx.sendMany([1, 2, 3, 4])
    for (const n of rx) if (n === 2) break
    for await (const n of rx) if (n === 3) break
    expect([rx.isClosed, rx.recv()]).toEqual([false, 4])
  })
})
