/** Other versions of Node, from npm's packages with Node's own builds: downloaded when they are first asked for. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './workspace.mjs'

const windows = process.platform === 'win32'
const packageName = `node-${windows ? 'win' : process.platform}-${process.arch}`

/** The path of a version's program. `version`: `24`, `24.9`, `24.9.0`. */
export async function nodeOf(version) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', version)
  const bin = join(folder, 'node_modules', packageName, 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(bin)) return bin
  mkdirSync(folder, { recursive: true })
  const install = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `${packageName}@${version}`]
  const { code, output } = await run('npm', install, { quiet: true, shell: windows, limit: 300_000 })
  if (code === 0 && existsSync(bin)) return bin
  throw new Error(`${packageName}@${version} could not be installed:\n${output}`)
}
