import { add, compareExchange, effect, get, load, notify, now, pause, peek, set, store, sub, wait, waitAsync } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, full, type ModelContext, type ModelOptions, type Report } from '../src/index.js'

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
  return Array.from({ length: threads }, () =>
    Array.from({ length: 1 + random(most) }, (): Operation => [kinds[random(kinds.length)]!, random(2), random(2), 1 + random(2)]),
  )
}

const sequential = () => ({
  value: 0,
  write(_word: number, value: number) {
    this.value = value
  },
  read(_word: number) {
    return this.value
  },
})

/** Runs a program of random operations; the outcome is everything that every thread saw, and the memory. */
function body(code: readonly Operation[][], chooses = false, reaper = false) {
  return ({ spawn, choose, linearize, abortSignal }: ModelContext): (() => unknown) => {
    const words = new Int32Array(new SharedArrayBuffer(20))
    const others = new Int32Array(new SharedArrayBuffer(8))
    // A register that is kept in two places: reads of one don't see writes to the other.
    const register = code.flat().some(([kind]) => kind === 'write' || kind === 'read')
      ? linearize(sequential, { write: (word: number, value: number) => void store(words, word, value), read: (word: number) => load(words, word) })
      : undefined
    const handles = code.map((operations, me) =>
      spawn(() => {
        const seen: unknown[] = []
        let passes = true
        for (const [kind, word, a, b] of operations) {
          if (!passes) {
            passes = true
            continue
          }
          // What was seen last decides whether the next one is done.
          if (kind === 'unless') passes = seen.at(-1) === undefined || seen.at(-1) === 0 || seen.at(-1) === 'ok'
          else if (kind === 'provided') passes = seen.at(-1) !== 0 && seen.at(-1) !== 'ok'
          else if (kind === 'timer') setTimeout(() => undefined, 10)
          else if (kind === 'load') seen.push(load(words, word))
          else if (kind === 'store') store(words, word, b)
          else if (kind === 'add') seen.push(add(words, word, b))
          else if (kind === 'sub') sub(words, word, a)
          else if (kind === 'cas') seen.push(compareExchange(words, word, a, b))
          else if (kind === 'wait') seen.push(wait(words, word, a, 10))
          else if (kind === 'notify') seen.push(notify(words, word, b))
          else if (kind === 'if' && load(words, word) === a) store(words, 1 - word, b)
          else if (kind === 'choose' && chooses) seen.push(choose(2))
          else if (kind === 'peek') seen.push(peek(words, 2 + word))
          else if (kind === 'set') set(words, 2 + me, b)
          else if (kind === 'write') register!.write(word, b)
          else if (kind === 'read') register!.read(word)
          else if (kind === 'put') set(words, 2 + word, b)
          else if (kind === 'get') seen.push(get(words, 2 + word))
          else if (kind === 'publish') {
            set(words, 2, b)
            store(words, 0, 1)
          } else if (kind === 'consume') {
            if (load(words, 0) === 1) seen.push(get(words, 2))
          } else if (kind === 'sleep') wait(words, word, a)
          else if (kind === 'now') seen.push(now())
          else if (kind === 'spin') for (let n = 0; n < 2 && load(words, word) === 0; n++) pause()
          else if (kind === 'effect') effect(() => add(words, word, b))
          else if (kind === 'other') seen.push(load(others, word))
          else if (kind === 'put other') store(others, word, b)
          else if (kind === 'signal') {
            const signal = abortSignal()
            effect(() => signal.addEventListener('abort', () => void seen.push('abort', add(words, word, 1))))
          } else if (kind === 'async') {
            const outcome = waitAsync!(words, word, a, 10)
            if (outcome.async) void outcome.value.then((how) => seen.push(how, add(words, 1 - word, 1)))
            else seen.push(outcome.value)
          }
        }
        return seen
      }),
    )
    const reaps = reaper ? spawn((dead) => [dead, load(words, 0), add(words, 1, 4)], { reaper: true }) : undefined
    return () => [
      reaps?.outcome === 'finished' ? reaps.result : 0,
      handles.map(({ outcome, result }) => (outcome === 'finished' ? result : outcome)),
      ...words,
      ...others,
    ]
  }
}

/** The outcomes of three searches that have to agree with the one that leaves nothing out: reduced, remembering states, and both. */
function compare(code: Operation[][], options: ModelOptions): { full: number; reduced: number; remembered: number } {
  const chooses = code.flat().some(([kind]) => kind === 'choose')
  const run = (name: string, more: ModelOptions): Report => {
    const report = check(name, body(code, chooses, options.deaths === true), { ...options, ...more })
    expect(report.complete || report.finding !== undefined).toBe(true)
    return report
  }
  const whole = run('full', { schedules: 'full' })
  const against = (name: string, more: ModelOptions): Report => {
    const other = run(name, more)
    // The first finding ends a search: the outcomes are then those of two different beginnings, and the kinds may differ too.
    const ended = whole.finding !== undefined && other.finding !== undefined
    const lost = ended ? [] : [...whole.outcomes.keys()].filter((outcome) => !other.outcomes.has(outcome))
    const invented = ended ? [] : [...other.outcomes.keys()].filter((outcome) => !whole.outcomes.has(outcome))
    expect({ name, code: JSON.stringify(code), options, lost, invented, found: other.finding !== undefined }).toEqual({
      name,
      code: JSON.stringify(code),
      options,
      lost: [],
      invented: [],
      found: whole.finding !== undefined,
    })
    return other
  }
  const reduced = against('reduced', {})
  against('remembered, not reduced', { schedules: 'full', cache: true })
  const remembered = against('remembered', { cache: true })
  const all = ({ executions, pruned }: Report): number => executions + pruned
  return { full: all(whole), reduced: all(reduced), remembered: all(remembered) }
}

const PROGRAMS = full ? 100 : 20
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
    ['zombies', atomics, 2, 2, { deaths: true, zombies: true }],
    ['plain words that are peeked at', ['peek', 'peek', 'set', 'set', 'load', 'store'], 2, 4, {}],
    ['three threads that peek', ['peek', 'peek', 'set', 'set', 'add'], 3, 2, {}],
    ['spin loops', ['spin', 'store', 'load', 'add'], 2, 4, {}],
    ['three threads that spin', ['spin', 'store', 'load'], 3, 2, {}],
    ['races', ['put', 'get', 'load', 'store', 'load', 'store', 'add'], 2, 4, {}],
    ['publication', ['publish', 'consume', 'consume', 'get', 'store'], 2, 2, {}],
    ['publication to two', ['publish', 'consume', 'consume', 'consume', 'load'], 3, 2, {}],
    ['sleeps without end', ['sleep', 'notify', 'store', 'notify', 'store'], 2, 3, {}],
    ['three threads that sleep without end', ['sleep', 'notify', 'store', 'notify'], 3, 2, {}],
    ['histories', ['write', 'read', 'read'], 2, 2, {}],
    ['histories of three', ['write', 'read', 'read'], 3, 1, {}],
    ['effects', ['effect', 'effect', 'load', 'add'], 2, 3, {}],
    ['event loops', ['async', 'notify', 'store', 'load'], 2, 3, {}],
    ['event loops, timeouts', ['async', 'notify', 'store', 'load'], 2, 3, { timeouts: true }],
    ['event loops and waits', ['async', 'async', 'wait', 'notify', 'notify'], 3, 2, {}],
    ['clocks', ['now', 'wait', 'notify', 'load', 'store'], 2, 3, { timeouts: true }],
    ['signals', ['signal', 'async', 'notify', 'store'], 2, 3, {}],
    ['signals of two', ['signal', 'async', 'notify'], 3, 2, {}],
    ['two buffers', ['load', 'other', 'store', 'put other'], 3, 2, {}],
    ['values without races', [...waits, ...atomics], 2, 4, { races: false }],
    ['values without races, three threads', ['cas', 'store', 'load', 'wait', 'notify'], 3, 2, { races: false, timeouts: true }],
    ['choices', [...atomics, 'choose'], 2, 3, {}],
    ['what was seen decides', ['load', 'store', 'cas', 'add', 'unless', 'provided'], 3, 4, {}],
    [
      'what was seen decides, time limits',
      ['load', 'store', 'wait', 'notify', 'now', 'timer', 'unless', 'provided'],
      3,
      3,
      { timeouts: true, races: false },
    ],
    ['what was seen decides, deaths', ['load', 'add', 'wait', 'notify', 'unless', 'provided'], 2, 4, { deaths: true, timeouts: 1 }],
  ] as [string, string[], number, number, ModelOptions][]) {
    test(`neither the reduction nor the state cache loses an outcome: ${title}, preemptions ${preemptions}`, () => {
      let all = 0
      let reduced = 0
      let remembered = 0
      for (let seed = 1; seed <= PROGRAMS; seed++) {
        const counts = compare(program(seed, kinds, threads, most), { preemptions, ...options })
        all += counts.full
        reduced += counts.reduced
        remembered += counts.remembered
      }
      expect(reduced).toBeLessThanOrEqual(all * 1.5)
      if (full) console.log(`${title}, preemptions ${preemptions}: ${all} executions → ${reduced}, remembering states ${remembered}`)
    })
  }
}

test('code that reads a field again and again is no spin loop', () => {
  const report = check('get ×6, load | store', ({ spawn }) => {
    const words = new Int32Array(new SharedArrayBuffer(8))
    const reader = spawn(() => {
      for (let i = 0; i < 6; i++) get(words, 1)
      return load(words, 0)
    })
    spawn(() => store(words, 0, 1))
    return () => reader.result
  })
  expect([report.finding, report.complete, [...report.outcomes.keys()].sort()]).toEqual([undefined, true, ['0', '1']])
})
