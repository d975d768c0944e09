/**
 * `npm run test:nodes -- [--node 22,24,26] [vitest arguments]`: the vitest tests under other versions of Node, which are downloaded from npm when they
 * are first asked for. Default: 22, 24 and 26, and the tests of all packages. For instance
 *
 *   npm run test:nodes -- --node 24 --project unit packages/sync packages/park
 */
import { nodeOf } from './lib/nodes.mjs'
import { run, tool } from './lib/workspace.mjs'

const args = process.argv.slice(2)
const option = args.indexOf('--node')
const versions = (option === -1 ? '22,24,26' : (args[option + 1] ?? '')).split(',')
const rest = args.filter((_, index) => option === -1 || (index !== option && index !== option + 1))
if (!versions.every((version) => /^\d+(\.\d+){0,2}$/.test(version))) {
  console.error('usage: npm run test:nodes -- [--node 22,24.9.0] [vitest arguments]')
  process.exit(2)
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
