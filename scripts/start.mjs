/**
 * `npm start [folder]`: installs and builds what is missing, then runs the main job, examples/main-job/main.mjs, in this very
 * process, so that its arguments, its signals and its exit code need no passing on.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, install, isInstalled, root } from './lib/workspace.mjs'

async function step(what, run) {
  const started = performance.now()
  process.stderr.write(`${what} … `)
  const { code, output } = await run({ quiet: true })
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`)
  if (code === 0) return
  process.stderr.write(`${output.trimEnd()}\n${what} failed\n`)
  process.exit(code)
}

if (!isInstalled()) await step('installing', install)
await step('building', build)

// npm runs scripts in the project's folder; a relative path means what it meant where the user typed it.
if (process.env.INIT_CWD !== undefined) process.chdir(process.env.INIT_CWD)
const main = join(root, 'examples', 'main-job', 'main.mjs')
process.argv[1] = main
await import(pathToFileURL(main).href)
