/**
 * How a worker looks for work before it sleeps.
 *
 * Invariants I1 While its bit in P_SPINNING is set, the worker looks at the queues before it sleeps: nobody need wake it, or another, for a call.
 *            I2 With several workers the bit is cleared before a call is run, since that may take long; whoever has counted on it gets another
 *               (`passOn`). The only worker of a pool keeps it until it sleeps: nobody else could be told, and both sides are spared the word's way
 *               between the cores.
 */
import { now, pause } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'
import type { Pool } from './pool.js'
import type { WorkSource } from './queues.js'
import { LookBudget } from './spin-budget.js'
import { beginSpin, endSpin, setSleeping } from './wakeup.js'

/** Looks between two readings of the clock. */
const SPIN_LOOKS = 16

/** One worker's way of looking. */
export class Spinner {
  /** When the clock was last read here. */
  clock = 0
  private isMarked = false
  private readonly isAlone: boolean
  private readonly most: number
  private readonly budget: LookBudget

  constructor(
    private readonly pool: Pool,
    private readonly worker: number,
    /** The set of sleepers that it belongs to when it finds nothing. */
    private readonly sleepers: number,
    /** Whether it may look at all. */
    looks: boolean,
  ) {
    this.isAlone = pool.maxWorkers === 1
    this.most = getHost().parallelism - 1
    this.budget = new LookBudget(looks, pool.spin)
  }

  /** Looks for a moment; whether there is work. If it looked in vain the worker counts as asleep: it looks once more, then sleeps. */
  look(source: WorkSource): boolean {
    if (!this.budget.looks || (!this.isMarked && !beginSpin(this.pool, this.worker, this.most))) return false
    this.isMarked = true
    const begun = (this.clock = now())
    let found = false
    do {
      for (let i = 0; i < SPIN_LOOKS && !(found = source.hasWork()); i++) pause()
    } while (!found && !this.budget.isOver(begun, (this.clock = now())))
    if (found) {
      this.budget.paid()
      if (!this.isAlone) this.end()
      return true
    }
    this.budget.failed()
    setSleeping(this.pool, this.worker, this.sleepers)
    this.end()
    return false
  }

  /** It no longer counts as looking. */
  end(): void {
    if (!this.isMarked) return
    this.isMarked = false
    endSpin(this.pool, this.worker)
  }
}
