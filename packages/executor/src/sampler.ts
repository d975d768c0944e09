/** Measures the calls that are marked for it, in the worker that runs them. */
import { load, now } from '@heddle/atomics/ops'
import { record } from './histogram.js'
import { D_RUN_TIMES, D_WAIT_TIMES, K_DEQUE, sinceStamp } from './layout.js'
import type { Pool } from './pool.js'

/** One worker's measurements: its histograms are in the block of its deque; a worker without one measures nothing. */
export class Sampler {
  /** When the calls began whose times are measured, by slot. */
  private readonly begun = new Map<number, number>()

  constructor(
    private readonly pool: Pool,
    private readonly worker: number,
  ) {}

  /** A call with a stamp starts. */
  begin(slot: number, stamped: number): void {
    const block = this.block()
    if (block === 0) return
    const time = now()
    record(this.pool.words, block + D_WAIT_TIMES, sinceStamp(stamped, time))
    this.begun.set(slot, time)
  }

  /** A call ends, measured or not. */
  end(slot: number): void {
    if (this.begun.size === 0) return
    const begun = this.begun.get(slot)
    if (begun === undefined) return
    this.begun.delete(slot)
    record(this.pool.words, this.block() + D_RUN_TIMES, (now() - begun) * 1000)
  }

  private block(): number {
    return load(this.pool.words, this.pool.workerAt(this.worker) + K_DEQUE)
  }
}
