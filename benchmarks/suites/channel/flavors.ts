/** The flavours beside each other: on one thread, and from several threads to one. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { f64, i32, Region, SeqLock, struct } from '@heddle/atomics'
import { broadcast, channel, mpsc, type Receiver, type Sender, unbounded, watch } from '@heddle/channel'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'
import { LockedQueue, type QueueHandles } from './locked-queue.js'

const CAPACITY = 1024
const BARE = 'bare: 2 compare-exchanges, 2 stores, 2 loads'
const SENDERS = 2

function sumBelow(n: number): number {
  return Number(((BigInt(n) * BigInt(n - 1)) / 2n) & 0x7fffffffn)
}

function sameThread(name: string, make: (region: Region) => [Sender<number>, Receiver<number>]): Contender<never> {
  return contender<[Sender<number>, Receiver<number>], number>({
    name,
    setup: () => make(Region.create({ bytes: 1 << 20 })),
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

export const flavors: Case = {
  name: 'send + receive on one thread, every flavour',
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
    sameThread('channel', (region) => channel({ capacity: CAPACITY, codec: i32, region })),
    sameThread('mpsc', (region) => mpsc({ capacity: CAPACITY, codec: i32, region })),
    sameThread('unbounded', (region) => unbounded({ codec: i32, region })),
    sameThread('broadcast', (region) => broadcast({ capacity: CAPACITY, codec: i32, region })),
    sameThread('watch', (region) => watch(-1, { codec: i32, region })),
    contender<LockedQueue, number>({
      name: 'a queue under a Mutex',
      setup: () => LockedQueue.make(Region.create({ bytes: 1 << 20 }), CAPACITY),
      run: (queue, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          queue.push(i)
          sum = (sum + queue.pop()) & 0x7fffffff
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
  ],
}

const point = struct({ x: f64, y: f64 })

/** The latest value of four words: what asks whether it is newer against what only reads. */
export const latest: Case = {
  name: 'the latest of a value of four words, written and read on one thread',
  unit: 'write + read',
  isolation: 'shared',
  iterations: 2000,
  contenders: [
    contender<SeqLock<{ x: number; y: number }>, number>({
      name: 'SeqLock',
      setup: () => new SeqLock(point, { region: Region.create({ bytes: 1 << 20 }), value: { x: 0, y: 0 } }),
      run: (lock, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          lock.write({ x: i, y: -i })
          sum = (sum + lock.read().x) & 0x7fffffff
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
    contender<ReturnType<typeof watch<{ x: number; y: number }>>, number>({
      name: 'watch',
      setup: () => watch({ x: 0, y: 0 }, { codec: point, region: Region.create({ bytes: 1 << 20 }) }),
      run: ([tx, rx], n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          tx.send({ x: i, y: -i })
          sum = (sum + rx.recv().x) & 0x7fffffff
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
  ],
}

/** What a worker of flavor-sender.worker.ts is given. */
export interface FlavorSenderData {
  buffer: SharedArrayBuffer
  commands: unknown
  tx: unknown
  queue: QueueHandles | undefined
}

interface ManyToOne {
  workers: Worker[]
  commands: Sender<number>
  receive(): number
}

function manyToOne(name: string, make: (region: Region) => { tx?: Sender<number>; queue?: LockedQueue; receive: () => number }): Contender<never> {
  return contender<ManyToOne, number>({
    name,
    setup: async () => {
      const region = Region.create({ bytes: 1 << 24 })
      const { tx, queue, receive } = make(region)
      const [commands, taken] = channel({ capacity: SENDERS, codec: i32, region })
      const workers = Array.from({ length: SENDERS }, () => {
        const workerData: FlavorSenderData = {
          buffer: region.buffer,
          commands: taken.toHandle(),
          tx: tx?.toHandle(),
          queue: queue?.handles,
        }
        return new Worker(new URL('../workers/flavor-sender.js', import.meta.url), { workerData })
      })
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      return { workers, commands, receive }
    },
    run: ({ commands, receive }, n) => {
      for (let i = 0; i < SENDERS; i++) commands.send(n / SENDERS)
      let sum = 0
      for (let i = 0; i < n; i++) sum = (sum + receive()) & 0x7fffffff
      return sum
    },
    check: (sum, n) => expectEqual(sum, (SENDERS * sumBelow(n / SENDERS)) & 0x7fffffff, 'sum'),
    teardown: async ({ workers, commands }) => {
      const gone = workers.map((worker) => once(worker, 'exit'))
      commands.close()
      await Promise.all(gone)
    },
  })
}

export const toOne: Case = {
  name: 'two senders, one receiver, three threads',
  unit: 'message',
  isolation: 'process',
  iterations: 100_000,
  contenders: [
    ...(
      [
        ['channel', (region: Region) => channel({ capacity: CAPACITY, codec: i32, region })],
        ['mpsc', (region: Region) => mpsc({ capacity: CAPACITY, codec: i32, region })],
        ['unbounded', (region: Region) => unbounded({ codec: i32, region })],
      ] as const
    ).map(([name, make]) =>
      manyToOne(name, (region) => {
        const [tx, rx] = make(region)
        return { tx, receive: () => rx.recv() }
      }),
    ),
    manyToOne('a queue under a Mutex', (region) => {
      const queue = LockedQueue.make(region, CAPACITY)
      return { queue, receive: () => queue.pop() }
    }),
  ],
}
