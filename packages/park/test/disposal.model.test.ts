/**
 * A queue whose object was disposed of is not written to any more: its memory may be somebody else's. Who still comes by (the reaper of one
 * that had been chosen there, one that was chosen and leaves the list, who passes its notify on) finds that out without a write.
 */
import { InvalidArgumentError, type Region } from '@heddle/atomics'
import { A_HEIR, registerAgent } from '@heddle/atomics/internal'
import { load, store } from '@heddle/atomics/ops'
import { install, nativeOps } from '@heddle/atomics/ops-model'
import { model } from '@heddle/model'
import { type ParkResult, WaitQueue } from '@heddle/park'
import {
  Agent,
  forEachRecord,
  KIND_PROMISE,
  lockQueue,
  ParkOperation,
  phaseOf,
  Q_LOCK,
  QUEUE_BYTES,
  reap,
  unlockQueue,
  W_LINKED,
  W_STATE,
  W_WANT,
  WAITING,
} from '@heddle/park/internal'
import { afterEach, describe, expect, test } from 'vitest'
import { Actor, settled } from './support/deaths.js'
import { makeRegion } from './support/stage.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'

const ready = (region: Region) => ({
  mortal: false,
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

/** Disposes of the queue if nobody waits, and uses its memory for something else: plain words. The checker finds any access that races with these. */
function reuse(queue: WaitQueue): boolean {
  try {
    queue.dispose()
  } catch (error) {
    if (error instanceof InvalidArgumentError) return false
    throw error
  }
  const { region } = queue
  const at = region.alloc(WaitQueue.BYTES)
  expect(at).toBe(queue.at)
  return true
}

/** Begins a park as a promise of the agent. */
function begin(agent: Agent, queue: WaitQueue): ParkOperation {
  const operation = new ParkOperation(agent, (queue.at >> 2) + 1, queue.header)
  operation.record = agent.acquire(KIND_PROMISE)
  expect(operation.begin()).toBe(false)
  return operation
}

describe('in every interleaving', () => {
  test('the reaper of a waiter that had been chosen, while the queue is disposed of', () => {
    const report = model(
      'reap who was chosen | unparkOne, dispose, reuse',
      ({ region, spawn }) => {
        const queue = new WaitQueue({ region })
        const mine = region.self.get()
        const victim = registerAgent(region.words)
        region.self.set(victim)
        const { slab } = Agent.of(region)
        const { record } = begin(Agent.of(region), queue)
        // Its thread has ended; what it knew itself is gone.
        ;(slab as unknown as { free: number[] }).free.push(record)
        region.self.set(mine)
        const owner = spawn(() => {
          const woke = queue.unparkOne()
          return [woke, reuse(queue)]
        }, ready(region))
        spawn(() => void reap(Agent.of(region), victim.id, victim.generation), ready(region))
        return () => owner.result
      },
      { preemptions: full ? 3 : 2, regionBytes: 1 << 16 },
    )
    expect(report.complete).toBe(true)
    // Chosen, then reaped, and the queue is gone; reaped and gone; given up by the reaper, but still in the list.
    expect([...report.outcomes.keys()].sort()).toEqual(['[false,false]', '[false,true]', '[true,true]'])
  })

  test('a waiter that was chosen and is not out of the list yet, while the queue is disposed of', () => {
    const report = model(
      'park | unparkOne, dispose, reuse',
      ({ region, spawn }) => {
        const queue = new WaitQueue({ region })
        spawn(() => queue.park().outcome, ready(region))
        const owner = spawn(() => {
          while (!queue.unparkOne());
          return reuse(queue)
        }, ready(region))
        return () => owner.result
      },
      { preemptions: full ? 4 : 3, regionBytes: 1 << 16 },
    )
    expect(report.complete).toBe(true)
  })

  test('a waiter that disposes of the queue as soon as it was chosen, while the waker is still in its lock', () => {
    const report = model(
      'park, dispose, reuse | unparkOne',
      ({ region, spawn }) => {
        const queue = new WaitQueue({ region })
        const waiter = spawn(() => {
          queue.park()
          return reuse(queue)
        }, ready(region))
        spawn(() => {
          while (!queue.unparkOne());
        }, ready(region))
        return () => expect(waiter.result).toBe(true)
      },
      { preemptions: full ? 4 : 3, regionBytes: 1 << 16 },
    )
    expect(report.complete).toBe(true)
  })
})

describe('a queue at the place of one that was disposed of', () => {
  let region: Region
  let owner: Actor
  let other: Actor
  let victim: Actor
  const stage = (): WaitQueue => {
    region = makeRegion()
    owner = new Actor(region)
    other = new Actor(region)
    victim = new Actor(region)
    return new WaitQueue({ region })
  }
  /** Another queue at the same place, in which somebody waits. */
  function replace(queue: WaitQueue): { heir: WaitQueue; ended: string[] } {
    owner.be()
    queue.dispose()
    const heir = new WaitQueue({ region })
    expect(heir.at).toBe(queue.at)
    other.be()
    const ended: string[] = []
    void heir.parkAsync({ validate: () => true }).then(({ outcome }) => ended.push(outcome))
    return { heir, ended }
  }
  async function expectUntouched({ heir, ended }: { heir: WaitQueue; ended: string[] }): Promise<void> {
    await settled()
    expect(ended).toEqual([])
    owner.be()
    expect(heir.unparkOne()).toBe(true)
    await settled()
    expect(ended).toEqual(['unparked'])
  }

  test('gets no notify that a dead waiter of the former had got', async () => {
    const queue = stage()
    victim.be()
    void queue.parkAsync()
    owner.be()
    expect(queue.unparkOne()).toBe(true)
    const next = replace(queue)
    owner.reap(victim)
    await expectUntouched(next)
  })

  test('gets no notify that a waiter of the former gives back as it aborts', async () => {
    const queue = stage()
    const controller = new AbortController()
    victim.be()
    const aborted = queue.parkAsync({ signal: controller.signal })
    owner.be()
    queue.unparkOne(7)
    const next = replace(queue)
    victim.be()
    controller.abort()
    // Nobody else could take it any more: it came first.
    expect(await aborted).toEqual({ outcome: 'unparked', token: 7 })
    await expectUntouched(next)
  })

  test('gets no notify that a blocking agent passes on for its promise in the former', async () => {
    const queue = stage()
    victim.be()
    const mine = queue.parkAsync()
    owner.be()
    queue.unparkOne(7)
    const next = replace(queue)
    victim.be()
    victim.agent.enterBlocked()
    victim.agent.exitBlocked()
    await expectUntouched(next)
    expect((await mine).token).toBe(7)
  })

  test('a notify of a waiter that was requeued belongs to the queue that it was moved to', async () => {
    const queue = stage()
    const target = new WaitQueue({ region })
    victim.be()
    void queue.parkAsync()
    owner.be()
    expect(queue.requeue(target)).toBe(1)
    queue.dispose()
    expect(target.unparkOne(3)).toBe(true)
    other.be()
    const ended: ParkResult[] = []
    void target.parkAsync({ validate: () => true }).then((result) => ended.push(result))
    owner.reap(victim)
    await settled()
    expect(ended).toEqual([{ outcome: 'unparked', token: 3 }])
  })

  test('and so it does when who requeued it died before it was there', async () => {
    const queue = stage()
    const target = new WaitQueue({ region })
    const requeuer = new Actor(region)
    victim.be()
    void queue.parkAsync()
    // Under both locks, between the two stores that move the waiter.
    requeuer.be()
    lockQueue(requeuer.agent, (queue.at >> 2) + 1)
    let record = 0
    forEachRecord(region.words, region.agents, (r) => {
      if (phaseOf(load(region.words, r + W_STATE)) === WAITING) record = r
    })
    region.words[record + W_WANT] = target.header
    other.be()
    const ended: ParkResult[] = []
    owner.reap(requeuer)
    owner.be()
    expect(queue.unparkOne(4)).toBe(true)
    other.be()
    void queue.parkAsync({ validate: () => true }).then((result) => ended.push(result))
    owner.reap(victim)
    await settled()
    expect(ended).toEqual([{ outcome: 'unparked', token: 4 }])
  })
})

describe('who looks whether a queue is there', () => {
  let restore = (): void => undefined
  afterEach(() => restore())

  test('the reaper of an agent that granted a lock: another has recovered the queue meanwhile', () => {
    const region = makeRegion()
    const survivor = new Actor(region)
    const victim = new Actor(region)
    const at = region.alloc(QUEUE_BYTES)
    const q = at >> 2
    victim.be()
    const waiter = new ParkOperation(victim.agent, q, undefined)
    waiter.record = victim.agent.acquire(KIND_PROMISE)
    waiter.begin()
    lockQueue(victim.agent, q)
    const heirWord = victim.agent.record + A_HEIR
    store(region.words, heirWord, waiter.record)
    let looks = 0
    restore = install({
      load: (words, index) => {
        // Between the reaper's two looks: it was recovered, and its memory has another use.
        if (words === region.words && index === heirWord && ++looks === 2) {
          nativeOps.store(words, heirWord, 0)
          words.fill(0, q, q + 4)
        }
        return nativeOps.load(words, index)
      },
      compareExchange: (words, index, expected, replacement) => {
        if (words === region.words && index === q + Q_LOCK && looks === 2) throw new Error('written to')
        return nativeOps.compareExchange(words, index, expected, replacement)
      },
    })
    // Its own record was in the list: out of it, so that nothing else leads to the queue.
    store(region.words, waiter.record + W_LINKED, 0)
    expect(() => survivor.reap(victim)).not.toThrow()
    expect(looks).toBeGreaterThanOrEqual(2)
    expect(load(region.words, q + Q_LOCK)).toBe(0)
  })

  test('a queue whose lock is held is not disposed of before the lock is given back', () => {
    const region = makeRegion()
    const owner = new Actor(region)
    const waker = new Actor(region)
    const queue = new WaitQueue({ region })
    const q = (queue.at >> 2) + 1
    lockQueue(waker.agent, q)
    let rounds = 0
    restore = install({
      pause: () => {
        expect(queue.isDisposed).toBe(false)
        if (++rounds === 20) unlockQueue(waker.agent, q)
      },
    })
    owner.be()
    queue.dispose()
    expect(rounds).toBe(20)
    expect(queue.isDisposed).toBe(true)
  })
})
