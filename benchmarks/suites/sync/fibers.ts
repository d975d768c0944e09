/** Two fibers of one worker on one mutex: each finds it held, waits, and is woken. */
import { Region } from '@heddle/atomics'
import { Scheduler, yieldNow } from '@heddle/scheduler'
import { Mutex } from '@heddle/sync'
import { goContender } from '../../src/go.js'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { ITERATIONS } from '../atomics/bare.js'

const FLOOR = 'bare: two generators in turn'

export const fibers: Case = {
  name: 'contended, two fibers of one worker, a turn in each section',
  unit: 'section',
  isolation: 'shared',
  iterations: ITERATIONS,
  floor: FLOOR,
  contenders: [
    contender({
      name: FLOOR,
      setup: () => ({ words: new Int32Array(new SharedArrayBuffer(64)) }),
      run: ({ words }, n) => {
        let taken = 0
        const body = function* (): Generator<undefined, void, unknown> {
          for (;;) {
            if (Atomics.compareExchange(words, 0, 0, 1) === 0) taken++
            yield
            Atomics.exchange(words, 0, 0)
            // The other has its section before this one's next.
            yield
          }
        }
        const [one, other] = [body(), body()]
        for (let i = 0; i < n; i += 2) {
          one.next()
          one.next()
          other.next()
          other.next()
        }
        return taken
      },
      check: (taken, n) => expectEqual(taken, n, 'sections'),
    }),
    contender({
      name: 'Mutex.lockFiber',
      setup: () => {
        const region = Region.create({ bytes: 1 << 20 })
        return { scheduler: new Scheduler({ region }), mutex: new Mutex({ region }) }
      },
      run: ({ scheduler, mutex }, n) => {
        let taken = 0
        const body = function* (): Generator<unknown, void, unknown> {
          for (let i = 0; i < n; i += 2) {
            const guard = yield* mutex.lockFiber()
            taken++
            yield* yieldNow()
            guard.release()
          }
        }
        scheduler.spawn(body)
        scheduler.spawn(body)
        scheduler.run()
        return taken
      },
      check: (taken, n) => expectEqual(taken, n, 'sections'),
    }),
    goContender('Go, two goroutines of one thread', 'sync', (n) => n, 200, ['hand-over']),
  ],
}
