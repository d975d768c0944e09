/**
 * Bundles every `test/fixtures/*.worker.ts` from source, so that tests start real workers without a build and on every Node:
 * `x.worker.ts` becomes `.fixtures/x.js`, and `.fixtures/x.model.js` with the import condition `heddle-model` (for fault injection).
 *
 * A bundle whose inputs are the same as when it was made is left alone (what was read, with sizes and times, is kept in
 * `node_modules/.cache/heddle-fixtures.json`). One that has not changed is not written, and a changed one is put in place in one
 * step: two runs of the tests at the same time don't disturb each other. One that can't be built is removed, so that the tests
 * that need it fail and all others run.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build, version } from 'esbuild'
import { globSync } from 'tinyglobby'

const patterns = ['packages/*/test/fixtures/*.worker.ts', 'litmus/fixtures/*.worker.ts', 'tests/**/fixtures/*.worker.ts']
const ignore = ['**/node_modules/**']
const cacheFile = 'node_modules/.cache/heddle-fixtures.json'

/** For each bundle the files it was made of and itself, each with its stamp. */
type Cache = Record<string, Record<string, string>>

/** What tells that a file has changed: its size and the time of its last change; '' for none. */
function stamp(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  return found ? `${found.size} ${found.mtimeMs}` : ''
}

/** What every bundle depends on beside its own inputs: how imports are resolved, and by which program. */
function settings(): string {
  const manifests = globSync(['package.json', 'packages/*/package.json', 'tsconfig*.json', 'packages/*/tsconfig*.json'], { ignore }).sort()
  return [version, stamp('scripts/build-fixtures.ts'), ...manifests.map((file) => `${file} ${stamp(file)}`)].join('\n')
}

function readCache(): Cache {
  try {
    const { settings: then, bundles } = JSON.parse(readFileSync(cacheFile, 'utf8')) as { settings: string; bundles: Cache }
    return then === settings() ? bundles : {}
  } catch {
    return {} // none yet, or one that was cut off: everything is built
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.${process.pid}`, text)
  renameSync(`${file}.${process.pid}`, file)
}

function isFresh(outfile: string, cache: Cache): boolean {
  const known = cache[outfile]
  return known !== undefined && Object.entries(known).every(([file, then]) => then !== '' && stamp(file) === then)
}

async function bundle(entry: string, suffix: string, conditions: string[], cache: Cache): Promise<[string, Record<string, string>] | undefined> {
  const outfile = entry.replace(/fixtures\/([^/]+)\.worker\.ts$/, `.fixtures/$1${suffix}.js`)
  if (isFresh(outfile, cache)) return [outfile, cache[outfile]!]
  const since = Date.now()
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [entry],
      outfile,
      write: false,
      metafile: true,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      logLevel: 'warning',
      conditions,
    })
    const code = outputFiles[0]!.text
    if (!existsSync(outfile) || readFileSync(outfile, 'utf8') !== code) write(outfile, code)
    const inputs = Object.keys(metafile.inputs)
    // a file that was written while it was bundled may be newer than what was read of it
    if (inputs.some((file) => (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? since) >= since)) return undefined
    return [outfile, Object.fromEntries([...inputs, outfile].map((file) => [file, stamp(file)]))]
  } catch (error) {
    rmSync(outfile, { force: true })
    console.error(`${entry} could not be bundled: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

export default async function buildFixtures(): Promise<void> {
  const cache = readCache()
  const entries = globSync(patterns, { ignore })
  const made = await Promise.all(
    entries.flatMap((entry) => [bundle(entry, '', ['heddle-source'], cache), bundle(entry, '.model', ['heddle-source', 'heddle-model'], cache)]),
  )
  const bundles = Object.fromEntries(made.filter((one) => one !== undefined))
  if (JSON.stringify(bundles) !== JSON.stringify(cache)) write(cacheFile, JSON.stringify({ settings: settings(), bundles }))
}
