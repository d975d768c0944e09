/** Interleavings, within bounds, of broadcast and watch: whole messages, in order, to everybody; who lags is told the right number; nobody sleeps for ever. */
import { array, type Codec, i32, type Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, reap } from '@heddle/park/internal'
import { afterAll, describe, expect, test } from 'vitest'
import { broadcast, CLOSED, ClosedError, EMPTY, LaggedError, type Receiver, watch } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  reports.push(model(name, body, { regionBytes: 1 << 17, ...options }))
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

/** Three words that say the same: a message that is not whole shows. */
const triple = array(i32, 3)
const three = (n: number): number[] => [n, n, n]
function one(message: ArrayLike<number>): number {
  if (message[0] !== message[1] || message[1] !== message[2]) throw new Error(`torn: ${Array.from(message).join()}`)
  return message[0]!
}

/** Everything that a receiver gets until the channel is closed: numbers, and 'missed n'. */
function hear(rx: Receiver<ArrayLike<number>>): (number | string)[] {
  const all: (number | string)[] = []
  for (;;) {
    try {
      all.push(one(rx.recv()))
    } catch (error) {
      if (error instanceof ClosedError) return all
      if (!(error instanceof LaggedError)) throw error
      all.push(`missed ${error.missed}`)
    }
  }
}

describe('broadcast', () => {
  test('one sender, two receivers: each gets all, in order', () => {
    run(
      'broadcast: send ×2, close | hear | hear',
      ({ region, spawn }) => {
        const [tx, rx] = broadcast({ capacity: 4, codec: triple, region })
        const other = rx.clone()
        spawn(() => {
          tx.send(three(1))
          tx.send(three(2))
          tx.close()
        }, ready(region))
        const receivers = [rx, other].map((each) => spawn(() => hear(each), ready(region)))
        return () => {
          for (const { result } of receivers) expect(result).toEqual([1, 2])
        }
      },
      { preemptions: full ? 2 : 0 },
    )
  })

  test('a receiver that is overtaken is told how many it missed, and gets whole messages', () => {
    run(
      'broadcast of capacity 1: send ×20 | tryRecv until the last',
      ({ region, spawn }) => {
        // More than the sixteen slots that there are: the sender comes round to the one that is being read.
        const [tx, rx] = broadcast({ capacity: 1, codec: triple, region })
        tx.send(three(0))
        spawn(() => {
          for (let i = 1; i <= 20; i++) tx.send(three(i))
        }, ready(region))
        const receiver = spawn(() => {
          let next = 0
          for (let look = 0; look < 5; look++) {
            try {
              const found = rx.tryRecv()
              if (typeof found === 'symbol') continue
              if (one(found) !== next) throw new Error(`got ${one(found)} for ${next}`)
              next++
            } catch (error) {
              if (!(error instanceof LaggedError)) throw error
              next += error.missed
            }
          }
          return next
        }, ready(region))
        return () => expect(receiver.result).toBeGreaterThan(0)
      },
      { preemptions: full ? 2 : 1, maxSteps: 10_000 },
    )
  })

  test('two senders: both receivers get the same order', () => {
    run(
      'broadcast: send | send | recv ×2 | recv ×2',
      ({ region, spawn }) => {
        const [tx, rx] = broadcast({ capacity: 4, codec: triple, region })
        const other = rx.clone()
        for (const n of [1, 2]) spawn(() => tx.send(three(n)), { ...ready(region), twins: 'senders' })
        const receivers = [rx, other].map((each) => spawn(() => [one(each.recv()), one(each.recv())], ready(region)))
        return () => {
          expect([...receivers[0]!.result].sort()).toEqual([1, 2])
          expect(receivers[1]!.result).toEqual(receivers[0]!.result)
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('close: a message was sent and is heard by all, or it was given back', () => {
    run(
      'broadcast: send | close | hear | hear',
      ({ region, spawn }) => {
        const [tx, rx] = broadcast({ capacity: 1, codec: triple, region })
        const other = rx.clone()
        const sender = spawn(() => {
          try {
            tx.send(three(7))
            return [7]
          } catch (error) {
            if (error instanceof ClosedError) return []
            throw error
          }
        }, ready(region))
        spawn(() => tx.close(), ready(region))
        const receivers = [rx, other].map((each) => spawn(() => hear(each), ready(region)))
        return () => {
          for (const { result } of receivers) expect(result).toEqual(sender.result)
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('a sender dies anywhere: whoever hears goes on', () => {
    run(
      'broadcast: send 9 (dies) | send 1, close | hear | reap',
      ({ region, spawn }) => {
        const [tx, rx] = broadcast({ capacity: 2, codec: triple, region })
        let victim = 0
        spawn(() => tx.send(three(9)), {
          before: () => {
            ready(region).before()
            victim = Agent.of(region).tag
          },
        })
        spawn(() => tx.send(three(1)), { ...ready(region), mortal: false })
        const receiver = spawn(
          () => {
            for (;;) if (one(rx.recv()) === 1) return true
          },
          { ...ready(region), mortal: false },
        )
        spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
        return () => expect(receiver.result).toBe(true)
      },
      { preemptions: 0, deaths: true, races: false, maxExecutions: full ? 20_000 : 200 },
    )
  })

  test('receivers are made and given up while others are', () => {
    run(
      'broadcast: subscribe, dispose, subscribe | the same | send',
      ({ region, spawn }) => {
        const [tx, rx] = broadcast({ capacity: 4, codec: i32 as Codec<number>, region })
        const spare = rx.subscribe()
        spare.dispose()
        const makers = [0, 1].map(() =>
          spawn(
            () => {
              const first = rx.subscribe()
              const second = rx.subscribe()
              const places = [first.at, second.at]
              first.tryRecv()
              first.dispose()
              // The second keeps its place, whatever others make of the first one's.
              return [...places, second.isDisposed ? 1 : 0]
            },
            { ...ready(region), twins: 'makers' },
          ),
        )
        spawn(() => {
          for (let i = 0; i < 3; i++) tx.send(i)
        }, ready(region))
        return () => {
          for (const { result } of makers) {
            expect(result[0]).not.toBe(result[1])
            expect(result[2]).toBe(0)
          }
          expect(makers[0]!.result[1]).not.toBe(makers[1]!.result[1])
          expect(rx.tryRecv()).toBe(0)
        }
      },
      { preemptions: full ? 2 : 0, timeouts: false, regionBytes: 1 << 17 },
    )
  })
})

describe('watch', () => {
  test('a receiver gets whole values, newer and newer, and the last', () => {
    run(
      'watch: send ×3, close | hear | hear',
      ({ region, spawn }) => {
        const [tx, rx] = watch(three(0), { codec: triple, region })
        const other = rx.clone()
        spawn(() => {
          for (let i = 1; i <= 3; i++) tx.send(three(i))
          tx.close()
        }, ready(region))
        const receivers = [rx, other].map((each) => spawn(() => [...hear(each), one(each.get())], ready(region)))
        return () => {
          for (const { result } of receivers) {
            expect(result.at(-1)).toBe(3)
            expect(result.at(-2)).toBe(3)
            const heard = result.slice(0, -1)
            expect(heard).toEqual([...new Set(heard)].sort())
          }
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('two senders, a close: each value was published or given back', () => {
    run(
      'watch: send 1 | send 2 | close | hear',
      ({ region, spawn }) => {
        const [tx, rx] = watch(three(0), { codec: triple, region })
        const senders = [1, 2].map((n) =>
          spawn(() => {
            try {
              tx.send(three(n))
              return n
            } catch (error) {
              if (error instanceof ClosedError) return 0
              throw error
            }
          }, ready(region)),
        )
        spawn(() => tx.close(), ready(region))
        const receiver = spawn(() => hear(rx), ready(region))
        return () => {
          const sent = senders.map(({ result }) => result).filter((n) => n > 0)
          // Both may be published before it looks: it gets the later one.
          expect(receiver.result.length).toBeLessThanOrEqual(sent.length)
          if (sent.length > 0) expect(receiver.result.length).toBeGreaterThan(0)
          for (const heard of receiver.result) expect(sent).toContain(heard)
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('changed, with a time limit: told, or late', () => {
    run(
      'watch: changed with a time limit | send',
      ({ region, spawn }) => {
        const [tx, rx] = watch(three(0), { codec: triple, region })
        const waiter = spawn(() => {
          try {
            rx.changed({ timeout: 5 })
            return [one(rx.get()), rx.tryRecv()]
          } catch (error) {
            if (!(error instanceof TimeoutError)) throw error
            rx.changed()
            return [one(rx.get()), rx.tryRecv()]
          }
        }, ready(region))
        spawn(() => tx.send(three(1)), ready(region))
        return () => expect(waiter.result).toEqual([1, EMPTY])
      },
      { preemptions: full ? 2 : 1, timeouts: true },
    )
  })

  test('a sender dies anywhere: the next one sends, and whoever hears goes on', () => {
    run(
      'watch: send 9 (dies) | send 1 | recv until 1 | reap',
      ({ region, spawn }) => {
        const [tx, rx] = watch(three(0), { codec: triple, region })
        let victim = 0
        spawn(() => tx.send(three(9)), {
          before: () => {
            ready(region).before()
            victim = Agent.of(region).tag
          },
        })
        spawn(() => tx.send(three(1)), { ...ready(region), mortal: false })
        const receiver = spawn(
          () => {
            const all: number[] = []
            // 9 may be the later one.
            while (!all.includes(1) && !all.includes(9)) all.push(one(rx.recv()))
            return all
          },
          { ...ready(region), mortal: false },
        )
        spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
        return () => {
          expect(receiver.result.length).toBe(1)
          expect([CLOSED, EMPTY]).not.toContain(rx.get())
        }
      },
      { preemptions: 0, deaths: true, races: false, maxExecutions: full ? 20_000 : 200 },
    )
  })
})
