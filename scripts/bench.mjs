/**
 * `npm run bench [suite…] [-- --quick]`: builds the packages that are measured and the benchmarks, then measures what was built and
 * writes benchmarks/results/<suite>.json. See benchmarks/README.md.
 */
import { join } from 'node:path'
import { install, isInstalled, root, run, runTool } from './lib/workspace.mjs'

async function step(what, started) {
  const { code, output } = await started
  if (code === 0) return
  console.error(`${output.trimEnd()}\n${what} failed`)
  process.exit(code)
}

if (!isInstalled()) await step('installing', install({ quiet: true }))
const build = ['run', 'build', '--filter=benchmarks^...', '--output-logs=errors-only', '--no-update-notifier']
await step('building', runTool('turbo', build, { quiet: true }))
// Imported only now: it needs what the lines above have installed.
const { buildBenchmarks } = await import('../benchmarks/src/build.mjs')
await buildBenchmarks()
const { code } = await run(process.execPath, [join(root, 'benchmarks', 'dist', 'src', 'main.js'), ...process.argv.slice(2)])
process.exitCode = code
