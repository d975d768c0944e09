/**
 * `npm test`: every check of the repository, on a fresh clone with nothing but Node and npm.
 *
 * Runs every stage that can run, also after one failed; a stage that needs a failed one counts as failed. Stages begin in their order, those of one thread two at a
 * time: two cores are what continuous integration has. The last line is
 * `N passed, N failed`: one for each vitest test and one for each other stage. Arguments choose stages by name.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, install, isInstalled, packages, run, runTool } from './lib/workspace.mjs'

const quiet = { quiet: true }
const minutes = 60_000

async function typecheck() {
  const configs = [...packages().map(({ folder }) => `packages/${folder}`), '.']
  const check = (config) => runTool(['typescript', 'tsc'], ['-p', config, '--noEmit'], quiet)
  // Two at a time: the compiler is single-threaded and a package's program is small.
  const results = []
  const next = async () => {
    for (let config = configs.shift(); config !== undefined; config = configs.shift()) results.push(await check(config))
  }
  await Promise.all([next(), next()])
  return { code: Math.max(...results.map(({ code }) => code)), output: results.map(({ output }) => output).join('') }
}

/** Runs vitest, and counts tests from its own report; a file that could not be loaded, or an error outside a test, is a failure too. */
async function vitest() {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'))
  const report = join(folder, 'report.json')
  try {
    const { code, output } = await runTool('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], {
      limit: 11 * minutes,
    })
    if (!existsSync(report)) return { code: code || 1, output: `${output}vitest wrote no report` }
    const { numPassedTests: passed, numFailedTests, numPendingTests: skipped, testResults } = JSON.parse(readFileSync(report, 'utf8'))
    const unloadable = testResults.filter(
      ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
    ).length
    let failed = numFailedTests + unloadable
    if (failed === 0 && (code !== 0 || passed === 0)) failed = 1
    return { code, passed, failed, output, note: skipped > 0 ? `${skipped} skipped` : '' }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `cores`: how many threads it keeps busy, of CORES; default 1. */
const CORES = 2
const stages = [
  { name: 'install', run: () => (isInstalled() ? { code: 0, output: '' } : install({ quiet: true, limit: 5 * minutes })) },
  { name: 'typecheck', needs: ['install'], cores: 2, run: typecheck },
  { name: 'lint', needs: ['install'], run: () => runTool('eslint', ['--max-warnings=0', '.'], quiet) },
  { name: 'format', needs: ['install'], run: () => runTool('prettier', ['--check', '--log-level=warn', '.'], quiet) },
  {
    name: 'imports',
    needs: ['install'],
    run: () => runTool(['dependency-cruiser', 'depcruise'], ['--config', '.dependency-cruiser.mjs', 'packages'], quiet),
  },
  { name: 'manifests', needs: ['install'], run: () => run(process.execPath, ['scripts/check-manifests.mjs'], quiet) },
  { name: 'knip', needs: ['install'], run: () => runTool('knip', ['--no-progress', '--no-config-hints'], quiet) },
  { name: 'build', needs: ['install'], cores: 2, run: () => build({ quiet: true, limit: 5 * minutes }) },
  { name: 'size', needs: ['build'], run: () => runTool('size-limit', [], quiet) },
  {
    name: 'changesets',
    needs: ['install'],
    run: () => run(process.execPath, ['scripts/check-changesets.mjs'], quiet),
  },
  { name: 'vitest', needs: ['install', 'build'], cores: 2, run: vitest },
]

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !stages.some((stage) => stage.name === name))
if (unknown.length > 0) {
  console.error(`no stage is called ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

let passed = 0
let failed = 0
const broken = new Set()
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`
const begun = performance.now()

async function perform({ name, needs = [], run: check }) {
  const missing = needs.filter((need) => broken.has(need))
  if (missing.length > 0) {
    console.log(`✗ ${name}: not run, since ${missing.join(' and ')} failed`)
    broken.add(name)
    failed++
    return
  }
  const started = performance.now()
  let result
  try {
    result = await check()
  } catch (error) {
    result = { code: 1, output: `${error instanceof Error ? error.stack : error}\n` }
  }
  const stagePassed = result.passed ?? (result.code === 0 ? 1 : 0)
  const stageFailed = result.failed ?? (result.code === 0 ? 0 : 1)
  passed += stagePassed
  failed += stageFailed
  if (stageFailed > 0) {
    broken.add(name)
    if (result.output.trim() !== '') console.log(result.output.trimEnd())
  }
  const counts = result.passed === undefined ? '' : `, ${stagePassed} passed, ${stageFailed} failed`
  console.log(`${stageFailed > 0 ? '✗' : '✓'} ${name}: ${seconds(started)}${counts}${result.note ? `, ${result.note}` : ''}`)
  if (result.code === 130 || result.code === 143) process.exit(result.code)
}

const waiting = stages.filter(({ name }) => chosen.length === 0 || chosen.includes(name))
/** Those that have not ended. */
const open = new Set(waiting.map(({ name }) => name))
let free = CORES
await new Promise((resolve) => {
  const next = () => {
    if (open.size === 0) return resolve()
    for (const stage of [...waiting]) {
      const { name, needs = [], cores = 1 } = stage
      if (needs.some((need) => open.has(need))) continue
      // Nor does a smaller one go before it.
      if (cores > free) return
      waiting.splice(waiting.indexOf(stage), 1)
      free -= cores
      void perform(stage).then(() => {
        open.delete(name)
        free += cores
        next()
      })
    }
  }
  next()
})

console.log(`\nin ${seconds(begun)}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
