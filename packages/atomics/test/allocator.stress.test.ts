import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { Region } from '../src/index.js'
import { declareDead, randomFrom, releaseSlot, statusOf, testSeed } from './support.js'

const WORKERS = 4
const SLOTS = 64
const seconds = Number(process.env.HEDDLE_STRESS_SECONDS ?? 4)

interface Run {
  ledger: Int32Array
  ended: Promise<'done' | 'killed'>
  worker: Worker
  agent: Promise<{ id: number; generation: number }>
}

function start(region: Region, seed: number, rounds: number): Run {
  const ledger = new SharedArrayBuffer(SLOTS * 4)
  const worker = new Worker(new URL('.fixtures/allocator.js', import.meta.url), { workerData: { buffer: region.buffer, ledger, seed, rounds } })
  let done = false
  const agent = new Promise<{ id: number; generation: number }>((resolve) => {
    worker.on('message', (message: 'done' | { agent: { id: number; generation: number } }) => {
      if (message === 'done') done = true
      else resolve(message.agent)
    })
  })
  const ended = new Promise<'done' | 'killed'>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => {
      resolve(done ? 'done' : 'killed')
    })
  })
  // An error is reported when it is this worker's turn.
  ended.catch(() => undefined)
  return { ledger: new Int32Array(ledger), ended, worker, agent }
}

/**
 * Frees what the ledger says. A block whose release was under way may be gone, and even be another agent's by now: it is left alone.
 */
function settle(region: Region, ledger: Int32Array): void {
  for (const at of ledger) if (at > 0) region.free(at)
}

it('keeps blocks apart while several agents allocate and free', async () => {
  const random = randomFrom(testSeed())
  const region = Region.create({ bytes: 8 << 20, agents: 16 })
  const runs = Array.from({ length: WORKERS }, () => start(region, random(2 ** 31), 60_000))
  expect(await Promise.all(runs.map(async (run) => run.ended))).toEqual(runs.map(() => 'done'))
  region.check()
  expect(region.stats().blocks).toBe(runs.reduce((sum, run) => sum + run.ledger.filter((at) => at !== 0).length, 0))
  for (const run of runs) settle(region, run.ledger)
  region.check()
  expect(region.stats()).toMatchObject({ used: 0, blocks: 0 })
})

it('recovers from agents terminated at random moments', async () => {
  const random = randomFrom(testSeed())
  const region = Region.create({ bytes: 8 << 20, agents: 8 })
  const until = performance.now() + seconds * 1000
  let kills = 0
  let live: Run[] = []
  while (performance.now() < until || kills < 3) {
    while (live.length < 3) live.push(start(region, random(2 ** 31), 2 ** 31))
    const [victim] = live.splice(random(live.length), 1)
    const agent = await victim!.agent
    // Where in its work it is hit is up to the machine: this only lets it get going.
    for (let i = random(4000); i > 0; i--) region.free(region.alloc(8 + random(200)))
    await victim!.worker.terminate()
    expect(await victim!.ended).toBe('killed')
    expect(statusOf(region, agent.id)).not.toBe(0)
    declareDead(region, agent)
    if (random(2) === 0) region.reclaim(agent.id)
    settle(region, victim!.ledger)
    releaseSlot(region, agent)
    kills++
    region.check()
  }
  for (const run of live) {
    const agent = await run.agent
    await run.worker.terminate()
    declareDead(region, agent)
    region.reclaim(agent.id)
    settle(region, run.ledger)
    kills++
  }
  live = []
  for (let id = 1; id <= 8; id++) region.reclaim(id)
  region.check()
  const { blocks } = region.stats()
  console.log(`${kills} kills, ${blocks} blocks lost between the ledger and the calls`)
  expect(blocks).toBeLessThanOrEqual(kills)
})
