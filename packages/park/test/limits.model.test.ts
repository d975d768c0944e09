/** Every interleaving, within bounds, of a promise's wait with what may end it: its time, its signal, the unpark, its own event loop. */
import { AtomicInt32, type Region } from '@heddle/atomics'
import { model } from '@heddle/model'
import { TimeoutError, WaitQueue } from '@heddle/park'
import { Agent, KIND_PROMISE, ParkOperation, Pending } from '@heddle/park/internal'
import { expect, test } from 'vitest'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

/** Makes the thread's agent, with a chunk of records, before the others start. The loop stays armed after the wait, and harms nobody. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** Parks as a promise of the calling agent; `end` is told how it ended. */
function park(region: Region, queue: WaitQueue, options: { timeout?: number; signal?: AbortSignal }, end: (how: string) => void): void {
  const operation = new ParkOperation(Agent.of(region), (queue.at >> 2) + 1, queue.header)
  Pending.start(operation, KIND_PROMISE, options, false, {
    done: ({ outcome }) => end(outcome),
    failed: (error) => end(error instanceof TimeoutError ? 'timeout' : (error as Error).name),
  })
}

/** How a park may end. */
const HOW = ['', 'unparked', 'timeout', '', 'AbortError']

for (const [title, timeouts] of [
  ['a promise with a time limit', true],
  ['a promise with a signal', false],
] as const) {
  test(`${title}: the notify that it was given counts, or was passed on, and nothing stays behind`, () => {
    const report = model(
      `park as a promise with ${timeouts ? 'a time limit' : 'a signal'} | unparkOne`,
      ({ region, spawn, abortSignal }) => {
        const queue = new WaitQueue({ region })
        const ended = new AtomicInt32({ region })
        spawn(
          () =>
            park(region, queue, timeouts ? { timeout: 5 } : { signal: abortSignal() }, (how) => {
              // Given back before the caller is told.
              expect(Agent.of(region).slab.used).toBe(0)
              ended.add(HOW.indexOf(how))
            }),
          { ...ready(region), loop: 'idle' },
        )
        const waker = spawn(() => queue.unparkOne(), ready(region))
        return () => {
          const how = HOW[ended.load()]
          // Exactly one thing ended it, and an unpark that chose it is what did.
          expect([timeouts ? 'timeout' : 'AbortError', 'unparked']).toContain(how)
          expect(how === 'unparked').toBe(waker.result)
          expect(queue.hasWaiters).toBe(false)
          return how
        }
      },
      { preemptions: full ? 3 : 2, timeouts: timeouts ? 1 : false, regionBytes: 1 << 17 },
    )
    expect(report.complete).toBe(true)
    expect(report.outcomes.size).toBe(2)
  })
}
