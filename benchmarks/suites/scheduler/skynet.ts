/** The skynet benchmark: a tree of fibers, ten to each, whose million leaves are added up by joins. */
import { Scheduler } from '@heddle/scheduler'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { GO, goroutines } from './go.js'

const LEAVES = 1_000_000
const FLOOR = 'bare: generators, each run when it is made'

const check = (sum: number, n: number): void => expectEqual(sum, (n * (n - 1)) / 2, 'sum of the leaves')

function* bare(first: number, size: number): Generator<undefined, number, undefined> {
  if (size === 1) return first
  let sum = 0
  for (let i = 0; i < 10; i++) sum += bare(first + i * (size / 10), size / 10).next().value!
  return sum
}

function* node(scheduler: Scheduler, first: number, size: number): Generator<unknown, number, never> {
  if (size === 1) return first
  const children = []
  for (let i = 0; i < 10; i++) children.push(scheduler.spawn(() => node(scheduler, first + i * (size / 10), size / 10)))
  let sum = 0
  for (const child of children) sum += yield* child.joinFiber()
  return sum
}

export const skynet: Case = {
  name: 'skynet, 1 M leaves',
  unit: 'leaf',
  isolation: 'process',
  iterations: LEAVES,
  floor: FLOOR,
  contenders: [
    contender({ name: FLOOR, run: (_, n) => bare(0, n).next().value!, check }),
    contender({
      name: 'heddle',
      target: { ratio: 1, to: GO },
      run: (_, n) => {
        const scheduler = new Scheduler()
        return scheduler.blockOn(node(scheduler, 0, n))
      },
      check,
    }),
    ...goroutines('skynet', (n) => (n * (n - 1)) / 2),
  ],
}
