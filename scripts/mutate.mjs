/**
 * Breaks heddle's own code, one place at a time, and has a model test find it: `npm run mutate [part of a name]`.
 *
 * Nothing is written into the source: the change is made while the file is loaded (mutate.config.ts). A mutation whose text is not
 * in the file any more, or that its test does not find, fails the run; so does an unchanged test that fails.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mutations } from './lib/mutations.mjs'

const wanted = process.argv[2] ?? ''
const chosen = mutations.filter(({ name }) => name.includes(wanted))
/** Runs model tests with a change in place. */
function run(mutation, tests, title) {
  const { status, stdout, stderr } = spawnSync(
    'npx',
    ['vitest', 'run', '--config', 'scripts/mutate.config.ts', ...tests, ...(title === undefined ? [] : ['-t', title])],
    { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', HEDDLE_MUTATION: JSON.stringify(mutation) }, maxBuffer: 2 ** 28 },
  )
  return { passed: status === 0, output: stdout + stderr }
}

const baseline = run({}, [...new Set(chosen.map(({ test }) => test))])
if (!baseline.passed) {
  console.log(`the tests fail without a mutation:\n${baseline.output.slice(-4000)}`)
  process.exit(1)
}

const rows = []
for (const { name, file, from, to, test, title } of chosen) {
  const found = readFileSync(file, 'utf8').split(from).length - 1
  let result = `text is ${found} times in ${file}`
  if (found === 1) {
    const { passed, output } = run({ file, from, to }, [test], title)
    const finding = /ModelFailure: (\S+) in model '([^']*)'/.exec(output)
    if (/(Reference|Syntax)Error/.test(output)) result = 'ERROR: the mutation is no program'
    else if (finding !== null) result = `${finding[1]} in '${finding[2]}'`
    else if (passed) result = 'NOT FOUND'
    else result = /AssertionError: .*/.exec(output)?.[0] ?? 'ERROR'
  }
  const caught = found === 1 && !/^(NOT FOUND|ERROR)/.test(result)
  rows.push({ name, test, result, caught })
  console.log(`${caught ? 'found' : 'MISSED'} · ${name} · ${result}`)
}
const missed = rows.filter(({ caught }) => !caught).length
console.log(`${rows.length - missed} of ${rows.length} found`)
process.exit(missed === 0 && rows.length > 0 ? 0 : 1)
