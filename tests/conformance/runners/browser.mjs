/** `browser.mjs chromium|firefox [part of a name]`: the suite in a browser, as `server.mjs` does it on servers. */
import { findBrowser, launch, runSuite } from './browsers.mjs'
import { serve } from './static-server.mjs'

const [name = 'chromium', only = ''] = process.argv.slice(2)
if (findBrowser(name) === undefined) {
  console.error(`no ${name} was found`)
  process.exit(3)
}
const server = await serve()
const browser = await launch(name)
try {
  const failed = await runSuite(browser, server.origin, (result) => console.log(JSON.stringify(result)), only)
  console.log(JSON.stringify({ done: true, failed }))
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  await browser.close()
  await server.close()
}
