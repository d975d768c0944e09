/**
 * `npm run soak [package…] -- --minutes 30`: the stress tests of some packages (default: sync), for so long in all. They print their seeds, and what they
 * did; the last line says whether all of it held.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, runTool } from './lib/workspace.mjs'

const args = process.argv.slice(2)
const option = args.indexOf('--minutes')
const minutes = option === -1 ? 10 : Number(args[option + 1])
const names = args.filter((_, index) => option === -1 || (index !== option && index !== option + 1))
if (names.length === 0) names.push('sync')
if (!(minutes > 0)) {
  console.error('usage: npm run soak [package…] -- --minutes 30')
  process.exit(2)
}
const files = names.flatMap((name) => {
  const folder = join('packages', name, 'test')
  const found = existsSync(join(root, folder)) ? readdirSync(join(root, folder)).filter((file) => file.endsWith('.stress.test.ts')) : []
  if (found.length === 0) {
    console.error(`${name} has no stress tests`)
    process.exit(2)
  }
  return found.map((file) => join(folder, file))
})

// One file after the other; the tests of a file, two as a rule, share its time.
const seconds = Math.ceil((minutes * 60) / files.length / 2)
const started = performance.now()
const { code } = await runTool(
  'vitest',
  ['run', '--project=unit', '--no-file-parallelism', `--testTimeout=${seconds * 2000 + 120_000}`, '--disable-console-intercept=true', ...files],
  { env: { HEDDLE_STRESS_SECONDS: String(seconds) } },
)
console.log(`${names.join(', ')}: ${((performance.now() - started) / 60_000).toFixed(1)} minutes, ${code === 0 ? 'nothing failed' : 'FAILED'}`)
process.exitCode = code
