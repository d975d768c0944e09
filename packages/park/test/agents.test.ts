/** Agents: slots and their heirs, and what happens when a worker that was adopted dies (W3). */
import { AgentLimitError, InvalidArgumentError, Region } from '@heddle/atomics'
import { adopt, currentAgent, Parker, setHost, WaitQueue } from '@heddle/park'
import { Agent, getHost, reapThread, watch } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nodeHost } from '../../host-node/src/node-host.js'
import { Mutex } from '../../sync/src/mutex.js'
import { isKnown } from '../src/reap.js'
import { Crew, expectNothingLeft, makeRegion, until, waiting } from './support/stage.js'

const universal = getHost()
let region: Region
beforeEach(() => {
  region = makeRegion()
})
afterEach(() => setHost(universal))

describe('currentAgent', () => {
  test('says who this is, and makes it known on first use', () => {
    expect(currentAgent(region)).toEqual({ id: 1, generation: 0, canBlock: true })
    Region.useAsDefault(region)
    expect(currentAgent()).toEqual({ id: 1, generation: 0, canBlock: true })
  })

  test('a region without a slot left is an error at the call', async () => {
    region = makeRegion(1)
    const queue = new WaitQueue({ region })
    expect(currentAgent(region).id).toBe(1)
    expect(await new Crew(region).do({ do: 'register' })).toMatchObject({ error: 'ERR_AGENT_LIMIT' })
    const full = makeRegion(1)
    await new Crew(full).do({ do: 'register' })
    expect(() => Agent.of(full)).toThrow(AgentLimitError)
    expect(queue.hasWaiters).toBe(false)
  })
})

describe('adopt', () => {
  test('a worker that is terminated while it is parked: its place in the queue is gone, and its slot is used again, with its records', async () => {
    setHost(nodeHost)
    const queue = new WaitQueue({ region })
    const crew = new Crew(region, 'node')
    adopt(crew.worker)
    const first = await crew.do({ do: 'register' })
    crew.tell({ do: 'park', at: queue.at })
    await until(() => waiting(region) === 1)
    const behind = queue.parkAsync({ validate: () => true })
    await crew.worker.terminate()
    await until(() => waiting(region) === 1)
    expect(queue.unparkOne(3)).toBe(true)
    expect((await behind).token).toBe(3)
    // Every record of the dead agent came back, and its heir takes them over.
    const used = region.stats().used
    const heir = new Crew(region)
    const { value: old } = first as { value: { id: number; generation: number } }
    expect(await heir.do({ do: 'register' })).toEqual({ value: { id: old.id, generation: old.generation + 1 } })
    expect(await heir.do({ do: 'park', at: queue.at, timeout: 0 })).toMatchObject({ error: 'ERR_TIMEOUT' })
    expect(region.stats().used).toBe(used)
    expectNothingLeft(region)
  })

  test('a worker that is terminated while it owns a mutex: the next has it, poisoned', async () => {
    setHost(nodeHost)
    const mutex = new Mutex({ region })
    const crew = new Crew(region, 'node', 'locks')
    adopt(crew.worker)
    expect(await crew.do({ do: 'lock', at: mutex.at })).toEqual({ value: 'locked' })
    const lock = mutex.lockAsync().catch((error: unknown) => error)
    await until(() => waiting(region) === 1)
    await crew.worker.terminate()
    const error = (await lock) as { code: string; guard: { release(): void } }
    expect(error.code).toBe('ERR_POISONED')
    error.guard.release()
    expectNothingLeft(region)
  })

  test('a worker that ends by itself is reaped, too', async () => {
    setHost(nodeHost)
    const queue = new WaitQueue({ region })
    const crew = new Crew(region, 'node')
    adopt(crew.worker)
    // An unref'ed promise wait keeps nobody alive; its process.exit is the worker's end.
    crew.tell({ do: 'parkAsync', at: queue.at })
    await until(() => waiting(region) === 1)
    crew.tell({ do: 'exit' })
    await crew.exited
    await until(() => waiting(region) === 0)
    expect(queue.hasWaiters).toBe(false)
  })

  test('a worker that never waited, and only allocated, is reaped as well: it could have died inside the allocator', async () => {
    setHost(nodeHost)
    const crew = new Crew(region, 'node')
    adopt(crew.worker)
    await crew.do({ do: 'alloc' })
    const { threadId } = crew.worker
    expect(isKnown(region, threadId)).toBe(true)
    await crew.worker.terminate()
    await until(() => !isKnown(region, threadId))
    expect(await new Crew(region).do({ do: 'register' })).toMatchObject({ value: { generation: 1 } })
  })

  test("an uncaught error of the worker is still the program's to see", () => {
    setHost(nodeHost)
    const crew = new Crew(region, 'node')
    const listeners = crew.worker.listenerCount('error')
    adopt(crew.worker)
    expect(crew.worker.listenerCount('error')).toBe(listeners)
  })

  test('is refused without a host that can watch, and by one for what is no worker', () => {
    expect(() => adopt({})).toThrow(InvalidArgumentError)
    setHost(nodeHost)
    expect(() => adopt({})).toThrow(/Worker/)
  })

  test('one region without a slot for the reaper does not keep it from the others', async () => {
    const full = makeRegion(1)
    const last = makeRegion()
    const queue = new WaitQueue({ region: last })
    const crew = new Crew(last)
    const exits: (() => void)[] = []
    watch({ threadId: crew.worker.threadId, onExit: (listener) => exits.push(listener as () => void) })
    // The worker has the only slot of a region that this agent knows and is no part of, and waits in one made after it.
    await crew.do({ do: 'registerIn', buffer: full.buffer })
    crew.tell({ do: 'park', at: queue.at })
    await until(() => waiting(last) === 1)
    await crew.worker.terminate()
    expect(() => exits[0]!()).toThrow(AgentLimitError)
    expect(waiting(last)).toBe(0)
  })
})

test('threads without a number are never reaped', () => {
  const agent = Agent.of(region)
  expect(reapThread(agent, 0)).toBe(0)
  expect(reapThread(agent, -1)).toBe(0)
})

test('a permit outlives its giver', async () => {
  setHost(nodeHost)
  const parker = new Parker({ region })
  const crew = new Crew(region, 'node')
  adopt(crew.worker)
  await crew.do({ do: 'parker.unpark', at: parker.at })
  await crew.worker.terminate()
  parker.park()
  expectNothingLeft(region)
})
