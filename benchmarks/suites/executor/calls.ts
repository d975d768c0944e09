/** Calls from one thread to a pool of one worker, many in flight and one after the other; and to one of two workers that compute. */
import { Worker } from 'node:worker_threads'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'
import { work } from '../../workers/plain-calls.worker.js'
import { type Pool, pools, type Start, startLocal, unavailable } from './pools.js'

const IN_FLIGHT = 1000

/** Calls `n` times with at most `inFlight` calls open; counts the right answers. */
async function flood(pool: Pool, n: number, value: unknown, isRight: (answer: unknown) => boolean, inFlight: number): Promise<number> {
  let left = n
  let right = 0
  const one = async (): Promise<void> => {
    while (left-- > 0) if (isRight(await pool.call(value))) right++
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return right
}

/** Heddle without workers is what the pool costs less the threads: no rival. */
const withLocal: Readonly<Record<string, Start>> = { ...pools, 'heddle, workers: 0': startLocal }

const checkCount = (right: number, n: number): void => expectEqual(right, n, 'number of answers')

interface Load {
  name: string
  value: unknown
  isRight: (answer: unknown) => boolean
  iterations: number
  /** Most ns for one call of heddle; none for what has no target. */
  ns?: number
  /** Calls that are open at one time. */
  inFlight?: number
}

function flooded({ name, value, isRight, iterations, ns, inFlight = IN_FLIGHT }: Load): Case {
  return {
    name: `${name}, ${inFlight} in flight`,
    unit: 'call',
    isolation: 'process',
    iterations,
    floor: 'piscina',
    contenders: Object.entries(withLocal).map(([pool, start]) =>
      contender({
        name: pool,
        unavailable: () => unavailable(pool),
        ...(pool === 'heddle' && ns !== undefined && { target: { ns } }),
        setup: () => start('echo', 1),
        run: (state: Pool, n) => flood(state, n, value, isRight, inFlight),
        check: checkCount,
        teardown: async (state) => void (await state.end()),
      }),
    ),
  }
}

const text = 'x'.repeat(1024)
const megabyte = new Uint8Array(1 << 20).fill(7)

export const floods: readonly Case[] = [
  flooded({ name: 'trivial task', value: 1, isRight: (answer) => answer === 1, iterations: 10_000, ns: 333 }),
  flooded({
    name: 'small object',
    value: { id: 1, name: 'hello', ok: true },
    isRight: (answer) => (answer as { name: string }).name === 'hello',
    iterations: 10_000,
    ns: 2000,
  }),
  flooded({ name: '1 KB string', value: text, isRight: (answer) => answer === text, iterations: 10_000, ns: 1250 }),
  flooded({
    name: '1 MB buffer',
    value: megabyte,
    isRight: (answer) => (answer as Uint8Array).length === megabyte.length && (answer as Uint8Array)[megabyte.length - 1] === 7,
    iterations: 16,
    inFlight: 4,
  }),
]

export const oneByOne: Case = {
  name: 'trivial task, one by one',
  unit: 'call',
  isolation: 'process',
  iterations: 2000,
  floor: 'piscina',
  contenders: Object.entries(withLocal).map(([pool, start]) =>
    contender({
      name: pool,
      unavailable: () => unavailable(pool),
      ...(pool === 'heddle' && { target: { ns: 1000 } }),
      setup: () => start('echo', 1),
      run: async (state: Pool, n) => {
        let right = 0
        for (let i = 0; i < n; i++) if ((await state.call(i)) === i) right++
        return right
      },
      check: checkCount,
      teardown: async (state) => void (await state.end()),
    }),
  ),
}

/** Rounds that take about 1 ms; and 10 µs, to have the engine compile what a call runs through: its threads for that would take turns with the workers. */
const ROUNDS = 900_000
const WARM_ROUNDS = 9000
const WARM_CALLS = 3000
const WARM_EXPECTED = work(WARM_ROUNDS)
const EXPECTED = work(ROUNDS)

/** Two workers of the platform, without a pool: `perMessage` tasks go with each message, to both in turn. What is left of two cores then is their own. */
function bareWorkers(name: string, perMessage: (n: number) => number): Contender<never> {
  return contender({
    name,
    setup: async () => {
      const workers = [0, 1].map(() => new Worker(new URL('../workers/bare-work.js', import.meta.url)))
      const ask = async (worker: Worker, times: number, count: number, rounds = ROUNDS, expected = EXPECTED): Promise<number> => {
        let right = 0
        let left = count
        await new Promise<void>((resolve) => {
          const hear = (value: number): void => {
            right += value
            if (--left > 0) return
            worker.off('message', hear)
            resolve()
          }
          worker.on('message', hear)
          for (let i = 0; i < count; i++) worker.postMessage({ rounds, times, expected })
        })
        return right
      }
      await Promise.all(workers.map((worker) => ask(worker, 1, WARM_CALLS / 2, WARM_ROUNDS, WARM_EXPECTED)))
      return { workers, ask }
    },
    run: async ({ workers, ask }, n) => {
      const times = perMessage(n)
      const rights = await Promise.all(workers.map((worker) => ask(worker, times, n / 2 / times)))
      return rights[0]! + rights[1]!
    },
    check: checkCount,
    teardown: async ({ workers }) => void (await Promise.all(workers.map((worker) => worker.terminate()))),
  })
}

/** CPU-bound work: two workers against the calling thread alone. */
export const scaling: Case = {
  name: 'tasks of 1 ms, 2 workers',
  unit: 'task',
  isolation: 'process',
  // Even, for the halves; and enough that the last task, which one of the two ends alone, makes little of it.
  iterations: 120,
  floor: 'one thread',
  contenders: [
    contender({
      name: 'one thread',
      run: (_, n) => {
        let right = 0
        for (let i = 0; i < n; i++) if (work(ROUNDS) === EXPECTED) right++
        return right
      },
      check: checkCount,
    }),
    bareWorkers('bare workers, half of the tasks each', (n) => n / 2),
    bareWorkers('bare workers, a message for each task', () => 1),
    ...Object.entries(pools).map(([pool, start]) =>
      contender({
        name: pool,
        unavailable: () => unavailable(pool),
        ...(pool === 'heddle' && { target: { ratio: 1 / 1.9 } }),
        setup: async () => {
          const pool = await start('work', 2)
          expectEqual(await flood(pool, WARM_CALLS, WARM_ROUNDS, (answer) => answer === WARM_EXPECTED, 100), WARM_CALLS, 'number of answers')
          return pool
        },
        run: (state: Pool, n) => flood(state, n, ROUNDS, (answer) => answer === EXPECTED, n),
        check: checkCount,
        teardown: async (state) => void (await state.end()),
      }),
    ),
  ],
}
