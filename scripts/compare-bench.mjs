/**
 * Compares measured ratios with the committed ones. Ratios, since nanoseconds of two machines, or of two days, don't compare.
 *
 *   node scripts/compare-bench.mjs [suite…]                            exit code 1 when a ratio got worse, or a row has gone
 *   node scripts/compare-bench.mjs --write [--results folder]…         takes the medians over the folders as the new baseline
 *
 * --tolerance 0.3   how much worse a ratio may be; a row's own spread is added to it. A row that is noisier than others has a larger tolerance
 *                   of its own in the baseline: { "ratio": 1.3, "tolerance": 1 } in place of 1.3. --write keeps it.
 * --results folder  default benchmarks/results
 * --baseline file   default benchmarks/baseline.json
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './lib/workspace.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean', default: false },
    tolerance: { type: 'string', default: '0.3' },
    results: { type: 'string', multiple: true, default: [join(root, 'benchmarks', 'results')] },
    baseline: { type: 'string', default: join(root, 'benchmarks', 'baseline.json') },
  },
})
const tolerance = Number(values.tolerance)
if (!(tolerance >= 0)) fail(`--tolerance takes a number of 0 or more, not '${values.tolerance}'`)

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))
const baseline = existsSync(values.baseline) ? readJson(values.baseline) : {}
const reports = values.results.flatMap(readReports).filter(({ suite }) => positionals.length === 0 || positionals.includes(suite))
if (reports.length === 0) fail(`no full report in ${values.results.join(', ')}: run \`npm run bench\` first`)
if (values.write) write()
else compare()

function fail(message) {
  console.error(message)
  process.exit(2)
}

function readReports(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => readJson(join(folder, file)))
    .filter(({ suite, quick }) => {
      if (quick) console.log(`${suite}: a quick report, left out`)
      return !quick
    })
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function write() {
  for (const suite of new Set(reports.map((report) => report.suite))) {
    const ratios = new Map()
    for (const { rows } of reports.filter((report) => report.suite === suite)) {
      for (const { name, ratio } of rows) if (ratio !== undefined) ratios.set(name, [...(ratios.get(name) ?? []), ratio])
    }
    const former = baseline[suite] ?? {}
    baseline[suite] = Object.fromEntries([...ratios].map(([name, seen]) => [name, entry(former[name], Number(median(seen).toFixed(3)))]))
  }
  writeFileSync(values.baseline, `${JSON.stringify(Object.fromEntries(Object.entries(baseline).sort()), undefined, 2)}\n`)
  console.log(`written to ${values.baseline}: medians of ${reports.length} reports`)
}

/** A ratio, with the tolerance that the row had. */
function entry(former, ratio) {
  return typeof former === 'object' ? { ...former, ratio } : ratio
}

function compare() {
  let worse = 0
  for (const { suite, rows } of reports) {
    const committed = baseline[suite] ?? {}
    const measured = new Map(rows.filter(({ ratio }) => ratio !== undefined).map((row) => [row.name, row]))
    for (const [name, known] of Object.entries(committed)) {
      const row = measured.get(name)
      const { ratio: before, tolerance: own = tolerance } = typeof known === 'object' ? known : { ratio: known }
      const allowed = before * (1 + Math.max(own, tolerance) + (row?.spread ?? 0))
      if (row !== undefined && row.ratio <= allowed) continue
      worse++
      console.log(
        row === undefined
          ? `✗ ${suite} · ${name}: not measured any more`
          : `✗ ${suite} · ${name}: ${row.ratio.toFixed(2)} x its floor, was ${before}, at most ${allowed.toFixed(2)}`,
      )
    }
    const fresh = [...measured.keys()].filter((name) => !(name in committed))
    console.log(`${suite}: ${Object.keys(committed).length} ratios compared${fresh.length > 0 ? `; not in the baseline: ${fresh.join(', ')}` : ''}`)
  }
  console.log(worse === 0 ? 'no ratio got worse' : `${worse} got worse`)
  process.exitCode = worse === 0 ? 0 : 1
}
