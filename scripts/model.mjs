/**
 * Runs every model of every package at its full size, and prints what each covered and what the reduction saves:
 * `npm run model [-- vitest arguments]`. `--from file` runs nothing and takes what `HEDDLE_MODEL_REPORT=file` has collected. `--short` takes the sizes that run with the tests; `--write` puts the tables
 * into packages/model/MODELS.md, in place of all that was there: not with arguments that leave models out.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const given = process.argv.slice(2)
const short = given.includes('--short')
const write = given.includes('--write')
const from = given.indexOf('--from')
const forVitest = given.filter((argument, i) => !['--short', '--write', '--from'].includes(argument) && (from < 0 || i !== from + 1))
if (write && forVitest.length > 0) {
  console.error(`--write writes the table of all models; ${forVitest.join(' ')} would leave some out`)
  process.exit(1)
}
const folder = mkdtempSync(join(tmpdir(), 'heddle-models-'))
const path = from >= 0 ? given[from + 1] : join(folder, 'reports.jsonl')
const started = performance.now()
const { status } =
  from >= 0
    ? { status: 0 }
    : spawnSync('npx', [...['vitest', 'run', '--project', 'model', '--silent=true', '--testTimeout', '600000'], ...forVitest], {
        stdio: 'inherit',
        env: { ...process.env, ...(short ? {} : { HEDDLE_MODEL_FULL: '1' }), HEDDLE_MODEL_REPORT: path },
      })
const minutes = ((performance.now() - started) / 60_000).toFixed(1)

const reports = existsSync(path)
  ? readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  : []
rmSync(folder, { recursive: true, force: true })
// Those of @heddle/model's own tests are checks of the checker: thousands of them, and not algorithms of heddle.
const own = reports.filter(({ at }) => !at.startsWith('packages/model/'))
const packageOf = ({ at }) => at.split('/')[1] ?? ''
own.sort((a, b) => packageOf(a).localeCompare(packageOf(b)) || a.name.localeCompare(b.name))

const models = [
  ['package', 'model', 'bound', 'complete', 'executions', 'states', 'longest', 'ms'],
  ...own.map((one) => [
    packageOf(one),
    one.name,
    one.bound === 'Infinity' ? 'none' : one.bound,
    one.finding ?? (one.complete ? 'yes' : 'cut off'),
    one.executions,
    one.states,
    one.longest,
    Math.round(one.milliseconds),
  ]),
]

/** Executions of one body, explored in several ways: the names end in them. */
const ways = ['full', 'reduced', 'remembered']
const catalogue = new Map()
for (const { name, executions, pruned, complete } of reports) {
  const [body, way] = name.split(' · ')
  if (!ways.includes(way)) continue
  if (!catalogue.has(body)) catalogue.set(body, {})
  catalogue.get(body)[way] = `${complete ? '' : '> '}${executions}${pruned > 0 ? ` + ${pruned}` : ''}`
}
const saved = [
  ['body', 'no reduction', 'reduced', 'reduced, states remembered'],
  ...[...catalogue].map(([body, found]) => [body, ...ways.map((way) => found[way] ?? '')]),
]

const text = (rows) => rows.map((row) => row.map(String))
function columns(rows) {
  const cells = text(rows)
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  return cells
    .map((row) => row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '))
    .join('\n')
}
function markdown(rows) {
  const [head, ...rest] = text(rows).map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
  return [head, `|${' --- |'.repeat(rows[0].length)}`, ...rest].join('\n')
}
const sum = (key, list) => list.reduce((total, one) => total + one[key], 0).toLocaleString('en')
const cut = own.filter(({ complete }) => !complete).length
const totals = [
  `${own.length} models, ${cut === 0 ? 'all complete' : `${cut} cut off`}: ${sum('executions', own)} executions, ${sum('states', own)} states, ${sum('steps', own)} operations.`,
  `Checks of the checker itself: ${(reports.length - own.length).toLocaleString('en')}, ${sum(
    'executions',
    reports.filter((one) => !own.includes(one)),
  )} executions.${from >= 0 ? '' : ` ${minutes} minutes in all.`}`,
]

console.log(columns(models))
if (saved.length > 1) console.log(`\n${columns(saved)}`)
console.log(`\n${totals.join('\n')}`)
if (write) {
  const { length } = own
  if (length > 0)
    writeFileSync(
      'packages/model/MODELS.md',
      `# The models of heddle

Written by \`npm run model -- --write\`${short ? ', at the sizes that run with the tests (`--short`)' : ''}, Node ${process.versions.node}. *Complete*: every interleaving within the bound on preemptions was explored, up to the order of
independent operations. *Longest*: operations of the longest execution.

${totals.join('\n')}

${markdown(models)}

## What the reduction saves

Executions of the litmus tests (no bound) and of the zoo's correct twins (bound 2, or as each says); \`+\`: given up because what was left had been explored; \`>\`: stopped there.

${markdown(saved)}
`,
    )
}
process.exit(status ?? 1)
