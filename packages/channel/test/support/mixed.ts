/** A round of the mixed stress: channels of all flavours, workers that do anything with them, closes, kills; and the count of every message at the end. */
import { Worker } from 'node:worker_threads'
import { i32, Region, utf8 } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { forEachRecord } from '../../../park/src/slab.js'
import { broadcast, channel, CLOSED, EMPTY, mpsc, oneshot, type Receiver, type Sender, spsc, unbounded, watch } from '../../src/index.js'
import { random } from './random.js'

/** What a worker of mixed.worker.ts is given. */
export interface MixedData {
  buffer: SharedArrayBuffer
  /** `sender`, `receiver`: the only worker at that end, or -1 for all. `fan`: every receiver gets every message, or the latest. */
  channels: { name: string; tx: unknown; rx: unknown; text: boolean; fan: boolean; sender: number; receiver: number }[]
  worker: number
  messages: number
  /** Word index: one word for each message; bit 0 it was sent, 256 for each receipt. */
  marksAt: number
  /** Word index: what the workers have done so far. */
  doneAt: number
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

/** How much the workers do on the average before anything is closed. */
const STEPS = 100
/** What agents keep for those who have their slot after them. */
const KEPT = /Slab\.grow|Holds\.grow/
/** At most so many messages are in a killed worker's hands: received and not noted. */
const IN_HAND = 70

export async function mixedRound(seed: number, { milliseconds = 600, workers = 4, messages = 20_000 } = {}): Promise<MixedResult> {
  const next = random(seed)
  // A debug region names every block that nobody gave back, and finds one that was given back twice; it is slower, so not in every round.
  const debug = next(3) === 0
  const region = Region.create({ bytes: 1 << 24, agents: 32, debug })
  const fail = (text: string): never => {
    throw new Error(`${text} (seed ${seed})`)
  }
  type Ends = [Sender<never>, Receiver<never>]
  const made: { name: string; ends: Ends; text?: boolean; fan?: boolean; sender?: number; receiver?: number }[] = [
    { name: 'channel of 1', ends: channel({ capacity: 1, codec: i32, region }) as Ends },
    { name: 'channel of 16', ends: channel({ capacity: 16, codec: i32, region }) as Ends },
    { name: 'channel of 300', ends: channel({ capacity: 300, codec: i32, region }) as Ends },
    { name: 'texts', ends: channel({ capacity: 8, codec: utf8(500), region }) as Ends, text: true },
    { name: 'hand to hand', ends: channel({ capacity: 0, codec: i32, region }) as Ends },
    { name: 'hand to hand, texts', ends: channel({ capacity: 0, codec: utf8(500), region }) as Ends, text: true },
    { name: 'mpsc', ends: mpsc({ capacity: 16, codec: i32, region }) as Ends, receiver: next(workers) },
    { name: 'spsc', ends: spsc({ capacity: 64, codec: i32, region }) as Ends, sender: next(workers), receiver: next(workers) },
    { name: 'unbounded', ends: unbounded({ codec: i32, region }) as Ends },
    { name: 'mpsc, texts', ends: mpsc({ capacity: 3, codec: utf8(500), region }) as Ends, text: true, receiver: next(workers) },
    {
      name: 'spsc, texts',
      ends: spsc({ capacity: 3, codec: utf8(500), region }) as Ends,
      text: true,
      sender: next(workers),
      receiver: next(workers),
    },
    { name: 'unbounded, texts', ends: unbounded({ codec: utf8(500), region }) as Ends, text: true },
    { name: 'broadcast', ends: broadcast({ capacity: 16, codec: i32, region }) as unknown as Ends, fan: true },
    {
      name: 'broadcast, texts, skipping',
      ends: broadcast({ capacity: 3, codec: utf8(500), lag: 'skip', region }) as unknown as Ends,
      text: true,
      fan: true,
    },
    { name: 'watch', ends: watch(0, { codec: i32, region }) as unknown as Ends, fan: true },
    ...Array.from({ length: 4 }, (_, i) => ({
      name: `oneshot ${i}`,
      ends: (i % 2 === 0 ? oneshot({ codec: i32, region }) : oneshot({ codec: utf8(500), region })) as Ends,
      text: i % 2 === 1,
    })),
  ]
  const total = workers * messages
  const doneAt = region.alloc((1 + total) * 4) >> 2
  const marksAt = doneAt + 1
  const running = Array.from({ length: workers }, (_, worker) => {
    const workerData: MixedData = {
      buffer: region.buffer,
      channels: made.map(({ name, ends: [tx, rx], text = false, fan = false, sender = -1, receiver = -1 }) => ({
        name,
        tx: tx.toHandle(),
        rx: rx.toHandle(),
        text,
        fan,
        sender,
        receiver,
      })),
      worker,
      messages,
      marksAt,
      doneAt,
      seed: seed + worker * 7919,
    }
    const thread = new Worker(new URL('../.fixtures/mixed.js', import.meta.url), { workerData })
    const { threadId } = thread
    let ended = false
    let failure: Error | undefined
    thread.on('error', (error) => (failure = error instanceof Error ? error : new Error(String(error))))
    const exited = new Promise<void>((resolve) => {
      thread.on('exit', () => {
        reapThread(Agent.of(region), threadId)
        ended = true
        resolve()
      })
    })
    return { thread, exited, failure: () => failure, ended: () => ended }
  })
  const kills = Math.max(0, next(4) - 1)
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  // On a machine that is busy, too, there is something to close and to kill.
  while (load(region.words, doneAt) < workers * STEPS && !running.every(({ ended }) => ended())) await pause(5)
  for (let kill = 0; kill < kills; kill++) {
    await pause(milliseconds / 3 + next(milliseconds / 6))
    await running[kill]!.thread.terminate()
  }
  await pause(milliseconds / 2)
  for (const { ends } of made) {
    await pause(next(20))
    ends[next(2)]!.close(next(2) === 0 ? undefined : 'that is enough, '.repeat(30))
  }
  await Promise.all(running.map(({ exited }) => exited))
  for (const { failure } of running) if (failure() !== undefined) throw new Error(`seed ${seed}`, { cause: failure() })
  const rest = new Map<number, number>()
  let lost = 0
  for (const { ends, fan } of made) {
    if (fan === true) continue
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
  region.check()
  // What is left is park's: waiters' records and timers of agents, and the marks.
  const leaks = region.leaks().filter(({ at, stack }) => at !== doneAt * 4 && !KEPT.test(stack))
  if (leaks.length > 0) fail(`${leaks.length} blocks were not given back; the first: ${leaks[0]!.bytes} bytes, ${leaks[0]!.stack}`)
  return result
}
