/** heddle's contenders in round trips. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { limits } from '@heddle/atomics/ops'
import { notify, Parker, waitOn } from '@heddle/park'
import { type Contender, contender, expectEqual } from '../../src/suite.js'
import { END } from './round-trip.js'

interface Pair<Signal> {
  readonly worker: Worker
  readonly ping: Signal
  readonly pong: Signal
  /** Counted up by the other thread, once for each turn. */
  readonly word: AtomicInt32
  /** Turns that this thread began. */
  turn: number
}

interface Setting {
  readonly name: string
  /** Whether waits may spin before they sleep, on both sides. */
  readonly spin: boolean
  readonly target?: { readonly ratio: number } | { readonly ns: number }
}

async function startPair<Signal extends Parker | AtomicInt32>(role: string, spin: boolean, make: (region: Region) => Signal): Promise<Pair<Signal>> {
  if (!spin) limits.spin = 0
  const region = Region.create({ bytes: 16 << 20 })
  const [ping, pong, word] = [make(region), make(region), new AtomicInt32({ region })]
  const worker = new Worker(new URL('../workers/parker.js', import.meta.url), {
    workerData: { role, spin, ping: ping.toHandle(), pong: pong.toHandle(), turn: word.toHandle() },
  })
  await once(worker, 'message')
  return { worker, ping, pong, word, turn: 0 }
}

function check(result: number, _iterations: number, pair: Pair<unknown>): void {
  expectEqual(result, pair.turn, 'turn')
  if (pair.turn === 0) throw new Error('nothing ran')
}

/** A permit each way. */
export function parkers({ name, spin, ...target }: Setting): Contender<never> {
  return contender<Pair<Parker>, number>({
    name,
    ...target,
    setup: () => startPair('parker', spin, (region) => new Parker({ region })),
    run: (pair, n) => {
      const { ping, pong } = pair
      for (let i = 0; i < n; i++) {
        ping.unpark()
        pong.park()
      }
      pair.turn += n
      return pair.word.load()
    },
    check,
    teardown: async ({ worker, word, ping }) => {
      const gone = once(worker, 'exit')
      word.store(END)
      ping.unpark()
      await gone
    },
  })
}

/** `waitOn` and `notify` on a cell each way: the futex. */
export function cells({ name, spin, ...target }: Setting): Contender<never> {
  return contender<Pair<AtomicInt32>, number>({
    name,
    ...target,
    setup: () => startPair('cell', spin, (region) => new AtomicInt32({ region })),
    run: (pair, n) => {
      const { ping, pong } = pair
      for (let i = 0; i < n; i++) {
        ping.store(++pair.turn)
        notify(ping)
        while (pong.load() !== pair.turn) waitOn(pong, pair.turn - 1)
      }
      return pair.word.load()
    },
    check,
    teardown: async (pair) => {
      const gone = once(pair.worker, 'exit')
      pair.word.store(END)
      pair.ping.store(++pair.turn)
      notify(pair.ping)
      await gone
    },
  })
}

/** A permit each way, awaited as promises on this side. */
export function promises({ name, spin, ...target }: Setting): Contender<never> {
  return contender<Pair<Parker>, number>({
    name,
    ...target,
    setup: () => startPair('parker', spin, (region) => new Parker({ region })),
    run: async (pair, n) => {
      const { ping, pong } = pair
      for (let i = 0; i < n; i++) {
        ping.unpark()
        await pong.parkAsync()
      }
      pair.turn += n
      return pair.word.load()
    },
    check,
    teardown: async ({ worker, word, ping }) => {
      const gone = once(worker, 'exit')
      word.store(END)
      ping.unpark()
      await gone
    },
  })
}
