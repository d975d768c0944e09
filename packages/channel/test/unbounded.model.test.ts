/** Interleavings, within bounds, of unbounded and mpsc: nothing lost, nothing twice, in order for each sender, also where blocks are linked, retired and reused. */
import { type Codec, type Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { afterAll, describe, expect, test } from 'vitest'
import { CLOSED, ClosedError, EMPTY, mpsc, type Receiver, type Sender, unbounded } from '../src/index.js'
import { wide } from './support/wide.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  reports.push(model(name, body, { regionBytes: 1 << 18, ...options }))
}

afterAll(() => {
  for (const { name, bound, executions, states, longest, milliseconds, complete } of reports) {
    console.log(
      `${name}: bound ${bound}, ${executions} executions, ${states} states, longest ${longest}, ${Math.round(milliseconds)} ms${complete ? '' : ', cut off'}`,
    )
  }
})

const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

function left(rx: Receiver<number>): number[] {
  const all: number[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(found)
  return all
}

type Make = (options: { capacity: number; codec: Codec<number>; region: Region }) => [Sender<number>, Receiver<number>]

describe.each([
  ['unbounded', unbounded],
  ['mpsc', mpsc],
] as [string, Make][])('%s', (name, make) => {
  // Blocks have four slots: after three the next but one grows the list. A ring of four comes round.
  const pair = (region: Region, used = 3): { tx: Sender<number>; rx: Receiver<number> } => {
    const [tx, rx] = make({ capacity: 4, codec: wide, region })
    for (let i = 0; i < used; i++) tx.send(-1)
    return { tx, rx }
  }
  const skip = ({ rx }: { rx: Receiver<number> }, used = 3): void => {
    for (let i = 0; i < used; i++) expect(rx.tryRecv()).toBe(-1)
  }

  test('one sender, one receiver, over the end of a block: in order', () => {
    run(
      `${name}: send ×3 | recv ×3`,
      ({ region, spawn }) => {
        const ends = pair(region)
        spawn(() => {
          for (let i = 1; i <= 3; i++) ends.tx.send(i)
        }, ready(region))
        const receiver = spawn(() => {
          skip(ends)
          return [ends.rx.recv(), ends.rx.recv(), ends.rx.recv()]
        }, ready(region))
        return () => expect(receiver.result).toEqual([1, 2, 3])
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('two senders: both orders, nothing lost', () => {
    run(
      `${name}: send ×2 | send ×2 | recv ×4`,
      ({ region, spawn }) => {
        const ends = pair(region, 2)
        for (const sender of [10, 20])
          spawn(() => {
            ends.tx.send(sender)
            ends.tx.send(sender + 1)
          }, ready(region))
        const receiver = spawn(() => {
          skip(ends, 2)
          return [ends.rx.recv(), ends.rx.recv(), ends.rx.recv(), ends.rx.recv()]
        }, ready(region))
        return () => {
          const got = receiver.result
          expect(got.filter((value) => value < 20)).toEqual([10, 11])
          expect(got.filter((value) => value >= 20)).toEqual([20, 21])
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('close: a message was sent and is received, or it was given back; nobody stays asleep', () => {
    run(
      `${name}: send | recv until closed | close`,
      ({ region, spawn }) => {
        const ends = pair(region, 0)
        const sender = spawn(() => {
          try {
            ends.tx.send(7)
            return 'sent'
          } catch (error) {
            if (error instanceof ClosedError && error.value === 7) return 'given back'
            throw error
          }
        }, ready(region))
        const receiver = spawn(() => [...ends.rx], ready(region))
        spawn(() => ends.tx.close(), ready(region))
        return () => {
          // A receiver that has left is the only one of an mpsc.
          expect(receiver.result).toEqual(sender.result === 'sent' ? [7] : [])
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('a receive whose time is over takes nothing', () => {
    run(
      `${name}: recv with a time limit, then again | send`,
      ({ region, spawn }) => {
        const ends = pair(region, 0)
        const receiver = spawn(() => {
          try {
            return ends.rx.recv({ timeout: 5 })
          } catch (error) {
            if (error instanceof TimeoutError) return ends.rx.recv()
            throw error
          }
        }, ready(region))
        spawn(() => ends.tx.send(1), ready(region))
        return () => expect(receiver.result).toBe(1)
      },
      { preemptions: full ? 2 : 1, timeouts: true },
    )
  })

  test('a sender dies anywhere: the receiver behind it gets what others send', () => {
    run(
      `${name}: send 9 ×2 (dies) | send 1 | recv until 1 | reap`,
      ({ region, spawn }) => {
        const ends = pair(region)
        let victim = 0
        spawn(
          () => {
            ends.tx.send(9)
            ends.tx.send(9)
          },
          {
            before: () => {
              ready(region).before()
              victim = Agent.of(region).tag
            },
          },
        )
        spawn(() => ends.tx.send(1), { ...ready(region), mortal: false })
        const receiver = spawn(
          () => {
            const all: number[] = []
            while (!all.includes(1)) all.push(ends.rx.recv())
            return all
          },
          { ...ready(region), mortal: false },
        )
        spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
        return () => expect(receiver.result.filter((value) => value === 1)).toEqual([1])
      },
      { preemptions: 0, deaths: true, maxExecutions: full ? 20_000 : 300 },
    )
  })
})

describe('unbounded', () => {
  test('two receivers over the end of a block: each message once', () => {
    run(
      'unbounded: recv ×2 | recv ×2 | send ×2',
      ({ region, spawn }) => {
        const [tx, rx] = unbounded({ codec: wide, region })
        for (let i = 0; i < 3; i++) tx.send(i)
        const receivers = [0, 1].map(() => spawn(() => [rx.recv(), rx.recv()], { ...ready(region), twins: 'receivers' }))
        spawn(() => {
          tx.send(3)
          tx.send(4)
        }, ready(region))
        return () => {
          for (const { result } of receivers) expect(result[0]).toBeLessThan(result[1]!)
          expect([...receivers.flatMap(({ result }) => result), ...left(rx)].sort()).toEqual([0, 1, 2, 3, 4])
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('blocks are given back and reused while another agent is behind', () => {
    run(
      'unbounded: tryRecv ×2, slowly | 40 through',
      ({ region, spawn }) => {
        const [tx, rx] = unbounded({ codec: wide, region })
        tx.send(-1)
        tx.send(-1)
        const slow = spawn(() => [rx.tryRecv(), rx.tryRecv()], ready(region))
        const fast = spawn(() => {
          const got: unknown[] = []
          for (let i = 0; i < 8; i++) {
            for (let k = 0; k < 5; k++) tx.send(i * 5 + k)
            for (let k = 0; k < 5; k++) got.push(rx.tryRecv())
          }
          return got
        }, ready(region))
        return () => {
          const all = [...slow.result, ...fast.result, ...left(rx)].filter((value) => typeof value === 'number' && value >= 0) as number[]
          // Everything was taken, by one of the two; the slow one may have met a message under way.
          expect(new Set(all).size).toBe(40)
        }
      },
      { preemptions: full ? 2 : 1, maxSteps: 20_000 },
    )
  })
})
