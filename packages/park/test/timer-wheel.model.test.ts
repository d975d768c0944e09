/** Every short sequence of inserts, cancels and looks at the clock, over all levels of the wheel, against a sorted list. */
import { model } from '@heddle/model'
import { expect, test } from 'vitest'
import { type Timer, TimerWheel } from '../src/timer-wheel.js'

/** Distances in ms, one for each kind of place: this tick, the next ones, each level, and past the last. */
const DISTANCES = [0, 0.5, 1, 33, 1025, 40_000, 1 << 21, 1 << 26, 2 ** 31]
/** How far the clock goes on: to the place itself, just before it, and past it. */
const STEPS = [0.25, 1, 32, 1024, 32_768, 1 << 20, 1 << 25, 2 ** 30, 2 ** 32]

for (const start of [0, 1_700_000_000_000.5]) {
  test(`the wheel runs what a sorted list would, from ${start} on`, () => {
    const report = model(
      `TimerWheel: insert, advance, insert | cancel, advance, insert, advance, from ${start}`,
      ({ spawn, choose }) => {
        spawn(() => {
          let now = start
          const wheel = new TimerWheel(() => now)
          const wanted: { deadline: number; order: number; timer: Timer }[] = []
          const ran: number[] = []
          let order = 0
          const insert = (): void => {
            const deadline = now + DISTANCES[choose(DISTANCES.length)]!
            const mine = order++
            wanted.push({ deadline, order: mine, timer: wheel.insert(deadline, () => ran.push(mine)) })
          }
          const advance = (): void => {
            now += STEPS[choose(STEPS.length)]!
            const due = wanted.filter(({ deadline }) => deadline <= now).sort((a, b) => a.deadline - b.deadline || a.order - b.order)
            ran.length = 0
            expect(wheel.advance()).toBe(due.length)
            expect(ran).toEqual(due.map((one) => one.order))
            for (const one of due) wanted.splice(wanted.indexOf(one), 1)
            expect(wheel.size).toBe(wanted.length)
            expect(wheel.next()).toBe(Math.min(...wanted.map(({ deadline }) => deadline)))
          }
          insert()
          advance()
          if (choose(2) === 0) insert()
          else {
            const [first] = wanted.splice(0, 1)
            if (first !== undefined) expect([wheel.cancel(first.timer), wheel.cancel(first.timer)]).toEqual([true, false])
          }
          advance()
          now += 2 ** 33
          expect(wheel.advance()).toBe(wanted.length)
        })
      },
      { preemptions: 0 },
    )
    expect(report.complete).toBe(true)
  })
}
