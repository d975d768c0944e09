/** Calls from one thread to a pool of one worker: many in flight, and one after the other. */
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { type Pool, pools } from './pools.js'

const IN_FLIGHT = 1000

/** Calls `n` times with at most IN_FLIGHT calls open; counts the right answers. */
async function flood(pool: Pool, n: number, value: unknown, isRight: (answer: unknown) => boolean): Promise<number> {
  let left = n
  let right = 0
  const one = async (): Promise<void> => {
    while (left-- > 0) if (isRight(await pool.call(value))) right++
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  return right
}

const checkCount = (right: number, n: number): void => expectEqual(right, n, 'number of answers')

interface Load {
  name: string
  value: unknown
  isRight: (answer: unknown) => boolean
  iterations: number
  /** Most ns for one call of heddle. */
  ns: number
}

function flooded({ name, value, isRight, iterations, ns }: Load): Case {
  return {
    name: `${name}, ${IN_FLIGHT} in flight`,
    unit: 'call',
    isolation: 'process',
    iterations,
    floor: 'piscina',
    contenders: Object.entries(pools).map(([pool, start]) =>
      contender({
        name: pool,
        ...(pool === 'heddle' && { target: { ns } }),
        setup: start,
        run: (state: Pool, n) => flood(state, n, value, isRight),
        check: checkCount,
        teardown: (state) => state.end(),
      }),
    ),
  }
}

const text = 'x'.repeat(1024)

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
]

export const oneByOne: Case = {
  name: 'trivial task, one by one',
  unit: 'call',
  isolation: 'process',
  iterations: 2000,
  floor: 'piscina',
  contenders: Object.entries(pools).map(([pool, start]) =>
    contender({
      name: pool,
      ...(pool === 'heddle' && { target: { ns: 1000 } }),
      setup: start,
      run: async (state: Pool, n) => {
        let right = 0
        for (let i = 0; i < n; i++) if ((await state.call(i)) === i) right++
        return right
      },
      check: checkCount,
      teardown: (state) => state.end(),
    }),
  ),
}
