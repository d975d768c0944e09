/** `npm run example:browser [port]`: installs and builds what is missing, then serves examples/browser. */
import { build, install, isInstalled } from './lib/workspace.mjs'

for (const [what, step] of [
  ['installing', isInstalled() ? undefined : install],
  ['building', build],
]) {
  if (step === undefined) continue
  process.stderr.write(`${what} …\n`)
  const { code, output } = await step({ quiet: true })
  if (code === 0) continue
  process.stderr.write(output)
  process.exit(code)
}
const { serveExample } = await import('../examples/browser/serve.mjs')
const { origin } = await serveExample({ port: Number(process.argv[2] ?? 8080) })
console.log(`${origin}/ – Ctrl-C ends it`)
