import { describe, expect, it } from 'vitest'
import { sleepFiber } from '@heddle/park'
import { type Fiber, Scheduler } from '../src/index.js'
import { generator, SEED } from './random.js'

describe('many fibers', () => {
  it('spawns and finishes a million', () => {
    const scheduler = new Scheduler()
    let sum = 0
    for (let i = 0; i < 1_000_000; i++) {
      scheduler.spawn(function* () {
        sum += i
      })
    }
    scheduler.run()
    expect(sum).toBe((999_999 * 1_000_000) / 2)
    expect(scheduler.stats()).toMatchObject({ spawned: 1_000_000, finished: 1_000_000, fibers: [] })
  })

  it('parks a hundred thousand at once', () => {
    const scheduler = new Scheduler()
    const gate = scheduler.spawn(function* () {
      yield* sleepFiber(1)
      return 1
    })
    const fibers = Array.from({ length: 100_000 }, () =>
      scheduler.spawn(() => gate.joinFiber()[Symbol.iterator]() as Iterator<unknown, number, never>),
    )
    scheduler.run()
    expect(fibers.reduce((sum, fiber) => sum + fiber.join(), 0)).toBe(100_000)
  })

  it('passes a token round a ring of 503', () => {
    const scheduler = new Scheduler()
    const size = 503
    const boxes: number[] = new Array<number>(size).fill(-1)
    const members: Fiber[] = []
    let winner = -1
    for (let i = 0; i < size; i++) {
      members.push(
        scheduler.spawn(function* () {
          while (winner < 0) {
            if (boxes[i]! < 0) {
              yield
              continue
            }
            const token = boxes[i]!
            boxes[i] = -1
            if (token === 0) winner = i
            else boxes[(i + 1) % size] = token - 1
          }
        }),
      )
    }
    boxes[0] = 1000
    scheduler.run()
    expect(winner).toBe(1000 % size)
    expect(members.every((fiber) => fiber.state === 'finished')).toBe(true)
  })

  it(`settles each of a random load exactly once (HEDDLE_SEED=${SEED})`, async () => {
    const random = generator(SEED)
    for (const drive of ['run', 'runAsync', 'tick'] as const) {
      const ended = new Map<Fiber, number>()
      const scheduler = new Scheduler({ timeSlice: 1, hooks: { end: (fiber) => ended.set(fiber, (ended.get(fiber) ?? 0) + 1) } })
      const fibers: Fiber[] = []
      const priorities = ['critical', 'high', 'normal', 'low'] as const
      const body = function* (depth: number): Generator<unknown, number, never> {
        for (let step = random(6); step > 0; step--) {
          const action = random(12)
          if (action < 5) yield
          else if (action < 6) yield* sleepFiber(random(3))
          else if (action < 8 && depth < 4) spawn(depth + 1)
          else if (action < 10) {
            const other = fibers[random(fibers.length)]!
            // Only what was spawned later, so that no two wait for one another.
            if (fibers.indexOf(other) > fibers.length - 3) yield* other.joinFiber({ timeout: 1 })
          } else if (action < 11) fibers[random(fibers.length)]!.cancel()
          else throw new Error('a failure')
        }
        return depth
      }
      const spawn = (depth: number): void => {
        fibers.push(scheduler.spawn(() => body(depth), { priority: priorities[random(4)]! }))
      }
      for (let i = 0; i < 300; i++) spawn(0)
      try {
        if (drive === 'run') scheduler.run()
        else if (drive === 'runAsync') await scheduler.runAsync()
        else while (scheduler.tick(1)) await new Promise((resolve) => setTimeout(resolve, 0))
      } catch (error) {
        expect(error instanceof AggregateError || error instanceof Error).toBe(true)
      }
      expect(fibers.filter((fiber) => !fiber.isEnded)).toEqual([])
      expect(ended.size).toBe(fibers.length)
      expect(new Set(ended.values())).toEqual(new Set([1]))
      const { spawned, finished, cancelled, fibers: left } = scheduler.stats()
      expect([spawned, finished + cancelled, left.length]).toEqual([fibers.length, fibers.length, 0])
    }
  })
})
