/**
 * The suite on this Node, on Deno, on Bun and in Chromium, each in a process of its own, on the built packages. `npm run test:runtimes`
 * runs it on more of them.
 */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expected } from './liveness/expected.mjs'
import { findBrowser, launch, runSuite } from './runners/browsers.mjs'
import { serve } from './runners/static-server.mjs'
import { type Result, runModule, runSuiteOn } from './run-suite.mjs'
import { bunRuntime, denoRuntime, nodeRuntime, type Runtime, unshared } from './runtimes.mjs'
import { casesFor } from './suite/cases.mjs'

/** The limit of a whole run; a case has its own, of 30 s. Both are there for what hangs. */
const LIMIT = 300_000

beforeAll(() => {
  if (!existsSync(new URL('../../packages/heddle/dist/node.js', import.meta.url))) throw new Error('build first: npm run build')
})

/** A test for each case, once the suite has run. */
function eachCase(memory: 'shared' | 'none', results: ReadonlyMap<string, Result>, problem: () => string | undefined): void {
  it.each(casesFor(memory).map(({ group, name }) => `${group}: ${name}`))('%s', (name) => {
    const result = results.get(name)
    if (result === undefined) expect.fail(problem() ?? 'the case was not run')
    if (!result.ok) expect.fail(result.error)
  })
  it('ends by itself, and prints nothing else', () => {
    expect(problem()).toBeUndefined()
  })
}

const keyOf = ({ group, name }: Result): string => `${group}: ${name}`

const servers: [string, Runtime | undefined][] = [
  ['Node', nodeRuntime()],
  ['Deno', denoRuntime()],
  ['Bun', bunRuntime()],
]

/** The suite on a server, as tests. */
function eachCaseOn(runtime: () => Runtime, memory: 'shared' | 'none'): void {
  const results = new Map<string, Result>()
  let problem: string | undefined
  beforeAll(async () => {
    const { code, killed, errors, done } = await runSuiteOn(runtime(), (result) => results.set(keyOf(result), result), { limit: LIMIT })
    if (killed) problem = `it did not end within ${LIMIT} ms; ${done === undefined ? 'not all cases were run' : 'all cases were run'}\n${errors}`
    else if (done === undefined || code !== (done.failed === 0 ? 0 : 1)) problem = `exit code ${code}\n${errors}`
  }, LIMIT + 30_000)
  eachCase(memory, results, () => problem)
}

for (const [label, runtime] of servers) {
  if (runtime === undefined) console.warn(`${label} is not run: its package has no binary for this platform`)
  describe.skipIf(runtime === undefined)(`on ${label}`, () => {
    eachCaseOn(() => runtime!, 'shared')

    it.each(Object.keys(expected))('liveness: %s', async (name) => {
      const { code, killed, out, errors } = await runModule(runtime!, './liveness/program.mjs', [name], { limit: 50_000 })
      expect({ out: out.split('\n').filter((line) => line !== ''), code, killed }, errors).toEqual({ ...expected[name], killed: false })
    })
  })
}

// On the others it is run by `npm run test:runtimes`.
describe('on Node, without shared memory', () => eachCaseOn(() => unshared(nodeRuntime()), 'none'))

const chromium = findBrowser('chromium')
if (chromium === undefined) console.warn('Chromium is not run: there is none on this machine (apt-get install chromium, or HEDDLE_CHROMIUM=path)')

describe.skipIf(chromium === undefined).each([
  ['in Chromium', 'shared'],
  ['in Chromium, on a page that is not cross-origin isolated', 'none'],
] as const)('%s', (_, memory) => {
  const results = new Map<string, Result>()
  let problem: string | undefined
  const cleanUp: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    const server = await serve({ isolated: memory === 'shared' })
    cleanUp.push(() => server.close())
    const browser = await launch('chromium')
    cleanUp.unshift(() => browser.close())
    await runSuite(browser, server.origin, (result) => results.set(keyOf(result), result)).catch((error: unknown) => (problem = String(error)))
  }, LIMIT + 120_000)
  afterAll(async () => {
    for (const step of cleanUp) await step()
  })
  eachCase(memory, results, () => problem)
})
