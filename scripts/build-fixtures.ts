/**
 * Bundles every `test/fixtures/*.worker.ts` from source, so that tests start real workers without a build and on every Node:
 * `x.worker.ts` becomes `.fixtures/x.js`, and `.fixtures/x.model.js` with the import condition `heddle-model` (for fault injection).
 */
import { build } from 'esbuild'
import { globSync } from 'tinyglobby'

export default async function buildFixtures(): Promise<void> {
  const entries = globSync(['packages/*/test/fixtures/*.worker.ts', 'litmus/fixtures/*.worker.ts', 'tests/**/fixtures/*.worker.ts'], { ignore: ['**/node_modules/**'] })
  const bundle = async (entry: string, suffix: string, conditions: string[]): Promise<unknown> =>
    build({
      entryPoints: [entry],
      outfile: entry.replace(/fixtures\/([^/]+)\.worker\.ts$/, `.fixtures/$1${suffix}.js`),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      logLevel: 'warning',
      conditions,
    })
  await Promise.all(entries.flatMap((entry) => [bundle(entry, '', ['heddle-source']), bundle(entry, '.model', ['heddle-source', 'heddle-model'])]))
}
