/**
 * Bundles every `test/fixtures/*.worker.ts` from source, so that tests start real workers without a build and on every Node:
 * `x.worker.ts` becomes `.fixtures/x.js`, and `.fixtures/x.model.js` with the import condition `heddle-model` (for fault injection).
 *
 * A bundle that has not changed is not written, and a changed one is put in place in one step: two runs of the tests at the same
 * time don't disturb each other. One that can't be built is removed, so that the tests that need it fail and all others run.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build } from 'esbuild'
import { globSync } from 'tinyglobby'

const patterns = ['packages/*/test/fixtures/*.worker.ts', 'litmus/fixtures/*.worker.ts', 'tests/**/fixtures/*.worker.ts']

async function bundle(entry: string, suffix: string, conditions: string[]): Promise<void> {
  const outfile = entry.replace(/fixtures\/([^/]+)\.worker\.ts$/, `.fixtures/$1${suffix}.js`)
  try {
    const { outputFiles } = await build({
      entryPoints: [entry],
      outfile,
      write: false,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      logLevel: 'warning',
      conditions,
    })
    const code = outputFiles[0]!.text
    if (existsSync(outfile) && readFileSync(outfile, 'utf8') === code) return
    mkdirSync(dirname(outfile), { recursive: true })
    writeFileSync(`${outfile}.${process.pid}`, code)
    renameSync(`${outfile}.${process.pid}`, outfile)
  } catch (error) {
    rmSync(outfile, { force: true })
    console.error(`${entry} could not be bundled: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export default async function buildFixtures(): Promise<void> {
  const entries = globSync(patterns, { ignore: ['**/node_modules/**'] })
  await Promise.all(entries.flatMap((entry) => [bundle(entry, '', ['heddle-source']), bundle(entry, '.model', ['heddle-source', 'heddle-model'])]))
}
