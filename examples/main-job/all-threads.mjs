// The work on all cores: a walker sends paths through a bounded channel, workers count, their sums are merged under a shared lock.
import { writeFile } from 'node:fs/promises'
import { AtomicBool, AtomicInt32, channel, Executor, Mutex, utf8 } from 'heddle'
import { summarize } from './count.mjs'
import { jobs, SharedTotals } from './jobs.mjs'
import { emptyWalk, walk } from './walk.mjs'

/** Paths that wait for a worker: enough to keep all of them busy, few enough that the walker never runs far ahead. */
const CAPACITY = 256
/** The longest path that the systems we know allow, in bytes. */
const PATH_BYTES = 4096

/**
 * @param progress { workers, trace: where to write what they did }; it is given { gauges, stop }
 * @returns { seen, result, messages, waits: { walker, workers }, workers } or undefined when it was stopped
 */
export async function countWithAllThreads(folder, progress) {
  const executor = await Executor.start({ name: 'counter', workers: progress.workers, trace: progress.trace !== undefined })
  const [sender, receiver] = channel({ capacity: CAPACITY, codec: utf8(PATH_BYTES) })
  const lock = new Mutex()
  const stop = new AtomicBool()
  const totals = new SharedTotals()
  progress.gauges = Array.from({ length: progress.workers }, () => ({
    files: new AtomicInt32(),
    kib: new AtomicInt32(),
    busy: new AtomicInt32(),
    waits: new AtomicInt32(),
  }))
  progress.stop = () => {
    stop.store(true)
    if (!receiver.isClosed) sender.close()
    return executor.shutdown({ drain: false, timeout: 500 })
  }

  const counting = progress.gauges.map((gauges) => executor.run(jobs.countFiles, receiver, { lock, totals: totals.at, stop, gauges }))
  // The walk notices a failed worker by its closed channel; the reason is thrown below.
  for (const worker of counting) worker.catch(() => receiver.isClosed || sender.close())

  const seen = emptyWalk()
  let messages = 0
  let waits = 0
  try {
    for await (const path of walk(folder, seen)) {
      if (!sender.trySend(path)) {
        waits++
        await sender.sendAsync(path)
      }
      messages++
    }
  } catch (error) {
    if (error.code !== 'ERR_CLOSED') throw error
  }
  if (!receiver.isClosed) sender.close()
  const parts = await Promise.all(counting)
  if (stop.load()) return undefined

  const names = new Map()
  for (const part of parts) for (const [name, times] of part.names) names.set(name, (names.get(name) ?? 0) + times)
  const digests = parts.flatMap((part) => part.digests)
  const result = summarize(totals.get(), names, digests)
  const workerWaits = progress.gauges.reduce((sum, gauges) => sum + gauges.waits.load(), 0)
  if (progress.trace !== undefined) await writeFile(progress.trace, String(executor.trace()))
  await executor.shutdown()
  return { seen, result, digests, messages, waits: { walker: waits, workers: workerWaits } }
}
