/** Real workers, every mode at once, with terminate(), on unbounded, mpsc, broadcast and watch: whole messages, in order for each sender, none twice. */
import { Worker } from 'node:worker_threads'
import { array, type Codec, i32, Region } from '@heddle/atomics'
import { fill, load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { describe, expect, test } from 'vitest'
import { forEachRecord } from '../../park/src/slab.js'
import { broadcast, mpsc, type Receiver, type Sender, unbounded, watch } from '../src/index.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 2)
const WORDS = 8
const SENDERS = 3
/** A round ends when the senders that live have sent so many each. */
const ENOUGH = 400

type Message = ArrayLike<number>
interface Heard {
  received: number
  missed: number
}
interface Setup {
  name: string
  receivers: number
  make: (region: Region) => [Sender<Message>, Receiver<Message>]
  /** Whether each receiver gets every message, or is told how many it missed. */
  all?: boolean
  latest?: boolean
}

const codec = array(i32, WORDS) as unknown as Codec<Message>
const setups: Setup[] = [
  { name: 'unbounded', receivers: 2, make: (region) => unbounded({ codec, region }) },
  { name: 'mpsc', receivers: 1, make: (region) => mpsc({ capacity: 8, codec, region }) },
  { name: 'broadcast', receivers: 3, make: (region) => broadcast({ capacity: 8, codec, region }), all: true },
  { name: 'watch', receivers: 3, make: (region) => watch<Message>(new Array<number>(WORDS).fill(0), { codec, region }), latest: true },
]

/** Starts a worker, and listens from the beginning. */
function start(
  region: Region,
  workerData: object,
): { thread: Worker; ready: Promise<void>; heard: Promise<Heard | undefined>; exited: Promise<void> } {
  const thread = new Worker(new URL('.fixtures/fan-out-stress.js', import.meta.url), { workerData })
  const { threadId } = thread
  let isReady: () => void
  let isHeard: (heard: Heard | undefined) => void
  const ready = new Promise<void>((resolve) => (isReady = resolve))
  const heard = new Promise<Heard | undefined>((resolve) => (isHeard = resolve))
  thread.on('message', (message: 'ready' | Heard) => {
    if (message === 'ready') isReady()
    else isHeard(message)
  })
  const exited = new Promise<void>((resolve, reject) => {
    thread.on('error', reject)
    thread.on('exit', () => {
      reapThread(Agent.of(region), threadId)
      isReady()
      isHeard(undefined)
      resolve()
    })
  })
  return { thread, ready, heard, exited }
}

async function round({ receivers, make, all, latest }: Setup, seed: number, kills: number): Promise<void> {
  const region = Region.create({ bytes: 1 << 24, agents: 32 })
  const [tx, rx] = make(region)
  const sentAt = region.alloc(SENDERS * 4) >> 2
  fill(region.words, sentAt, SENDERS, 0)
  const shared = { buffer: region.buffer, tx: tx.toHandle(), rx: rx.toHandle(), sentAt, words: WORDS }
  const listening = Array.from({ length: receivers }, (_, number) => start(region, { ...shared, role: 'receive', number, seed: seed + number }))
  await Promise.all(listening.map(({ ready }) => ready))
  const sending = Array.from({ length: SENDERS }, (_, number) => start(region, { ...shared, role: 'send', number, seed: seed ^ (number + 77) }))
  const everybody = [...listening, ...sending]
  const failed = Promise.all(everybody.map(({ exited }) => exited))
  await Promise.race([Promise.all(sending.map(({ ready }) => ready)), failed])
  // The first of each end is killed, at a moment that the seed says.
  const victims = [sending[0]!, ...(receivers > 1 ? [listening[0]!] : [])].slice(0, kills)
  for (const [i, victim] of victims.entries()) {
    await new Promise((resolve) => setTimeout(resolve, (seed >>> (i * 5)) % 40))
    await victim.thread.terminate()
    await victim.exited
  }
  const isEnough = (): boolean => sending.every((worker, number) => victims.includes(worker) || load(region.words, sentAt + number) >= ENOUGH)
  await Promise.race([
    (async () => {
      while (!isEnough()) await new Promise((resolve) => setTimeout(resolve, 5))
    })(),
    failed,
  ])
  tx.close()
  await failed
  const heard = (await Promise.all(listening.map((each) => each.heard))).filter((each) => each !== undefined)
  expect(heard.length).toBe(receivers - victims.filter((victim) => listening.includes(victim)).length)
  let sent = 0
  for (let number = 0; number < SENDERS; number++) sent += load(region.words, sentAt + number)
  const { lost } = tx
  expect(lost).toBeLessThanOrEqual(kills)
  const received = heard.reduce((sum, each) => sum + each.received, 0)
  if (all === true) {
    for (const each of heard) {
      // Each message was received, missed, or lost with its sender; a killed sender may have sent one that it could not note.
      expect(each.received + each.missed).toBeGreaterThanOrEqual(sent - lost)
      expect(each.received + each.missed).toBeLessThanOrEqual(sent + kills)
    }
  } else if (latest === true) for (const each of heard) expect(each.received).toBeGreaterThan(0)
  else if (victims.some((victim) => listening.includes(victim))) expect(received).toBeLessThanOrEqual(sent + kills)
  else {
    expect(received).toBeGreaterThanOrEqual(sent - lost)
    expect(received).toBeLessThanOrEqual(sent + kills)
  }
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy, 'waiter records in use').toBe(0)
  tx.dispose()
}

describe('every mode mixed, on real workers', () => {
  for (const setup of setups) {
    test.each([0, 2])(`${setup.name}, %i killed`, async (kills) => {
      const until = performance.now() + (seconds * 1000) / 8
      do {
        const seed = (Math.random() * 2 ** 31) | 0
        console.log(`${setup.name} stress: ${kills} killed, seed ${seed}`)
        await round(setup, seed, kills)
      } while (performance.now() < until)
    })
  }
})
