/** Interleavings of ranges (sendMany, recvMany) with single messages, and a death at every operation of them: nothing is lost, nothing comes twice. */
import { i32, Region } from '@heddle/atomics'
import { ownerId } from '@heddle/atomics/internal'
import { limits, load } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, FREE, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { forEachRecord } from '../../park/src/slab.js'
import { channel, CLOSED, ClosedError, EMPTY, Receiver, Sender, spsc } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
  console.log(
    `${name}: ${report.executions} executions, bound ${report.bound}, ${Math.round(report.milliseconds)} ms${report.complete ? '' : ', cut off'}`,
  )
}
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
function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}
/** Each sender's messages are in order. */
function inOrder(values: readonly number[]): void {
  for (const sender of [0, 10]) {
    const own = values.filter((value) => value >= sender && value < sender + 10)
    expect(own).toEqual([...own].sort((a, b) => a - b))
  }
}
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)

describe('models', () => {
  for (const [name, make] of [
    ['channel', channel],
    ['spsc', spsc],
  ] as const) {
    test(`${name}: a list is sent while it is received`, () => {
      run(
        `${name}: sendMany, send, sendMany | recvMany until 11`,
        ({ region, spawn }) => {
          const [tx, rx] = make({ capacity: 8, codec: i32, region })
          spawn(() => {
            // Past the end of a turn.
            tx.sendMany([1, 2])
            tx.send(3)
            tx.sendMany([4, 5, 6, 7, 8, 9, 10, 11])
          }, ready(region))
          const receiver = spawn(() => {
            const all: number[] = []
            while (!all.includes(11)) all.push(...rx.recvMany(3))
            return all
          }, ready(region))
          return () => {
            expect(receiver.result).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            expectNoRecords(region)
          }
        },
        // spsc without races: who looks ahead looks at inner states that are being written, and believes none of them (P4 of spsc-ring.ts).
        { preemptions: full ? 2 : 1, races: name === 'channel' },
      )
    })
  }

  test('two lists, a receiver of lists, a receiver of single messages', () => {
    run(
      'sendMany | sendMany | recvMany | recv',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 8, codec: i32, region })
        for (const first of [1, 11]) spawn(() => tx.sendMany([first, first + 1]), { ...ready(region), twins: 'senders' })
        const many = spawn(() => rx.recvMany(3), ready(region))
        const one = spawn(() => rx.recv(), ready(region))
        return () => {
          const rest = left(rx)
          inOrder([...many.result, ...rest])
          expect(sorted([...many.result, one.result, ...rest])).toEqual([1, 2, 11, 12])
          expectNoRecords(region)
        }
      },
      // Without races: who stands at an older lap looks at inner states that are being written (R3 of ring-range.ts).
      // Without races: who stands at an older lap looks at states that are being written, and believes none of them (R3 of ring-range.ts).
      { preemptions: full ? 1 : 0, races: false },
    )
  })

  test('a list into a ring that others fill and empty', () => {
    run(
      'sendMany ×2 | send | recvMany, recv',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 8, codec: i32, region })
        for (let i = 0; i < 6; i++) tx.send(0)
        spawn(() => {
          tx.sendMany([1, 2])
          tx.sendMany([3, 4])
        }, ready(region))
        spawn(() => tx.send(11), ready(region))
        const receiver = spawn(() => {
          const all: number[] = []
          while (all.length < 11) all.push(...rx.recvMany(8))
          return all
        }, ready(region))
        return () => {
          inOrder(receiver.result.slice(6))
          expect(sorted(receiver.result)).toEqual([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 11])
          expectNoRecords(region)
        }
      },
      { preemptions: full ? 1 : 0, races: false },
    )
  })

  test('close: of every list what was sent is received, and no more', () => {
    run(
      'sendMany | recvMany until closed | close',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 8, codec: i32, region })
        const sender = spawn(() => {
          try {
            return tx.sendMany([1, 2])
          } catch (error) {
            if (error instanceof ClosedError) return 0
            throw error
          }
        }, ready(region))
        const receiver = spawn(() => {
          const all: number[] = []
          try {
            for (;;) all.push(...rx.recvMany(2))
          } catch (error) {
            if (error instanceof ClosedError) return all
            throw error
          }
        }, ready(region))
        spawn(() => tx.close(), ready(region))
        return () => {
          const got = [...receiver.result, ...left(rx)]
          expect(got).toEqual([1, 2].slice(0, sender.result))
          expectNoRecords(region)
        }
      },
      { preemptions: full ? 2 : 1 },
    )
  })

  test('who dies in a range: others go on, in order', () => {
    run(
      'sendMany (dies) | recvMany (dies) | recvMany until nothing comes | sendMany | reap',
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity: 8, codec: i32, region })
        tx.sendMany([10, 11])
        const tags: number[] = []
        const mortal = (): { before: () => void } => ({
          before: () => {
            ready(region).before()
            tags.push(Agent.of(region).tag)
          },
        })
        spawn(() => tx.sendMany([1, 2]), mortal())
        const untilLate = (rounds: number): number[] => {
          const all: number[] = []
          try {
            for (let round = 0; round < rounds; round++) all.push(...rx.recvMany(2, { timeout: 1000 }))
          } catch (error) {
            if (!(error instanceof TimeoutError)) throw error
          }
          return all
        }
        const victim = spawn(() => untilLate(1), mortal())
        const receiver = spawn(() => untilLate(Infinity), { ...ready(region), mortal: false })
        spawn(() => tx.sendMany([12, 13]), { ...ready(region), mortal: false })
        spawn((dead) => reap(Agent.of(region), ownerId(tags[dead]!), 0), { ...ready(region), mortal: false, reaper: true })
        return () => {
          const got = [...(victim.outcome === 'finished' ? victim.result : []), ...receiver.result]
          expect(new Set(got).size, 'nothing twice').toBe(got.length)
          inOrder(receiver.result)
          // What a victim had received completely and never told is gone with it: 0 or a whole range.
          if (victim.outcome === 'finished') expect(sorted(got).filter((value) => value > 9)).toEqual([10, 11, 12, 13])
        }
      },
      { preemptions: 0, deaths: true, races: false, maxExecutions: full ? 20_000 : 300 },
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
    tx: Sender<number>
    rx: Receiver<number>
  }
  const stage = (make: typeof channel): Hand[] => {
    const region = Region.create({ bytes: 1 << 20, agents: 8 })
    const actors = [0, 1].map(() => new Actor(region))
    actors[0]!.be()
    const [tx] = make({ capacity: 16, codec: i32, region })
    return actors.map((actor) => {
      actor.be()
      const hand = { actor, tx: Sender.at<number>(region, tx.at), rx: Receiver.at<number>(region, tx.at + 16) }
      expect(hand.tx.length).toBe(0)
      return hand
    })
  }
  const full16 = (hand: Hand): void => {
    hand.actor.be()
    for (let lap = 0; lap < 3; lap++) {
      for (let i = 0; i < 16; i++) expect(hand.tx.trySend(i)).toBe(true)
      expect(hand.tx.trySend(99)).toBe(false)
      expect(left(hand.rx)).toEqual(Array.from({ length: 16 }, (_, i) => i))
      let sent = 0
      while (sent < 16) sent += hand.tx.sendMany([sent, sent + 1, sent + 2, sent + 3])
      expect(hand.rx.recvMany(16)).toEqual(Array.from({ length: 16 }, (_, i) => i))
    }
  }

  for (const [name, make] of [
    ['channel', channel],
    ['spsc', spsc],
  ] as const) {
    for (const before of [0, 3, 14]) {
      test(`${name}: sendMany behind ${before} messages`, () => {
        for (let n = 0; ; n++) {
          const [survivor, victim] = stage(make) as [Hand, Hand]
          // An end of an spsc is the victim's until it is reaped.
          victim.actor.be()
          for (let i = 0; i < before; i++) victim.tx.send(50 + i)
          survivor.actor.be()
          if (before === 14) for (let i = 0; i < 13; i++) expect(survivor.rx.recv()).toBe(50 + i)
          const died = victim.actor.dieAt(n, () => void victim.tx.sendMany([1, 2, 3, 4]))
          survivor.actor.reap(victim.actor)
          survivor.actor.be()
          const got = left(survivor.rx)
          const mine = got.filter((value) => value < 50)
          expect(got.slice(0, got.length - mine.length)).toEqual(before === 14 ? [63] : [50, 51, 52].slice(0, before))
          expect(mine, `killed at ${n}`).toEqual([1, 2, 3, 4].slice(0, mine.length))
          if (!died) expect(mine.length).toBe(4)
          // Only a single message, at the end of a turn, can be lost.
          expect(survivor.rx.lost).toBeLessThanOrEqual(1)
          full16(survivor)
          if (!died) {
            expect(n).toBeGreaterThan(8)
            break
          }
        }
      })

      test(`${name}: recvMany of a range behind ${before} messages`, () => {
        for (let n = 0; ; n++) {
          const [survivor, victim] = stage(make) as [Hand, Hand]
          survivor.actor.be()
          for (let i = 0; i < before; i++) survivor.tx.send(50 + i)
          survivor.tx.sendMany([1, 2])
          victim.actor.be()
          for (let i = 0; i < before; i++) expect(victim.rx.recv()).toBe(50 + i)
          survivor.actor.be()
          survivor.tx.sendMany([3, 4, 5])
          let taken: number[] = []
          const died = victim.actor.dieAt(n, () => {
            taken = victim.rx.recvMany(4)
          })
          survivor.actor.reap(victim.actor)
          survivor.actor.be()
          const got = left(survivor.rx)
          expect([1, 2, 3, 4, 5].slice(5 - got.length), `killed at ${n}`).toEqual(got)
          if (!died) expect([...taken, ...got]).toEqual([1, 2, 3, 4, 5])
          expect(survivor.rx.lost).toBeLessThanOrEqual(1)
          full16(survivor)
          if (!died) {
            expect(n).toBeGreaterThan(8)
            break
          }
        }
      })
    }
  }

  for (const [name, make] of [
    ['channel', channel],
    ['spsc', spsc],
  ] as const) {
    test(`${name}: recvMany of a part of a range, and of the rest by another`, () => {
      for (let n = 0; ; n++) {
        const [survivor, victim] = stage(make) as [Hand, Hand]
        // Ranges of four: the second lap's are sent where ranges of one, two and three were freed, so that lengths of the last lap are there.
        for (let lap = 0; lap < 2; lap++) {
          survivor.actor.be()
          expect(survivor.tx.sendMany([1, 2, 3, 4])).toBe(4)
          expect(survivor.tx.sendMany([5, 6, 7, 8])).toBe(4)
          victim.actor.be()
          if (lap === 1) break
          for (const part of [1, 3, 2, 2]) expect(victim.rx.recvMany(part).length).toBe(part)
          for (let i = 0; i < 8; i++) {
            survivor.actor.be()
            survivor.tx.send(i)
            victim.actor.be()
            expect(victim.rx.recv()).toBe(i)
          }
        }
        let taken: number[] = []
        const died = victim.actor.dieAt(n, () => {
          taken = victim.rx.recvMany(3)
          taken.push(...victim.rx.recvMany(1), ...victim.rx.recvMany(2))
        })
        survivor.actor.reap(victim.actor)
        survivor.actor.be()
        const got: number[] = []
        while (survivor.rx.length > 0) got.push(...survivor.rx.recvMany(3))
        expect([1, 2, 3, 4, 5, 6, 7, 8].slice(8 - got.length), `killed at ${n}`).toEqual(got)
        if (!died) expect([...taken, ...got]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
        full16(survivor)
        if (!died) {
          expect(n).toBeGreaterThan(20)
          break
        }
      }
    })
  }

  test('sendMany and recvMany that wait', async () => {
    expect(limits.spin).toBeGreaterThan(0)
    for (let n = 0; ; n++) {
      const [survivor, victim] = stage(channel) as [Hand, Hand]
      const died = victim.actor.dieAt(n, () => void victim.rx.recvManyAsync(8).catch(() => undefined))
      survivor.actor.reap(victim.actor)
      survivor.actor.be()
      let got: number[] | undefined
      void survivor.rx.recvManyAsync(8).then((values) => (got = values))
      survivor.tx.sendMany([1, 2, 3])
      await settled()
      expect(got, `killed at ${n}`).toEqual([1, 2, 3])
      full16(survivor)
      expect(survivor.actor.agent.slab.used).toBe(0)
      if (!died) break
    }
    for (let n = 0; ; n++) {
      const [survivor, victim] = stage(channel) as [Hand, Hand]
      survivor.actor.be()
      for (let i = 0; i < 16; i++) survivor.tx.send(i)
      const died = victim.actor.dieAt(n, () => void victim.tx.sendManyAsync([1, 2]).catch(() => undefined))
      survivor.actor.reap(victim.actor)
      survivor.actor.be()
      let sent: number | undefined
      void survivor.tx.sendManyAsync([20, 21, 22]).then((count) => (sent = count))
      expect(left(survivor.rx)).toEqual(Array.from({ length: 16 }, (_, i) => i))
      await settled()
      expect(sent, `killed at ${n}`).toBe(3)
      expect(left(survivor.rx)).toEqual([20, 21, 22])
      full16(survivor)
      if (!died) break
    }
  })
})
