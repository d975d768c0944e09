/**
 * `npm run bench [suite…] [-- --quick]`: builds the packages and the benchmarks, then measures what was built and writes
 * benchmarks/results/<suite>.json. See benchmarks/README.md.
 */
import { join } from 'node:path'
import { build, install, isInstalled, root, run } from './lib/workspace.mjs'

for (const [what, step] of [
  ['install', () => (isInstalled() ? { code: 0, output: '' } : install({ quiet: true }))],
  ['build', () => build({ quiet: true })],
]) {
  const { code, output } = await step()
  if (code !== 0) {
    console.error(`${output.trimEnd()}\n${what} failed`)
    process.exit(code)
  }
}
// Imported only now: it needs what the lines above have installed.
const { buildBenchmarks } = await import('../benchmarks/src/build.mjs')
await buildBenchmarks()
const { code } = await run(process.execPath, [join(root, 'benchmarks', 'dist', 'src', 'main.js'), ...process.argv.slice(2)])
process.exitCode = code
