/** How late timers run: the 99th percentile over all of a run, in the place of its duration. Never early, or the run fails. */
import { Region } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'
import { sleepAsync } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { type Case, contender, expectEqual, TimedResult } from '../../src/suite.js'

const PENDING = 100_000
/** The timers of a run are due within so many ms. */
const WINDOW_MS = 200

interface State {
  agent: Agent
  early: number
}

function setup(): State {
  const agent = Agent.of(Region.create())
  const far = now() + 3_600_000
  for (let i = 0; i < PENDING; i++) agent.wheel.insert(far + ((i * 7919) % 1_000_000), () => undefined)
  return { agent, early: 0 }
}

/** Sets n timers at scattered moments; `lateness` fills up as they run. */
function setTimers(state: State, n: number, lateness: number[]): void {
  const start = now() + 5
  for (let i = 0; i < n; i++) {
    const deadline = start + ((i * 0.618_034) % 1) * WINDOW_MS
    state.agent.after(deadline, () => {
      const late = now() - deadline
      if (late < 0) state.early++
      lateness.push(late)
    })
  }
}

/** The 99th percentile as the time that each of the timers took. */
function percentile(lateness: number[]): TimedResult<number> {
  lateness.sort((a, b) => a - b)
  return new TimedResult(lateness.length, lateness[Math.floor(lateness.length * 0.99)]! * 1e6 * lateness.length)
}

function check(fired: number, n: number, state: State): void {
  expectEqual(fired, n, 'number of timers that fired')
  expectEqual(state.early, 0, 'number of timers that ran early')
}

export const lateness: Case = {
  name: 'timer lateness, 99th percentile of a run, 100,000 pending',
  unit: 'timer',
  isolation: 'process',
  iterations: 1000,
  contenders: [
    contender({
      name: 'agent asleep in wait',
      target: { ns: 1_000_000 },
      setup,
      run: (state, n) => {
        const late: number[] = []
        setTimers(state, n, late)
        while (late.length < n) state.agent.block()
        return percentile(late)
      },
      check,
    }),
    contender({
      name: 'agent on its event loop',
      target: { ns: 2_000_000 },
      setup,
      run: async (state, n) => {
        const late: number[] = []
        setTimers(state, n, late)
        while (late.length < n) await sleepAsync(WINDOW_MS / 4)
        return percentile(late)
      },
      check,
    }),
  ],
}
