/** Interleavings, within bounds, of the bounded channel: nothing lost, nothing twice, in order; nobody sleeps for ever; a death loses its own message only. */
import { i32, type Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, FREE, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { ownerId } from '@heddle/atomics/internal'
import { afterAll, expect, test } from 'vitest'
import { forEachRecord } from '../../park/src/slab.js'
import { channel, CLOSED, ClosedError, EMPTY, type Receiver, type Sender } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
  expect(report.complete).toBe(true)
  reports.push(report)
  return report
}

afterAll(() => {
  for (const { name, bound, executions, states, longest, milliseconds, complete } of reports) {
    console.log(
      `${name}: bound ${bound}, ${executions} executions, ${states} states, longest ${longest}, ${Math.round(milliseconds)} ms${complete ? '' : ', cut off'}`,
    )
  }
})

/** Makes the thread's agent, with a chunk of records, before the others start: registering and growing have models of their own. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

function pair(region: Region, capacity: number): { tx: Sender<number>; rx: Receiver<number> } {
  const [tx, rx] = channel({ capacity, codec: i32, region })
  return { tx, rx }
}

function left(rx: Receiver<number>): number[] {
  const all: number[] = []
  for (let found = rx.tryRecv(); found !== EMPTY && found !== CLOSED; found = rx.tryRecv()) all.push(found)
  return all
}

function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}

for (const capacity of [1, 2]) {
  test(`one sender, one receiver, capacity ${capacity}: in order`, () => {
    run(
      `send ×3 | recv ×3, capacity ${capacity}`,
      ({ region, spawn }) => {
        const ends = pair(region, capacity)
        spawn(() => {
          for (let i = 1; i <= 3; i++) ends.tx.send(i)
        }, ready(region))
        const receiver = spawn(() => [ends.rx.recv(), ends.rx.recv(), ends.rx.recv()], ready(region))
        return () => {
          expect(receiver.result).toEqual([1, 2, 3])
          expectNoRecords(region)
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test(`two senders, two receivers, capacity ${capacity}: each message once`, () => {
    run(
      `send | send | recv | recv, capacity ${capacity}`,
      ({ region, spawn }) => {
        const ends = pair(region, capacity)
        for (const value of [1, 2]) spawn(() => ends.tx.send(value), { ...ready(region), twins: 'senders' })
        const receivers = [0, 1].map(() => spawn(() => ends.rx.recv(), { ...ready(region), twins: 'receivers' }))
        return () => {
          expect(receivers.map(({ result }) => result).sort()).toEqual([1, 2])
          expect(left(ends.rx)).toEqual([])
          expectNoRecords(region)
        }
      },
      { preemptions: capacity === 2 || full ? 1 : 0 },
    )
  })
}

test('a full ring, two senders wait, two receivers drain it', () => {
  run(
    'send 2 | send 3 | recv ×2 | recv',
    ({ region, spawn }) => {
      const ends = pair(region, 1)
      ends.tx.send(1)
      for (const value of [2, 3]) spawn(() => ends.tx.send(value), ready(region))
      const two = spawn(() => [ends.rx.recv(), ends.rx.recv()], ready(region))
      const one = spawn(() => ends.rx.recv(), ready(region))
      return () => {
        expect([...two.result, one.result].sort()).toEqual([1, 2, 3])
        expectNoRecords(region)
      }
    },
    { preemptions: 0 },
  )
})

test('close: a message was sent and is received, or it was given back; nobody stays asleep', () => {
  run(
    'send | recv until closed | close',
    ({ region, spawn }) => {
      const ends = pair(region, 1)
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
        expect([...receiver.result, ...left(ends.rx)]).toEqual(sender.result === 'sent' ? [7] : [])
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('a receive whose time is over takes nothing; one that took it is in time', () => {
  run(
    'recv with a time limit | send | recv with a time limit',
    ({ region, spawn }) => {
      const ends = pair(region, 1)
      const receivers = [0, 1].map(() =>
        spawn(() => {
          try {
            return [ends.rx.recv({ timeout: 5 })]
          } catch (error) {
            if (error instanceof TimeoutError) return []
            throw error
          }
        }, ready(region)),
      )
      spawn(() => ends.tx.send(1), ready(region))
      return () => {
        expect([...receivers.flatMap(({ result }) => result), ...left(ends.rx)]).toEqual([1])
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 1 : 0, timeouts: 1 },
  )
})

test('a send whose time is over has sent nothing', () => {
  run(
    'send with a time limit into a full ring | recv',
    ({ region, spawn }) => {
      const ends = pair(region, 1)
      ends.tx.send(1)
      const sender = spawn(() => {
        try {
          ends.tx.send(2, { timeout: 5 })
          return [2]
        } catch (error) {
          if (error instanceof TimeoutError) return []
          throw error
        }
      }, ready(region))
      const receiver = spawn(() => ends.rx.recv(), ready(region))
      return () => {
        expect(receiver.result).toBe(1)
        expect(left(ends.rx)).toEqual(sender.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 3 : 2, timeouts: true },
  )
})

test('a sender dies anywhere: the receiver behind it gets what others send', () => {
  run(
    'send 9 (dies) | send 1 | recv until 1 | reap',
    ({ region, spawn }) => {
      const ends = pair(region, 2)
      let victim = 0
      spawn(() => ends.tx.send(9), {
        before: () => {
          ready(region).before()
          victim = Agent.of(region).tag
        },
      })
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
      return () => {
        expect([...receiver.result, ...left(ends.rx)].filter((value) => value === 1)).toEqual([1])
      }
    },
    { preemptions: 0, deaths: true },
  )
})

test('a receiver dies anywhere: the sender that waits for room goes on', () => {
  run(
    'recv (dies) | send 2, send 3 | recv until 3 | reap',
    ({ region, spawn }) => {
      const ends = pair(region, 1)
      ends.tx.send(1)
      let victim = 0
      spawn(() => ends.rx.recv(), {
        before: () => {
          ready(region).before()
          victim = Agent.of(region).tag
        },
      })
      spawn(
        () => {
          ends.tx.send(2)
          ends.tx.send(3)
        },
        { ...ready(region), mortal: false },
      )
      const receiver = spawn(
        () => {
          const all: number[] = []
          while (!all.includes(3) && !(all.length === 2 && all[0] === 1)) all.push(ends.rx.recv({ timeout: 50 }))
          return all
        },
        { ...ready(region), mortal: false },
      )
      spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
      return () => {
        const got = [...receiver.result, ...left(ends.rx)]
        expect(got).toEqual([...got].sort())
      }
    },
    { preemptions: 0, deaths: true },
  )
})
