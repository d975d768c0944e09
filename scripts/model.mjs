/**
 * Runs every model of every package at its full size, and prints what each covered: `npm run model [vitest arguments]`.
 * The short set runs with the tests.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'heddle-models-'))
const path = join(folder, 'reports.jsonl')
const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'model', '--silent', '--testTimeout', '600000', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, HEDDLE_MODEL_FULL: '1', HEDDLE_MODEL_REPORT: path },
})

// Those of @heddle/model's own tests are checks of the checker: thousands of them, and not algorithms of heddle.
const reports = existsSync(path)
  ? readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  : []
const own = reports.filter(({ at }) => !at.startsWith('packages/model/'))
const rows = [
  ['model', 'bound', 'complete', 'executions', 'states', 'longest', 'ms'],
  ...own.map((one) => [
    one.name,
    one.bound === 'Infinity' ? 'none' : one.bound,
    one.finding ?? (one.complete ? 'yes' : 'cut off'),
    one.executions,
    one.states,
    one.longest,
    Math.round(one.milliseconds),
  ]),
].map((row) => row.map(String))
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
for (const row of rows)
  console.log(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '))
const sum = (key, list) => list.reduce((total, one) => total + one[key], 0).toLocaleString('en')
console.log(`${own.length} models: ${sum('executions', own)} executions, ${sum('states', own)} states, ${sum('steps', own)} operations`)
console.log(
  `checks of the checker itself: ${reports.length - own.length}, ${sum(
    'executions',
    reports.filter((one) => !own.includes(one)),
  )} executions`,
)
rmSync(folder, { recursive: true, force: true })
process.exit(status ?? 1)
