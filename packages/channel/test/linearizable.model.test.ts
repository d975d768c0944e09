/**
 * Linearizable, within bounds: the history of the calls of every execution is compared with a sequential channel of the same flavour (Wing & Gong, Lowe).
 * Sends and receives that wait are compared, and `close`; a `tryRecv` may say EMPTY of a message that stands behind one that is under way.
 */
import { array, type Codec, i32, type Region, registerCodec } from '@heddle/atomics'
import { check, model, type ModelOptions } from '@heddle/model'
import { Agent } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import {
  broadcast,
  channel,
  ClosedError,
  LaggedError,
  mpsc,
  oneshot,
  type Receiver,
  Receiver as Receivers,
  type Sender,
  spsc,
  unbounded,
  watch,
} from '../src/index.js'
import { reopen } from '../src/internal.js'
import { wide } from './support/wide.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

type Body = Parameters<typeof model>[1]

function run(name: string, body: Body, options: ModelOptions): void {
  expect(model(name, body, { regionBytes: 1 << 17, ...options }).complete).toBe(true)
}

/** Makes the thread's agent, with a chunk of records, before the others start. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** What `act` gives, or the word for the error that it ends with. */
function told<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    if (error instanceof ClosedError) return 'closed'
    if (error instanceof LaggedError) return `missed ${error.missed}`
    throw error
  }
}

/** A channel in one thread. What would have to wait answers with what no call gives: it can't have been its turn. */
function queue(capacity: number, first = false, before = 0) {
  return () => {
    const self = {
      kept: Array.from({ length: before }, () => 0),
      closed: false,
      send: (value: number) => {
        if (self.closed) return 'closed'
        if (self.kept.length === capacity) return 'must wait'
        // A oneshot is closed when it was sent.
        self.closed = first
        self.kept.push(value)
        return undefined
      },
      recv: () => self.kept.shift() ?? (self.closed ? 'closed' : 'must wait'),
      close: () => {
        self.closed = true
      },
    }
    return self
  }
}

/** The calls of a channel, as the threads of a model make them. */
function calls(tx: Sender<number>, rx: Receiver<number>) {
  return {
    send: (value: number) => told(() => tx.send(value)),
    recv: () => told(() => rx.recv()),
    close: () => tx.close(),
  }
}

type Make = (options: { codec: Codec<number>; region: Region }) => [Sender<number>, Receiver<number>]
interface Case {
  make: Make
  /** How many it keeps. In a channel of capacity 0 one is under way from hand to hand, at most. */
  keeps: number
  senders?: number
  receivers?: number
}

const flavors: Record<string, Case> = {
  'channel of 1': { make: (o) => channel({ capacity: 1, ...o }), keeps: 1 },
  'channel of 2': { make: (o) => channel({ capacity: 2, ...o }), keeps: 2 },
  'capacity 0': { make: (o) => channel({ capacity: 0, ...o }), keeps: 1 },
  'mpsc of 1': { make: (o) => mpsc({ capacity: 1, ...o }), keeps: 1, receivers: 1 },
  'mpsc of 2': { make: (o) => mpsc({ capacity: 2, ...o }), keeps: 2, receivers: 1 },
  'spsc of 1': { make: (o) => spsc({ capacity: 1, ...o }), keeps: 1, senders: 1, receivers: 1 },
  'spsc of 2': { make: (o) => spsc({ capacity: 2, ...o }), keeps: 2, senders: 1, receivers: 1 },
  unbounded: { make: unbounded, keeps: Infinity },
}

for (const [name, { make, keeps, senders, receivers }] of Object.entries(flavors)) {
  // Who has two of one end and one of the other meets every order of claims; two of both in the full run.
  const crews = senders === 1 ? [[1, 1]] : receivers === 1 || !full ? [[2, 1]] : [[2, 1], [1, 2], [2, 2]] // prettier-ignore
  if (!full && name === 'channel of 1') crews.push([1, 2])
  for (const [sending, receiving] of crews as [number, number][])
    test(`${name}: ${sending} send, ${receiving} receive`, () => {
      run(
        `${name}: ${sending} send, ${receiving} receive: linearizable`,
        ({ region, spawn, linearize }) => {
          const ends = linearize(queue(keeps), calls(...make({ codec: i32, region })))
          const messages = sending === 1 && receiving === 1 ? 3 : 2
          for (let s = 0; s < sending; s++)
            spawn(() => {
              for (let i = 0; i < messages / sending; i++) ends.send(10 * s + i)
            }, ready(region))
          for (let r = 0; r < receiving; r++)
            spawn(() => {
              for (let i = 0; i < messages / receiving; i++) ends.recv()
            }, ready(region))
        },
        // What four threads do with a preemption is more than minutes are for.
        { preemptions: full ? 4 - sending - receiving : keeps === 1 ? 0 : 1 },
      )
    })

  test(`${name}: a send, a close, receives until closed`, () => {
    run(
      `${name}: send | close | receive until closed: linearizable`,
      ({ region, spawn, linearize }) => {
        const ends = linearize(queue(keeps), calls(...make({ codec: i32, region })))
        spawn(() => ends.send(1), ready(region))
        spawn(() => ends.close(), ready(region))
        spawn(() => {
          while (ends.recv() !== 'closed');
        }, ready(region))
      },
      { preemptions: (full ? 1 : 0) + (name === 'capacity 0' ? 0 : 1) },
    )
  })
}

const sealed: Record<string, Case & { before?: number }> = {
  'channel of 1': flavors['channel of 1']!,
  'channel of 2, 1 in it': { ...flavors['channel of 2']!, before: 1 },
  unbounded: flavors['unbounded']!,
  'unbounded, at the end of a block': { make: blockLeft, keeps: Infinity },
  oneshot: { make: oneshot, keeps: 1 },
}

/** An unbounded channel whose first block of four was sent and received. */
function blockLeft({ region }: { region: Region }): [Sender<number>, Receiver<number>] {
  const [tx, rx] = unbounded({ codec: wide, region })
  for (let i = 0; i < 4; i++) {
    tx.send(i)
    rx.recv()
  }
  return [tx, rx]
}

for (const [name, { make, keeps, before = 0 }] of Object.entries(sealed)) {
  test(`${name}: once a receiver was told that it is closed, another one gets nothing`, () => {
    run(
      `${name}: send | close, recv until closed, recv by another: linearizable`,
      ({ region, spawn, linearize }) => {
        const [tx, rx] = make({ codec: i32, region })
        for (let i = 0; i < before; i++) tx.send(0)
        // Once for each agent.
        if (name.startsWith('unbounded,')) registerCodec(wide)
        const other = Receivers.at<number>(region, rx.at)
        const ends = linearize(queue(keeps, name === 'oneshot', before), {
          ...calls(tx, rx),
          recv: (by: number) => told(() => (by === 0 ? rx : other).recv()),
        })
        spawn(() => ends.send(1), ready(region))
        spawn(() => {
          ends.close()
          while (ends.recv(0) !== 'closed');
          ends.recv(1)
        }, ready(region))
      },
      // Out of the send, into it, and out of it once more.
      { preemptions: 3 },
    )
  })

  test(`${name}: two receivers that are told`, () => {
    run(
      `${name}: send | close, recv until closed | recv: linearizable`,
      ({ region, spawn, linearize }) => {
        const [tx, rx] = make({ codec: i32, region })
        for (let i = 0; i < before; i++) tx.send(0)
        const ends = linearize(queue(keeps, name === 'oneshot', before), calls(tx, rx))
        spawn(() => ends.send(1), ready(region))
        spawn(() => {
          ends.close()
          while (ends.recv() !== 'closed');
        }, ready(region))
        spawn(() => ends.recv(), ready(region))
      },
      { preemptions: full ? 2 : 1 },
    )
  })
}

test('channel of 1: the end waits for another receiver that is in the middle of the last message', () => {
  run(
    'channel of 1, 1 in it: recv | close, recv: linearizable',
    ({ region, spawn, linearize }) => {
      const [tx, rx] = channel({ capacity: 1, codec: i32, region })
      tx.send(0)
      const ends = linearize(queue(1, false, 1), calls(tx, rx))
      spawn(() => ends.recv(), ready(region))
      spawn(() => {
        ends.close()
        ends.recv()
      }, ready(region))
    },
    { preemptions: 3 },
  )
})

test('a channel that is opened again keeps nothing of its end', () => {
  run(
    'close, reopen, send | tryRecv ×2',
    ({ region, spawn }) => {
      const [tx, rx] = channel({ capacity: 1, codec: i32, region })
      const sender = spawn(() => {
        tx.close()
        reopen(tx)
        return told(() => tx.trySend(1))
      }, ready(region))
      const receiver = spawn(() => [rx.tryRecv(), rx.tryRecv()].filter((found) => typeof found === 'number'), ready(region))
      return () => {
        // A receiver that is late may have refused it, but it is open after that.
        const rest = sender.result === true ? rx.tryRecv() : (tx.send(1), rx.tryRecv())
        expect([...receiver.result, ...(typeof rest === 'number' ? [rest] : [])]).toEqual([1])
        tx.send(2)
        expect(rx.recv()).toBe(2)
      }
    },
    { preemptions: 2 },
  )
})

test('oneshot: two senders, two receivers', () => {
  run(
    'oneshot: send | send | recv | recv: linearizable',
    ({ region, spawn, linearize }) => {
      const ends = linearize(queue(1, true), calls(...oneshot({ codec: i32, region })))
      for (const value of [1, 2]) spawn(() => ends.send(value), ready(region))
      for (let i = 0; i < 2; i++) spawn(() => ends.recv(), ready(region))
    },
    { preemptions: full ? 1 : 0 },
  )
})

/** A log that every receiver reads from a place of its own. */
function log(capacity: number) {
  return () => {
    const self = {
      sent: [] as number[],
      at: [0, 0],
      send: (value: number) => {
        self.sent.push(value)
        return undefined
      },
      recv: (receiver: number) => {
        const missed = self.sent.length - self.at[receiver]! - capacity
        if (missed > 0) {
          self.at[receiver]! += missed
          return `missed ${missed}`
        }
        return self.sent[self.at[receiver]!++] ?? 'must wait'
      },
    }
    return self
  }
}

for (const capacity of [1, 4]) {
  test(`broadcast of ${capacity}: two senders, two receivers`, () => {
    run(
      `broadcast of ${capacity}: send | send | recv ×2 | recv: linearizable`,
      ({ region, spawn, linearize }) => {
        const [tx, first] = broadcast({ capacity, codec: i32, region })
        const receivers = [first, first.clone()]
        const ends = linearize(log(capacity), {
          send: (value: number) => told(() => tx.send(value)),
          recv: (receiver: number) => told(() => receivers[receiver]!.recv()),
        })
        for (const value of [1, 2]) spawn(() => ends.send(value), ready(region))
        spawn(() => [ends.recv(0), ends.recv(0)], ready(region))
        spawn(() => ends.recv(1), ready(region))
      },
      { preemptions: full ? 1 : 0 },
    )
  })
}

/** A register of which every receiver knows what it has seen. */
function register(initial: number) {
  return () => {
    const self = {
      value: initial,
      version: 0,
      seen: 0,
      send: (value: number) => {
        self.value = value
        self.version++
        return undefined
      },
      get: () => self.value,
      recv: () => {
        if (self.seen === self.version) return 'must wait'
        self.seen = self.version
        return self.value
      },
    }
    return self
  }
}

test('watch: two senders, one that reads, one that waits for what is new', () => {
  const pair = array(i32, 2)
  run(
    'watch: send | send | get ×2 | recv: linearizable',
    ({ region, spawn, linearize }) => {
      const [tx, rx] = watch([0, 0] as ArrayLike<number>, { codec: pair as Codec<ArrayLike<number>>, region })
      const whole = (value: ArrayLike<number>): number | string => (value[0] === value[1] ? value[0]! : 'torn')
      const ends = linearize(register(0), {
        send: (value: number) => told(() => tx.send([value, value])),
        get: () => whole(rx.get()),
        recv: () => told(() => whole(rx.recv())),
      })
      for (const value of [1, 2]) spawn(() => ends.send(value), ready(region))
      spawn(() => [ends.get(), ends.get()], ready(region))
      spawn(() => ends.recv(), ready(region))
    },
    { preemptions: full ? 1 : 0 },
  )
})

test('a channel that keeps one more than the specification does not pass', () => {
  const { finding } = check(
    'a channel of 2 for one of 1',
    ({ region, spawn, linearize }) => {
      const ends = linearize(queue(1), calls(...channel({ capacity: 2, codec: i32, region })))
      spawn(() => [ends.send(1), ends.send(2), ends.recv()], ready(region))
    },
    { regionBytes: 1 << 17 },
  )
  expect(finding?.kind).toBe('not-linearizable')
})
