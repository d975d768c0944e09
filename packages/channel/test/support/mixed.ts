/** A round of the mixed stress: channels of all flavours, workers that do anything with them, closes, kills; and the count of every message at the end. */
import { Worker } from 'node:worker_threads'
import { i32, Region, utf8 } from '@heddle/atomics'
import { fill, load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { forEachRecord } from '../../../park/src/slab.js'
import { channel, CLOSED, EMPTY, mpsc, type Receiver, type Sender, spsc, unbounded } from '../../src/index.js'
import { random } from './random.js'

/** What a worker of mixed.worker.ts is given. */
export interface MixedData {
  buffer: SharedArrayBuffer
  /** `sender`, `receiver`: the only worker at that end, or -1 for all. */
  channels: { name: string; tx: unknown; rx: unknown; text: boolean; sender: number; receiver: number }[]
  worker: number
  messages: number
  /** Word index: one word for each message; bit 0 it was sent, 256 for each receipt. */
  marksAt: number
  seed: number
}

export interface MixedResult {
  sent: number
  received: number
  /** Sent, and never seen: lost with whoever was killed. */
  missing: number
  /** What the channels say was lost. */
  lost: number
  kills: number
}

/** At most so many messages are in a killed worker's hands: received and not noted. */
const IN_HAND = 70

export async function mixedRound(seed: number, { milliseconds = 600, workers = 4, messages = 20_000 } = {}): Promise<MixedResult> {
  const next = random(seed)
  const region = Region.create({ bytes: 1 << 24, agents: 32 })
  const fail = (text: string): never => {
    throw new Error(`${text} (seed ${seed})`)
  }
  type Ends = [Sender<never>, Receiver<never>]
  const made: { name: string; ends: Ends; text?: boolean; sender?: number; receiver?: number }[] = [
    { name: 'channel of 1', ends: channel({ capacity: 1, codec: i32, region }) as Ends },
    { name: 'channel of 16', ends: channel({ capacity: 16, codec: i32, region }) as Ends },
    { name: 'channel of 300', ends: channel({ capacity: 300, codec: i32, region }) as Ends },
    { name: 'texts', ends: channel({ capacity: 8, codec: utf8(500), region }) as Ends, text: true },
    { name: 'hand to hand', ends: channel({ capacity: 0, codec: i32, region }) as Ends },
    { name: 'hand to hand, texts', ends: channel({ capacity: 0, codec: utf8(500), region }) as Ends, text: true },
    { name: 'mpsc', ends: mpsc({ capacity: 16, codec: i32, region }) as Ends, receiver: next(workers) },
    { name: 'spsc', ends: spsc({ capacity: 64, codec: i32, region }) as Ends, sender: next(workers), receiver: next(workers) },
    { name: 'unbounded', ends: unbounded({ codec: i32, region }) as Ends },
  ]
  const total = workers * messages
  const marksAt = region.alloc(total * 4) >> 2
  fill(region.words, marksAt, total, 0)
  const running = Array.from({ length: workers }, (_, worker) => {
    const workerData: MixedData = {
      buffer: region.buffer,
      channels: made.map(({ name, ends: [tx, rx], text = false, sender = -1, receiver = -1 }) => ({
        name,
        tx: tx.toHandle(),
        rx: rx.toHandle(),
        text,
        sender,
        receiver,
      })),
      worker,
      messages,
      marksAt,
      seed: seed + worker * 7919,
    }
    const thread = new Worker(new URL('../.fixtures/mixed.js', import.meta.url), { workerData })
    const { threadId } = thread
    let failure: Error | undefined
    thread.on('error', (error) => (failure = error instanceof Error ? error : new Error(String(error))))
    const exited = new Promise<void>((resolve) => {
      thread.on('exit', () => {
        reapThread(Agent.of(region), threadId)
        resolve()
      })
    })
    return { thread, exited, failure: () => failure }
  })
  const kills = Math.max(0, next(4) - 1)
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  for (let kill = 0; kill < kills; kill++) {
    await pause(milliseconds / 3 + next(milliseconds / 6))
    await running[kill]!.thread.terminate()
  }
  await pause(milliseconds / 2)
  for (const { ends } of made) {
    await pause(next(20))
    ends[next(2)]!.close()
  }
  await Promise.all(running.map(({ exited }) => exited))
  for (const { failure } of running) if (failure() !== undefined) throw new Error(`seed ${seed}`, { cause: failure() })
  const rest = new Map<number, number>()
  let lost = 0
  for (const { ends } of made) {
    const rx = ends[1] as Receiver<string | number>
    for (let found = rx.tryRecv(); found !== CLOSED && found !== EMPTY; found = rx.tryRecv()) {
      const id = parseInt(String(found), 10)
      rest.set(id, (rest.get(id) ?? 0) + 1)
    }
    lost += rx.lost
  }
  const result: MixedResult = { sent: 0, received: 0, missing: 0, lost, kills }
  for (let message = 0; message < total; message++) {
    const mark = load(region.words, marksAt + message)
    const times = (mark >>> 8) + (rest.get(message) ?? 0)
    if (times > 1) fail(`message ${message} was received ${times} times`)
    if (times === 1) result.received++
    if ((mark & 1) === 1) {
      result.sent++
      if (times === 0) result.missing++
    } else if (times !== 0 && Math.floor(message / messages) >= kills) fail(`message ${message} was not sent, and was received`)
  }
  if (kills === 0 && (result.missing > 0 || lost > 0)) fail(`${result.missing} missing, ${lost} lost, and nobody was killed`)
  if (result.missing > lost + kills * IN_HAND) fail(`${result.missing} missing, ${lost} lost, ${kills} killed`)
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  if (busy > 0) fail(`${busy} waiter records in use`)
  for (const { ends } of made) ends[0].dispose()
  return result
}
