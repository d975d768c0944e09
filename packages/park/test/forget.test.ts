/** Regions that nobody uses any more are collected, and those that somebody needs are not. In processes of their own, with a collector at hand. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('.fixtures/forget.js', import.meta.url))

function run(scenario: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--expose-gc', script, scenario], (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(stderr))
    })
  })
}

test.each([
  ['many', 'regions that were used and dropped are collected'],
  ['again', 'one that is opened again after it was collected has its former slot'],
  ['waiting', 'one in which a promise waits is kept, until it is over'],
  ['watched', 'one in which a worker is to be reaped is kept, until that is done'],
])('%s: %s', async (scenario) => {
  expect(await run(scenario)).toBe('true')
})
