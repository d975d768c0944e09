/** `npm run bench [suite…] [-- --quick] [--only <text>]`: runs the suites named, or all. Built and started by scripts/bench.mjs. */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { FULL, QUICK } from './measure.js'
import { describeMachine, formatHead, formatMachine, formatRow, writeReport } from './report.js'
import { runSuite } from './run-suite.js'

const suitesFolder = fileURLToPath(new URL('../suites', import.meta.url))
const resultsFolder = fileURLToPath(new URL('../../results', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const all = readdirSync(suitesFolder)
  .filter((file) => file.endsWith('.js'))
  .map((file) => file.slice(0, -3))
  .sort()
const unknown = positionals.filter((name) => !existsSync(join(suitesFolder, `${name}.js`)))
if (unknown.length > 0) {
  console.error(`no suite is called ${unknown.join(', ')}; there are ${all.join(', ')}`)
  process.exit(2)
}

const machine = describeMachine()
console.log(formatMachine(machine))
const [load] = loadavg() as [number, number, number]
if (load > availableParallelism() / 2) console.log(`the machine is busy (load ${load.toFixed(1)}): what crosses threads can't be measured well now`)
if (values.quick) console.log('quick: figures for looking, not for comparing')
try {
  for (const name of positionals.length > 0 ? positionals : all) {
    console.log(`\n${name}\n${formatHead()}`)
    const { rows } = await runSuite(pathToFileURL(join(suitesFolder, `${name}.js`)).href, {
      effort: values.quick ? QUICK : FULL,
      ...(values.only === undefined ? {} : { only: values.only }),
      onCase: (caseRows) => console.log(`${caseRows.map(formatRow).join('\n')}\n`),
      onSkip: (line) => console.log(line),
    })
    // A part of a suite must not pass for the whole.
    if (values.only === undefined) console.log(`written to ${writeReport(resultsFolder, { suite: name, quick: values.quick, machine, rows })}`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
