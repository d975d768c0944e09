import { load, notify, store, wait } from '@heddle/atomics/ops'
import { expect, test } from 'vitest'
import { check, type ModelOptions } from '../src/index.js'

/** Threads over shared words; each returns what it saw. */
type Program = ((words: Int32Array) => unknown)[]

function outcomes(
  name: string,
  program: Program,
  memory: boolean,
  options: ModelOptions,
): { seen: string[]; executions: number; finding: string | undefined } {
  const report = check(
    name,
    ({ spawn }) => {
      const words = new Int32Array(new SharedArrayBuffer(16))
      const threads = program.map((thread) => spawn(() => thread(words)))
      return () =>
        [...threads.flatMap(({ result }) => (result === undefined ? [] : [result])), ...(memory ? [words[0], words[1]] : [])].flat().join(' ')
    },
    { preemptions: Infinity, ...options },
  )
  expect(report.complete || report.finding !== undefined).toBe(true)
  return {
    seen: [...report.outcomes.keys()].map((key) => JSON.parse(key) as string).sort(),
    executions: report.executions,
    finding: report.finding?.kind,
  }
}

const [X, Y] = [0, 1]
const all = (...values: string[]): string[] => values.sort()
const everything = (n: number): string[] => Array.from({ length: 2 ** n }, (_, i) => i.toString(2).padStart(n, '0').split('').join(' '))

const catalogue: [name: string, program: Program, memory: boolean, expected: string[]][] = [
  ['SB, store buffering', [(w) => (store(w, X, 1), load(w, Y)), (w) => (store(w, Y, 1), load(w, X))], false, all('0 1', '1 0', '1 1')],
  ['MP, message passing', [(w) => void (store(w, X, 1), store(w, Y, 1)), (w) => [load(w, Y), load(w, X)]], false, all('0 0', '0 1', '1 1')],
  [
    'LB, load buffering',
    [
      (w) => {
        const seen = load(w, X)
        store(w, Y, 1)
        return seen
      },
      (w) => {
        const seen = load(w, Y)
        store(w, X, 1)
        return seen
      },
    ],
    false,
    all('0 0', '0 1', '1 0'),
  ],
  [
    'IRIW, independent reads of independent writes',
    [(w) => void store(w, X, 1), (w) => void store(w, Y, 1), (w) => [load(w, X), load(w, Y)], (w) => [load(w, Y), load(w, X)]],
    false,
    everything(4).filter((outcome) => outcome !== '1 0 1 0'),
  ],
  ['CoRR, coherence of two reads', [(w) => void store(w, X, 1), (w) => [load(w, X), load(w, X)]], false, all('0 0', '0 1', '1 1')],
  [
    'CoRR2, two readers agree on the order of two writes',
    [(w) => void store(w, X, 1), (w) => void store(w, X, 2), (w) => [load(w, X), load(w, X)], (w) => [load(w, X), load(w, X)]],
    false,
    // All pairs of readings that fit one of the two orders of the writes.
    all(
      ...new Set(
        [
          [0, 1, 2],
          [0, 2, 1],
        ].flatMap((order) => {
          const pairs = order.flatMap((first, i) => order.slice(i).map((second) => `${first} ${second}`))
          return pairs.flatMap((a) => pairs.map((b) => `${a} ${b}`))
        }),
      ),
    ),
  ],
  ['2+2W', [(w) => void (store(w, X, 1), store(w, Y, 2)), (w) => void (store(w, Y, 1), store(w, X, 2))], true, all('1 2', '2 1', '2 2')],
  ['wait against store and notify', [(w) => wait(w, X, 0), (w) => (store(w, X, 1), notify(w, X))], false, all('ok 1', 'not-equal 0')],
  [
    'two waiters, one notify each',
    [(w) => wait(w, X, 0, 5), (w) => wait(w, X, 0, 5), (w) => (store(w, X, 1), notify(w, X, 1) + notify(w, X, 1))],
    false,
    all('not-equal not-equal 0', 'not-equal ok 1', 'ok not-equal 1', 'ok ok 2'),
  ],
  ['notify before wait is not remembered', [(w) => wait(w, X, 0, 5), (w) => notify(w, X)], false, all('ok 1', 'timed-out 0')],
]

for (const [name, program, memory, expected] of catalogue) {
  test(`${name}: exactly the sequentially consistent outcomes`, () => {
    // The names are those of the table that `npm run model` prints.
    const full = outcomes(`${name} · full`, program, memory, { schedules: 'full' })
    const reduced = outcomes(`${name} · reduced`, program, memory, {})
    const remembered = outcomes(`${name} · remembered`, program, memory, { cache: true })
    for (const { seen } of [full, reduced, remembered]) expect(seen).toEqual(expected)
    expect(reduced.executions).toBeLessThanOrEqual(full.executions)
    expect(remembered.executions).toBeLessThanOrEqual(reduced.executions)
  })
}

test('a wait that nobody ends is a deadlock', () => {
  expect(outcomes('a wait that nobody ends', [(w) => wait(w, X, 0), (w) => notify(w, X)], false, {}).finding).toBe('deadlock')
})
