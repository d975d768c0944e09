/**
 * `npm run test:nodes -- [--node 22,24,26] [vitest arguments]`: the vitest tests under other versions of Node, which are downloaded from npm when they
 * are first asked for. Default: 22, 24 and 26, and the tests of all packages. For instance
 *
 *   npm run test:nodes -- --node 24 --project unit packages/sync packages/park
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, tool } from './lib/workspace.mjs'

const args = process.argv.slice(2)
const option = args.indexOf('--node')
const versions = (option === -1 ? '22,24,26' : (args[option + 1] ?? '')).split(',')
const rest = args.filter((_, index) => option === -1 || (index !== option && index !== option + 1))
if (!versions.every((version) => /^\d+(\.\d+){0,2}$/.test(version))) {
  console.error('usage: npm run test:nodes -- [--node 22,24.9.0] [vitest arguments]')
  process.exit(2)
}

const windows = process.platform === 'win32'
const packageName = `node-${windows ? 'win' : process.platform}-${process.arch}`

/** The program of a version, from npm's package with Node's own build for this platform. */
async function nodeOf(version) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', version)
  const bin = join(folder, 'node_modules', packageName, 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(bin)) return bin
  mkdirSync(folder, { recursive: true })
  const install = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `${packageName}@${version}`]
  const { code, output } = await run('npm', install, { quiet: true, shell: windows, limit: 300_000 })
  if (code === 0 && existsSync(bin)) return bin
  throw new Error(`${packageName}@${version} could not be installed:\n${output}`)
}

const failed = []
for (const version of versions) {
  let node
  try {
    node = await nodeOf(version)
  } catch (error) {
    console.error(error.message)
    failed.push(version)
    continue
  }
  const { output } = await run(node, ['--version'], { quiet: true })
  console.log(`\n== Node ${output.trim()}`)
  const { code } = await run(node, [tool('vitest'), 'run', ...rest])
  if (code !== 0) failed.push(version)
}
console.log(failed.length === 0 ? `passed under Node ${versions.join(', ')}` : `FAILED under Node ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
