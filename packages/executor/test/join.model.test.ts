/**
 * Handles of calls, within bounds: what happens to one that is cancelled, given up or detached while its call begins or ends, and to those who listen to it; and a
 * scope that is cancelled, which cancels what is left. Submitter, workers, handles and `Scope.spawn` are what runs; a thread that blocks stands in for one that awaits.
 * Not modelled: promises. What `joinAsync`, `waitAll`, `asCompleted` and `Scope.enter` make of a handle's listeners is in one agent, and the tests'.
 */
import { add, load } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { CancelledError } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { expect, test } from 'vitest'
import { Queues } from '../src/queues.js'
import { Scope } from '../src/scope.js'
import type { TaskRef } from '../src/tasks.js'
import { call, end, ready, small, submitterOf, work } from './small-pool.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 19, maxSteps: 100_000 }

test('a handle that is cancelled, given up or detached while its call begins or ends is settled once, and who listens is told once', () => {
  const report = model(
    'submit, listen, cancel or give up or detach, submit, join ×2 | take, run, sleep',
    ({ region, spawn, choose }) => {
      const how = (['cancel', 'giveUp', 'detach'] as const)[choose(3)]!
      const { open, runs, ran } = small(region)
      const submitter = spawn(
        () => {
          const calls = submitterOf(open())
          const told: string[] = []
          const first = call(calls, 4)
          first.onSettled(() => told.push('first'))
          first.onSettled(() => told.push('nobody'))()
          first[how](new CancelledError('test'))
          const second = call(calls, 5)
          second.whenSettled(() => told.push('second'))
          const ends = [end(second), end(first)]
          return { ends, told, open: calls.open, settled: calls.completed + calls.failed }
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () =>
          work(open(), 0, (value) => {
            ran()
            return value * 2
          }),
        { ...ready(region), loop: 'idle' },
      )
      return () => {
        const { ends, told, open: left, settled } = submitter.result
        const [second, first] = ends
        expect([second, left]).toEqual([10, 0])
        expect([...told].sort()).toEqual(['first', 'second'])
        if (how === 'detach') expect([first, runs()]).toEqual([8, 2])
        if (first === 8) expect([runs(), settled]).toEqual([2, 2])
        else expect([first, runs() <= (how === 'cancel' ? 1 : 2), settled]).toEqual(['cancelled', true, 1])
        return [how, first, runs()]
      }
    },
    { ...options, preemptions: full ? 2 : 1 },
  )
  expect([report.complete, report.outcomes.size]).toEqual([true, 5])
})

for (const workers of [1, 2]) {
  test(`a scope of two calls that is cancelled while they begin or end, for ${workers} worker(s): each has its result or never ran`, () => {
    const report = model(
      `scope: spawn ×2, cancel, join ×2 |${' take, run, sleep |'.repeat(workers).slice(0, -2)}`,
      ({ region, spawn }) => {
        const { open } = small(region)
        const ran = region.alloc(8) >> 2
        const submitter = spawn(
          () => {
            const calls = submitterOf(open())
            const scope = new Scope({ spawn: (_, [value]) => call(calls, value as unknown as number) as never })
            const task = {} as TaskRef<[number], number>
            const handles = [scope.spawn(task, [0]), scope.spawn(task, [1])]
            scope.cancel(new CancelledError('test'))
            return { ends: handles.map((handle) => end(handle)), aborted: scope.signal.aborted, open: calls.open }
          },
          { ...ready(region), loop: 'idle' },
        )
        for (let worker = 0; worker < workers; worker++)
          spawn(
            () => {
              const pool = open()
              const double = (value: number): number => {
                add(region.words, ran + value, 1)
                return value * 2
              }
              work(pool, worker, double, new Queues(pool, worker), workers === 1)
            },
            { ...ready(region), loop: 'idle' },
          )
        return () => {
          const { ends, aborted, open: left } = submitter.result
          expect([aborted, left]).toEqual([true, 0])
          for (const [i, one] of ends.entries())
            expect([one, load(region.words, ran + i)]).toEqual(one === 'cancelled' ? ['cancelled', 0] : [2 * i, 1])
          return ends
        }
      },
      { ...options, preemptions: full && workers === 1 ? 2 : 1 },
    )
    expect([report.complete, report.outcomes.size > 1]).toEqual([true, true])
  })
}

test('a thread that blocks for its fibers hears of the calls that they wait for, also of those that end one after the other', () => {
  const report = model(
    'submit ×2, run { join of a fiber | join of a fiber } | take, run, sleep',
    ({ region, spawn }) => {
      const { open, runs, ran } = small(region)
      const submitter = spawn(
        () => {
          const calls = submitterOf(open())
          const scheduler = new Scheduler({ region })
          const fibers = [call(calls, 4), call(calls, 5)].map((handle) => scheduler.spawn(() => handle.joinFiber()))
          scheduler.run()
          return { ends: fibers.map((fiber) => fiber.join()), open: calls.open }
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(
        () =>
          work(open(), 0, (value) => {
            ran()
            return value * 2
          }),
        { ...ready(region), loop: 'idle' },
      )
      return () => {
        expect([submitter.result, runs()]).toEqual([{ ends: [8, 10], open: 0 }, 2])
      }
    },
    { ...options, preemptions: full ? 2 : 1 },
  )
  expect(report.complete).toBe(true)
})
