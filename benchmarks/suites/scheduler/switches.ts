/** A thousand fibers that take turns: what one turn costs. */
import { Scheduler, yieldNow } from '@heddle/scheduler'
import { Effect } from 'effect'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { GO, goroutines } from './go.js'

const FIBERS = 1000
const FLOOR = 'bare: generators in turn'

interface Count {
  value: number
}

const check = (turns: number, n: number): void => expectEqual(turns, n, 'number of turns')

function* plain(count: Count, turns: number): Generator<undefined, void, unknown> {
  for (let i = 0; i < turns; i++) {
    count.value++
    yield
  }
}

function* withYieldNow(count: Count, turns: number): Generator<unknown, void, unknown> {
  for (let i = 0; i < turns; i++) {
    count.value++
    yield* yieldNow()
  }
}

function runFibers(body: (count: Count, turns: number) => Generator<unknown, void, unknown>, n: number): number {
  const scheduler = new Scheduler()
  const count = { value: 0 }
  for (let i = 0; i < FIBERS; i++) scheduler.spawn(() => body(count, n / FIBERS))
  scheduler.run()
  return count.value
}

export const switches: Case = {
  name: `switch, ${FIBERS} fibers`,
  unit: 'switch',
  isolation: 'shared',
  // So many that making the fibers does not count.
  iterations: 100 * FIBERS,
  floor: FLOOR,
  contenders: [
    contender({
      name: FLOOR,
      run: (_, n) => {
        const count = { value: 0 }
        const generators = Array.from({ length: FIBERS }, () => plain(count, n / FIBERS))
        for (let i = 0; i < n / FIBERS; i++) for (const generator of generators) generator.next()
        return count.value
      },
      check,
    }),
    contender({ name: 'heddle, yield', target: { ratio: 1, to: GO }, run: (_, n) => runFibers(plain, n), check }),
    contender({ name: 'heddle, yield* yieldNow()', target: { ratio: 1, to: GO }, run: (_, n) => runFibers(withYieldNow, n), check }),
    contender({
      name: 'effect, yieldNow',
      run: async (_, n) => {
        const count = { value: 0 }
        const fiber = Effect.gen(function* () {
          for (let i = 0; i < n / FIBERS; i++) {
            count.value++
            yield* Effect.yieldNow
          }
        })
        await Promise.all(Array.from({ length: FIBERS }, () => Effect.runPromise(fiber)))
        return count.value
      },
      check,
    }),
    ...goroutines('switch', (n) => n, 10),
  ],
}
