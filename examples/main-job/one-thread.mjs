// The same work by one thread, without heddle.
import { open } from 'node:fs/promises'
import { count, emptyTotals, summarize } from './count.mjs'
import { emptyWalk, walk } from './walk.mjs'

/** How long the event loop waits at most, for Ctrl-C and the progress line, in ms. */
const TURN_MS = 50

/** @param progress { files, bytes, stopped } counted up and looked at on the way */
export async function countWithOneThread(folder, progress) {
  const seen = emptyWalk()
  const totals = emptyTotals()
  const names = new Map()
  const digests = []
  let turn = performance.now()
  for await (const path of walk(folder, seen)) {
    for (const length of count(path, totals, names, digests)) {
      progress.bytes += length
      if (performance.now() - turn < TURN_MS) continue
      await new Promise((resolve) => setImmediate(resolve))
      turn = performance.now()
      if (progress.stopped) return undefined
    }
    progress.files++
  }
  return { seen, result: summarize(totals, names, digests), digests }
}

/** Reads every file once, so that each run finds it in the system's cache, and tells how many there are. */
export async function readOnce(folder, progress) {
  const bytes = Buffer.allocUnsafe(1 << 20)
  for await (const path of walk(folder, emptyWalk())) {
    if (progress.stopped) return undefined
    progress.files++
    try {
      const file = await open(path)
      try {
        for (let length = -1; length !== 0 && !progress.stopped; progress.bytes += length) ({ bytesRead: length } = await file.read(bytes))
      } finally {
        await file.close()
      }
    } catch {
      // Counted by the runs that follow.
    }
  }
  return {}
}
