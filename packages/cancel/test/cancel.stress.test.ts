/** Trees across real workers that are made, cancelled, waited with and disposed of at random, and workers that are terminated, with a printed seed. */
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { WaitQueue } from '@heddle/park'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { forEachRecord } from '../../park/src/slab.js'
import { CancelSource } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 3)
const ROOTS = 3

async function stress(kills: boolean): Promise<void> {
  const seed = (Math.random() * 2 ** 31) | 0
  console.log(`cancel stress seed ${seed}`)
  const region = Region.create({ bytes: 1 << 25, agents: 64 })
  const stop = new AtomicInt32({ region })
  const errors = new AtomicInt32({ region })
  const queue = new WaitQueue({ region })
  const roots = Array.from({ length: ROOTS }, () => ({ cell: new AtomicInt32({ region }), source: new CancelSource({ region }) }))
  for (const { cell, source } of roots) cell.store(source.at)

  let started = 0
  const start = (): { worker: Worker; exited: Promise<void>; idle: Promise<void> } => {
    const worker = new Worker(new URL('.fixtures/cancel-stress.js', import.meta.url), {
      workerData: {
        buffer: region.buffer,
        rootsAt: roots.map(({ cell }) => cell.at),
        stopAt: stop.at,
        errorsAt: errors.at,
        queueAt: queue.at,
        seed: (seed + started++ * 7919) | 0,
      },
    })
    const { threadId } = worker
    const idle = new Promise<void>((resolve, reject) => worker.once('message', () => resolve()).once('error', reject))
    idle.catch(() => undefined)
    const exited = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        reapThread(Agent.of(region), threadId)
        resolve()
      })
    })
    return { worker, exited, idle }
  }

  let workers = [start(), start(), start()]
  const until = performance.now() + seconds * 1000
  let cancels = 0
  let killed = 0
  while (performance.now() < until) {
    const root = roots[cancels % ROOTS]!
    root.source.token.onCancel(() => cancels++)
    const before = cancels
    root.source.cancel(cancels % 2 === 0 ? undefined : 'why')
    expect(cancels).toBe(before + 1)
    const next = new CancelSource({ region })
    root.cell.store(next.at)
    root.source.dispose()
    root.source = next
    if (kills && cancels % 32 === 0) {
      const victim = workers[(seed + killed) % workers.length]!
      await victim.worker.terminate()
      await victim.exited
      killed++
      workers = workers.map((one) => (one === victim ? start() : one))
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  stop.store(1)
  await Promise.all(workers.map((one) => one.idle))
  for (const { source } of roots) source.dispose()
  for (let i = 0; i < 64; i++) new CancelSource({ region }).dispose()
  console.log(`${cancels} cancels, ${killed} kills, ${nodesInUse(Agent.of(region))} nodes left`)
  expect(errors.load()).toBe(0)
  expect(cancels).toBeGreaterThan(20)
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy, 'waiter records in use').toBe(0)
  // Who is terminated leaves the tokens that it had made, and their parents.
  if (!kills) expect(nodesInUse(Agent.of(region))).toBe(0)
  else expect(killed).toBeGreaterThan(0)
  await Promise.all(workers.map((one) => one.worker.terminate()))
}

test('nobody is cancelled twice, missed or left behind', () => stress(false))

test('with terminate() at random moments', () => stress(true))
