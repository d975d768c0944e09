/** Numbers from one thread to another, and within one thread. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { i32, Region } from '@heddle/atomics'
import { channel, type Receiver, type Sender, spsc } from '@heddle/channel'
import { goContender } from '../../src/go.js'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'

const CAPACITY = 1024
const BARE = 'bare: 2 compare-exchanges, 2 stores, 2 loads'

/** 0 + 1 + … + n - 1, in 31 bits. */
function sumBelow(n: number): number {
  return Number(((BigInt(n) * BigInt(n - 1)) / 2n) & 0x7fffffffn)
}

function sameThread(name: string, make: typeof channel): Contender<never> {
  return contender<[Sender<number>, Receiver<number>], number>({
    name,
    setup: () => make({ capacity: CAPACITY, codec: i32, region: Region.create({ bytes: 1 << 20 }) }),
    run: ([tx, rx], n) => {
      let sum = 0
      for (let i = 0; i < n; i++) {
        tx.send(i)
        sum = (sum + rx.recv()) & 0x7fffffff
      }
      return sum
    },
    check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
  })
}

export const same: Case = {
  name: 'send + receive on one thread',
  unit: 'message',
  isolation: 'shared',
  iterations: 2000,
  floor: BARE,
  contenders: [
    contender<Int32Array, number>({
      name: BARE,
      setup: () => new Int32Array(new SharedArrayBuffer(64 + CAPACITY * 8)),
      run: (words, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          const state = 16 + (i & (CAPACITY - 1))
          Atomics.compareExchange(words, state, 0, 1)
          words[state + CAPACITY] = i
          Atomics.store(words, state, 2)
          Atomics.load(words, 0)
          Atomics.compareExchange(words, state, 2, 3)
          sum = (sum + words[state + CAPACITY]!) & 0x7fffffff
          Atomics.store(words, state, 0)
          Atomics.load(words, 0)
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
    sameThread('channel', channel),
    sameThread('spsc', spsc),
    goContender('Go', 'channel', sumBelow, 500, ['same']),
  ],
}

/** What a run of batches sends, made once. */
let numbers = new Int32Array(0)

interface Threads {
  worker: Worker
  tx: Sender<number>
  answers: Receiver<number>
}

function toThread(name: string, make: typeof channel, capacity: number, batch: boolean, target?: { ns: number }): Contender<never> {
  return contender<Threads, number>({
    name,
    ...(target === undefined ? {} : { target }),
    setup: async () => {
      const region = Region.create({ bytes: 1 << 22 })
      const [tx, rx] = make({ capacity, codec: i32, region })
      const [answer, answers] = channel({ capacity: 1, codec: i32, region })
      const worker = new Worker(new URL('../workers/channel.js', import.meta.url), {
        workerData: { numbers: rx.toHandle(), answers: answer.toHandle(), batch },
      })
      await once(worker, 'message')
      return { worker, tx, answers }
    },
    run: ({ tx, answers }, n) => {
      if (batch) tx.sendMany(n === numbers.length ? numbers : (numbers = Int32Array.from({ length: n }, (_, i) => i)))
      else for (let i = 0; i < n; i++) tx.send(i)
      tx.send(-1)
      return answers.recv()
    },
    check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    teardown: async ({ worker, tx }) => {
      const gone = once(worker, 'exit')
      tx.close()
      await gone
    },
  })
}

export const threads: Case = {
  name: 'one sender, one receiver, two threads',
  unit: 'message',
  isolation: 'process',
  iterations: 100_000,
  contenders: [
    toThread('channel', channel, CAPACITY, false, { ns: 60 }),
    toThread('spsc', spsc, CAPACITY, false, { ns: 60 }),
    toThread('channel, sendMany and recvMany', channel, CAPACITY, true),
    toThread('channel of capacity 0', channel, 0, false),
    goContender('Go', 'channel', sumBelow, 50),
  ],
}
