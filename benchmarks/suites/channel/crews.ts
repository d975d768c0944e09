/** Many senders and receivers, hand to hand, select, bytes, batches, all modes on one channel: what takes several threads. */
import { bytes, i32, Region } from '@heddle/atomics'
import { channel, type Receiver, select, type SelectCases, type Sender, spsc } from '@heddle/channel'
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { AudioReader, RingBuffer } from 'ringbuf.js'
import { goContender } from '../../src/go.js'
import { type Case, type Contender, contender, expectEqual } from '../../src/suite.js'
import { Crew } from './crew.js'
import { type RivalChannel, rivalChannel } from './rival.js'

const CAPACITY = 1024

/** 0 + 1 + … + n - 1, in 31 bits. */
function sumBelow(n: number): number {
  return Number(((BigInt(n) * BigInt(n - 1)) / 2n) & 0x7fffffffn)
}
const dismiss = ({ crew }: { crew: Crew }): Promise<void> => crew.dismiss()

/** `pairs` senders and receivers; n is a multiple of their number. */
function crowd(pairs: number): Contender<never> {
  return contender<{ crew: Crew }, number>({
    name: 'channel',
    setup: async () => {
      const crew = new Crew()
      const [tx, rx] = channel({ capacity: CAPACITY, codec: i32, region: crew.region })
      for (let i = 0; i < pairs; i++) {
        await crew.hire({ role: 'receive' }, [rx])
        await crew.hire({ role: 'send' }, [tx], i, pairs)
      }
      return { crew }
    },
    run: ({ crew }, n) => {
      crew.begin(() => n / pairs)
      return crew.end()
    },
    check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    teardown: dismiss,
  })
}

const crowds: Case[] = [2, 4].map((pairs) => ({
  name: `${pairs} senders, ${pairs} receivers, ${2 * pairs} threads`,
  unit: 'message',
  isolation: 'process',
  iterations: 100_000,
  contenders: [crowd(pairs), goContender('Go', 'channel', sumBelow, 50, [`${pairs}x${pairs}`])],
}))

const pingPong: Case = {
  name: 'there and back, hand to hand, two threads',
  unit: 'round trip',
  isolation: 'process',
  // Enough that most of them run compiled: a fresh process takes some 20,000 round trips for that.
  iterations: 50_000,
  contenders: [
    ...[0, 1].map((capacity) =>
      contender<{ crew: Crew; tx: Sender<number>; rx: Receiver<number> }, number>({
        name: `channel of capacity ${capacity}`,
        ...(capacity === 0 ? { target: { ns: 1000 } } : {}),
        setup: async () => {
          const crew = new Crew()
          const [tx, there] = channel({ capacity, codec: i32, region: crew.region })
          const [back, rx] = channel({ capacity, codec: i32, region: crew.region })
          await crew.hire({ role: 'echo' }, [there, back])
          return { crew, tx, rx }
        },
        run: ({ crew, tx, rx }, n) => {
          crew.begin(() => n)
          let sum = 0
          for (let i = 0; i < n; i++) {
            tx.send(i)
            sum = (sum + rx.recv()) & 0x7fffffff
          }
          crew.end()
          return sum
        },
        check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
        teardown: dismiss,
      }),
    ),
    goContender('Go, unbuffered', 'channel', sumBelow, 20, ['ping-pong']),
  ],
}

const selects: Case[] = [2, 8].map((count) => ({
  name: `select over ${count} channels, two threads`,
  unit: 'message',
  isolation: 'process',
  iterations: 20_000,
  contenders: [
    contender<{ crew: Crew; cases: SelectCases }, number>({
      name: 'select',
      setup: async () => {
        const crew = new Crew()
        const all = Array.from({ length: count }, () => channel({ capacity: 64, codec: i32, region: crew.region }))
        await crew.hire(
          { role: 'feed' },
          all.map(([tx]) => tx),
        )
        return { crew, cases: Object.fromEntries(all.map(([, rx], i) => [`case ${i}`, rx])) }
      },
      run: ({ crew, cases }, n) => {
        crew.begin(() => n)
        let sum = 0
        for (let i = 0; i < n; i++) sum = (sum + (select(cases).value as number)) & 0x7fffffff
        crew.end()
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
      teardown: dismiss,
    }),
    goContender('Go', 'channel', sumBelow, 50, [`select${count}`]),
  ],
}))

function ofBytes(size: number, iterations: number): Case {
  const post = (name: string, send: (worker: Worker) => void): Contender<never> =>
    contender<{ crew: Crew; worker: Worker }, Promise<number>>({
      name,
      setup: async () => {
        const crew = new Crew()
        return { crew, worker: await crew.hire({ role: 'post' }, []) }
      },
      run: async ({ crew, worker }, n) => {
        const listening = once(worker, 'message')
        crew.begin(() => n)
        await listening
        for (let i = 0; i < n; i++) send(worker)
        return crew.endAsync()
      },
      check: (sum, n) => expectEqual(sum, n * size, 'bytes'),
      teardown: dismiss,
    })
  const message = new Uint8Array(size).fill(7)
  return {
    name: `messages of ${size >= 1 << 20 ? `${size >> 20} MB` : size >= 1024 ? `${size >> 10} KB` : `${size} B`}, two threads`,
    unit: 'message',
    isolation: 'process',
    iterations,
    contenders: [
      contender<{ crew: Crew; tx: Sender<Uint8Array> }, number>({
        name: 'channel of bytes',
        setup: async () => {
          const crew = new Crew()
          const [tx, rx] = channel({ capacity: 16, codec: bytes(Math.max(size, 16)), region: crew.region })
          await crew.hire({ role: 'bytes' }, [rx])
          return { crew, tx }
        },
        run: ({ crew, tx }, n) => {
          crew.begin(() => n)
          for (let i = 0; i < n; i++) tx.send(message)
          return crew.end()
        },
        check: (sum, n) => expectEqual(sum, n * size, 'bytes'),
        teardown: dismiss,
      }),
      post('postMessage', (worker) => worker.postMessage(message)),
      post('postMessage, transferred', (worker) => {
        const copy = message.slice()
        worker.postMessage(copy, [copy.buffer])
      }),
    ],
  }
}

const BATCH = 256
const BARE_BATCHES = 'bare ring: TypedArray.set, one store for a batch'
/** Word indexes of the bare ring: how many were received at 0, how many were sent, the numbers. */
const BARE_TAIL = 16
const BARE_DATA = 32
const batches: Case = {
  name: 'batches of 256 numbers, two threads',
  unit: 'number',
  isolation: 'process',
  iterations: 256_000,
  floor: BARE_BATCHES,
  contenders: [
    ...(
      [
        ['channel', channel],
        ['spsc', spsc],
      ] as const
    ).map(([name, make]) =>
      contender<{ crew: Crew; rx: Receiver<number> }, number>({
        name: `${name}: sendMany, recvMany`,
        target: { ns: 3 },
        setup: async () => {
          const crew = new Crew()
          const [tx, rx] = make({ capacity: CAPACITY, codec: i32, region: crew.region })
          await crew.hire({ role: 'batch' }, [tx])
          return { crew, rx }
        },
        run: ({ crew, rx }, n) => {
          crew.begin(() => n)
          const into = new Int32Array(BATCH)
          let count = 0
          let sum = 0
          while (count < n) {
            const got = rx.recvMany(into)
            count += got.length
            for (let i = 0; i < got.length; i++) sum = (sum + got[i]!) | 0
          }
          crew.end()
          return sum
        },
        check: (sum, n) => expectEqual(sum, n, 'sum'),
        teardown: dismiss,
      }),
    ),
    contender<{ crew: Crew; ring: Int32Array }, number>({
      name: BARE_BATCHES,
      setup: async () => {
        const crew = new Crew()
        const buffer = new SharedArrayBuffer((BARE_DATA + CAPACITY) * 4)
        await crew.hire({ role: 'bare-batch' }, [], 0, 1, buffer)
        return { crew, ring: new Int32Array(buffer) }
      },
      run: ({ crew, ring }, n) => {
        crew.begin(() => n)
        const into = new Int32Array(BATCH)
        let head = Atomics.load(ring, 0)
        // Whole batches: what is over does not count.
        const over = -n & (BATCH - 1)
        const end = (head + n + over) | 0
        let sum = -over
        while (head !== end) {
          if (Atomics.load(ring, BARE_TAIL) === head) continue
          const at = BARE_DATA + (head & (CAPACITY - 1))
          into.set(ring.subarray(at, at + BATCH))
          head = (head + BATCH) | 0
          Atomics.store(ring, 0, head)
          for (let i = 0; i < BATCH; i++) sum = (sum + into[i]!) | 0
        }
        crew.end()
        return sum
      },
      check: (sum, n) => expectEqual(sum, n, 'sum'),
      teardown: dismiss,
    }),
    contender<{ crew: Crew; reader: AudioReader }, number>({
      name: 'ringbuf.js',
      setup: async () => {
        const crew = new Crew()
        const buffer = RingBuffer.getStorageForCapacity(CAPACITY, Float32Array) as SharedArrayBuffer
        const reader = new AudioReader(new RingBuffer(buffer, Float32Array))
        await crew.hire({ role: 'ringbuf' }, [], 0, 1, buffer)
        return { crew, reader }
      },
      run: ({ crew, reader }, n) => {
        crew.begin(() => n)
        const into = new Float32Array(BATCH)
        let count = 0
        let sum = 0
        while (count < n) {
          const got = reader.dequeue(into)
          count += got
          for (let i = 0; i < got; i++) sum = (sum + into[i]!) | 0
        }
        crew.end()
        return sum
      },
      check: (sum, n) => expectEqual(sum, n, 'sum'),
      teardown: dismiss,
    }),
  ],
}

/** Apart from the others: it replaces globals. */
const rival: Case = {
  name: 'send + receive on one thread, beside multithreading',
  unit: 'message',
  isolation: 'process',
  iterations: 1000,
  contenders: [
    contender<[Sender<number>, Receiver<number>], number>({
      name: 'channel',
      setup: () => channel({ capacity: CAPACITY, codec: i32, region: Region.create({ bytes: 1 << 20 }) }),
      run: ([tx, rx], n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          tx.send(i)
          sum = (sum + rx.recv()) & 0x7fffffff
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
    contender<RivalChannel, number>({
      name: 'multithreading, blockingSend + blockingRecv',
      setup: () => rivalChannel(CAPACITY),
      run: ([tx, rx], n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          tx.blockingSend(i)
          sum = (sum + rx.blockingRecv().value!) & 0x7fffffff
        }
        return sum
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
    }),
  ],
}

const MODES = ['thread', 'promise', 'fiber'] as const
const mixed: Case = {
  name: 'one channel, every mode at both ends, six threads',
  unit: 'message',
  isolation: 'process',
  iterations: 120_000,
  contenders: [
    contender<{ crew: Crew }, number>({
      name: 'channel',
      // A million messages a second.
      target: { ns: 1000 },
      setup: async () => {
        const crew = new Crew(Region.create({ bytes: 1 << 24 }))
        const [tx, rx] = channel({ capacity: CAPACITY, codec: i32, region: crew.region })
        for (const [i, mode] of MODES.entries()) {
          await crew.hire({ role: 'receive', mode }, [rx])
          await crew.hire({ role: 'send', mode }, [tx], i, MODES.length)
        }
        return { crew }
      },
      run: ({ crew }, n) => {
        crew.begin(() => n / MODES.length)
        return crew.end()
      },
      check: (sum, n) => expectEqual(sum, sumBelow(n), 'sum'),
      teardown: dismiss,
    }),
  ],
}

export const crews: Case[] = [
  ...crowds,
  pingPong,
  ...selects,
  ofBytes(16, 20_000),
  ofBytes(1024, 10_000),
  ofBytes(1 << 20, 50),
  batches,
  mixed,
  rival,
]
