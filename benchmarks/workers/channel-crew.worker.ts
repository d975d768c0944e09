/** One thread of the channel suite: does its part of every run that the main thread announces with the number of its messages. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Handle, Region } from '@heddle/atomics'
import { ClosedError, Receiver, Sender } from '@heddle/channel'
import { Scheduler } from '@heddle/scheduler'
import { AudioWriter, RingBuffer } from 'ringbuf.js'

/** What it is given. */
export interface CrewData {
  role: 'send' | 'receive' | 'echo' | 'feed' | 'bytes' | 'post' | 'batch' | 'ringbuf' | 'bare-batch'
  mode?: 'thread' | 'promise' | 'fiber'
  number: number
  of: number
  /** How many messages a run has, for this thread. */
  runs: Handle
  /** What came of it. */
  done: Handle
  links: Handle[]
  buffer: SharedArrayBuffer
}

const { role, mode = 'thread', number, of, runs, done, links, buffer } = workerData as CrewData
const announced = Receiver.fromHandle<number>(runs)
const finished = Sender.fromHandle<number>(done)
const MASK = 0x7fffffff

/** One run. @returns the sum of what was received, or 0 */
type Part = (count: number) => number | Promise<number>

function sending(): Part {
  const tx = Sender.fromHandle<number>(links[0]!)
  if (mode === 'thread')
    return (count) => {
      for (let i = 0; i < count; i++) tx.send(i * of + number)
      return 0
    }
  if (mode === 'promise')
    return async (count) => {
      for (let i = 0; i < count; i++) await tx.sendAsync(i * of + number)
      return 0
    }
  return (count) => {
    const scheduler = new Scheduler({ region: Region.attach(buffer) })
    scheduler.spawn(function* () {
      for (let i = 0; i < count; i++) yield* tx.sendFiber(i * of + number)
    })
    scheduler.run()
    return 0
  }
}

/** Receives until each of its messages is there. */
function receiving(): Part {
  const rx = Receiver.fromHandle<number>(links[0]!)
  if (mode === 'thread')
    return (count) => {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + rx.recv()) & MASK
      return sum
    }
  if (mode === 'promise')
    return async (count) => {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + (await rx.recvAsync())) & MASK
      return sum
    }
  return (count) => {
    let sum = 0
    const scheduler = new Scheduler({ region: Region.attach(buffer) })
    scheduler.spawn(function* () {
      for (let i = 0; i < count; i++) sum = (sum + (yield* rx.recvFiber())) & MASK
    })
    scheduler.run()
    return sum
  }
}

function echoing(): Part {
  const rx = Receiver.fromHandle<number>(links[0]!)
  const tx = Sender.fromHandle<number>(links[1]!)
  return (count) => {
    for (let i = 0; i < count; i++) tx.send(rx.recv())
    return 0
  }
}

function feeding(): Part {
  const all = links.map((link) => Sender.fromHandle<number>(link))
  return (count) => {
    for (let i = 0; i < count; i++) all[i % all.length]!.send(i)
    return 0
  }
}

function takingBytes(): Part {
  const rx = Receiver.fromHandle<Uint8Array>(links[0]!)
  return (count) => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += rx.recv().length
    return sum
  }
}

function takingPosts(): Part {
  return (count) =>
    new Promise<number>((resolve) => {
      let left = count
      let sum = 0
      const take = (message: Uint8Array): void => {
        sum += message.length
        if (--left > 0) return
        parentPort!.off('message', take)
        resolve(sum)
      }
      parentPort!.on('message', take)
      parentPort!.postMessage('listening')
    })
}

function batching(): Part {
  const tx = Sender.fromHandle<number>(links[0]!)
  const values = new Int32Array(256).fill(1)
  return (count) => {
    for (let left = count; left > 0; left -= 256) tx.sendMany(left < 256 ? values.subarray(0, left) : values)
    return 0
  }
}

function fillingRingbuf(): Part {
  const ring = new AudioWriter(new RingBuffer(buffer, Float32Array))
  const values = new Float32Array(256).fill(1)
  return (count) => {
    for (let left = count; left > 0;) left -= ring.enqueue(left < 256 ? values.subarray(0, left) : values)
    return 0
  }
}

/** The floor of batches: a ring of 1024 numbers, 256 at once; whole batches only. */
function fillingBare(): Part {
  const ring = new Int32Array(buffer)
  const values = new Int32Array(256).fill(1)
  return (count) => {
    let tail = Atomics.load(ring, 16)
    for (let left = count; left > 0; left -= 256) {
      while (((tail - Atomics.load(ring, 0)) | 0) > 1024 - 256);
      ring.set(values, 32 + (tail & 1023))
      tail = (tail + 256) | 0
      Atomics.store(ring, 16, tail)
    }
    return 0
  }
}

const part = {
  send: sending,
  receive: receiving,
  echo: echoing,
  feed: feeding,
  bytes: takingBytes,
  post: takingPosts,
  batch: batching,
  ringbuf: fillingRingbuf,
  'bare-batch': fillingBare,
}[role]()
parentPort!.postMessage('ready')
try {
  for (;;) finished.send(await part(role === 'post' ? await announced.recvAsync() : announced.recv()))
} catch (error) {
  if (!(error instanceof ClosedError)) throw error
}
