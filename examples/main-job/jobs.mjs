// What runs in the workers.
import { EMPTY, Region, struct, f64, i32, tasks } from 'heddle'
import { count, emptyTotals } from './count.mjs'

/** The sums of all workers, in shared memory; only touched under the lock that comes with it. */
export const SharedTotals = struct({ text: i32, binary: i32, unreadable: i32, lines: f64, bytes: f64 })

export const jobs = tasks(import.meta.url, {
  /**
   * Takes paths from the channel until it is closed, and counts each file. What the files have in sum is added to the shared totals under
   * their lock; the names and digests, which are a worker's own until then, are its result.
   * @param paths the receiving end of the channel
   * @param shared { lock, totals: byte offset of a SharedTotals, stop, gauges: { files, kib, busy, waits } }
   */
  async countFiles(paths, { lock, totals: at, stop, gauges }) {
    const totals = emptyTotals()
    const names = new Map()
    const digests = []
    for (;;) {
      let path = paths.tryRecv()
      if (path === EMPTY) {
        gauges.waits.add(1)
        path = await paths.recvAsync().catch((error) => {
          if (error.code !== 'ERR_CLOSED') throw error
        })
      }
      if (typeof path !== 'string') break
      const begun = performance.now()
      for (const length of count(path, totals, names, digests)) {
        gauges.kib.add(length >> 10)
        if (stop.load()) return undefined
      }
      gauges.busy.add(Math.round((performance.now() - begun) * 1000))
      gauges.files.add(1)
    }
    await lock.withLockAsync(() => {
      const sums = SharedTotals.at(Region.default, at)
      for (const [field, sum] of Object.entries(totals)) sums[field] += sum
    })
    return { names, digests }
  },
})
