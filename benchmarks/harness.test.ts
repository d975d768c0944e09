import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// @ts-expect-error: a script without types.
import { buildBenchmarks } from './src/build.mjs'
import { median, quantile, spread } from './src/statistics.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..')
let folder = ''

// Inside the package, so that the compiled code finds what it imports.
beforeAll(async () => {
  mkdirSync(join(here, 'dist'), { recursive: true })
  folder = mkdtempSync(join(here, 'dist', 'test-'))
  await buildBenchmarks(join(folder, 'dist'), [join(here, 'fixtures', 'trivial.ts'), join(here, 'fixtures', 'wrong.ts')])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  code: number
  stdout: string
  stderr: string
}
async function node(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } })) }
  } catch (error) {
    return error as Ended
  }
}
const bench = (args: string[], env?: Record<string, string>): Promise<Ended> => node([join(folder, 'dist', 'src', 'main.js'), ...args], env)

describe('npm run bench', () => {
  test('prints a table and writes machine, medians, spreads, ratios and targets', async () => {
    const { code, stdout, stderr } = await bench(['trivial', '--quick'])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain(`Node ${process.versions.node}`)
    expect(stdout).toContain('sum · elsewhere: left out, there is no elsewhere')
    const report = JSON.parse(readFileSync(join(folder, 'results', 'trivial.json'), 'utf8'))
    expect(report).toMatchObject({ suite: 'trivial', quick: true, machine: { node: process.versions.node, v8: process.versions.v8 } })
    expect(Object.keys(report.machine).sort()).toEqual(['commit', 'cores', 'cpu', 'date', 'node', 'os', 'v8'])
    const [loop, twice, promise, sameClock, clock, pid, three, six] = report.rows
    expect(loop).toEqual({ name: 'sum · loop', ns: expect.any(Number), spread: expect.any(Number), unit: 'addition' })
    expect(loop.ns).toBeGreaterThan(0)
    expect(twice).toMatchObject({ name: 'sum · twice', ratio: expect.any(Number), floor: 'loop', target: '<= 1000 x loop', met: true })
    expect(promise).toMatchObject({ name: 'sum · a promise', target: '<= 0 ns', met: false })
    expect(sameClock).toMatchObject({ name: 'sum · its own clock', ns: 7, spread: 0 })
    expect(clock).toEqual({ name: 'processes · its own clock', ns: 42, spread: 0, unit: 'addition' })
    expect(pid).toMatchObject({ name: 'processes · process id', ns: 1 })
    expect(three).toEqual({ name: 'memory · three bytes', bytes: 3, spread: 0, target: '<= 3 bytes', met: true, unit: 'addition' })
    expect(six).toMatchObject({ name: 'memory · six bytes', bytes: 6, target: '<= 1 x three bytes (2.00)', met: false })
    expect(report.rows).toHaveLength(8)
  })

  test.each(['shared', 'process'])('fails when one run of a contender gave a wrong result (%s)', async (isolation) => {
    const { code, stderr } = await bench(['wrong', '--quick'], { HEDDLE_BENCH_ISOLATION: isolation })
    expect(code).toBe(1)
    expect(stderr).toContain("'lazy': wrong count: 99 instead of 100")
  })

  test('names the suites when asked for one that does not exist', async () => {
    const { code, stderr } = await bench(['nonsense'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/no suite is called nonsense; there are .*trivial/)
  })
})

describe('scripts/compare-bench.mjs', () => {
  const compare = (dir: string, ...args: string[]): Promise<Ended> =>
    node([join(root, 'scripts', 'compare-bench.mjs'), '--results', join(dir, 'results'), '--baseline', join(dir, 'baseline.json'), ...args])
  function given(ratio: number, options: { baseline?: object; quick?: boolean } = {}): string {
    const dir = mkdtempSync(join(folder, 'compare-'))
    mkdirSync(join(dir, 'results'))
    const rows = [
      { name: 'sum · loop', ns: 1, spread: 0, unit: 'addition' },
      { name: 'sum · twice', ns: ratio, spread: 0.1, ratio, floor: 'loop', unit: 'addition' },
    ]
    writeFileSync(join(dir, 'results', 'x.json'), JSON.stringify({ suite: 'x', quick: options.quick ?? false, machine: {}, rows }))
    writeFileSync(join(dir, 'baseline.json'), JSON.stringify(options.baseline ?? { x: { 'sum · twice': 2 } }))
    return dir
  }

  test('a ratio within the tolerance and its own spread passes', async () => {
    expect(await compare(given(2.79))).toMatchObject({ code: 0, stdout: expect.stringContaining('no ratio got worse') })
  })
  test('a ratio beyond it fails', async () => {
    const { code, stdout } = await compare(given(2.81))
    expect(code).toBe(1)
    expect(stdout).toContain('✗ x · sum · twice: 2.81 x its floor, was 2, at most 2.80')
    expect((await compare(given(2.81), '--tolerance', '0.5')).code).toBe(0)
  })
  test('a row may have a larger tolerance of its own, which --write keeps', async () => {
    const baseline = { x: { 'sum · twice': { ratio: 2, tolerance: 1 } } }
    expect((await compare(given(4.19, { baseline }))).code).toBe(0)
    const { code, stdout } = await compare(given(4.21, { baseline }))
    expect(code).toBe(1)
    expect(stdout).toContain('at most 4.20')
    const dir = given(3, { baseline })
    expect((await compare(dir, '--write')).code).toBe(0)
    expect(JSON.parse(readFileSync(join(dir, 'baseline.json'), 'utf8'))).toEqual({ x: { 'sum · twice': { ratio: 3, tolerance: 1 } } })
  })
  test('a row that is in the baseline only fails', async () => {
    const { code, stdout } = await compare(given(2, { baseline: { x: { 'sum · thrice': 3 } } }))
    expect(code).toBe(1)
    expect(stdout).toContain('sum · thrice: not measured any more')
    expect(stdout).toContain('not in the baseline: sum · twice')
  })
  test('a quick report is not compared', async () => {
    expect((await compare(given(2, { quick: true }))).code).toBe(2)
  })
  test('--write takes the medians over several folders', async () => {
    const dir = given(2)
    const others = [3, 10].map((ratio) => join(given(ratio), 'results'))
    const { code } = await compare(dir, '--write', ...others.flatMap((other) => ['--results', other]))
    expect(code).toBe(0)
    expect(JSON.parse(readFileSync(join(dir, 'baseline.json'), 'utf8'))).toEqual({ x: { 'sum · twice': 3 } })
  })
})

test('quantiles are interpolated, the spread is the middle half over the median', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20)
  expect(spread([10, 20, 30, 40, 50])).toBeCloseTo(20 / 30)
  expect(() => median([])).toThrow(RangeError)
})
