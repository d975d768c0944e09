/**
 * What Go checks of its channels, restated: the programs of `test/chan` in golang/go, by their names there. Goroutines are fibers here;
 * the sieve and the power series run on the fibers of two real workers.
 */
import { Worker } from 'node:worker_threads'
import { array, bool, f64, i32, Region, utf8 } from '@heddle/atomics'
import { Agent } from '@heddle/park/internal'
import { Scheduler } from '@heddle/scheduler'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { after, channel, CLOSED, EMPTY, never, type Receiver, select, selectAsync, selectFiber, type Sender, trySelect } from '../src/index.js'
import type { ChainData } from './fixtures/chain.worker.js'

let region: Region
const workers: Worker[] = []
beforeEach(() => {
  region = Region.create({ bytes: 1 << 23 })
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})
const pair = (capacity: number): [Sender<number>, Receiver<number>] => channel({ capacity, codec: i32, region })
function fibers(...bodies: (() => Generator)[]): void {
  const scheduler = new Scheduler({ region })
  const all = bodies.map((body) => scheduler.spawn(body))
  scheduler.run()
  for (const { state } of all) expect(state).toBe('finished')
}

describe('fifo.go', () => {
  test('asynchronous: what was sent first comes first', () => {
    const [tx, rx] = pair(10)
    for (let i = 0; i < 10; i++) tx.send(i)
    for (let i = 0; i < 10; i++) expect(rx.recv()).toBe(i)
  })

  test('synchronous: a chain in which each waits for the one before', () => {
    const [tx, rx] = pair(0)
    const order: number[] = []
    const scheduler = new Scheduler({ region })
    let [, before] = pair(0)
    const first = channel<number>({ capacity: 0, codec: i32, region })
    before = first[1]
    for (let i = 0; i < 10; i++) {
      const [done, next] = pair(0)
      const waitsFor = before
      scheduler.spawn(function* () {
        yield* waitsFor.recvFiber()
        order.push(yield* rx.recvFiber())
        yield* done.sendFiber(1)
      })
      before = next
    }
    const last = before
    scheduler.spawn(function* () {
      yield* first[0].sendFiber(0)
      for (let i = 0; i < 10; i++) yield* tx.sendFiber(i)
      yield* last.recvFiber()
    })
    scheduler.run()
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

test('goroutines.go: a message through a chain of 2,000 fibers', () => {
  const scheduler = new Scheduler({ region })
  const [tx, rx] = pair(0)
  let right = rx
  for (let i = 0; i < 2000; i++) {
    const [out, next] = pair(0)
    const from = right
    scheduler.spawn(function* () {
      yield* out.sendFiber((yield* from.recvFiber()) + 1)
    })
    right = next
  }
  let got = 0
  scheduler.spawn(function* () {
    got = yield* right.recvFiber()
  })
  scheduler.spawn(function* () {
    yield* tx.sendFiber(0)
  })
  scheduler.run()
  expect(got).toBe(2000)
})

describe('nonblock.go: tries on every kind of element', () => {
  for (const [name, codec, value] of [
    ['i32', i32, 123],
    ['f64', f64, 0.5],
    ['bool', bool, true],
    ['utf8', utf8(20), 'hello'],
    ['array', array(i32, 2), [1, 2]],
  ] as const) {
    for (const capacity of [0, 1]) {
      test(`${name}, capacity ${capacity}`, async () => {
        const [tx, rx] = channel<unknown>({ capacity, codec: codec as never, region })
        expect(rx.tryRecv()).toBe(EMPTY)
        if (capacity === 0) expect(tx.trySend(value)).toBe(false)
        const receiving = rx.recvAsync()
        expect(tx.trySend(value)).toBe(true)
        expect(await receiving).toEqual(value)
        const sending = tx.sendAsync(value)
        if (capacity === 1) expect(tx.trySend(value)).toBe(false)
        expect(rx.tryRecv()).toEqual(value)
        await sending
        expect(rx.tryRecv()).toBe(EMPTY)
      })
    }
  }
})

test('perm.go: each end has its own verbs', () => {
  const [tx, rx] = pair(1)
  expect('recv' in tx || 'tryRecv' in tx || Symbol.iterator in tx).toBe(false)
  expect('send' in rx || 'trySend' in rx).toBe(false)
})

test('select2.go: a select that loses leaves nothing behind', async () => {
  const [tx, rx] = pair(0)
  const [, idle] = pair(0)
  const { used } = Agent.of(region).slab
  let held = 0
  for (let i = 0; i < 2000; i++) {
    const choosing = selectAsync({ rx, idle })
    await tx.sendAsync(i)
    expect(await choosing).toEqual({ key: 'rx', value: i })
    if (i === 100) held = region.stats().used
  }
  expect(region.stats().used).toBe(held)
  expect(Agent.of(region).slab.used).toBe(used)
})

describe('select3.go: what blocks and what does not', () => {
  const blocks = (act: () => unknown): void => expect(act).toThrow('time limit')
  const limit = { timeout: 1 }

  test('empty and full', () => {
    const [tx, rx] = pair(10)
    blocks(() => rx.recv(limit))
    blocks(() => select({ rx }, limit))
    for (let i = 0; i < 10; i++) tx.send(i)
    blocks(() => tx.send(1, limit))
    blocks(() => select({ send: [tx, 1] }, limit))
    const [handTx, handRx] = pair(0)
    blocks(() => handTx.send(1, limit))
    blocks(() => handRx.recv(limit))
    blocks(() => select({ send: [handTx, 1], receive: handRx }, limit))
  })

  test('closed', () => {
    for (const capacity of [0, 10]) {
      const [tx, rx] = pair(capacity)
      tx.close()
      expect(rx.tryRecv()).toBe(CLOSED)
      expect(select({ rx })).toEqual({ key: 'rx', closed: true })
      expect(select({ send: [tx, 1] })).toEqual({ key: 'send', closed: true })
      expect(() => tx.send(1)).toThrow('closed')
    }
  })

  test('no case, and cases that never happen', () => {
    blocks(() => select({}, limit))
    blocks(() => select({ never: never() }, limit))
    expect(trySelect({})).toBeUndefined()
    expect(select({ never: never(), after: after(1) })).toEqual({ key: 'after', value: undefined })
  })
})

test('select4.go: the chosen case receives into its own place', () => {
  const [tx, rx] = pair(1)
  const [other, otherRx] = pair(1)
  tx.send(42)
  const places = { a: 0, b: 0 }
  const got = select({ a: rx, b: otherRx })
  places[got.key] = got.value as number
  expect(places).toEqual({ a: 42, b: 0 })
  other.close()
})

test('select5.go: values of all sends are made once, in order, before one is chosen', () => {
  const made: string[] = []
  const value = (name: string, n: number): number => {
    made.push(name)
    return n
  }
  const [a] = pair(1)
  const [b, bRx] = pair(1)
  a.send(0)
  expect(select({ a: [a, value('a', 1)], b: [b, value('b', 2)] }).key).toBe('b')
  expect([made, bRx.recv()]).toEqual([['a', 'b'], 2])
})

test('select6.go: who leaves the middle of a queue leaves the others in it', () => {
  const [tx, rx] = pair(0)
  const [otherTx, other] = pair(0)
  const got: number[] = []
  fibers(
    function* () {
      got.push(yield* rx.recvFiber())
    },
    function* () {
      const found = yield* selectFiber({ rx, other })
      expect(found).toEqual({ key: 'other', value: 9 })
    },
    function* () {
      got.push(yield* rx.recvFiber())
    },
    function* () {
      yield* otherTx.sendFiber(9)
      yield* tx.sendFiber(1)
      yield* tx.sendFiber(2)
    },
  )
  expect(got).toEqual([1, 2])
})

describe('select7.go: a send meets a receive of every shape', () => {
  for (const capacity of [0, 1, 10, 100]) {
    for (const sender of ['send', 'select', 'select of two'] as const) {
      for (const receiver of ['recv', 'select', 'select of two', 'iteration'] as const) {
        test(`capacity ${capacity}: ${sender} → ${receiver}`, () => {
          const [tx, rx] = pair(capacity)
          const [idleTx] = pair(0)
          const [, idle] = pair(0)
          let got: unknown
          fibers(
            function* () {
              if (receiver === 'recv') got = yield* rx.recvFiber()
              else if (receiver === 'select') got = (yield* selectFiber({ rx })).value
              else if (receiver === 'select of two') got = (yield* selectFiber({ rx, idle })).value
              else [got] = yield* rx.recvManyFiber(5)
            },
            function* () {
              if (sender === 'send') yield* tx.sendFiber(42)
              else if (sender === 'select') yield* selectFiber({ tx: [tx, 42] })
              else yield* selectFiber({ tx: [tx, 42], idle: [idleTx, 1] })
            },
          )
          expect(got).toBe(42)
        })
      }
    }
  }
})

test('sendstmt.go: what is sent is the value of the whole expression', () => {
  const [tx, rx] = channel({ capacity: 1, codec: bool, region })
  const [yes, no] = [true, false] as boolean[]
  tx.send(yes! || no!)
  expect(rx.recv()).toBe(true)
  tx.send(yes! && no!)
  expect(rx.recv()).toBe(false)
})

test('doubleselect.go: no value comes twice through selects over the same channels', () => {
  const pairs = [pair(0), pair(0), pair(0), pair(0)]
  const [out, merged] = pair(0)
  const [ended, end] = pair(4)
  const count = 1000
  const seen = new Set<number>()
  fibers(
    function* () {
      const [a, b, c, d] = pairs as [(typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0]]
      for (let i = 0; i < count; i++) yield* selectFiber({ a: [a[0], i], b: [b[0], i], c: [c[0], i], d: [d[0], i] })
      for (const [tx] of pairs) tx.close()
    },
    ...pairs.map(
      ([, rx]) =>
        function* () {
          for (;;) {
            const found = yield* selectFiber({ rx })
            if (found.closed === true) break
            yield* out.sendFiber(found.value)
          }
          yield* ended.sendFiber(1)
        },
    ),
    function* () {
      for (let i = 0; i < 4; i++) yield* end.recvFiber()
      out.close()
    },
    function* () {
      for (;;) {
        const found = yield* selectFiber({ merged })
        if (found.closed === true) return
        expect(seen.has(found.value)).toBe(false)
        seen.add(found.value)
      }
    },
  )
  expect(seen.size).toBe(count)
})

test('zerosize.go: the smallest element there is', () => {
  const [tx, rx] = channel({ capacity: 3, codec: bool, region })
  for (let i = 0; i < 3; i++) expect(tx.trySend(false)).toBe(true)
  expect(tx.trySend(false)).toBe(false)
  expect(rx.recvMany(5)).toEqual([false, false, false])
})

/** Two workers with their fibers, and what they send. */
async function onTwoWorkers<T>(
  role: ChainData['role'],
  links: ChainData['links'],
  [results, received]: [Sender<T>, Receiver<T>],
  count: number,
): Promise<T[]> {
  const failed = new Promise<never>((_, reject) => {
    for (const worker of [0, 1]) {
      const workerData: ChainData = { buffer: region.buffer, worker, role, links, results: results.toHandle() }
      const thread = new Worker(new URL('.fixtures/chain.js', import.meta.url), { workerData })
      thread.on('error', reject)
      workers.push(thread)
    }
  })
  failed.catch(() => undefined)
  const all: T[] = []
  while (all.length < count) all.push(await Promise.race([received.recvAsync(), failed]))
  return all
}

for (const capacity of [0, 10]) {
  test(`sieve${capacity === 0 ? 1 : 2}.go: the first 60 primes, every second stage on another worker, capacity ${capacity}`, async () => {
    const links = Array.from({ length: 61 }, () => {
      const [tx, rx] = pair(capacity)
      return { tx: tx.toHandle(), rx: rx.toHandle() }
    })
    const primes = await onTwoWorkers('sieve', links, channel({ capacity, codec: i32, region }), 60)
    const expected: number[] = []
    for (let n = 2; expected.length < 60; n++) if (expected.every((p) => n % p !== 0)) expected.push(n)
    expect(primes).toEqual(expected)
  })
}

test('powser1.go: power series of fractions, made on one worker, multiplied and added on another', async () => {
  const link = (codec: typeof i32): ChainData['links'][0] => {
    const [tx, rx] = channel({ capacity: 0, codec, region })
    return { tx: tx.toHandle(), rx: rx.toHandle() }
  }
  const terms = array(f64, 2) as never as typeof i32
  const rows = await onTwoWorkers('series', [link(i32), link(terms), link(i32), link(terms)], channel({ capacity: 0, codec: utf8(100), region }), 9)
  // exp(x) exp(-x) = 1; (exp(x) + exp(-x)) / 2 = cosh x; 1/(1-x) - 1/(1-x) = 0.
  const cosh = ['1/1', '0/1', '1/2', '0/1', '1/24', '0/1', '1/720', '0/1', '1/40320']
  expect(rows).toEqual(cosh.map((c, n) => `${n === 0 ? '1/1' : '0/1'} ${c} 0/1`))
})
