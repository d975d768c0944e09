/**
 * Cancel tokens and AbortSignals against every verb of sync that waits, in every mode: cancelled before, during, by another thread, by a
 * deadline. The wait ends with the reason; nothing is lost; no listener, no link and no token is left.
 */
import { getEventListeners } from 'node:events'
import { load } from '@heddle/atomics/ops'
import { Agent, forEachRecord, FREE, phaseOf, W_STATE } from '@heddle/park/internal'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CancelSource, CancelToken } from '../../cancel/src/index.js'
import { nodesInUse } from '../../cancel/src/pool.js'
import { cancelCases } from './support/cancel-cases.js'
import { Modes, type Outcome, turns } from './support/modes.js'

let all: Modes
beforeAll(() => {
  all = Modes.create({ bytes: 1 << 23, agents: 200 })
})
afterAll(() => all.close())

/** Nobody waits, and no token is in use. */
afterEach(async () => {
  await turns(2)
  let busy = 0
  forEachRecord(all.region.words, all.region.agents, (r) => {
    if (phaseOf(load(all.region.words, r + W_STATE)) !== FREE) busy++
  })
  expect(busy, 'waiter records in use').toBe(0)
  // What was busy when it was disposed of is recycled with the next ones.
  new CancelSource({ region: all.region }).dispose()
  expect(nodesInUse(Agent.of(all.region)), 'tokens in use').toBe(0)
})

function expectReason({ error }: Outcome, name: string, message?: string): void {
  expect(error?.name).toBe(name)
  if (message !== undefined) expect(error?.message).toBe(message)
}

for (const { name, modes, make } of cancelCases) {
  describe.each(modes)(`${name}, %s`, (mode) => {
    test('a token that is cancelled before', async () => {
      const { wait, check } = await make(all, mode)
      const source = new CancelSource({ region: all.region })
      source.cancel(new RangeError('enough'))
      expectReason(await wait({ signal: source.token }), 'RangeError', 'enough')
      source.dispose()
      await check()
    })

    test('a token that is cancelled during the wait, with no reason given', async () => {
      const { wait, check } = await make(all, mode)
      const source = new CancelSource({ region: all.region })
      const ended = wait({ signal: source.token })
      await all.waiting(1)
      source.cancel()
      expectReason(await ended, 'CancelledError')
      source.dispose()
      await check()
    })

    test('a token that another thread cancels, by its parent', async () => {
      const { wait, check } = await make(all, mode)
      const parent = new CancelSource({ region: all.region })
      const source = parent.token.child()
      const ended = wait({ signal: source.token })
      await all.waiting(1)
      expect((await all.call('thread', parent, 'cancel', new RangeError('from there'))).value).toBe(true)
      expectReason(await ended, 'RangeError', 'from there')
      source.dispose()
      parent.dispose()
      await check()
    })

    test('a token with a deadline, and one below it', async () => {
      const { wait, check } = await make(all, mode)
      const deadline = CancelToken.timeout(3, { region: all.region })
      const source = deadline.child()
      expectReason(await wait({ signal: source.token }), 'TimeoutError')
      expect(source.token.isCancelled).toBe(true)
      source.dispose()
      deadline.dispose()
      await check()
    })

    test('a token that is never cancelled, and a time limit', async () => {
      const { wait, check } = await make(all, mode)
      const source = new CancelSource({ region: all.region })
      expectReason(await wait({ signal: source.token, timeout: 2 }), 'TimeoutError')
      expect(source.token.isCancelled).toBe(false)
      source.dispose()
      await check()
    })

    if (mode === 'thread') {
      test('an AbortSignal is refused, and nothing has happened', async () => {
        const { wait, check } = await make(all, mode)
        expectReason(await wait({ signal: new AbortController().signal }), 'TypeError')
        await check()
      })
    } else {
      test('an AbortSignal that is aborted before', async () => {
        const { wait, check } = await make(all, mode)
        const signal = AbortSignal.abort(new RangeError('enough'))
        expectReason(await wait({ signal }), 'RangeError', 'enough')
        expect(getEventListeners(signal, 'abort')).toEqual([])
        await check()
      })

      test('an AbortSignal that is aborted during the wait, and one that is not', async () => {
        const { wait, check } = await make(all, mode)
        const controller = new AbortController()
        const ended = wait({ signal: controller.signal })
        await all.waiting(1)
        expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
        controller.abort()
        expectReason(await ended, 'AbortError')
        expect(getEventListeners(controller.signal, 'abort')).toEqual([])
        await check()
        const { wait: again, check: after } = await make(all, mode)
        const quiet = new AbortController()
        expectReason(await again({ signal: quiet.signal, timeout: 2 }), 'TimeoutError')
        expect(getEventListeners(quiet.signal, 'abort')).toEqual([])
        await after()
      })

      test('AbortSignal.timeout', async () => {
        const { wait, check } = await make(all, mode)
        const signal = AbortSignal.timeout(2)
        expectReason(await wait({ signal }), 'TimeoutError')
        expect(getEventListeners(signal, 'abort')).toEqual([])
        await check()
      })
    }
  })
}
