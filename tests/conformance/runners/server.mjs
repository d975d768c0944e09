/** `server.mjs [part of a name]`: the suite on Node, Deno or Bun: one line of JSON for each case; exit code 1 when one failed. */
import { writeSync } from 'node:fs'
import { runCases } from '../suite/run.mjs'

const runtime = globalThis.Deno !== undefined ? 'deno' : globalThis.Bun !== undefined ? 'bun' : 'node'
const failed = await runCases({ runtime, only: process.argv[2] ?? '', report: (result) => writeSync(1, `${JSON.stringify(result)}\n`) })
writeSync(1, `${JSON.stringify({ done: true, failed })}\n`)
// No process.exit: that it ends is part of the suite.
process.exitCode = failed === 0 ? 0 : 1
