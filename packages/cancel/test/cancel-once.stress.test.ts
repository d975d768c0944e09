/**
 * Each callback is called exactly once, whoever cancels: workers that listen, take off, cancel and dispose of one token at the same moment, round after
 * round, with children of it in every worker and AbortSignals made of those. Prints its seed.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, reapThread, W_STATE } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { forEachRecord } from '../../park/src/slab.js'
import { Barrier } from '../../sync/src/index.js'
import { CancelSource } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 2)
const WORKERS = 3
const NOBODY = -1

test(
  'called once, or never when it was taken off, refused or disposed of before',
  async () => {
    const seed = Number(process.env['HEDDLE_STRESS_SEED'] ?? (Math.random() * 2 ** 31) | 0)
    console.log(`cancel-once stress, seed ${seed}`)
    const region = Region.create({ bytes: 1 << 22, agents: 16 })
    const cells = Object.fromEntries(['rootAt', 'disposes', 'cancelled', 'stop'].map((name) => [name, new AtomicInt32({ region })])) as Record<
      'rootAt' | 'disposes' | 'cancelled' | 'stop',
      AtomicInt32
    >
    const barrier = new Barrier(WORKERS + 1, { region })
    const handles = Object.fromEntries(Object.entries({ ...cells, barrier }).map(([name, object]) => [name, object.toHandle()]))
    const workers = Array.from(
      { length: WORKERS },
      (_, index) => new Worker(new URL('.fixtures/cancel-once.js', import.meta.url), { workerData: { buffer: region.buffer, handles, seed, index } }),
    )
    const ended = Promise.all(
      workers.map(async (worker) => {
        const { threadId } = worker
        // Rejects with what the worker throws.
        await once(worker, 'exit')
        reapThread(Agent.of(region), threadId)
      }),
    )

    let rounds = 0
    let cancels = 0
    const play = async (): Promise<void> => {
      const until = performance.now() + seconds * 1000
      for (; rounds === 0 || performance.now() < until; rounds++) {
        const root = new CancelSource({ region })
        const reasons: unknown[] = []
        root.token.onCancel((reason) => reasons.push(reason))
        cells.rootAt.store(root.at)
        cells.cancelled.store(0)
        // In one round of three, one worker disposes of it where it would have cancelled it.
        cells.disposes.store(rounds % 3 === 2 ? ((rounds / 3) | 0) % WORKERS : NOBODY)
        // The token is there; all begin; all have acted.
        for (let step = 0; step < 3; step++) await barrier.waitAsync()
        const expected = cells.cancelled.load()
        while (reasons.length < expected) await new Promise<void>((resolve) => setImmediate(resolve))
        // All have looked: whoever was still to be called has been.
        await barrier.waitAsync()
        await new Promise<void>((resolve) => setImmediate(resolve))
        expect(reasons).toEqual(expected === 1 ? [`round ${rounds}`] : [])
        cancels += expected
        if (!root.isDisposed) root.dispose()
      }
      cells.stop.store(1)
      await barrier.waitAsync()
      await ended
    }
    try {
      // A worker that fails rejects `ended`, while the others wait for it.
      await Promise.all([play(), ended])
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()))
    }

    for (let i = 0; i < 64; i++) new CancelSource({ region }).dispose()
    console.log(`${rounds} rounds, ${cancels} cancels`)
    let busy = 0
    forEachRecord(region.words, region.agents, (r) => {
      if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
    })
    expect([busy, nodesInUse(Agent.of(region))], 'waiter records and tokens in use').toEqual([0, 0])
  },
  60_000 + seconds * 2000,
)
