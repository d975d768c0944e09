/** The example with real workers: nobody's turn is lost, and the order is that of arrival. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const command = fileURLToPath(new URL('../main.mjs', import.meta.url))

it.each([
  [1, 100],
  [4, 200],
])('%d workers and the main thread, %d turns each', async (workers, turns) => {
  const { code, out } = await new Promise<{ code: number | null; out: string }>((resolve) => {
    const child = execFile(process.execPath, [command, String(workers), String(turns)], { timeout: 50_000 }, (_, stdout) =>
      resolve({ code: child.exitCode, out: stdout }),
    )
  })
  expect(out).toBe(`${(workers + 1) * turns} of ${(workers + 1) * turns} counted\nserved in order of arrival\n`)
  expect(code).toBe(0)
})
