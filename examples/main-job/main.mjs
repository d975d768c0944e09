/**
 * `npm start [folder] [-- --trace file]`: reads every text file below a folder on all cores (lines, bytes, SHA-256, the most frequent identifiers),
 * then does the same with one thread, and fails unless both results are equal. `--trace` writes what the workers did, for https://ui.perfetto.dev.
 */
import { realpath, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { countWithAllThreads } from './all-threads.mjs'
import { countWithOneThread, readOnce } from './one-thread.mjs'
import { showProgress, table, verdict } from './show.mjs'

/** How often both runs are done again because files changed between them. */
const MOST_TRIES = 3
/** After Ctrl-C nothing is waited for longer than this, in ms. */
const PATIENCE_MS = 800

const workers = availableParallelism()
const { values: options, positionals } = readArguments()
const given = positionals[0] ?? dirname(dirname(dirname(fileURLToPath(import.meta.url))))

function readArguments() {
  try {
    return parseArgs({ options: { trace: { type: 'string' } }, allowPositionals: true })
  } catch (error) {
    process.stderr.write(`${error.message}\nusage: npm start [folder] [-- --trace file]\n`)
    process.exit(1)
  }
}

/** Ends what runs now. */
let stop = async () => undefined
let endProgress = () => undefined
let interrupted = false

process.on('SIGINT', () => {
  const leave = () => {
    endProgress()
    process.stderr.write('interrupted\n')
    process.exit(130)
  }
  if (interrupted) leave()
  interrupted = true
  setTimeout(leave, PATIENCE_MS).unref()
  void stop().finally(leave)
})

/** Runs one pass over the folder and shows how far it is; undefined when it was interrupted. */
async function pass(title, total, read, run) {
  endProgress = showProgress(title, total, read)
  const begun = performance.now()
  try {
    const outcome = await run()
    // The signal's handler ends the process.
    if (outcome === undefined || interrupted) await new Promise(() => undefined)
    return { ...outcome, time: performance.now() - begun }
  } finally {
    endProgress()
  }
}

/** A pass of this thread alone. */
function alone(title, total, run) {
  const done = { files: 0, bytes: 0, stopped: false }
  stop = async () => void (done.stopped = true)
  return pass(
    title,
    total,
    () => ({ ...done, loads: [] }),
    async () => ({ ...(await run(done)), files: done.files }),
  )
}

/** A pass of all workers. */
function together(folder, total) {
  const progress = { workers, gauges: [], trace: options.trace }
  stop = async () => progress.stop?.()
  const sum = (field) => progress.gauges.reduce((all, gauges) => all + gauges[field].load(), 0)
  const read = () => ({ files: sum('files'), bytes: sum('kib') * 1024, loads: progress.gauges.map(({ busy }) => busy.load() / 1000) })
  return pass(`${workers} workers`, total, read, () => countWithAllThreads(folder, progress))
}

const areEqual = (one, all) => isDeepStrictEqual(one.result, all.result) && isDeepStrictEqual(one.seen, all.seen)

/** Files that only one of the passes has, or of which they read different texts; with whether each was changed after `since`. */
async function differences(one, all, since) {
  const seen = new Map(one.digests)
  const differing = all.digests.filter(([path, digest]) => seen.get(path) !== digest).map(([path]) => path)
  const both = new Set(all.digests.map(([path]) => path))
  differing.push(...one.digests.filter(([path]) => !both.has(path)).map(([path]) => path))
  const facts = await Promise.all(differing.map((path) => stat(path).catch(() => undefined)))
  return differing.map((path, i) => ({ path, hasChanged: facts[i] === undefined || Math.max(facts[i].mtimeMs, facts[i].ctimeMs) >= since }))
}

async function main() {
  let folder
  try {
    folder = await realpath(given)
  } catch (error) {
    process.stderr.write(error.code === 'ENOENT' ? `there is no ${given}\n` : `${given} can't be read: ${error.message}\n`)
    return 1
  }
  for (let tries = 1; ; tries++) {
    const since = Date.now()
    // How much there is, and once through the system's file cache, so that neither run has it easier.
    const { files } = await alone('looking', undefined, (done) => readOnce(folder, done))
    const all = await together(folder, files)
    const one = await alone('one thread', files, (done) => countWithOneThread(folder, done))
    if (areEqual(one, all)) {
      process.stdout.write(`${table(folder, one, all, workers)}\n${verdict(one, all)}\n`)
      return 0
    }
    const differing = await differences(one, all, since)
    const names = differing.map(({ path }) => `\n  ${path}`).join('')
    if (differing.length === 0 || !differing.every(({ hasChanged }) => hasChanged)) {
      process.stdout.write(`${table(folder, one, all, workers)}\nthe results differ, and should not${names}\n`)
      return 1
    }
    if (tries === MOST_TRIES) {
      process.stdout.write(`the results differ each time, since files change meanwhile${names}\n`)
      return 1
    }
    process.stderr.write(`files changed meanwhile; once more${names}\n`)
  }
}

process.exitCode = await main()
