/** Every interleaving, within bounds, of a SeqLock's and a SharedBox's operations, on modelled memory. */
import { expect, test } from 'vitest'
import { model } from '@heddle/model'
import { array, i32, type Region, SeqLock, SharedBox } from '../src/index.js'
import { agentRecord } from '../src/agents.js'
import { A_STATUS, PHASE_DEAD } from '../src/layout.js'
import { store } from '@heddle/atomics/ops'

/** What a host does when a thread of the model died: the body's own agent has id 1, thread 0 has 2, and all are first generations. */
function declareDead(region: Region, thread: number): void {
  store(region.words, (agentRecord(thread + 2) >> 2) + A_STATUS, PHASE_DEAD)
}

const pair = array(i32, 2)

test('a reader sees whole values, in the order in which they were written', () => {
  const report = model(
    'SeqLock: two writes, two reads',
    ({ region, spawn }) => {
      const lock = new SeqLock(pair, { region, value: [0, 0] })
      spawn(() => {
        lock.write([1, 1])
        lock.write([2, 2])
      })
      const seen = spawn(() => [lock.read(), lock.read()])
      return () => {
        const [first, second] = seen.result as [number[], number[]]
        for (const [a, b] of [first, second]) if (a !== b) throw new Error(`torn: ${a} ${b}`)
        if (first[0]! > second[0]!) throw new Error('went back')
        return [first[0], second[0]]
      }
    },
    { preemptions: 2 },
  )
  expect(report.executions).toBeGreaterThan(10)
})

test('writers exclude each other', () => {
  model(
    'SeqLock: two writers',
    ({ region, spawn }) => {
      const lock = new SeqLock(pair, { region, value: [0, 0] })
      for (const n of [1, 2]) spawn(() => lock.write([n, n]))
      return () => {
        const [a, b] = lock.read() as [number, number]
        if (a !== b || a === 0) throw new Error(`${a} ${b}`)
        return a
      }
    },
    { preemptions: 2 },
  )
})

test('a writer may die anywhere: readers and the next writer go on', () => {
  model(
    'SeqLock: a death',
    ({ region, spawn }) => {
      const lock = new SeqLock(pair, { region, value: [0, 0] })
      spawn(() => lock.write([1, 1]))
      const other = spawn(() => {
        const before = lock.read()
        lock.write([2, 2])
        return before
      })
      spawn((dead) => declareDead(region, dead), { reaper: true })
      return () => {
        const [a, b] = lock.read() as [number, number]
        if (a !== b) throw new Error(`torn: ${a} ${b}`)
        if (other.outcome === 'finished' && other.result[0] !== other.result[1]) throw new Error('torn')
      }
    },
    { preemptions: 2, deaths: true },
  )
})

test('a box is freed once, by whoever releases it last, and its value is never seen freed', () => {
  model(
    'SharedBox: two references',
    ({ region, spawn }) => {
      const { blocks } = region.stats()
      const box = new SharedBox({ codec: i32, region }, 7)
      const handle = box.toHandle()
      spawn(() => {
        const mine = SharedBox.fromHandle<number>(handle)
        const value = mine.value
        mine.release()
        if (value !== 7) throw new Error(`saw ${value}`)
      })
      spawn(() => {
        const clone = box.clone()
        box.release()
        if (clone.value !== 7) throw new Error('saw another value')
        clone.release()
      })
      return () => {
        if (region.stats().blocks !== blocks) throw new Error('leaked')
      }
    },
    { preemptions: 2 },
  )
})
