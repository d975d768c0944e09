import { add, compareExchange, load, notify, store, sub, wait } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, type ModelContext, type ModelOptions } from '../src/index.js'

/** mulberry32. */
function randomFrom(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

type Operation = readonly [kind: string, word: number, a: number, b: number]

function program(seed: number, kinds: readonly string[], threads: number, most: number): Operation[][] {
  const random = randomFrom(seed)
  return Array.from({ length: threads }, () => Array.from({ length: 1 + random(most) }, (): Operation => [kinds[random(kinds.length)]!, random(2), random(2), 1 + random(2)]))
}

/** Runs a program of random operations; the outcome is everything that every thread saw, and the memory. */
function body(code: readonly Operation[][], chooses = false) {
  return ({ spawn, choose }: ModelContext): (() => unknown) => {
    const words = new Int32Array(new SharedArrayBuffer(16))
    const handles = code.map((operations) =>
      spawn(() => {
        const seen: unknown[] = []
        for (const [kind, word, a, b] of operations) {
          if (kind === 'load') seen.push(load(words, word))
          else if (kind === 'store') store(words, word, b)
          else if (kind === 'add') seen.push(add(words, word, b))
          else if (kind === 'sub') sub(words, word, a)
          else if (kind === 'cas') seen.push(compareExchange(words, word, a, b))
          else if (kind === 'wait') seen.push(wait(words, word, a, 10))
          else if (kind === 'notify') seen.push(notify(words, word, b))
          else if (kind === 'if' && load(words, word) === a) store(words, 1 - word, b)
          else if (kind === 'choose' && chooses) seen.push(choose(2))
        }
        return seen
      }),
    )
    return () => [handles.map(({ outcome, result }) => (outcome === 'finished' ? result : outcome)), words[0], words[1]]
  }
}

function compare(code: Operation[][], options: ModelOptions): { full: number; reduced: number } {
  const chooses = code.flat().some(([kind]) => kind === 'choose')
  const full = check('full', body(code, chooses), { ...options, schedules: 'full' })
  const reduced = check('reduced', body(code, chooses), { ...options, schedules: 'dpor' })
  expect(full.complete && reduced.complete).toBe(true)
  const lost = [...full.outcomes.keys()].filter((outcome) => !reduced.outcomes.has(outcome))
  const invented = [...reduced.outcomes.keys()].filter((outcome) => !full.outcomes.has(outcome))
  expect({ code, options, lost, invented, found: full.finding?.kind }).toEqual({ code, options, lost: [], invented: [], found: reduced.finding?.kind })
  return { full: full.executions, reduced: reduced.executions + reduced.pruned }
}

const PROGRAMS = Number(process.env['PROGRAMS'] ?? 60)
const atomics = ['load', 'load', 'store', 'add', 'cas', 'if', 'sub']
const waits = ['load', 'store', 'wait', 'notify', 'if', 'add']

for (const preemptions of [Infinity, 0, 1, 2]) {
  for (const [title, kinds, threads, most, options] of [
    ['two threads', atomics, 2, 4, {}],
    ['three threads', atomics, 3, 2, {}],
    ['waits', waits, 2, 4, {}],
    ['three threads that wait', waits, 3, 2, {}],
    ['timeouts', waits, 2, 3, { timeouts: true }],
    ['three threads, timeouts', waits, 3, 2, { timeouts: true }],
    ['deaths', [...waits, ...atomics], 2, 3, { deaths: true }],
    ['deaths and timeouts', waits, 2, 3, { deaths: true, timeouts: true }],
    ['any notify order', ['wait', 'wait', 'notify', 'store', 'load'], 3, 2, { notifyOrder: 'any' }],
    ['spurious wakes', ['wait', 'wait', 'notify', 'store', 'load'], 2, 3, { spurious: true }],
    ['choices', [...atomics, 'choose'], 2, 3, {}],
  ] as [string, string[], number, number, ModelOptions][]) {
    test(`the reduction loses no outcome: ${title}, preemptions ${preemptions}`, () => {
      let full = 0
      let reduced = 0
      for (let seed = 1; seed <= PROGRAMS; seed++) {
        const counts = compare(program(seed, kinds, threads, most), { preemptions, ...options })
        full += counts.full
        reduced += counts.reduced
      }
      expect(reduced).toBeLessThanOrEqual(full * 1.5)
      console.log(`${title}, ${preemptions}: ${full} → ${reduced}`)
    })
  }
}
