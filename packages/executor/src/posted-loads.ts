/** How many calls each worker has that this agent has posted to it and that have not been settled here. */
import { MAX_WORKERS, POSTED_QUEUE, queueOf, targetOf } from './layout.js'

/** Those of one submitter. */
export class PostedLoads {
  private readonly open = new Int32Array(MAX_WORKERS + 1)
  private readonly freed = new Float64Array(MAX_WORKERS + 1)
  private ended = 0

  /** A call was made, with this T_TASK. */
  begin(task: number): void {
    this.open[targetOf(task)]!++
  }

  /** A call has ended, of whichever kind. */
  end(task: number): void {
    if (queueOf(task) !== POSTED_QUEUE) return
    const worker = targetOf(task)
    this.open[worker]!--
    this.freed[worker] = ++this.ended
  }

  /** How many a worker has. */
  of(worker: number): number {
    return this.open[worker]!
  }

  /** Orders workers by when one of their posted calls ended last: whoever has just ended one can be expected to be free, before its words say so. */
  freedAt(worker: number): number {
    return this.freed[worker]!
  }
}
