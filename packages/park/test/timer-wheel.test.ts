import { describe, expect, it } from 'vitest'
import { InvalidArgumentError } from '@heddle/atomics'
import { type Timer, TimerWheel } from '../src/timer-wheel.js'

/** A small seeded generator (mulberry32), so that a failure can be run again. */
function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function wheelAt(start = 0): { wheel: TimerWheel; clock: { now: number }; ran: number[]; at: (deadline: number) => Timer } {
  const clock = { now: start }
  const wheel = new TimerWheel(() => clock.now)
  const ran: number[] = []
  return { wheel, clock, ran, at: (deadline) => wheel.insert(deadline, () => ran.push(deadline)) }
}

const DAY = 86_400_000

describe('TimerWheel', () => {
  it('runs nothing early and everything at its exact moment, below a millisecond too', () => {
    const { wheel, ran, at } = wheelAt()
    at(0.25)
    at(0.5)
    at(7)
    expect(wheel.advance(0.249)).toBe(0)
    expect(wheel.advance(0.25)).toBe(1)
    expect(wheel.next()).toBe(0.5)
    expect(wheel.advance(0.4999)).toBe(0)
    expect(wheel.advance(6.9999)).toBe(1)
    expect(wheel.advance(7)).toBe(1)
    expect(ran).toEqual([0.25, 0.5, 7])
    expect(wheel.size).toBe(0)
    expect(wheel.next()).toBe(Infinity)
  })

  it('keeps the order of deadlines over all levels, and of insertion between equal ones', () => {
    const { wheel, ran, at } = wheelAt(1_700_000_000_000.5)
    const deadlines = [3, 1, 40, 39.5, 1100, 33_000, 33_000.1, 1.1e6, 4e7, 2 * DAY, 400 * DAY].map((d) => 1_700_000_000_000.5 + d)
    for (const deadline of deadlines) at(deadline)
    const order: string[] = []
    wheel.insert(deadlines[0]!, () => order.push('a'))
    wheel.advance(deadlines[0]! - 1)
    wheel.insert(deadlines[0]!, () => order.push('b'))
    wheel.advance(Infinity)
    expect(ran).toEqual([...deadlines].sort((a, b) => a - b))
    expect(order).toEqual(['a', 'b'])
  })

  it('cancels once, also what is due but has not run yet', () => {
    const { wheel, ran, at } = wheelAt()
    const timer = at(10)
    expect(timer.isPending).toBe(true)
    expect(wheel.cancel(timer)).toBe(true)
    expect(wheel.cancel(timer)).toBe(false)
    expect(timer.isPending).toBe(false)
    expect(wheel.size).toBe(0)
    expect(wheel.next()).toBe(Infinity)
    const victims: Timer[] = []
    let result: boolean | undefined
    wheel.insert(20, () => (result = wheel.cancel(victims[0]!)))
    victims.push(at(20))
    expect(wheel.advance(30)).toBe(1)
    expect(result).toBe(true)
    expect(ran).toEqual([])
    const last = at(40)
    wheel.advance(40)
    expect(wheel.cancel(last)).toBe(false)
  })

  it('lets a callback insert: later, now, and itself, without keeping advance from returning', () => {
    const { wheel, clock } = wheelAt()
    let renewals = 0
    const renew = (): void => {
      renewals++
      wheel.insert(clock.now, renew)
    }
    wheel.insert(5, renew)
    clock.now = 5
    expect(wheel.advance()).toBe(1)
    expect(wheel.next()).toBeLessThanOrEqual(5)
    expect(wheel.advance()).toBe(1)
    expect(renewals).toBe(2)
    expect(wheel.size).toBe(1)
  })

  it('goes on with what the outer call found due when a callback calls advance', () => {
    const { wheel, ran, at, clock } = wheelAt()
    let inner = -1
    clock.now = 10
    wheel.insert(1, () => {
      at(3)
      inner = wheel.advance()
    })
    at(2)
    at(4)
    expect(wheel.advance()).toBe(1)
    expect(inner).toBe(3)
    expect(ran).toEqual([2, 4, 3])
  })

  it('runs the others when one throws, and throws afterwards', () => {
    const { wheel, ran, at } = wheelAt()
    const first = new Error('first')
    wheel.insert(1, () => {
      throw first
    })
    at(2)
    expect(() => wheel.advance(5)).toThrow(first)
    expect(ran).toEqual([2])
    for (const message of ['a', 'b']) {
      wheel.insert(6, () => {
        throw new Error(message)
      })
    }
    at(7)
    let thrown: unknown
    try {
      wheel.advance(8)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(AggregateError)
    expect((thrown as AggregateError).errors.map((error: Error) => error.message)).toEqual(['a', 'b'])
    expect(ran).toEqual([2, 7])
    expect(wheel.size).toBe(0)
  })

  it('holds deadlines years away, and one at infinity for ever', () => {
    const { wheel, ran, at } = wheelAt(1000)
    at(Infinity)
    at(3650 * DAY)
    at(20 * DAY)
    expect(wheel.next()).toBeLessThanOrEqual(20 * DAY)
    expect(wheel.advance(20 * DAY - 1)).toBe(0)
    expect(wheel.advance(20 * DAY)).toBe(1)
    expect(wheel.advance(3650 * DAY - 1)).toBe(0)
    expect(wheel.advance(3650 * DAY)).toBe(1)
    expect(wheel.advance(Infinity)).toBe(0)
    expect(ran).toEqual([20 * DAY, 3650 * DAY])
    expect(wheel.size).toBe(1)
    expect(wheel.next()).toBe(Infinity)
  })

  it('refuses what is no moment, and the timers of another wheel', () => {
    const { wheel } = wheelAt()
    expect(() => wheel.insert(NaN, () => undefined)).toThrow(InvalidArgumentError)
    expect(() => wheel.insert('5' as unknown as number, () => undefined)).toThrow(InvalidArgumentError)
    expect(() => wheel.advance(NaN)).toThrow(InvalidArgumentError)
    const other = wheelAt().at(5)
    expect(() => wheel.cancel(other)).toThrow(InvalidArgumentError)
  })

  it('does not run late after a clock that went back', () => {
    const { wheel, ran, at } = wheelAt(10_000)
    wheel.advance(50_000)
    at(20_000)
    at(49_999)
    expect(wheel.advance(20_000)).toBe(1)
    expect(wheel.advance(49_999)).toBe(1)
    expect(ran).toEqual([20_000, 49_999])
  })

  it('wakes at most a few times too early, whatever is pending', () => {
    const { wheel } = wheelAt()
    for (let i = 0; i < 1000; i++) wheel.insert(5 * DAY + i, () => undefined)
    let wakes = 0
    for (let now = wheel.next(); wheel.size > 0; now = wheel.next()) {
      if (wheel.advance(now) === 0) wakes++
    }
    expect(wakes).toBeLessThanOrEqual(6 + 1000 / 32)
  })

  const SEED = Number(process.env['HEDDLE_SEED'] ?? (Math.random() * 2 ** 31) | 0)
  it(`equals a sorted array (HEDDLE_SEED=${SEED})`, () => {
    const random = generator(SEED)
    for (let round = 0; round < 60; round++) {
      const start = [0, 0.5, 1_790_000_000_123.25, 2 ** 30 - 3][round % 4]!
      const clock = { now: start }
      const wheel = new TimerWheel(() => clock.now)
      const pending: { deadline: number; order: number; timer: Timer }[] = []
      let expected: number[] = []
      const ran: number[] = []
      let order = 0
      const range = 10 ** (random() * 11)
      const insert = (): void => {
        const id = order++
        const kind = random()
        // Fractions, whole milliseconds, moments that are already past, and repeated ones.
        const deadline =
          kind < 0.1
            ? clock.now - random() * 10
            : kind < 0.2 && pending.length > 0
              ? pending[0]!.deadline
              : kind < 0.5
                ? Math.floor(clock.now + random() * range)
                : clock.now + random() * range
        const timer = wheel.insert(deadline, () => ran.push(id))
        pending.push({ deadline, order: id, timer })
      }
      for (let step = 0; step < 300; step++) {
        const action = random()
        if (action < 0.6) insert()
        else if (action < 0.8 && pending.length > 0) {
          const [entry] = pending.splice(Math.floor(random() * pending.length), 1)
          if (!wheel.cancel(entry!.timer)) throw new Error('a pending timer was not cancelled')
        } else {
          const next = wheel.next()
          const earliest = Math.min(Infinity, ...pending.map((entry) => entry.deadline))
          if (next > earliest) throw new Error(`next() says ${next}, but a timer is due at ${earliest}`)
          const jump = random()
          if (jump < 0.4 && next < Infinity) clock.now = Math.max(clock.now, next)
          else clock.now += jump < 0.5 ? random() : random() * range * 0.2
          const due = pending.filter((entry) => entry.deadline <= clock.now)
          due.sort((a, b) => a.deadline - b.deadline || a.order - b.order)
          expected = expected.concat(due.map((entry) => entry.order))
          for (const entry of due) pending.splice(pending.indexOf(entry), 1)
          expect(wheel.advance()).toBe(due.length)
        }
        if (wheel.size !== pending.length) throw new Error(`size is ${wheel.size}, expected ${pending.length}`)
      }
      expect(ran).toEqual(expected)
    }
  })

  it(`reaches every deadline by next() and advance() alone (HEDDLE_SEED=${SEED})`, () => {
    const random = generator(SEED ^ 0x5bd1)
    const clock = { now: 1_790_000_000_000 }
    const wheel = new TimerWheel(() => clock.now)
    let latest = 0
    for (let i = 0; i < 5000; i++) {
      const deadline = clock.now + random() ** 4 * 3e9
      wheel.insert(deadline, () => (latest = Math.max(latest, clock.now - deadline)))
    }
    let wakes = 0
    while (wheel.size > 0) {
      clock.now = wheel.next()
      wheel.advance()
      wakes++
    }
    expect(latest).toBe(0)
    expect(wakes).toBeLessThan(20_000)
  })
})
