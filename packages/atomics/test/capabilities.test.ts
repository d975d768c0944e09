import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { factsOf, missingOf } from '../src/capabilities.js'
import { capabilities } from '../src/index.js'
import { canBlock } from '../src/internal.js'

it('tells the truth about this Node', () => {
  const facts = capabilities()
  expect(facts).toMatchObject({
    sharedMemory: true,
    canBlock: true,
    waitAsync: true,
    crossOriginIsolated: true,
    runtime: 'node',
    parallelism: availableParallelism(),
  })
  const [major] = process.versions.node.split('.').map(Number)
  expect(facts.pause).toBe(major! >= 24)
  expect(facts.missing).toHaveLength(major! >= 24 ? 0 : 1)
  expect(canBlock()).toBe(true)
})

describe('each host is known by its globals', () => {
  const node = { versions: { node: '22.0.0' } }
  it.each([
    [{ Deno: {}, process: node, WorkerGlobalScope: {} }, 'deno'],
    [{ Bun: {}, process: node }, 'bun'],
    [{ process: node }, 'node'],
    [{ document: {} }, 'browser'],
    [{ WorkerGlobalScope: {} }, 'browser'],
    [{ WorkletGlobalScope: {} }, 'browser'],
    [{ document: {}, process: { versions: {} } }, 'browser'],
    [{}, 'unknown'],
  ] as const)('%o', (globals, runtime) => {
    expect(factsOf(globals).runtime).toBe(runtime)
  })
})

describe('parallelism', () => {
  const os = (n: unknown): { getBuiltinModule: () => { availableParallelism: () => unknown } } => ({
    getBuiltinModule: () => ({ availableParallelism: () => n }),
  })
  it.each([
    [{ navigator: { hardwareConcurrency: 8 }, process: os(4) }, 8],
    [{ process: os(4) }, 4],
    [{ navigator: {}, process: os(3) }, 3],
    [{ navigator: { hardwareConcurrency: 0 } }, 1],
    [{ navigator: { hardwareConcurrency: '8' } }, 1],
    [{ process: { getBuiltinModule: (): undefined => undefined } }, 1],
    [{}, 1],
  ] as const)('%o', (globals, parallelism) => {
    expect(factsOf(globals).parallelism).toBe(parallelism)
  })
})

describe('missing', () => {
  const all = {
    sharedMemory: true,
    canBlock: true,
    waitAsync: true,
    pause: true,
    crossOriginIsolated: true,
    parallelism: 2,
    runtime: 'browser',
  } as const

  it('is empty where nothing is', () => {
    expect(missingOf(all)).toEqual([])
  })

  it('a page that is not isolated has no shared memory, and is told the headers', () => {
    const facts = factsOf({ document: {}, crossOriginIsolated: false })
    expect(facts).toMatchObject({ sharedMemory: false, crossOriginIsolated: false, runtime: 'browser' })
    const [sentence] = missingOf({ ...all, sharedMemory: false })
    expect(sentence).toContain('`Cross-Origin-Opener-Policy: same-origin`')
    expect(sentence).toContain('`Cross-Origin-Embedder-Policy: require-corp`')
    expect(missingOf({ ...all, sharedMemory: false, runtime: 'node' })[0]).toContain('SharedArrayBuffer')
  })

  it.each([
    ['canBlock', /Async/],
    ['waitAsync', /Atomics\.waitAsync is missing/],
    ['pause', /Atomics\.pause is missing/],
  ] as const)('says what to do without %s', (fact, sentence) => {
    const missing = missingOf({ ...all, [fact]: false })
    expect(missing).toHaveLength(1)
    expect(missing[0]).toMatch(sentence)
  })
})
