/**
 * `npm run coverage [vitest filters]`: lines of packages/NAME/src that the unit and model tests reach, in the test's own thread and in
 * the workers that it starts.
 *
 * Vitest measures the modules that it loads itself. The workers of the tests are bundles, and some tests start processes on the
 * built packages: there Node writes the figures (NODE_V8_COVERAGE, also for a worker that is terminated while it blocks), and
 * source maps lead them back to the source. A line is covered when either saw it run.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mergeScriptCovs } from '@bcoe/v8-coverage'
import { parse } from 'acorn'
import { convert } from 'ast-v8-to-istanbul'
import libCoverage from 'istanbul-lib-coverage'
import { build, root, runTool } from './lib/workspace.mjs'

const THRESHOLD = 95
const folder = join(root, 'coverage')
const raw = join(folder, 'raw')

/** Line → hits, of one source file. */
const lines = new Map()
const isSource = (path) => /^packages[\\/][^\\/]+[\\/]src[\\/]/.test(relative(root, path))
function addLines(coverageMap) {
  for (const path of coverageMap.files()) {
    if (!isSource(path)) continue
    const known = lines.get(path) ?? new Map()
    lines.set(path, known)
    for (const [line, hits] of Object.entries(coverageMap.fileCoverageFor(path).getLineCoverage())) {
      known.set(Number(line), (known.get(Number(line)) ?? 0) + hits)
    }
  }
}

/** What Node saw of each bundle and each built file, all its threads together: url → script coverage. */
function bundles() {
  const merged = new Map()
  for (const file of readdirSync(raw)) {
    let result
    try {
      ;({ result } = JSON.parse(readFileSync(join(raw, file), 'utf8')))
    } catch {
      // A process that was killed while it wrote.
      continue
    }
    for (const script of result) {
      if (!/\/\.fixtures\/|\/packages\/[^/]+\/dist\//.test(script.url)) continue
      const former = merged.get(script.url)
      merged.set(script.url, former === undefined ? script : mergeScriptCovs([former, script]))
    }
  }
  return merged
}

async function addBundle(url, coverage) {
  const path = fileURLToPath(url)
  const code = readFileSync(path, 'utf8')
  const inline = /\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]+)\s*$/.exec(code)
  if (inline === null && !existsSync(`${path}.map`)) return
  const sourceMap = JSON.parse(inline === null ? readFileSync(`${path}.map`, 'utf8') : Buffer.from(inline[1], 'base64').toString('utf8'))
  sourceMap.sources = sourceMap.sources.map((source) => resolve(dirname(path), source))
  const ast = parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  addLines(libCoverage.createCoverageMap(await convert({ ast, code, coverage, sourceMap, wrapperLength: 0 })))
}

const built = await build({ quiet: true })
if (built.code !== 0) {
  console.error(built.output)
  process.exit(built.code)
}
rmSync(folder, { recursive: true, force: true })
mkdirSync(raw, { recursive: true })
const args = ['run', '--project=unit', '--project=model', '--coverage.enabled', ...process.argv.slice(2)]
const { code } = await runTool('vitest', args, { env: { NODE_V8_COVERAGE: raw } })

addLines(libCoverage.createCoverageMap(JSON.parse(readFileSync(join(folder, 'vitest', 'coverage-final.json'), 'utf8'))))
for (const [url, coverage] of bundles()) await addBundle(url, coverage)
rmSync(raw, { recursive: true, force: true })

const percent = (covered, total) => (total === 0 ? 100 : (100 * covered) / total)
const totals = new Map()
const files = {}
for (const path of [...lines.keys()].sort()) {
  const known = [...lines.get(path)].sort(([a], [b]) => a - b)
  const missed = known.filter(([, hits]) => hits === 0).map(([line]) => line)
  const name = relative(root, path).split(sep).join('/')
  files[name] = { lines: known.length, covered: known.length - missed.length, missed }
  for (const key of [name.split('/').slice(0, 2).join('/'), 'all']) {
    const sum = totals.get(key) ?? { lines: 0, covered: 0 }
    totals.set(key, { lines: sum.lines + known.length, covered: sum.covered + known.length - missed.length })
  }
}

/** 3, 4, 5, 9 → 3-5, 9 */
const ranges = (numbers) =>
  numbers
    .reduce((found, line) => {
      const last = found.at(-1)
      if (last?.[1] === line - 1) last[1] = line
      else found.push([line, line])
      return found
    }, [])
    .map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))
    .join(', ')

for (const [name, { lines: count, covered, missed }] of Object.entries(files)) {
  if (missed.length > 0) console.log(`${percent(covered, count).toFixed(1).padStart(6)} %  ${name}: ${ranges(missed)}`)
}
for (const [name, { lines: count, covered }] of totals)
  console.log(`${percent(covered, count).toFixed(1).padStart(6)} %  ${name} (${covered} of ${count} lines)`)
writeFileSync(join(folder, 'lines.json'), JSON.stringify({ totals: Object.fromEntries(totals), files }, null, 2))

const all = totals.get('all') ?? { lines: 0, covered: 0 }
const enough = all.lines > 0 && percent(all.covered, all.lines) >= THRESHOLD
if (!enough) console.error(`coverage is below ${THRESHOLD} % of lines`)
process.exitCode = code || (enough ? 0 : 1)
