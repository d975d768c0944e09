/** From nothing to the first result. */
import { Worker } from 'node:worker_threads'
import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { type Case, contender, expectEqual, TimedResult } from '../../src/suite.js'
import { type Pool, pools, unavailable } from './pools.js'

async function startBare(): Promise<Pool> {
  const worker = new Worker(new URL('../workers/bare-echo.js', import.meta.url))
  return Promise.resolve({
    call: <T>(value: T) =>
      new Promise<T>((resolve) => {
        worker.once('message', resolve)
        worker.postMessage(value)
      }),
    end: () => worker.terminate(),
  })
}

/** Starts a pool and calls it once, `n` times; what ends it is not measured. */
async function measureStarts(start: () => Promise<Pool>, n: number): Promise<TimedResult<number>> {
  let right = 0
  let ms = 0
  for (let i = 0; i < n; i++) {
    const begun = performance.now()
    const pool = await start()
    if ((await pool.call(i)) === i) right++
    ms += performance.now() - begun
    await pool.end()
  }
  return new TimedResult(right, ms * 1e6)
}

const check = (right: number, n: number): void => expectEqual(right, n, 'number of answers')

export const starts: Case = {
  name: 'start to first result',
  unit: 'start',
  isolation: 'process',
  iterations: 1,
  floor: 'bare worker',
  contenders: [
    contender({ name: 'bare worker', run: (_, n) => measureStarts(startBare, n), check }),
    ...Object.entries(pools).map(([pool, start]) =>
      contender({
        name: pool,
        unavailable: () => unavailable(pool),
        ...(pool === 'heddle' && { target: { ratio: 1.5 } }),
        run: (_, n) => measureStarts(() => start('echo', 1), n),
        check,
      }),
    ),
    contender({
      name: 'heddle, pre-warmed',
      target: { ns: 1e6 },
      run: async (_, n) => {
        const { calls } = (await import(new URL('../workers/calls.js', import.meta.url).href)) as typeof import('../../workers/calls.worker.js')
        let right = 0
        let ms = 0
        for (let i = 0; i < n; i++) {
          // Its module comes with the setup.
          const executor = await Executor.start({ host: nodeHost, workers: 1, setup: calls.nothing })
          const begun = performance.now()
          if ((await executor.run(calls.echo, i)) === i) right++
          ms += performance.now() - begun
          await executor.shutdown()
        }
        return new TimedResult(right, ms * 1e6)
      },
      check,
    }),
  ],
}
