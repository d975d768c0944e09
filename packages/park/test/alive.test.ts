/** W5: a pending promise wait keeps the process alive unless it was unref'ed, and an idle library never does. In processes of their own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const script = fileURLToPath(new URL('.fixtures/alive.js', import.meta.url))

/** Runs a scenario; what it printed and its exit code. One that does not end is killed, and has no code. */
function run(scenario: string, host: string): Promise<{ code: number | null; said: string[] }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, scenario, host], { timeout: 50_000 }, (_, stdout) => {
      resolve({ code: child.exitCode, said: stdout.split('\n').filter((line) => line !== '') })
    })
  })
}

/** Node's exit code when the main module's await never ended: nothing kept the process alive. */
const UNSETTLED = 13

describe.each(['universal', 'node'])('with the %s host', (host) => {
  test.each([
    ['held', 0, ['unparked', 'end']],
    ['unrefed', UNSETTLED, []],
    ['never', 0, ['end']],
    ['sleeping', 0, ['slept', 'end']],
    ['sleeping, unrefed', UNSETTLED, []],
    ['idle after use', 0, ['idle', 'end']],
    ['chain', 0, ['three', 'end']],
  ])('%s: exit code %d', async (scenario, code, said) => {
    expect(await run(scenario, host)).toEqual({ code, said })
  })
})
