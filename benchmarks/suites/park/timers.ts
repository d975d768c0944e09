import { TimerWheel } from '@heddle/park'
import { now } from '@heddle/atomics/ops'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'

const FLOOR = 'setTimeout + clearTimeout'

export const timers: Case = {
  name: 'timer, insert + cancel',
  unit: 'timer',
  isolation: 'shared',
  iterations: 1000,
  floor: FLOOR,
  contenders: [
    contender({
      name: FLOOR,
      setup: () => ({ fired: 0 }),
      run: (state, n) => {
        let set = 0
        for (let i = 0; i < n; i++) {
          const timer = setTimeout(() => state.fired++, 1000 + (i & 1023))
          if (timer.hasRef()) set++
          clearTimeout(timer)
        }
        return set
      },
      check: (result, n, state) => {
        expectEqual(result, n)
        expectEqual(state.fired, 0, 'number of timers that fired')
      },
    }),
    wheel('heddle TimerWheel', 0),
    wheel('heddle TimerWheel, 100,000 pending', 100_000),
  ],
}

function wheel(name: string, pending: number): Contender<never> {
  return contender({
    name,
    target: { ns: 60 },
    setup: () => {
      const state = { wheel: new TimerWheel(), fired: 0, pending, start: now() }
      for (let i = 0; i < pending; i++) state.wheel.insert(state.start + 60_000 + ((i * 7919) % 1_000_000), () => state.fired++)
      return state
    },
    run: (state, n) => {
      let cancelled = 0
      for (let i = 0; i < n; i++) {
        const timer = state.wheel.insert(state.start + 60_000 + (i & 1023), () => state.fired++)
        if (state.wheel.cancel(timer)) cancelled++
      }
      return cancelled
    },
    check: (result, n, state) => {
      expectEqual(result, n)
      expectEqual(state.fired, 0, 'number of timers that fired')
      expectEqual(state.wheel.size, state.pending, 'number of timers left')
    },
  })
}
