/**
 * Small bodies in which what one thread saw decides what it does next: each search has to find exactly the outcomes that a search without any
 * reduction finds within the same bound.
 */
import { add, compareExchange, exchange, load, notify, now, store, wait } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, type ModelContext, type ModelOptions } from '../src/index.js'

interface Small extends ModelOptions {
  readonly name: string
  readonly body: (words: Int32Array, context: ModelContext) => () => unknown
}

const bodies: Small[] = [
  {
    name: 'a timer that fires in the middle of a turn decides what its thread reads',
    timeouts: true,
    body: (words, { spawn }) => {
      const a = spawn(() => {
        setTimeout(() => undefined, 10)
        const before = now()
        return now() > before ? load(words, 0) : -1
      })
      spawn(() => store(words, 0, 1))
      return () => a.result
    },
  },
  {
    name: 'a clock that was read before the time limit of a wait that is notified afterwards',
    timeouts: 1,
    body: (words, { spawn }) => {
      const a = spawn(() => wait(words, 0, 0, 10))
      const b = spawn(() => {
        store(words, 0, 1)
        return notify(words, 0, 1)
      })
      const c = spawn(() => [load(words, 0), now()])
      return () => [a.result, b.result, c.result]
    },
  },
  {
    name: 'two time limits and a notify',
    timeouts: 1,
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), now()])
      const b = spawn(() => [wait(words, 1, 0, 20), now()])
      const c = spawn(() => [load(words, 0), notify(words, 0, 1), notify(words, 1, 1)])
      return () => [a.result, b.result, c.result]
    },
  },
  {
    name: 'a timer that is taken back',
    timeouts: true,
    body: (words, { spawn }) => {
      const a = spawn(() => {
        const timer = setTimeout(() => store(words, 0, 7), 10)
        if (load(words, 1) === 1) clearTimeout(timer)
        return load(words, 1)
      })
      const b = spawn(() => {
        store(words, 1, 1)
        return [now(), load(words, 0)]
      })
      return () => [a.result, b.result, words[0]]
    },
  },
  {
    name: 'a death in the middle of a turn',
    deaths: true,
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), add(words, 1, 1)])
      const b = spawn(() => [load(words, 1), notify(words, 0, 1), load(words, 1)])
      const reaps = spawn((dead) => [dead, add(words, 1, 2)], { reaper: true })
      return () => [a.outcome, b.outcome, reaps.outcome === 'finished' && reaps.result, words[1]]
    },
  },
  {
    name: 'two deaths of waiters',
    deaths: 2,
    body: (words, { spawn }) => {
      const a = spawn(() => wait(words, 0, 0, 10))
      const b = spawn(() => [load(words, 1), wait(words, 1, 0, 10)])
      const c = spawn(() => [notify(words, 0, 1), notify(words, 1, 1)], { mortal: false })
      const reaps = spawn((dead) => dead, { reaper: true })
      return () => [a.outcome, b.outcome, c.result, reaps.outcome === 'finished' && reaps.result]
    },
  },
  {
    name: 'a death and a time limit',
    deaths: true,
    timeouts: 1,
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), load(words, 1)])
      const b = spawn(() => (now() > 0 ? add(words, 1, 1) : notify(words, 0, 1)))
      return () => [a.outcome, a.result, b.outcome, b.result]
    },
  },
  {
    name: 'a spurious wake, and who sees it',
    spurious: true,
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), exchange(words, 1, 1)])
      const b = spawn(() => (load(words, 1) === 1 ? 'saw it' : notify(words, 0, 1)))
      return () => [a.result, b.result]
    },
  },
  {
    name: 'a signal in the middle of a turn',
    body: (words, { spawn, abortSignal }) => {
      const a = spawn(() => {
        abortSignal().addEventListener('abort', () => void store(words, 0, 1))
        return [load(words, 1), load(words, 1)]
      })
      const b = spawn(() => (load(words, 0) === 1 ? store(words, 1, 2) : store(words, 1, 1)))
      return () => [a.result, b.result, words[0]]
    },
  },
  {
    name: 'any of two waiters',
    notifyOrder: 'any',
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), add(words, 1, 1)])
      const b = spawn(() => [wait(words, 0, 0, 10), add(words, 1, 1)])
      const c = spawn(() => [notify(words, 0, 1), load(words, 1)])
      return () => [a.result, b.result, c.result]
    },
  },
  {
    name: 'a compare-exchange that succeeds only when it comes between two stores',
    body: (words, { spawn }) => {
      const a = spawn(() => [store(words, 0, 1), store(words, 0, 2)])
      const b = spawn(() => (compareExchange(words, 0, 1, 5) === 1 ? store(words, 1, 1) : load(words, 2)))
      const c = spawn(() => [load(words, 1) === 1 ? store(words, 2, 1) : -1, load(words, 0)])
      return () => [a.result, b.result, c.result, words[0]]
    },
  },
  {
    name: 'a chain of three, each after what it read',
    body: (words, { spawn }) => {
      const a = spawn(() => (load(words, 2) === 1 ? store(words, 0, 2) : store(words, 0, 1)))
      const b = spawn(() => (load(words, 0) === 1 ? store(words, 1, 1) : load(words, 1)))
      const c = spawn(() => (load(words, 1) === 1 ? load(words, 0) : store(words, 2, 1)))
      return () => [a.result, b.result, c.result, words[0]]
    },
  },
  {
    name: 'four threads, two words',
    body: (words, { spawn }) => {
      const all = [0, 1, 0, 1].map((word, me) => spawn(() => (me < 2 ? [add(words, word, 1), load(words, 1 - word)] : exchange(words, word, 5))))
      return () => [...all.map(({ result }) => result), words[0], words[1]]
    },
  },
  {
    name: 'a waiter that is woken, and waits again',
    timeouts: 1,
    body: (words, { spawn }) => {
      const a = spawn(() => [wait(words, 0, 0, 10), wait(words, 0, 0, 10), load(words, 1)])
      const b = spawn(() => [notify(words, 0, 1), store(words, 1, 1), notify(words, 0, 1)])
      return () => [a.result, b.result]
    },
  },
  {
    name: 'a value that is chosen between two that are read',
    body: (words, { spawn, choose }) => {
      const a = spawn(() => [load(words, 0), choose(2) === 1 ? load(words, 0) : add(words, 1, 1)])
      const b = spawn(() => [load(words, 1), store(words, 0, 1)])
      return () => [a.result, b.result]
    },
  },
  {
    name: 'two reapers',
    deaths: 2,
    body: (words, { spawn }) => {
      const a = spawn(() => add(words, 0, 1))
      const b = spawn(() => add(words, 0, 1))
      const reapers = [0, 1].map(() => spawn((dead) => [dead, load(words, 0)], { reaper: true }))
      return () => [a.outcome, b.outcome, ...reapers.map(({ outcome, result }) => (outcome === 'finished' ? result : outcome))]
    },
  },
]

for (const { name, body, ...options } of bodies) {
  test(`the same outcomes with and without reduction: ${name}`, () => {
    const start = (context: ModelContext): (() => unknown) => body(new Int32Array(new SharedArrayBuffer(12)), context)
    for (const preemptions of [0, 1, 2, Infinity]) {
      const whole = check(`${name}, all`, start, { ...options, preemptions, schedules: 'full' })
      expect({ preemptions, complete: whole.complete, finding: whole.finding?.text }).toEqual({ preemptions, complete: true, finding: undefined })
      for (const more of [{}, { cache: true }, { cache: true, schedules: 'full' }] as const) {
        const { complete, outcomes, executions, pruned } = check(`${name}, reduced`, start, { ...options, preemptions, ...more })
        expect({ preemptions, more, complete, outcomes: [...outcomes.keys()].sort() }).toEqual({
          preemptions,
          more,
          complete: true,
          outcomes: [...whole.outcomes.keys()].sort(),
        })
        if (process.env['SHOW']) console.log(preemptions, JSON.stringify(more), whole.executions, executions, pruned, outcomes.size)
      }
    }
  })
}
