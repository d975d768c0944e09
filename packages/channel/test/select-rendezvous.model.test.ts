/** Interleavings of selects over channels of capacity 0: exactly one case happens on each side, and both sides agree which. */
import { i32, Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { model, type ModelContext, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, FREE, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { forEachRecord } from '../../park/src/slab.js'
import { Endpoint } from '../src/endpoint.js'
import { channel, ClosedError, EMPTY, Receiver, select, selectAsync, Sender } from '../src/index.js'
import type { Rendezvous } from '../src/rendezvous.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
type Ends = [Sender<number>, Receiver<number>]

const pair = (region: Region): Ends => channel({ capacity: 0, codec: i32, region })

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions, complete = true): void {
  const report = model(name, body, { regionBytes: 1 << 17, maxExecutions: full ? 2_000_000 : 20_000, ...options })
  console.log(
    `${name}: ${report.executions} executions, bound ${report.bound}, ${Math.round(report.milliseconds)} ms${report.complete ? '' : ', cut off'}`,
  )
  if (complete) expect(report.complete, 'explored within the bound').toBe(true)
}

/** Records and slots are made before the threads begin: growing has models of its own. */
function ready(region: Region, ...ends: Ends[]): { before: () => void } {
  return {
    before: () => {
      const agent = Agent.of(region)
      agent.slab.release(agent.slab.acquire())
      for (const [tx] of ends) {
        const flavor = Endpoint.flavorOf(tx) as Rendezvous<number>
        const slots = [flavor.acquire(agent), flavor.acquire(agent)]
        for (const slot of slots) flavor.release(slot)
      }
    },
  }
}

function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}

function expectNobodyThere(...ends: Ends[]): void {
  for (const [tx, rx] of ends) {
    expect(rx.tryRecv()).toBe(EMPTY)
    expect(tx.trySend(9)).toBe(false)
  }
}

describe('models', () => {
  test('two selects that face each other on two channels', () => {
    run(
      'select send a, recv b | select recv a, send b',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const b = pair(region)
        const one = spawn(() => select({ a: [a[0], 1], b: b[1] }), ready(region, a, b))
        const two = spawn(() => select({ a: a[1], b: [b[0], 2] }), ready(region, a, b))
        return () => {
          const { key, value } = one.result
          expect(two.result.key).toBe(key)
          expect(key === 'a' ? two.result.value : value).toBe(key === 'a' ? 1 : 2)
          expectNobodyThere(a, b)
          expectNoRecords(region)
          return key
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('two selects that both send and receive on one channel', () => {
    run(
      'select send a, recv a | the same',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const sides = [1, 2].map((value) => spawn(() => select({ send: [a[0], value], receive: a[1] }), { ...ready(region, a), twins: 'sides' }))
        return () => {
          const keys = sides.map(({ result }) => result.key)
          expect([...keys].sort()).toEqual(['receive', 'send'])
          const receiver = keys.indexOf('receive')
          expect(sides[receiver]!.result.value).toBe(2 - receiver)
          expectNobodyThere(a)
          expectNoRecords(region)
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('a select against plain senders and receivers', () => {
    run(
      'select send a, recv b | recv a with a limit | send b with a limit',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const b = pair(region)
        const limited = (act: () => number): number => {
          try {
            return act()
          } catch (error) {
            if (error instanceof TimeoutError) return 0
            throw error
          }
        }
        const chooser = spawn(() => select({ a: [a[0], 1], b: b[1] }), ready(region, a, b))
        const receiver = spawn(() => limited(() => a[1].recv({ timeout: 5 })), ready(region, a))
        const sender = spawn(
          () =>
            limited(() => {
              b[0].send(2, { timeout: 5 })
              return 2
            }),
          ready(region, b),
        )
        return () => {
          const { key, value } = chooser.result
          expect([key, value]).toEqual(key === 'a' ? ['a', undefined] : ['b', 2])
          expect([receiver.result, sender.result]).toEqual(key === 'a' ? [1, 0] : [0, 2])
          expectNobodyThere(a, b)
          expectNoRecords(region)
          return key
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('a time limit on one side: neither or both', () => {
    run(
      'select send a, recv b with a limit | recv a with a limit',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const b = pair(region)
        const attempt = (act: () => unknown): string => {
          try {
            act()
            return 'met'
          } catch (error) {
            if (error instanceof TimeoutError) return 'late'
            throw error
          }
        }
        const chooser = spawn(() => attempt(() => select({ a: [a[0], 1], b: b[1] }, { timeout: 5 })), ready(region, a, b))
        const receiver = spawn(() => attempt(() => a[1].recv({ timeout: 5 })), ready(region, a))
        return () => {
          expect(receiver.result).toBe(chooser.result)
          expectNobodyThere(a, b)
          expectNoRecords(region)
          return receiver.result
        }
      },
      { preemptions: full ? 2 : 0, timeouts: 1 },
    )
  })

  test('close: decided, or closed on both sides', () => {
    run(
      'select send a, recv b | recv a | close a',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const b = pair(region)
        const chooser = spawn(() => select({ a: [a[0], 1], b: b[1] }), ready(region, a, b))
        const receiver = spawn(
          () => {
            try {
              return a[1].recv()
            } catch (error) {
              if (error instanceof ClosedError) return 0
              throw error
            }
          },
          ready(region, a),
        )
        spawn(() => a[0].close(), ready(region))
        return () => {
          expect(chooser.result.key).toBe('a')
          expect(receiver.result).toBe(chooser.result.closed === true ? 0 : 1)
          expectNoRecords(region)
          return receiver.result
        }
      },
      { preemptions: full ? 1 : 0 },
    )
  })

  test('beside a channel that keeps messages', () => {
    run(
      'select send a, recv kept | recv a with a limit | send kept',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const [keptTx, kept] = channel({ capacity: 1, codec: i32, region })
        const chooser = spawn(() => select({ a: [a[0], 1], kept }), ready(region, a))
        const receiver = spawn(
          () => {
            try {
              return a[1].recv({ timeout: 5 })
            } catch (error) {
              if (error instanceof TimeoutError) return 0
              throw error
            }
          },
          ready(region, a),
        )
        spawn(() => keptTx.send(2), ready(region))
        return () => {
          const { key } = chooser.result
          expect([receiver.result, kept.tryRecv()]).toEqual(key === 'a' ? [1, 2] : [0, EMPTY])
          expectNobodyThere(a)
          expectNoRecords(region)
          return key
        }
      },
      { preemptions: full ? 2 : 0 },
    )
  })

  test('one that dies anywhere: the other side goes on with somebody else, or was served', () => {
    run(
      'select send a, recv b (dies) | recv a | send a with a limit | reap',
      ({ region, spawn }: ModelContext) => {
        const a = pair(region)
        const b = pair(region)
        let victim = 0
        const { before } = ready(region, a, b)
        spawn(
          () => {
            try {
              // The limit is for executions in which the two others meet.
              select({ a: [a[0], 1], b: b[1] }, { timeout: 100 })
            } catch (error) {
              if (!(error instanceof TimeoutError)) throw error
            }
          },
          {
            before: () => {
              before()
              victim = Agent.of(region).tag
            },
          },
        )
        const receiver = spawn(() => a[1].recv(), { ...ready(region, a), mortal: false })
        const sender = spawn(
          () => {
            try {
              a[0].send(2, { timeout: 50 })
              return true
            } catch (error) {
              if (error instanceof TimeoutError) return false
              throw error
            }
          },
          { ...ready(region, a), mortal: false },
        )
        spawn(() => reap(Agent.of(region), ownerId(victim), 0), { ...ready(region), mortal: false, reaper: true })
        return () => {
          if (receiver.outcome !== 'finished') throw new Error('the receiver sleeps')
          expect(receiver.result).toBe(sender.result ? 2 : 1)
        }
      },
      { preemptions: 0, deaths: true, maxExecutions: full ? 20_000 : 300 },
      false,
    )
  })
})

describe('a death at every operation of', () => {
  let restore: () => void
  beforeEach(() => {
    restore = installDeaths()
  })
  afterEach(() => restore())

  interface Hand {
    actor: Actor
    a: Ends
    b: Ends
  }
  const scene = (): Hand[] => {
    const region = Region.create({ bytes: 1 << 20, agents: 8 })
    const actors = [0, 1, 2].map(() => new Actor(region))
    actors[0]!.be()
    const [a] = pair(region)
    const [b] = pair(region)
    const open = (tx: Sender<number>): Ends => [Sender.at<number>(region, tx.at), Receiver.at<number>(region, tx.at + 16)]
    return actors.map((actor) => {
      actor.be()
      return { actor, a: open(a), b: open(b) }
    })
  }

  for (const faces of ['nobody', 'a receiver', 'a sender', 'a select'] as const) {
    test(`a select that faces ${faces}`, async () => {
      for (let n = 0; ; n++) {
        const [survivor, other, victim] = scene() as [Hand, Hand, Hand]
        let met: unknown
        other.actor.be()
        const note = (value: unknown): void => void (met = value ?? 'sent')
        if (faces === 'a receiver') void other.a[1].recvAsync().then(note)
        if (faces === 'a sender') void other.b[0].sendAsync(5).then(note)
        if (faces === 'a select') void selectAsync({ a: other.a[1], b: [other.b[0], 5] }).then(note)
        const died = victim.actor.dieAt(n, () => {
          const cases = { a: [victim.a[0], 100] as const, b: victim.b[1] }
          if (faces === 'nobody') void selectAsync(cases).catch(() => undefined)
          else select(cases)
        })
        survivor.actor.reap(victim.actor)
        await settled()
        survivor.actor.be()
        // Whoever still waits meets a survivor: nothing of the dead one stands in its way.
        if (faces !== 'nobody' && met === undefined) {
          if (faces === 'a sender') expect(survivor.b[1].tryRecv(), `killed at ${n}`).toBe(5)
          else expect(survivor.a[0].trySend(7), `killed at ${n}`).toBe(true)
          await settled()
        }
        if (faces !== 'nobody') expect(met, `killed at ${n}`).toBeDefined()
        // And the next pair meets, on both channels.
        other.actor.be()
        let last: unknown
        void selectAsync({ a: other.a[1], b: other.b[1] }).then((value) => (last = value))
        survivor.actor.be()
        expect(survivor.b[0].trySend(8), `killed at ${n}`).toBe(true)
        await settled()
        expect(last).toEqual({ key: 'b', value: 8 })
        expect(survivor.a[0].trySend(9)).toBe(false)
        expect([survivor.actor.agent.slab.used, other.actor.agent.slab.used]).toEqual([0, 0])
        if (!died) {
          expect(n).toBeGreaterThan(15)
          break
        }
      }
    })
  }
})
