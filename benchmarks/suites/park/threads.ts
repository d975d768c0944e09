/** Round trips between two threads: there and back again. */
import { goContender } from '../../src/go.js'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { cells, parkers, promises } from './heddle.js'
import { endPartner, type Partner, PING, PONG, startPartner } from './round-trip.js'

/** The other thread answered every turn, and the last one. */
function checkTurns(last: number, _iterations: number, partner: Partner): void {
  expectEqual(last, partner.turn, 'turn')
  if (partner.turn === 0) throw new Error('nothing ran')
}

const FLOOR_SPINNING = 'bare word'
const FLOOR_ASLEEP = 'bare wait + notify'

export const spinning: Case = {
  name: 'round trip, spinning',
  unit: 'round trip',
  isolation: 'process',
  iterations: 2000,
  floor: FLOOR_SPINNING,
  contenders: [
    contender({
      name: FLOOR_SPINNING,
      setup: () => startPartner('echo', 'spin'),
      run: (partner, n) => {
        const { words } = partner
        let { turn } = partner
        for (let i = 0; i < n; i++) {
          Atomics.store(words, PING, ++turn)
          while (Atomics.load(words, PONG) !== turn);
        }
        partner.turn = turn
        return Atomics.load(words, PONG)
      },
      check: checkTurns,
      teardown: endPartner,
    }),
    parkers({ name: 'heddle Parker', spin: true, target: { ns: 1000 } }),
    goContender('Go: goroutines, unbuffered channels', 'round-trip', (n) => n, 50),
  ],
}

export const asleep: Case = {
  name: 'round trip, asleep',
  unit: 'round trip',
  isolation: 'process',
  iterations: 100,
  floor: FLOOR_ASLEEP,
  contenders: [
    contender({
      name: FLOOR_ASLEEP,
      setup: () => startPartner('echo', 'wait'),
      run: (partner, n) => {
        const { words } = partner
        for (let i = 0; i < n; i++) {
          Atomics.store(words, PING, ++partner.turn)
          Atomics.notify(words, PING)
          // Again while the word is old: a late notify of the turn before may end the wait.
          while (Atomics.load(words, PONG) !== partner.turn) Atomics.wait(words, PONG, partner.turn - 1)
        }
        return Atomics.load(words, PONG)
      },
      check: checkTurns,
      teardown: endPartner,
    }),
    contender({
      name: 'bare waitAsync + notify',
      setup: () => startPartner('echo', 'wait'),
      run: async (partner, n) => {
        const { words } = partner
        for (let i = 0; i < n; i++) {
          Atomics.store(words, PING, ++partner.turn)
          Atomics.notify(words, PING)
          while (Atomics.load(words, PONG) !== partner.turn) {
            const outcome = Atomics.waitAsync(words, PONG, partner.turn - 1)
            if (outcome.async) await outcome.value
          }
        }
        return Atomics.load(words, PONG)
      },
      check: checkTurns,
      teardown: endPartner,
    }),
    contender({
      name: 'postMessage',
      setup: () => startPartner('echo', 'postMessage'),
      // One listener for all turns: the cheapest way there is.
      run: (partner, n) =>
        new Promise<number>((resolve) => {
          const { worker } = partner
          const end = partner.turn + n
          worker.on('message', function answer(turn: number) {
            if (turn !== end) return worker.postMessage(++partner.turn)
            worker.off('message', answer)
            resolve(turn)
          })
          worker.postMessage(++partner.turn)
        }),
      check: checkTurns,
      teardown: endPartner,
    }),
    parkers({ name: 'heddle Parker', spin: false, target: { ratio: 1.2 } }),
    cells({ name: 'heddle waitOn + notify', spin: false }),
    promises({ name: 'heddle Parker, parkAsync', spin: false }),
  ],
}
