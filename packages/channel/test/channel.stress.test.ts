/** Real workers, every mode at once, with time limits, aborts and terminate(): nothing lost, nothing twice, in order for each sender. */
import { Worker } from 'node:worker_threads'
import { i32, Region } from '@heddle/atomics'
import { fill, load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { describe, expect, test } from 'vitest'
import { forEachRecord } from '../../park/src/slab.js'
import { channel, CLOSED, EMPTY } from '../src/index.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 3)

interface Result {
  sent: number
  missing: number
  lost: number
  lastBusy: number
}

async function round(seed: number, capacity: number, workers: number, messages: number, kills: number): Promise<Result> {
  const region = Region.create({ bytes: 1 << 23, agents: 64 })
  const [tx, rx] = channel({ capacity, codec: i32, region })
  const total = workers * messages
  const marksAt = region.alloc(total * 4) >> 2
  const lastAt = region.alloc(workers * workers * 4) >> 2
  fill(region.words, marksAt, total, 0)
  const running = Array.from({ length: workers }, (_, worker) => {
    const thread = new Worker(new URL('.fixtures/channel-stress.js', import.meta.url), {
      workerData: {
        buffer: region.buffer,
        txHandle: tx.toHandle(),
        rxHandle: rx.toHandle(),
        marksAt,
        lastAt,
        worker,
        messages,
        senders: workers,
        seed: seed + worker * 7919,
      },
    })
    const { threadId } = thread
    const exited = new Promise<void>((resolve, reject) => {
      thread.on('error', reject)
      thread.on('exit', () => {
        reapThread(Agent.of(region), threadId)
        resolve()
      })
    })
    const sent = new Promise<void>((resolve) => {
      thread.on('message', (text) => {
        if (text === 'sent') resolve()
      })
      thread.on('exit', resolve)
    })
    return { thread, exited, sent }
  })
  const failed = Promise.all(running.map(({ exited }) => exited))
  for (let kill = 0; kill < kills; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 60 + ((seed >>> kill) % 50)))
    await running[kill]!.thread.terminate()
  }
  await Promise.race([Promise.all(running.map(({ sent }) => sent)), failed])
  tx.close()
  await failed
  const received = new Set<number>()
  for (let found = rx.tryRecv(); found !== CLOSED && found !== EMPTY; found = rx.tryRecv()) received.add(found)
  const result: Result = { sent: 0, missing: 0, lost: rx.lost, lastBusy: 0 }
  for (let message = 0; message < total; message++) {
    const mark = load(region.words, marksAt + message)
    const times = (mark >>> 8) + (received.has(message) ? 1 : 0)
    expect(times, `message ${message}`).toBeLessThanOrEqual(1)
    const worker = Math.floor(message / messages)
    // A sender that was killed may have sent one more than it could note.
    if ((mark & 1) === 0 && worker >= kills) expect(times, `message ${message} was not sent`).toBe(0)
    if ((mark & 1) === 1) {
      result.sent++
      if (times === 0) result.missing++
    }
  }
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) result.lastBusy++
  })
  return result
}

describe('every mode mixed, on real workers', () => {
  for (const [capacity, workers, kills] of [
    [1, 3, 0],
    [64, 4, 0],
    [2, 5, 2],
    [16, 5, 2],
    [1024, 4, 1],
  ] as const) {
    test(`capacity ${capacity}, ${workers} workers, ${kills} killed`, async () => {
      const end = performance.now() + (seconds * 1000) / 4
      do {
        const seed = (Math.random() * 2 ** 31) | 0
        console.log(`channel stress: capacity ${capacity}, seed ${seed}`)
        const result = await round(seed, capacity, workers, 800, kills)
        expect(result.sent).toBeGreaterThan(kills > 0 ? 100 : 1000)
        expect(result.lastBusy, 'waiter records in use').toBe(0)
        // What a killed worker had received and not noted yet: at most the messages of one recvMany.
        expect(result.missing, `seed ${seed}`).toBeLessThanOrEqual(kills * 5)
        if (kills === 0) expect(result.lost).toBe(0)
      } while (performance.now() < end)
    })
  }
})
