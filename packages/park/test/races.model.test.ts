/** Races that need several agents at their exact steps: one thread acts for all of them, and steps in where the operations meet. */
import type { Region } from '@heddle/atomics'
import { A_BLOCKED } from '@heddle/atomics/internal'
import { exchange, load } from '@heddle/atomics/ops'
import { install, nativeOps, type Ops } from '@heddle/atomics/ops-model'
import { Parker, WaitQueue } from '@heddle/park'
import {
  type Agent,
  CASE_RECHECK,
  claim,
  GRANTED,
  KIND_PROMISE,
  NOTIFIED,
  type Operation,
  ParkOperation,
  phaseOf,
  QUEUE_BYTES,
  releaseContended,
  settle,
  W_LOCK,
  W_STATE,
  W_TRIES,
  WAITING,
} from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor } from './support/deaths.js'
import { makeRegion, recordsInUse, settled } from './support/stage.js'
import { TestToken } from './support/token.js'

let restore: () => void
let hooks: Partial<Ops>
let region: Region
let waker: Actor
let owner: Actor
let other: Actor
beforeEach(() => {
  hooks = {}
  restore = install({
    load: (words, index) => (hooks.load ?? nativeOps.load)(words, index),
    compareExchange: (words, index, expected, replacement) =>
      (hooks.compareExchange ?? nativeOps.compareExchange)(words, index, expected, replacement),
  })
  region = makeRegion()
  waker = new Actor(region)
  owner = new Actor(region)
  other = new Actor(region)
})
afterEach(() => restore())

/** Begins an operation as a promise of an agent would, without one. */
function begin<T extends Operation<unknown>>(actor: Actor, make: (agent: Agent) => T): T {
  actor.be()
  const operation = make(actor.agent)
  operation.record = actor.agent.acquire(KIND_PROMISE)
  expect(operation.begin()).toBe(false)
  return operation
}

function end(operation: Operation<unknown>): void {
  settle(operation.agent, operation.record)
  operation.agent.slab.release(operation.record)
}

const stateOf = (operation: Operation<unknown>): number => load(region.words, operation.record + W_STATE)

/** The owner's agent blocks its thread between the waker's first look and its second. */
function blockBetweenLooks(): void {
  let looks = 0
  hooks.load = (words, index) => (index === owner.agent.record + A_BLOCKED ? Number(++looks === 2) : nativeOps.load(words, index))
}

describe('a waker that takes its choice back, since the owner blocks', () => {
  let first: ParkOperation
  let second: ParkOperation
  let queue: WaitQueue
  beforeEach(() => {
    waker.be()
    queue = new WaitQueue({ region })
    const q = (queue.at >> 2) + 1
    first = begin(owner, (agent) => new ParkOperation(agent, q))
    second = begin(other, (agent) => new ParkOperation(agent, q))
    blockBetweenLooks()
  })

  test('after the owner has seen it: the owner has it, and nobody else', () => {
    let seen = false
    hooks.compareExchange = (words, index, expected, replacement) => {
      if (index === first.record + W_STATE && phaseOf(expected) === NOTIFIED && phaseOf(replacement) === WAITING && !seen) {
        // It is back already, and looks.
        seen = true
        expect(first.resume(nativeOps.load(words, index))).toBe(true)
      }
      return nativeOps.compareExchange(words, index, expected, replacement)
    }
    waker.be()
    expect(queue.unparkOne(5)).toBe(true)
    hooks = {}
    expect(seen).toBe(true)
    expect(first.result).toEqual({ outcome: 'unparked', token: 5 })
    expect(phaseOf(stateOf(second))).toBe(WAITING)
    end(first)
    end(second)
  })

  test('before: the next has it, and the owner waits on at its place', () => {
    let seen = 0
    hooks.compareExchange = (words, index, expected, replacement) => {
      if (index === first.record + W_STATE && phaseOf(replacement) === NOTIFIED) seen = replacement
      return nativeOps.compareExchange(words, index, expected, replacement)
    }
    waker.be()
    expect(queue.unparkOne(5)).toBe(true)
    hooks = {}
    expect([phaseOf(stateOf(first)), phaseOf(stateOf(second))]).toEqual([WAITING, NOTIFIED])
    // The owner acts on what it read before.
    expect(phaseOf(seen)).toBe(NOTIFIED)
    expect(second.resume(stateOf(second))).toBe(true)
    expect(queue.unparkOne(6)).toBe(true)
    expect(first.resume(stateOf(first))).toBe(true)
    expect(first.result.token).toBe(6)
    end(first)
    end(second)
    expect(recordsInUse(region)).toBe(0)
  })

  test('a state that was read before is no claim any more', () => {
    waker.be()
    queue.unparkOne(5)
    hooks = {}
    const claimed = (stateOf(first) & ~0xf) | NOTIFIED
    expect(first.resume(claimed)).toBe(false)
    end(first)
    end(second)
  })
})

test('a lock that is granted to an agent that has just blocked goes to the next', () => {
  waker.be()
  const lock = region.alloc(4 + QUEUE_BYTES) >> 2
  const q = lock + 1
  const waiters = [owner, other].map((actor) => begin(actor, (agent) => new ParkOperation(agent, q)))
  for (const { record } of waiters) {
    nativeOps.store(region.words, record + W_LOCK, lock)
    // Lost often enough.
    nativeOps.store(region.words, record + W_TRIES, 2)
  }
  nativeOps.store(region.words, lock, waker.agent.tag | 2)
  blockBetweenLooks()
  waker.be()
  releaseContended(waker.agent, lock, q, waker.agent.tag)
  hooks = {}
  expect(waiters.map((one) => phaseOf(stateOf(one)))).toEqual([WAITING, GRANTED])
  expect(load(region.words, lock)).toBe(other.agent.tag | 2)
})

test('a permit that one takes who was told to look again: the next permit is for who still waits', async () => {
  waker.be()
  const parker = new Parker({ region })
  const first = begin(owner, () => (parker as unknown as { operation(): Operation<void> }).operation())
  other.be()
  let went = false
  const second = parker.parkAsync().then(() => (went = true))
  // One that gave a permit died before it chose anybody, and its reaper has told the first waiter to look again.
  exchange(region.words, (parker.at >> 2) + 1, 1)
  expect(claim(region.words, first.record, NOTIFIED, CASE_RECHECK)).toBe(true)
  owner.be()
  expect(first.resume(stateOf(first))).toBe(true)
  // Before it has given its record back, there is another permit.
  waker.be()
  parker.unpark()
  owner.be()
  end(first)
  other.be()
  await settled()
  expect(went).toBe(true)
  await second
})

test('a token that fires while a choice stands, which is then taken back, ends the wait', async () => {
  waker.be()
  const queue = new WaitQueue({ region })
  const token = new TestToken(region)
  owner.be()
  let ended = ''
  queue.parkAsync({ signal: token }).catch((error: unknown) => (ended = (error as Error).name))
  const behind = begin(other, (agent) => new ParkOperation(agent, (queue.at >> 2) + 1))
  blockBetweenLooks()
  let fired = false
  hooks.compareExchange = (words, index, expected, replacement) => {
    // The canceller finds the record claimed.
    if (!fired && phaseOf(expected) === NOTIFIED && phaseOf(replacement) === WAITING) {
      fired = true
      token.cancel()
    }
    return nativeOps.compareExchange(words, index, expected, replacement)
  }
  waker.be()
  expect(queue.unparkOne()).toBe(true)
  hooks = {}
  expect([fired, phaseOf(stateOf(behind))]).toEqual([true, NOTIFIED])
  end(behind)
  // Nobody but the waker can tell the owner to look.
  await settled()
  expect(ended).toBe('Stopped')
})
