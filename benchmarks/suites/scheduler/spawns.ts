/** Making fibers: a million that run when all are made, and one after the other. */
import { Scheduler } from '@heddle/scheduler'
import { Effect, Fiber } from 'effect'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { GO, goroutines } from './go.js'

const FLOOR = 'bare: generators made, then run'
const AT_ONCE = 1000

interface Sum {
  value: number
}

// Once: V8 makes a prototype and a hidden class for each generator function object.
function* addOne(sum: Sum): Generator<undefined, void, unknown> {
  sum.value++
}

function* one(): Generator<unknown, number, never> {
  return 1
}

const check = (count: number, n: number): void => expectEqual(count, n, 'number of fibers that ran')

/** `together` at a time. */
function spawnAll(n: number, together: number): number {
  const scheduler = new Scheduler()
  const sum = { value: 0 }
  for (let made = 0; made < n; made += together) {
    for (let i = 0; i < together; i++) scheduler.spawn(() => addOne(sum))
    scheduler.run()
  }
  return sum.value
}

export const spawns: Case = {
  name: 'spawn + finish, 1 M fibers',
  unit: 'fiber',
  isolation: 'process',
  iterations: 1_000_000,
  floor: FLOOR,
  contenders: [
    contender({
      name: FLOOR,
      run: (_, n) => {
        const sum = { value: 0 }
        const list: (() => Generator<undefined, void, unknown>)[] = []
        for (let i = 0; i < n; i++) list.push(() => addOne(sum))
        for (const start of list) start().next()
        return sum.value
      },
      check,
    }),
    contender({ name: 'heddle', target: { ratio: 1, to: GO }, run: (_, n) => spawnAll(n, n), check }),
    contender({ name: `heddle, ${AT_ONCE} at a time`, target: { ratio: 1, to: GO }, run: (_, n) => spawnAll(n, AT_ONCE), check }),
    ...goroutines('spawn', (n) => n),
  ],
}

export const spawnAndJoin: Case = {
  name: 'spawn + join, one by one',
  unit: 'fiber',
  isolation: 'shared',
  iterations: 10_000,
  floor: 'bare: a generator made and run',
  contenders: [
    contender({
      name: 'bare: a generator made and run',
      run: (_, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) sum += one().next().value as number
        return sum
      },
      check,
    }),
    contender({
      name: 'heddle',
      target: { ratio: 1, to: GO },
      run: (_, n) => {
        const scheduler = new Scheduler()
        return scheduler.blockOn(function* () {
          let sum = 0
          for (let i = 0; i < n; i++) sum += yield* scheduler.spawn(one).joinFiber()
          return sum
        })
      },
      check,
    }),
    contender({
      name: 'effect',
      run: (_, n) =>
        Effect.runPromise(
          Effect.gen(function* () {
            let sum = 0
            for (let i = 0; i < n; i++) sum += yield* Fiber.join(yield* Effect.forkChild(Effect.succeed(1)))
            return sum
          }),
        ),
      check,
    }),
    ...goroutines('spawn-join', (n) => n, 100),
  ],
}
