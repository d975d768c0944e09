/** Every interleaving, within bounds, of cancelling with waiting, listening, making and disposing of tokens. */
import { AtomicInt32, DisposedError, type Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { model, type ModelOptions, type Report } from '@heddle/model'
import { WaitQueue } from '@heddle/park'
import { Agent, FREE, phaseOf, reap, W_STATE } from '@heddle/park/internal'
import { afterAll, expect, test } from 'vitest'
import { CancelledError, CancelSource, type CancelToken } from '../src/index.js'
import { forEachRecord } from '../../park/src/slab.js'
import { nodesInUse } from '../src/pool.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const reports: Report[] = []

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): Report {
  const report = model(name, body, { regionBytes: 1 << 17, ...options })
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

/** Makes the thread's agent, with records and nodes, before the others start. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

function expectNoRecords(region: Region): void {
  let busy = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (phaseOf(load(region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy).toBe(0)
}

/** How a park with a token ended. */
function park(queue: WaitQueue, token: CancelToken): string {
  try {
    return queue.park({ signal: token }).outcome
  } catch (error) {
    if (error instanceof CancelledError) return 'cancelled'
    if (error instanceof DisposedError) return 'disposed'
    throw error
  }
}

test('a wait with a child of the token that is cancelled is never missed', () => {
  const report = run(
    'park with a child | cancel',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const child = source.token.child()
      const queue = new WaitQueue({ region })
      const waiter = spawn(() => park(queue, child.token), ready(region))
      spawn(() => source.cancel(), ready(region))
      return () => {
        expect(waiter.result).toBe('cancelled')
        expectNoRecords(region)
        child.dispose()
        source.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test('a child made during a cancel is cancelled', () => {
  const report = run(
    'child | cancel',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const maker = spawn(() => source.token.child().at, ready(region))
      const canceller = spawn(() => source.cancel(), ready(region))
      return () => {
        expect(canceller.result).toBe(true)
        const child = CancelSource.at(region, maker.result)
        expect(child.token.isCancelled).toBe(true)
        child.dispose()
        source.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('two cancel: one of them did it, and both see it', () => {
  const report = run(
    'cancel | cancel of the parent',
    ({ region, spawn }) => {
      const parent = new CancelSource({ region })
      const child = parent.token.child()
      const below = child.token.child()
      const cancellers = [parent, child].map((source) => spawn(() => [source.cancel(), below.token.isCancelled], ready(region)))
      return () => {
        expect(cancellers[0]!.result).toEqual([true, true])
        expect(cancellers[1]!.result[1]).toBe(true)
        for (const source of [below, child, parent]) source.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('a cancel of the parent and the disposal of a child', () => {
  const report = run(
    'cancel | dispose of a child',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const children = [source.token.child(), source.token.child()]
      spawn(() => source.cancel(), ready(region))
      spawn(() => children[0]!.dispose(), ready(region))
      return () => {
        expect(children[1]!.token.isCancelled).toBe(true)
        children[1]!.dispose()
        source.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: full ? 4 : 3 },
  )
  expect(report.complete).toBe(true)
})

test('the disposal of a parent and of its child, whose place is taken at once', () => {
  const report = run(
    'dispose of the parent, make another | dispose of a child',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const children = [source.token.child(), source.token.child()]
      const maker = spawn(() => {
        source.dispose()
        const next = new CancelSource({ region })
        return [next.at, next.token.child().at]
      }, ready(region))
      spawn(() => children[0]!.dispose(), ready(region))
      return () => {
        const [next, below] = maker.result.map((at) => CancelSource.at(region, at))
        next!.cancel()
        expect([below!.token.isCancelled, children[1]!.token.isCancelled]).toEqual([true, false])
        for (const one of [below!, next!, children[1]!]) one.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test('a cancel and a disposal of one source: one of the two is first', () => {
  const report = run(
    'cancel | dispose',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const canceller = spawn(() => {
        try {
          return source.cancel()
        } catch (error) {
          if (error instanceof DisposedError) return false
          throw error
        }
      }, ready(region))
      spawn(() => source.dispose(), ready(region))
      const next = spawn(() => new CancelSource({ region }).at, ready(region))
      return () => {
        expect(typeof canceller.result).toBe('boolean')
        // Also when it got the place of the one that is gone.
        const other = CancelSource.at(region, next.result)
        expect(other.token.isCancelled).toBe(false)
        other.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
      }
    },
    { preemptions: 2 },
  )
  expect(report.complete).toBe(true)
})

test('a listener of another agent is called once, or taken off before', () => {
  run(
    'onCancel, off | cancel',
    ({ region, spawn, choose }) => {
      const source = new CancelSource({ region })
      const called = new AtomicInt32({ region })
      const taken = choose(2) === 1
      spawn(
        () => {
          const off = source.token.onCancel(() => void called.add(1))
          if (taken) off()
        },
        { ...ready(region), loop: 'idle' },
      )
      spawn(() => source.cancel(), ready(region))
      return () => {
        expect(called.load()).toBe(taken ? 0 : 1)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
})

/** Registers a callback that counts; whether it was, or refused since the token is gone. */
function listen(token: CancelToken, called: AtomicInt32): boolean {
  try {
    token.onCancel(() => void called.add(1))
    return true
  } catch (error) {
    if (error instanceof DisposedError) return false
    throw error
  }
}

test('a listener of a token that is disposed of meanwhile is dropped or refused, and never called', () => {
  const report = run(
    'onCancel | dispose',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const called = new AtomicInt32({ region })
      spawn(() => listen(source.token, called), { ...ready(region), loop: 'idle' })
      spawn(() => source.dispose(), ready(region))
      return () => {
        expect(called.load()).toBe(0)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
  expect(report.complete).toBe(true)
})

test('a listener of a token that is cancelled and at once disposed of is called once or refused', () => {
  run(
    'onCancel | cancel, dispose',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const called = new AtomicInt32({ region })
      const listener = spawn(() => listen(source.token, called), { ...ready(region), loop: 'idle' })
      spawn(() => {
        source.cancel()
        source.dispose()
      }, ready(region))
      return () => {
        expect(called.load()).toBe(listener.result ? 1 : 0)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('a canceller that dies anywhere: the wait below is told, or nothing was cancelled', () => {
  run(
    'park with a child | cancel, a death | reaper',
    ({ region, spawn }) => {
      const source = new CancelSource({ region })
      const child = source.token.child()
      const queue = new WaitQueue({ region })
      const waiter = spawn(() => park(queue, child.token), { ...ready(region), mortal: false })
      spawn(() => source.cancel(), ready(region))
      spawn(
        () => {
          // The body's own agent is 1, thread k is k + 2 as it is made.
          reap(Agent.of(region), 3, 0)
          if (source.token.isCancelled !== child.token.isCancelled) throw new Error('half a subtree')
          source.cancel()
        },
        { ...ready(region), reaper: true },
      )
      return () => {
        // Without a validate, a death may also send it home to look by itself.
        expect(['cancelled', 'recheck']).toContain(waiter.result)
        expectNoRecords(region)
      }
    },
    { preemptions: full ? 2 : 1, deaths: true },
  )
})
