/** To and from AbortSignal, without a listener left behind. */
import { getEventListeners, once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Handle, InvalidArgumentError, Region } from '@heddle/atomics'
import { Agent, reapThread } from '@heddle/park/internal'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CancelSource, CancelToken } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 20, agents: 8 })
})
afterEach(() => {
  expect(nodesInUse(Agent.of(region))).toBe(0)
  expect(Agent.of(region).slab.used).toBe(0)
})

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

test('signal: one for a token, aborted with its reason before cancel returns', () => {
  const source = new CancelSource({ region })
  const { signal } = source.token
  expect(source.token.signal).toBe(signal)
  expect(CancelToken.fromHandle(source.token.toHandle()).signal).toBe(signal)
  const seen = vi.fn()
  signal.addEventListener('abort', seen)
  const reason = new Error('stop')
  source.cancel(reason)
  expect([signal.aborted, signal.reason, seen.mock.calls.length]).toEqual([true, reason, 1])
  expect(source.token.signal).toBe(signal)
  source.dispose()
})

test('signal of a token that was cancelled is aborted', () => {
  const source = new CancelSource({ region })
  source.cancel('before')
  expect([source.token.signal.aborted, source.token.signal.reason]).toEqual([true, 'before'])
  source.dispose()
})

test('signal serves the platform', async () => {
  const source = new CancelSource({ region })
  const { setTimeout: delay } = await import('node:timers/promises')
  const waiting = delay(1e6, undefined, { signal: source.token.signal })
  source.cancel()
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  expect(listeners(source.token.signal)).toBe(0)
  source.dispose()
})

test('from: cancelled with the reason; the listener is gone', () => {
  const controller = new AbortController()
  const token = CancelToken.from(controller.signal, { region })
  expect(listeners(controller.signal)).toBe(1)
  const seen = vi.fn()
  token.onCancel(seen)
  const reason = new TypeError('stop')
  controller.abort(reason)
  expect(seen.mock.calls).toEqual([[reason]])
  expect(token.reason).toBe(reason)
  expect(listeners(controller.signal)).toBe(0)
  token.dispose()
})

test('from: an AbortError is the same object here, and keeps its name and message elsewhere', async () => {
  const controller = new AbortController()
  const token = CancelToken.from(controller.signal, { region })
  controller.abort()
  expect(token.reason).toBe(controller.signal.reason)
  const worker = new Worker(new URL('.fixtures/cancel.js', import.meta.url), { workerData: { kind: 'reason', handle: token.toHandle() } })
  const told = await new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  expect(told).toMatchObject({ name: 'AbortError', message: 'This operation was aborted', code: 20 })
  await worker.terminate()
  token.dispose()
})

test('from an aborted signal: cancelled at once', () => {
  const token = CancelToken.from(AbortSignal.abort('before'), { region })
  expect([token.isCancelled, token.reason]).toEqual([true, 'before'])
  token.dispose()
})

test('from: disposal takes the listener down', async () => {
  const { signal } = new AbortController()
  for (let i = 0; i < 1000; i++) CancelToken.from(signal, { region }).dispose()
  await new Promise(setImmediate)
  expect(listeners(signal)).toBe(0)
})

test('from: disposed of through another object', async () => {
  const { signal } = new AbortController()
  const token = CancelToken.from(signal, { region })
  CancelToken.fromHandle(token.toHandle()).dispose()
  await new Promise(setImmediate)
  expect(listeners(signal)).toBe(0)
})

test('any: tokens and AbortSignals', () => {
  const source = new CancelSource({ region })
  const [first, second] = [new AbortController(), new AbortController()]
  const any = CancelToken.any([first.signal, source.token, second.signal])
  second.abort('second')
  expect([any.reason, listeners(first.signal), listeners(second.signal)]).toEqual(['second', 0, 0])
  any.dispose()
  const again = CancelToken.any([source.token, first.signal])
  source.cancel('token')
  expect([again.reason, listeners(first.signal)]).toEqual(['token', 0])
  again.dispose()
  const born = CancelToken.any([first.signal, second.signal], { region })
  expect([born.reason, listeners(first.signal)]).toEqual(['second', 0])
  born.dispose()
  source.dispose()
})

/** Runs a kind of fixtures/cancel.worker.ts to its end; `before` runs between its answer and its end. */
async function inWorker(kind: string, handle: Handle, before: () => Promise<void> = async () => undefined): Promise<void> {
  const worker = new Worker(new URL('.fixtures/cancel.js', import.meta.url), { workerData: { kind, handle } })
  const { threadId } = worker
  const exited = once(worker, 'exit')
  await Promise.race([once(worker, 'message'), exited])
  await before()
  worker.postMessage('end')
  await exited
  reapThread(Agent.of(region), threadId)
}

/** Lets the event loop turn until an AbortSignal has so many listeners; the test's time limit ends what never comes. */
async function untilListeners(signal: AbortSignal, count: number): Promise<void> {
  while (listeners(signal) !== count) await new Promise(setImmediate)
}

test('from: disposed of by another thread', async () => {
  const { signal } = new AbortController()
  const token = CancelToken.from(signal, { region })
  expect(listeners(signal)).toBe(1)
  await inWorker('dispose', token.toHandle(), () => untilListeners(signal, 0))
  expect([token.isDisposed, listeners(signal)]).toEqual([true, 0])
})

test('any: cancelled by another thread, by a parent of one of its tokens', async () => {
  const source = new CancelSource({ region })
  const child = source.token.child()
  const [first, second] = [new AbortController().signal, new AbortController().signal]
  const any = CancelToken.any([first, child.token, second])
  expect([listeners(first), listeners(second)]).toEqual([1, 1])
  await inWorker('cancel', source.toHandle(), async () => {
    await untilListeners(first, 0)
    await untilListeners(second, 0)
  })
  expect(any.reason).toBe(child.token.reason)
  expect(any.reason).toMatchObject({ message: 'far away' })
  for (const one of [any, child, source]) one.dispose()
})

test('signal: aborted by another thread’s cancel, never by its disposal, and once', async () => {
  const [cancelled, disposed] = [new CancelSource({ region }), new CancelSource({ region })]
  const signals = [cancelled, disposed].map((source) => source.token.signal)
  const seen = [vi.fn(), vi.fn()]
  signals.forEach((signal, index) => signal.addEventListener('abort', seen[index]!))
  await inWorker('cancel', cancelled.toHandle())
  while (!signals[0]!.aborted) await new Promise(setImmediate)
  await inWorker('dispose', disposed.toHandle(), async () => {
    // The end of the listener for the signal is what frees its record.
    while (Agent.of(region).slab.used > 0) await new Promise(setImmediate)
  })
  expect([signals[1]!.aborted, ...seen.map(({ mock }) => mock.calls.length)]).toEqual([false, 1, 0])
  cancelled.dispose()
})

test('from the signal of a token, and back', () => {
  const source = new CancelSource({ region })
  const token = CancelToken.from(source.token.signal, { region })
  source.cancel('round')
  expect(token.signal.reason).toBe('round')
  token.dispose()
  source.dispose()
})

test('refuses what is no signal', () => {
  expect(() => CancelToken.from({} as AbortSignal, { region })).toThrow(InvalidArgumentError)
  expect(() => CancelToken.from(undefined as never, { region })).toThrow(InvalidArgumentError)
  const source = new CancelSource({ region })
  source.dispose()
})
