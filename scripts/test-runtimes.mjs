/**
 * `npm run test:runtimes -- [name …]`: the conformance suite on every runtime: Node 20, 22, 24 and 26 (downloaded from npm when they are first asked for),
 * Deno, Bun, Chromium and Firefox. Names choose some: `node22 deno firefox`. A run of all of them writes the table in README.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findBrowser, launch, runSuite } from '../tests/conformance/runners/browsers.mjs'
import { serve } from '../tests/conformance/runners/static-server.mjs'
import { expected } from '../tests/conformance/liveness/expected.mjs'
import { runModule, runSuiteOn } from '../tests/conformance/run-suite.mjs'
import { bunRuntime, denoRuntime, nodeRuntime, unshared } from '../tests/conformance/runtimes.mjs'
import { nodeOf } from './lib/nodes.mjs'
import { build, root, run } from './lib/workspace.mjs'

const LIVENESS = 'ends, or stays'
const UNSHARED = 'without shared memory'

async function onServer(runtime, results) {
  const suites = [
    [runtime, LIVENESS, (result) => result],
    [unshared(runtime), UNSHARED, (result) => ({ ...result, group: UNSHARED, name: `${result.group}: ${result.name}` })],
  ]
  for (const [how, group, as] of suites) {
    const { code, killed, errors, done } = await runSuiteOn(how, (result) => results.push(as(result)), { limit: 600_000 })
    if (killed || done === undefined || code !== (done.failed === 0 ? 0 : 1))
      results.push({ group, name: 'the suite', ok: false, error: `exit code ${code}, killed ${killed}\n${errors}` })
  }
  for (const [name, { out, code: exitCode }] of Object.entries(expected)) {
    const got = await runModule(runtime, './liveness/program.mjs', [name])
    const ok = got.code === exitCode && got.out.split('\n').filter(Boolean).join() === out.join()
    results.push({ group: LIVENESS, name, ok, ...(!ok && { error: `exit code ${got.code}, killed ${got.killed}\n${got.out}${got.errors}` }) })
  }
}

const versionOf = async (command) => /\d+\.\d+\.\d+/.exec((await run(command, ['--version'], { quiet: true })).output)?.[0] ?? ''
const server = (name, label, find) => ({
  name,
  async run(results) {
    const runtime = await find()
    if (runtime === undefined) throw new Error('there is no binary for this platform')
    await onServer(runtime, results)
    return `${label} ${await versionOf(runtime.command)}`
  },
})
const browser = (name, label) => ({
  name,
  async run(results) {
    if (findBrowser(name) === undefined)
      throw new Error(`there is none on this machine: apt-get install ${name === 'firefox' ? 'firefox-esr' : name}`)
    const served = await serve()
    const plain = await serve({ isolated: false })
    const started = await launch(name)
    try {
      const version = /\d+(\.\d+)?/.exec(await started.version())?.[0]
      await runSuite(started, served.origin, (result) => results.push(result))
      await runSuite(started, plain.origin, (result) => results.push({ ...result, group: UNSHARED, name: `${result.group}: ${result.name}` }))
      return `${label} ${version}`
    } finally {
      await started.close()
      await served.close()
      await plain.close()
    }
  },
})

const runtimes = [
  ...['20', '22', '24', '26'].map((version) => server(`node${version}`, 'Node', async () => nodeRuntime(await nodeOf(version)))),
  server('deno', 'Deno', denoRuntime),
  server('bun', 'Bun', bunRuntime),
  browser('chromium', 'Chromium'),
  browser('firefox', 'Firefox'),
]

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !runtimes.some((runtime) => runtime.name === name))
if (unknown.length > 0) {
  console.error(`no runtime is called ${unknown.join(', ')}; there are ${runtimes.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const built = await build({ quiet: true })
if (built.code !== 0) {
  console.error(built.output)
  process.exit(1)
}

const columns = []
let failed = 0
for (const { name, run: start } of runtimes) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  const results = []
  const begun = performance.now()
  let label = name
  try {
    label = await start(results)
  } catch (error) {
    results.push({ group: 'start', name: 'starts', ok: false, error: error instanceof Error ? error.message : String(error) })
  }
  const bad = results.filter(({ ok }) => !ok)
  failed += bad.length
  console.log(
    `${bad.length === 0 ? '✓' : '✗'} ${label}: ${results.length - bad.length} passed, ${bad.length} failed, ${((performance.now() - begun) / 1000).toFixed(1)} s`,
  )
  for (const { group, name: what, error } of bad) console.log(`  ${group}: ${what}\n    ${String(error).replaceAll('\n', '\n    ')}`)
  columns.push({ label, results })
}

if (chosen.length === 0) {
  const groups = [...new Set(columns.flatMap(({ results }) => results.map(({ group }) => group)))]
  const cell = (results, group) => {
    const of = results.filter((result) => result.group === group)
    if (of.length === 0) return '–'
    const good = of.filter(({ ok }) => ok).length
    return good === of.length ? `${good}` : `**${good} of ${of.length}**`
  }
  const rows = [
    `| cases passed | ${columns.map(({ label }) => label).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...groups.map((group) => `| ${group} | ${columns.map(({ results }) => cell(results, group)).join(' | ')} |`),
  ]
  const file = join(root, 'README.md')
  const text = readFileSync(file, 'utf8')
  const [begin, end] = ['<!-- runtimes: npm run test:runtimes -->\n', '<!-- /runtimes -->']
  if (!text.includes(begin)) throw new Error(`README.md has no ${begin}`)
  const at = text.indexOf(begin) + begin.length
  writeFileSync(file, `${text.slice(0, at)}${rows.join('\n')}\n${text.slice(text.indexOf(end))}`)
}
console.log(failed === 0 ? 'every case passed' : `${failed} cases failed`)
process.exitCode = failed === 0 ? 0 : 1
