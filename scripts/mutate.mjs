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
const rows = []
let failed = 0
for (const { name, file, from, to, test, title } of chosen) {
  const started = performance.now()
  const source = readFileSync(file, 'utf8')
  let result
  if (source.split(from).length !== 2) result = 'text not found, or not once'
  else {
    const { status, stdout } = spawnSync(
      'npx',
      ['vitest', 'run', '--config', 'scripts/mutate.config.ts', test, ...(title === undefined ? [] : ['-t', title])],
      {
        encoding: 'utf8',
        env: { ...process.env, NO_COLOR: '1', HEDDLE_MUTATION: JSON.stringify({ file, from, to }) },
      },
    )
    const kind = /ModelFailure: (\S+) in model '([^']*)'/.exec(stdout)
    result =
      status === 0
        ? 'NOT FOUND'
        : kind === null
          ? `found: ${/(?:AssertionError|Error): (.*)/.exec(stdout)?.[1] ?? 'another failure'}`
          : `found: ${kind[1]} in '${kind[2]}'`
    if (/No test files|no tests/i.test(stdout)) result = 'no such test'
  }
  if (!result.startsWith('found')) failed++
  rows.push([name, result, `${Math.round((performance.now() - started) / 100) / 10} s`])
  console.log(rows.at(-1).join(' · '))
}
console.log(`${chosen.length - failed} of ${chosen.length} found`)
process.exit(failed === 0 && chosen.length > 0 ? 0 : 1)
