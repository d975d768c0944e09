/** The example on each runtime: workers that the program starts itself. */
import { expect, it } from 'vitest'
import { findBrowser, launch } from '../../../tests/conformance/runners/browsers.mjs'
import { serve } from '../../../tests/conformance/runners/static-server.mjs'
import { runModule } from '../../../tests/conformance/run-suite.mjs'
import { bunRuntime, denoRuntime, nodeRuntime, type Runtime } from '../../../tests/conformance/runtimes.mjs'

const runtimes: [string, Runtime | undefined][] = [
  ['Node', nodeRuntime()],
  ['Deno', denoRuntime()],
  ['Bun', bunRuntime()],
]

it.each(runtimes.filter(([, runtime]) => runtime !== undefined))('counts to 4000 on %s', async (_, runtime) => {
  const { out, code, killed, errors } = await runModule(runtime!, new URL('../main.mjs', import.meta.url), [], { limit: 50_000 })
  expect({ out: out.trim(), code, killed }, errors).toEqual({ out: '4000', code: 0, killed: false })
})

it.skipIf(findBrowser('chromium') === undefined)(
  'counts to 4000 in Chromium',
  async () => {
    const server = await serve()
    const browser = await launch('chromium')
    try {
      const page = await browser.newPage()
      const line = new Promise<string>((resolve, reject) => {
        // Not what the browser says of a missing icon.
        page.on('console', (message) => {
          if (message.type() === 'log') resolve(message.text())
        })
        page.on('pageerror', (error) => reject(error instanceof Error ? error : new Error(String(error))))
      })
      await page.goto(`${server.origin}/examples/raw-workers/page.html`)
      expect(await line).toBe('4000')
    } finally {
      await browser.close()
      await server.close()
    }
  },
  180_000,
)
