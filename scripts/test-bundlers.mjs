/**
 * `npm run test:bundlers`: every program of tests/bundlers, the slower ones too, and TypeScript on Node 24; writes the table of docs/bundlers.md when all of
 * them were run.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeOf } from './lib/nodes.mjs'
import { build, root, runTool } from './lib/workspace.mjs'

const built = await build({ quiet: true })
if (built.code !== 0) {
  console.error(built.output)
  process.exit(built.code)
}
const folder = mkdtempSync(join(tmpdir(), 'heddle-bundlers-'))
const report = join(folder, 'report.json')
const env = { HEDDLE_BUNDLERS: 'all', HEDDLE_TYPESCRIPT_NODE: await nodeOf('24') }
const files = ['--project', 'unit', 'tests/bundlers']
const { code } = await runTool('vitest', ['run', ...files, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], { env })
const { testResults = [] } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
rmSync(folder, { recursive: true, force: true })
process.exitCode = code

const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
const rows = new Map()
for (const { title, status } of tests) {
  const [, bundler, road, target, copies] = /^(.+): (by-url|own-worker|both roads), (browser|node)(, two copies)?$/.exec(title) ?? []
  if (bundler === undefined) continue
  const row = rows.get(bundler) ?? {}
  const cell = status === 'passed' ? (copies === undefined ? '✓' : '(✓)') : status
  for (const one of road === 'both roads' ? ['by-url', 'own-worker'] : [road]) row[`${one} ${target}`] = cell
  rows.set(bundler, row)
}
if (tests.length === 0 || tests.some(({ status }) => status !== 'passed')) {
  console.error('not all of them passed: docs/bundlers.md keeps its table')
  process.exitCode ||= 1
} else {
  const columns = ['by-url browser', 'own-worker browser', 'by-url node']
  const lines = ['| bundler | by URL, browser | own worker, browser | by URL, Node |', '|---|---|---|---|']
  for (const [bundler, row] of rows) lines.push(`| ${bundler} | ${columns.map((column) => row[column] ?? '–').join(' | ')} |`)
  const path = join(root, 'docs', 'bundlers.md')
  const text = readFileSync(path, 'utf8')
  const [begin, end] = ['<!-- bundlers: npm run test:bundlers -->', '<!-- /bundlers -->']
  const at = [text.indexOf(begin), text.indexOf(end)]
  writeFileSync(path, `${text.slice(0, at[0] + begin.length)}\n${lines.join('\n')}\n${text.slice(at[1])}`)
}
