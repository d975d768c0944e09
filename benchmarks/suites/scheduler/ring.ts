/** thread-ring: 503 fibers pass a number on, each to the next through a channel with one place, and who gets 0 has won. */
import { i32, Region } from '@heddle/atomics'
import { channel, type Receiver, type Sender } from '@heddle/channel'
import { Scheduler } from '@heddle/scheduler'
import { Effect, Queue } from 'effect'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { GO, goroutines } from './go.js'

const SIZE = 503
const FLOOR = 'bare: generators, the next one called'

const check = (winner: number, n: number): void => expectEqual(winner, n % SIZE, 'winner')

type Ends = readonly [Sender<number>, Receiver<number>]

export const ring: Case = {
  name: `thread-ring, ${SIZE} fibers`,
  unit: 'pass',
  isolation: 'process',
  iterations: 100_000,
  floor: FLOOR,
  contenders: [
    contender({
      name: FLOOR,
      run: (_, n) => {
        const box = { token: n }
        const body = function* (): Generator<undefined, void, unknown> {
          for (;;) {
            if (box.token === 0) return
            box.token--
            yield
          }
        }
        const members = Array.from({ length: SIZE }, body)
        for (let at = 0; ; at = (at + 1) % SIZE) if (members[at]!.next().done === true) return at
      },
      check,
    }),
    contender({
      name: 'heddle, channels in shared memory',
      target: { ratio: 1, to: GO },
      setup: () => {
        const region = Region.create({ bytes: 4 << 20 })
        const ends = Array.from({ length: SIZE }, () => channel({ region, codec: i32, capacity: 1 }))
        return { region, ends }
      },
      run: ({ region, ends }, n) => {
        const scheduler = new Scheduler({ region })
        let winner = -1
        const body = function* (who: number, [, rx]: Ends, [tx]: Ends): Generator<unknown, void, never> {
          for (;;) {
            const token = yield* rx.recvFiber()
            if (token === 0) winner = who
            // Below 0: so many have yet to hear that there is a winner, this one included.
            if (token !== -1) yield* tx.sendFiber(token > 0 ? token - 1 : token === 0 ? 1 - SIZE : token + 1)
            if (token <= 0) return
          }
        }
        for (let who = 0; who < SIZE; who++) scheduler.spawn(() => body(who, ends[who]!, ends[(who + 1) % SIZE]!))
        ends[0]![0].send(n)
        scheduler.run()
        return winner
      },
      check,
    }),
    contender({
      name: 'effect, queues',
      run: (_, n) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const queues: Queue.Queue<number>[] = []
            for (let i = 0; i < SIZE; i++) queues.push(yield* Queue.bounded<number>(1))
            const member = (who: number): Effect.Effect<number, unknown> =>
              Effect.gen(function* () {
                for (;;) {
                  const token = yield* Queue.take(queues[who]!)
                  if (token === 0) return who
                  yield* Queue.offer(queues[(who + 1) % SIZE]!, token - 1)
                }
              })
            yield* Queue.offer(queues[0]!, n)
            return yield* Effect.raceAll(Array.from({ length: SIZE }, (_, who) => member(who)))
          }),
        ),
      check,
    }),
    ...goroutines('ring', (n) => n % SIZE, 10),
  ],
}
