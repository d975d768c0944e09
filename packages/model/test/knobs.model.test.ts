import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Body, check, model } from '../src/index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-model-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  for (const name of Object.keys(process.env))
    if (name.startsWith('HEDDLE_MODEL_') && name !== 'HEDDLE_MODEL_FULL' && !outer.has(name)) delete process.env[name]
  for (const [name, value] of outer) process.env[name] = value
})
const outer = new Map(Object.entries(process.env).filter(([name]) => name.startsWith('HEDDLE_MODEL_')) as [string, string][])

const counter =
  (correct: boolean): Body =>
  ({ spawn }) => {
    const view = new Int32Array(new SharedArrayBuffer(4))
    for (let i = 0; i < 2; i++) {
      spawn(() => {
        if (correct) Atomics.add(view, 0, 1)
        else Atomics.store(view, 0, Atomics.load(view, 0) + 1)
      })
    }
    return () => expect(view[0]).toBe(2)
  }

test('a failing schedule is saved, run first the next time, and passed over once the bug is gone', () => {
  const first = check('a lost update', counter(false), { regressions: folder })
  expect(first.finding?.kind).toBe('assertion')
  expect(readdirSync(folder)).toEqual(['a-lost-update.schedules'])
  expect(readFileSync(join(folder, 'a-lost-update.schedules'), 'utf8')).toContain(first.finding!.schedule)
  const second = check('a lost update', counter(false), { regressions: folder })
  expect(second.executions).toBe(1)
  expect(second.finding?.kind).toBe('assertion')
  expect(model('a lost update', counter(true), { regressions: folder }).complete).toBe(true)
})

test('HEDDLE_MODEL_REPLAY runs one schedule', () => {
  const { finding } = check('replayed', counter(false))
  process.env['HEDDLE_MODEL_REPLAY'] = finding!.schedule
  const report = check('replayed', counter(false))
  expect([report.executions, report.finding?.kind]).toEqual([1, 'assertion'])
  expect(check('replayed', counter(true)).finding).toBeUndefined()
})

test('HEDDLE_MODEL_CACHE', () => {
  const body: Body = ({ spawn }) => {
    const view = new Int32Array(new SharedArrayBuffer(4))
    // In whatever order the first two were, the third finds the same.
    for (let i = 0; i < 3; i++) spawn(() => void Atomics.add(view, 0, 0))
  }
  process.env['HEDDLE_MODEL_CACHE'] = '1'
  expect(model('cached', body, { preemptions: 2, schedules: 'full', races: false }).revisits).toBeGreaterThan(0)
  process.env['HEDDLE_MODEL_CACHE'] = '0'
  expect(model('cached', body, { preemptions: 2, schedules: 'full', races: false, cache: true }).revisits).toBe(0)
})

test('HEDDLE_MODEL_EXECUTIONS, _PREEMPTIONS and _REPORT', () => {
  const path = join(folder, 'report.jsonl')
  process.env['HEDDLE_MODEL_REPORT'] = path
  process.env['HEDDLE_MODEL_EXECUTIONS'] = '2'
  process.env['HEDDLE_MODEL_PREEMPTIONS'] = 'none'
  const report = model('cut', counter(true))
  expect([report.executions, report.complete, report.bound]).toEqual([2, false, Infinity])
  expect(existsSync(path)).toBe(true)
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ name: 'cut', executions: 2, bound: 'Infinity', finding: null })
  process.env['HEDDLE_MODEL_SEED'] = 'x'
  expect(() => model('cut', counter(true))).toThrow(RangeError)
})
