/** Every example in the documents and in doc comments type-checks, and runs unless it says otherwise. */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { collect, diagnose, execute, type Prepared, prepare } from './examples.js'

const { examples, problems } = collect()
const prepared = new Map<(typeof examples)[number], Prepared>()
let diagnostics: Map<string, string[]>

beforeAll(async () => {
  for (const one of await prepare(examples, join(import.meta.dirname, '.run', 'all'))) prepared.set(one.example, one)
  diagnostics = diagnose([...prepared.values()])
})

it('has no malformed example', () => {
  expect(problems).toEqual([])
})

describe('examples', () => {
  for (const example of examples) {
    it(`${example.document}:${example.line} (${example.mode})`, async () => {
      const one = prepared.get(example)!
      expect(diagnostics.get(one.source) ?? []).toEqual([])
      if (example.mode === 'run') await execute(one)
    })
  }
})
