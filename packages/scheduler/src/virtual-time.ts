/**
 * Simulated time and chance for a deterministic scheduler: while its fibers run, the clock of this agent stands still, and when none of them can run
 * it jumps to the next timer.
 *
 * Source     Discrete-event simulation; as in FoundationDB's and Loom's simulated clocks.
 * Invariants V1 `enter` and what it returns are paired around everything that the scheduler runs, so that nobody else sees the simulated clock, and timers that
 *               fibers make are in `wheel`, others in the agent's own.
 *            V2 The clock moves in `advance` only: a program takes no time, but for its sleeps and limits.
 */
import { now, simulated } from '@heddle/atomics/ops'
import { TimerWheel } from '@heddle/park'
import type { Agent } from '@heddle/park/internal'
import { mulberry } from './choice.js'

export class VirtualTime {
  private readonly start = now()
  private moment = this.start
  private readonly wheel = new TimerWheel(() => this.moment)
  private readonly random: () => number

  constructor(seed: number) {
    // Not the numbers that choose the schedule: whether a program asks for any is to make no difference to that.
    this.random = mulberry(seed ^ 0x5bd1e995)
  }

  /** Milliseconds since the scheduler was made. */
  get elapsed(): number {
    return this.moment - this.start
  }

  /** Whether there is a timer for which the clock may jump. */
  get isPending(): boolean {
    return this.wheel.next() < Infinity
  }

  /** What runs on this agent from here on goes by this clock; returns how to end that. */
  enter(agent: Agent): () => void {
    const { now: outerNow, random: outerRandom } = simulated
    const outerWheel = agent.simulate(this.wheel)
    simulated.now = () => this.moment
    simulated.random = this.random
    return () => {
      simulated.now = outerNow
      simulated.random = outerRandom
      agent.simulate(outerWheel)
    }
  }

  /** Runs something by this clock. */
  within<T>(agent: Agent, run: () => T): T {
    const leave = this.enter(agent)
    try {
      return run()
    } finally {
      leave()
    }
  }

  /** Jumps to the next timer and runs what is due then; false when there is none. */
  advance(): boolean {
    while (this.isPending) {
      // Far away `next` says when to look again, rather than what is due.
      this.moment = Math.max(this.moment, this.wheel.next())
      if (this.wheel.advance() > 0) return true
    }
    return false
  }
}
