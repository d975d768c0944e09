/**
 * `node scripts/repeat.mjs <times> [vitest arguments]`: runs tests again and again, and says how often each failed. For tests of
 * concurrency: a test that fails once in twenty runs is broken.
 */
import { root, runTool } from './lib/workspace.mjs'

const [given, ...args] = process.argv.slice(2)
const times = Number(given)
if (!Number.isInteger(times) || times < 1) {
  console.error('usage: node scripts/repeat.mjs <times> [vitest arguments]')
  process.exit(2)
}

const failed = new Map()
for (let run = 1; run <= times; run++) {
  const start = performance.now()
  const { code, output } = await runTool('vitest', ['run', ...args], { cwd: root, quiet: true, env: { NO_COLOR: '1' } })
  const names = new Set([...output.matchAll(/^\s*FAIL\s+(.+)$/gm)].map(([, name]) => name.trim()))
  if (code !== 0 && names.size === 0) names.add('(no test: see the output below)')
  for (const name of names) failed.set(name, (failed.get(name) ?? 0) + 1)
  console.log(`run ${run} of ${times}: ${code === 0 ? 'passed' : 'FAILED'} in ${((performance.now() - start) / 1000).toFixed(0)} s`)
  if (code !== 0) console.log(output)
}
for (const [name, count] of failed) console.log(`${count} of ${times}  ${name}`)
console.log(failed.size === 0 ? `all ${times} runs passed` : `${failed.size} tests failed at least once`)
process.exitCode = failed.size === 0 ? 0 : 1
