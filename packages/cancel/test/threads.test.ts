/** Cancels across real threads, in the three modes of waiting, with park's waits and sync's mutex. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region, registerErrorClass } from '@heddle/atomics'
import { DeadlockError, notify, Parker, sleep, sleepAsync, TimeoutError, waitOn } from '@heddle/park'
import { Agent, BLOCKED, reapThread, runningFiber } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Mutex } from '../../sync/src/index.js'
import { CancelSource, CancelToken } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

registerErrorClass(DeadlockError)
let region: Region
const workers: Worker[] = []
beforeEach(() => {
  region = Region.create({ bytes: 1 << 20, agents: 16 })
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

interface Crew {
  worker: Worker
  /** The next thing that it tells. */
  told(): Promise<unknown>
}

/** Starts a worker and waits until everything is in place there. */
async function start(kind: string, source: CancelSource | CancelToken, more: Record<string, unknown> = {}, wait = true): Promise<Crew> {
  const ready = new Parker({ region })
  const worker = new Worker(new URL('.fixtures/cancel.js', import.meta.url), {
    workerData: { kind, handle: source.toHandle(), ready: ready.toHandle(), ...more },
  })
  workers.push(worker)
  const { threadId } = worker
  worker.on('exit', () => reapThread(Agent.of(region), threadId))
  const messages: unknown[] = []
  const readers: ((message: unknown) => void)[] = []
  worker.on('message', (message) => {
    const reader = readers.shift()
    if (reader === undefined) messages.push(message)
    else reader(message)
  })
  if (wait) await ready.parkAsync()
  ready.dispose()
  const told = (): Promise<unknown> => (messages.length > 0 ? Promise.resolve(messages.shift()) : new Promise((resolve) => readers.push(resolve)))
  return { worker, told }
}

const reason = new DeadlockError('stop', { cause: new RangeError('too far') })
const travelled = {
  type: 'DeadlockError',
  name: 'DeadlockError',
  message: 'stop',
  code: 'ERR_DEADLOCK',
  cause: { type: 'RangeError', name: 'RangeError', message: 'too far', code: undefined, cause: undefined },
}

describe('a cancel in this thread reaches another that', () => {
  test('polls', async () => {
    const source = new CancelSource({ region })
    const crew = await start('poll', source)
    source.cancel(reason)
    expect(await crew.told()).toEqual(travelled)
    source.dispose()
  })

  test('is blocked in a mutex, or about to be', async () => {
    const mutex = new Mutex({ region })
    const guard = mutex.lock()
    for (let round = 0; round < 5; round++) {
      const source = new CancelSource({ region })
      const crew = await start('lock', source, { mutex: mutex.toHandle() })
      source.cancel(reason)
      source.dispose()
      // Too early to have begun to wait, it finds a disposed token or is refused; never does it wait for ever.
      expect([travelled.type, 'DisposedError']).toContain(((await crew.told()) as typeof travelled).type)
    }
    guard.release()
    expect(mutex.tryLock()?.held).toBe(true)
  })

  test('awaits a mutex', async () => {
    const mutex = new Mutex({ region })
    const guard = mutex.lock()
    const source = new CancelSource({ region })
    const crew = await start('lockAsync', source, { mutex: mutex.toHandle() })
    source.cancel(reason)
    source.dispose()
    expect(await crew.told()).toEqual(travelled)
    guard.release()
    expect(mutex.isLocked).toBe(false)
  })

  test('sleeps below a child of a child', async () => {
    const source = new CancelSource({ region })
    const crew = await start('child', source)
    source.cancel(reason)
    expect(await crew.told()).toEqual([travelled, true])
    source.dispose()
  })

  test('listens: each callback and each AbortSignal once', async () => {
    const source = new CancelSource({ region })
    const counter = new AtomicInt32({ region })
    const crew = await start('callback', source, { counter: counter.toHandle() })
    source.cancel(reason)
    source.dispose()
    expect(await crew.told()).toEqual(travelled)
    crew.worker.postMessage('end')
    await once(crew.worker, 'exit')
    expect(counter.load()).toBe(101)
  })

  test('listens and is blocked: when it is back on its loop', async () => {
    const source = new CancelSource({ region })
    const counter = new AtomicInt32({ region })
    const crew = await start('callback while blocked', source, { counter: counter.toHandle() })
    source.cancel()
    expect(await crew.told()).toEqual([0, 1])
    source.dispose()
  })
})

test('a cancel in another thread: class, code, message and cause arrive; thread, promise, fiber and callback', async () => {
  const source = new CancelSource({ region })
  const mutex = new Mutex({ region })
  const guard = mutex.lock()
  const seen = vi.fn()
  source.token.onCancel(seen)
  const awaited = mutex.lockAsync({ signal: source.token })
  awaited.catch(() => undefined)
  // A fiber without a scheduler: stepped by hand, woken by its waker.
  let wake = (): void => undefined
  const woken = new Promise<void>((resolve) => (wake = resolve))
  const fiber = mutex.lockFiber({ signal: source.token })[Symbol.iterator]()
  runningFiber.set({ wake })
  expect(fiber.next()).toEqual({ done: false, value: BLOCKED })
  runningFiber.set(undefined)
  await start('cancel', source, {}, false)
  // Blocked until the worker has cancelled.
  const far = ((): unknown => {
    try {
      sleep(60_000, { signal: source.token })
      return undefined
    } catch (error) {
      return error
    }
  })()
  expect(far).toBeInstanceOf(DeadlockError)
  expect(far).toMatchObject({ message: 'far away', code: 'ERR_DEADLOCK', cause: { message: 'why' } })
  await expect(awaited).rejects.toBe(far)
  await woken
  expect(() => fiber.next()).toThrow(far as Error)
  await new Promise(setImmediate)
  expect(seen.mock.calls).toEqual([[far]])
  guard.release()
  expect(mutex.isLocked).toBe(false)
  source.dispose()
  mutex.dispose()
})

test('a deadline ends a wait though the thread that made it is blocked', async () => {
  const stop = new CancelSource({ region })
  const crew = await start('timeout, then blocked', stop, {}, false)
  const token = CancelToken.fromHandle((await crew.told()) as ReturnType<CancelToken['toHandle']>)
  expect(() => sleep(60_000, { signal: token })).toThrow(TimeoutError)
  expect(token.isCancelled).toBe(true)
  expect(performance.timeOrigin + performance.now()).toBeGreaterThanOrEqual(token.deadline!)
  stop.cancel()
})

test('a deadline ends promises and callbacks though the thread that made it is dead', async () => {
  const stop = new CancelSource({ region })
  const crew = await start('timeout, then blocked', stop, {}, false)
  const token = CancelToken.fromHandle((await crew.told()) as ReturnType<CancelToken['toHandle']>)
  await crew.worker.terminate()
  const seen = vi.fn()
  token.onCancel(seen)
  await expect(sleepAsync(60_000, { signal: token })).rejects.toThrow(TimeoutError)
  await new Promise(setImmediate)
  expect(seen).toHaveBeenCalledTimes(1)
})

test('a dead thread leaves no listener: the token is free when it is disposed of', async () => {
  const source = new CancelSource({ region })
  const counter = new AtomicInt32({ region })
  const crew = await start('callback', source, { counter: counter.toHandle() })
  const exited = once(crew.worker, 'exit')
  await crew.worker.terminate()
  await exited
  source.cancel()
  source.dispose()
  expect(counter.load()).toBe(0)
  expect(nodesInUse(Agent.of(region))).toBe(0)
})

test('every blocking wait of park takes a token', () => {
  const source = new CancelSource({ region })
  source.cancel('before')
  const cell = new AtomicInt32({ region })
  for (const wait of [
    () => sleep(1e6, { signal: source.token }),
    () => waitOn(cell, 0, { signal: source.token }),
    () => new Parker({ region }).park({ signal: source.token }),
  ]) {
    let thrown: unknown
    try {
      wait()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBe('before')
  }
  expect(notify(cell)).toBe(0)
  source.dispose()
})
