/**
 * Compiles the harness, the suites and their workers to `dist`, and leaves every package's import as it is: at run time they resolve to
 * the built packages, which is what users get.
 */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { globSync } from 'tinyglobby'

const folder = dirname(dirname(fileURLToPath(import.meta.url)))

/** Builds into `outdir`, with further suites from `more` (absolute paths, compiled to `suites/`). */
export async function buildBenchmarks(outdir = `${folder}/dist`, more = []) {
  const entries = globSync(['src/main.ts', 'src/child.ts', 'src/run-suite.ts', 'suites/*.ts', 'workers/*.worker.ts'], { cwd: folder })
  await build({
    absWorkingDir: folder,
    entryPoints: [
      ...entries.map((entry) => ({ in: entry, out: entry.replace(/(\.worker)?\.ts$/, '') })),
      ...more.map((path) => ({ in: path, out: `suites/${path.replace(/^.*[\\/]/, '').replace(/\.ts$/, '')}` })),
    ],
    outdir,
    bundle: true,
    splitting: true,
    // One folder deep like everything else, so that '../src/child.js' and '../workers/x.js' mean the same from a chunk.
    chunkNames: 'chunks/[name]-[hash]',
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
  })
}
