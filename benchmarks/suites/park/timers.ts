import { type Case, contender, expectEqual } from '../../src/suite.js'

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
  ],
}
