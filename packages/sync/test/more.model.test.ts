/** Every interleaving, within bounds, of the small primitives: each has few words, and one thing that must not go wrong. */
import { i32, type Region } from '@heddle/atomics'
import { get, load, set } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { Barrier, Latch, OnceCell, ReentrantMutex, Semaphore, SpinMutex, WaitGroup } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

function run(name: string, body: Parameters<typeof model>[1], options: ModelOptions): void {
  expect(model(name, body, { regionBytes: 1 << 17, ...options }).complete).toBe(true)
}

/** Makes the thread's agent, with a chunk of records, before the others start. */
const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** A plain word that only the primitive protects: a race is found by the checker, a lost update by the final check. */
function plainWord(region: Region): { add(): void; value(): number } {
  const at = region.alloc(4) >> 2
  return { add: () => set(region.words, at, get(region.words, at) + 1), value: () => load(region.words, at) }
}

test('Semaphore: one permit keeps two out of one place', () => {
  run(
    'Semaphore: 2 x acquire, release',
    ({ region, spawn }) => {
      const semaphore = new Semaphore(1, { region })
      const word = plainWord(region)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          semaphore.acquire()
          word.add()
          semaphore.release()
        }, ready(region))
      }
      return () => expect([word.value(), semaphore.available]).toEqual([2, 1])
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('Semaphore: a big request that gives up lets the small one behind it through', () => {
  run(
    'Semaphore: acquire 2 with a time limit | acquire 1',
    ({ region, spawn }) => {
      const semaphore = new Semaphore(1, { region })
      const big = spawn(() => {
        try {
          semaphore.acquire(2, { timeout: 5 })
        } catch (error) {
          if (error instanceof TimeoutError) return 0
          throw error
        }
        return 2
      }, ready(region))
      spawn(() => semaphore.acquire(), ready(region))
      return () => expect([big.result, semaphore.available]).toEqual([0, 0])
    },
    { preemptions: full ? 3 : 2, timeouts: 1 },
  )
})

test('OnceCell: made once, seen whole by everybody', () => {
  run(
    'OnceCell: getOrInit | getOrInit | get',
    ({ region, spawn }) => {
      const cell = new OnceCell({ codec: i32, region })
      const made = plainWord(region)
      const makers = [3, 4].map((value) =>
        spawn(
          () =>
            cell.getOrInit(() => {
              made.add()
              return value
            }),
          ready(region),
        ),
      )
      const reader = spawn(() => cell.get(), ready(region))
      return () => {
        expect(made.value()).toBe(1)
        const [value] = makers.map(({ result }) => result)
        expect([3, 4]).toContain(value)
        expect(makers[1]!.result).toBe(value)
        expect([undefined, value]).toContain(reader.result)
      }
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('Barrier: nobody passes before all have come, twice over', () => {
  run(
    'Barrier: 2 x two rounds',
    ({ region, spawn }) => {
      const barrier = new Barrier(2, { region })
      const words = [0, 1].map(() => plainWord(region))
      const threads = [0, 1].map((me) =>
        spawn(() => {
          const seen: number[] = []
          for (let round = 0; round < 2; round++) {
            words[me]!.add()
            barrier.wait()
            seen.push(words[1 - me]!.value())
            barrier.wait()
          }
          return seen
        }, ready(region)),
      )
      return () =>
        expect(threads.map(({ result }) => result)).toEqual([
          [1, 2],
          [1, 2],
        ])
    },
    { preemptions: full ? 2 : 1 },
  )
})

test('Latch: open when the last has counted down, and it stays open', () => {
  run(
    'Latch: wait | countDown | countDown',
    ({ region, spawn }) => {
      const latch = new Latch(2, { region })
      const word = plainWord(region)
      const waiter = spawn(() => {
        latch.wait()
        return word.value()
      }, ready(region))
      spawn(() => {
        word.add()
        latch.countDown()
      }, ready(region))
      spawn(() => latch.countDown(), ready(region))
      return () => expect([waiter.result, latch.tryWait()]).toEqual([1, true])
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('WaitGroup: waits for what was added before, however it is done', () => {
  run(
    'WaitGroup: add, wait | done | done',
    ({ region, spawn }) => {
      const group = new WaitGroup({ region })
      const words = [0, 1].map(() => plainWord(region))
      group.add(2)
      const waiter = spawn(() => {
        group.wait()
        return words.map((word) => word.value())
      }, ready(region))
      for (const word of words) {
        spawn(() => {
          word.add()
          group.done()
        }, ready(region))
      }
      return () => expect(waiter.result).toEqual([1, 1])
    },
    { preemptions: full ? 3 : 2 },
  )
})

test('SpinMutex: exclusion', () => {
  run(
    'SpinMutex: 2 x lock, release',
    ({ region, spawn }) => {
      const mutex = new SpinMutex({ region })
      const word = plainWord(region)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const guard = mutex.lock()
          word.add()
          guard.release()
        }, ready(region))
      }
      return () => expect([word.value(), mutex.isLocked]).toEqual([2, false])
    },
    { preemptions: full ? 4 : 3 },
  )
})

test('ReentrantMutex: two deep against one', () => {
  run(
    'ReentrantMutex: lock, lock, release, release | lock, release',
    ({ region, spawn }) => {
      const mutex = new ReentrantMutex({ region })
      const word = plainWord(region)
      spawn(() => {
        const outer = mutex.lock()
        const inner = mutex.lock()
        word.add()
        inner.release()
        word.add()
        outer.release()
      }, ready(region))
      spawn(() => {
        const guard = mutex.lock()
        word.add()
        guard.release()
      }, ready(region))
      return () => expect([word.value(), mutex.isLocked]).toEqual([3, false])
    },
    { preemptions: full ? 3 : 2 },
  )
})
