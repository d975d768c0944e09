/**
 * `npm start [folder]`: reads every text file below a folder on all cores (lines, bytes, SHA-256, the most frequent identifiers),
 * then does the same with one thread, and fails unless both results are equal.
 */
import { realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { countWithAllThreads } from './all-threads.mjs'
import { countWithOneThread, readOnce } from './one-thread.mjs'
import { showProgress, table, verdict } from './show.mjs'

const workers = availableParallelism()
const given = process.argv[2] ?? dirname(dirname(dirname(fileURLToPath(import.meta.url))))
let stop = async () => undefined
let interrupted = false

process.on('SIGINT', () => {
  if (interrupted) process.exit(130)
  interrupted = true
  // Nothing below is waited for longer than this.
  setTimeout(() => process.exit(130), 800).unref()
  void stop().finally(() => {
    endProgress()
    process.stderr.write('interrupted\n')
    process.exit(130)
  })
})
let endProgress = () => undefined

async function timed(title, total, read, run) {
  endProgress = showProgress(title, total, read)
  const begun = performance.now()
  try {
    const outcome = await run()
    return outcome === undefined ? undefined : { ...outcome, time: performance.now() - begun }
  } finally {
    endProgress()
  }
}

async function main() {
  let folder
  try {
    folder = await realpath(given)
  } catch (error) {
    process.stderr.write(error.code === 'ENOENT' ? `there is no ${given}\n` : `${given} can't be read: ${error.message}\n`)
    return 1
  }

  // How much there is, and once through the system's file cache, so that neither run has it easier.
  const found = { files: 0, bytes: 0, stopped: false }
  stop = async () => void (found.stopped = true)
  const warm = await timed('looking', undefined, () => ({ ...found, loads: [] }), () => readOnce(folder, found)) // prettier-ignore
  if (warm === undefined || interrupted) return 130

  const parallel = { workers, gauges: [] }
  const sum = (field) => parallel.gauges.reduce((total, gauges) => total + gauges[field].load(), 0)
  const all = await timed(
    `${workers} workers`,
    found.files,
    () => ({ files: sum('files'), bytes: sum('kib') * 1024, loads: parallel.gauges.map(({ busy }) => busy.load() / 1000) }),
    () => {
      const running = countWithAllThreads(folder, parallel)
      stop = async () => parallel.stop?.()
      return running
    },
  )
  if (all === undefined || interrupted) return 130

  const alone = { files: 0, bytes: 0, stopped: false }
  stop = async () => void (alone.stopped = true)
  const one = await timed('one thread', found.files, () => ({ ...alone, loads: [] }), () => countWithOneThread(folder, alone)) // prettier-ignore
  if (one === undefined || interrupted) return 130

  process.stdout.write(`${table(folder, one, all, workers)}\n`)
  if (!isDeepStrictEqual(one.result, all.result) || !isDeepStrictEqual(one.seen, all.seen)) {
    process.stdout.write('the results differ: a file changed meanwhile, or this is a bug\n')
    return 1
  }
  process.stdout.write(`${verdict(one, all)}\n`)
  return 0
}

process.exitCode = await main()
