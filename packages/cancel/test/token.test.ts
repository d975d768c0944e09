/** Tokens and sources in one agent: what they are, reasons, callbacks, children, several parents, disposal. */
import { DisposedError, HeddleError, InvalidArgumentError, NotShareableError, Region, registerErrorClass, revive, share } from '@heddle/atomics'
import { CancelledError as ParkCancelledError, sleep, sleepAsync, TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CancelledError, CancelSource, CancelToken } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

let region: Region
let before: number
beforeEach(() => {
  region = Region.create({ bytes: 1 << 20, agents: 8 })
  // The agent's slab and the pool are made once.
  const token = CancelToken.from(new AbortController().signal, { region })
  token.dispose()
  before = region.stats().used
})
/** Every test gives everything back: nodes, reasons, waiter records. */
afterEach(() => {
  expect(nodesInUse(Agent.of(region))).toBe(0)
  expect(Agent.of(region).slab.used).toBe(0)
  expect(region.stats().used).toBe(before)
})

class OddError extends HeddleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_INVALID_ARGUMENT', message, options)
  }
}

describe('a source and its token', () => {
  test('not cancelled, cancelled once, never back', () => {
    const source = new CancelSource({ region })
    const { token } = source
    expect([token.isCancelled, token.reason, token.deadline]).toEqual([false, undefined, undefined])
    token.throwIfCancelled()
    expect(source.cancel()).toBe(true)
    expect(source.cancel(new Error('later'))).toBe(false)
    expect(token.isCancelled).toBe(true)
    expect(token.reason).toBeInstanceOf(CancelledError)
    expect(token.reason).toBe(token.reason)
    expect(() => token.throwIfCancelled()).toThrow(CancelledError)
    source.dispose()
  })

  test("CancelledError is park's own class, with its code", () => {
    expect(CancelledError).toBe(ParkCancelledError)
    expect(new CancelledError().code).toBe('ERR_CANCELLED')
  })

  test.each([['text'], [null], [0], [false], [{ why: ['a', 1] }]])('the reason %j', (reason) => {
    const source = new CancelSource({ region })
    source.cancel(reason)
    expect(source.token.reason).toBe(reason)
    expect(CancelToken.fromHandle(source.token.toHandle()).reason).toBe(reason)
    source.dispose()
  })

  test('a reason that was given here is the same object for every token of the tree', () => {
    const source = new CancelSource({ region })
    const child = source.token.child()
    const reason = new OddError('stop', { cause: new RangeError('too far') })
    source.cancel(reason)
    expect(child.token.reason).toBe(reason)
    source.dispose()
    expect(CancelToken.fromHandle(child.token.toHandle()).reason).toBe(reason)
    child.dispose()
  })

  test('a reason that can not travel is an error at the call, and cancels nothing', () => {
    const source = new CancelSource({ region })
    expect(() => source.cancel({ close: () => undefined })).toThrow(NotShareableError)
    expect(source.token.isCancelled).toBe(false)
    source.dispose()
  })

  test('a full region does not keep anybody from cancelling', () => {
    const small = Region.create({ bytes: 1 << 16, agents: 1 })
    const source = new CancelSource({ region: small })
    const blocks: number[] = []
    try {
      for (let bytes = 4096; bytes >= 8;) {
        try {
          blocks.push(small.alloc(bytes))
        } catch {
          bytes >>= 1
        }
      }
      const reason = new Error('x'.repeat(500))
      expect(source.cancel(reason)).toBe(true)
      expect(source.token.reason).toBe(reason)
      expect(CancelToken.fromHandle(source.token.toHandle()).reason).toBeInstanceOf(CancelledError)
    } finally {
      for (const block of blocks) small.free(block)
    }
  })

  test('handles: token and source, by share and revive; a token gives no source', () => {
    const source = new CancelSource({ region })
    const sent = share({ source, token: source.token })
    const { source: other, token } = revive(sent) as { source: CancelSource; token: CancelToken }
    expect(other).toBeInstanceOf(CancelSource)
    expect(token).toBeInstanceOf(CancelToken)
    other.cancel('by handle')
    expect(source.token.reason).toBe('by handle')
    expect(() => CancelSource.fromHandle(source.token.toHandle())).toThrow(InvalidArgumentError)
    expect(() => CancelToken.fromHandle(source.toHandle())).toThrow(InvalidArgumentError)
    expect(CancelSource.at(region, source.at).token.isCancelled).toBe(true)
    source.dispose()
    expect(() => CancelSource.fromHandle(other.toHandle())).toThrow(DisposedError)
    const alone = CancelToken.timeout(1e6, { region })
    expect(() => CancelSource.at(region, alone.at)).toThrow(InvalidArgumentError)
    alone.dispose()
  })

  test("in the caller's memory", () => {
    const at = region.alloc(CancelSource.BYTES, CancelSource.ALIGN)
    const parent = new CancelSource({ region })
    const source = CancelSource.init(region, at, { parent: parent.token })
    const child = source.token.child()
    parent.cancel('all')
    expect([source.token.reason, child.token.reason]).toEqual(['all', 'all'])
    for (const one of [child, source, parent]) one.dispose()
    expect(source.token.isCancelled).toBe(true)
    expect(() => CancelToken.at(region, at)).toThrow(DisposedError)
    region.free(at)
  })

  test('none', async () => {
    const { none } = CancelToken
    expect(none).toBe(CancelToken.none)
    expect([none.isCancelled, none.reason, none.signal.aborted]).toEqual([false, undefined, false])
    none.onCancel(() => expect.unreachable())()
    await sleepAsync(0, { signal: none })
    expect(() => none.dispose()).toThrow(InvalidArgumentError)
    const child = none.child()
    child.cancel()
    expect([child.token.isCancelled, none.isCancelled]).toEqual([true, false])
    child.dispose()
    const any = CancelToken.any([none], { region })
    expect(any.region).toBe(region)
    any.dispose()
  })
})

describe('a tree', () => {
  test('a parent cancels its children, a child nobody else', () => {
    const root = new CancelSource({ region })
    const children = [root.token.child(), root.token.child(), root.token.child()]
    const grandchild = children[1]!.token.child()
    children[0]!.cancel('mine')
    expect([root, ...children, grandchild].map((one) => one.token.isCancelled)).toEqual([false, true, false, false, false])
    root.cancel('yours')
    expect([root, ...children, grandchild].map((one) => one.token.reason)).toEqual(['yours', 'mine', 'yours', 'yours', 'yours'])
    for (const one of [grandchild, root, ...children]) one.dispose()
  })

  test('a child of a cancelled token is cancelled, for the same reason', () => {
    const root = new CancelSource({ region })
    root.cancel('before')
    const child = root.token.child()
    expect(child.token.reason).toBe('before')
    root.dispose()
    expect(child.token.reason).toBe('before')
    child.dispose()
  })

  test('10,000 children, disposed of in any order', () => {
    const root = new CancelSource({ region })
    const children = Array.from({ length: 10_000 }, () => root.token.child())
    const left = children.filter((child, index) => {
      if (index % 3 !== 0) return true
      child.dispose()
      return false
    })
    root.cancel()
    expect(left.every((child) => child.token.isCancelled)).toBe(true)
    for (const child of left.reverse()) child.dispose()
    root.dispose()
    before = region.stats().used
  })

  test('a chain of 10,000', () => {
    const chain = [new CancelSource({ region })]
    for (let depth = 1; depth < 10_000; depth++) chain.push(chain.at(-1)!.token.child())
    chain[0]!.cancel('deep')
    expect(chain.at(-1)!.token.reason).toBe('deep')
    for (const one of chain) one.dispose()
    before = region.stats().used
  })

  test('without its parent a child lives on', () => {
    const root = new CancelSource({ region })
    const middle = root.token.child()
    const child = middle.token.child()
    middle.dispose()
    root.cancel()
    expect(child.token.isCancelled).toBe(false)
    child.cancel()
    expect(child.token.isCancelled).toBe(true)
    root.dispose()
    child.dispose()
  })

  test('any: the first of several; again once; with a common ancestor', () => {
    const root = new CancelSource({ region })
    const other = new CancelSource({ region })
    const child = root.token.child()
    const any = CancelToken.any([root.token, child.token, other.token, other.token, CancelToken.none])
    const seen = vi.fn()
    any.onCancel(seen)
    other.cancel('other')
    root.cancel('root')
    expect(seen.mock.calls).toEqual([['other']])
    expect(any.reason).toBe('other')
    const late = CancelToken.any([child.token, other.token])
    expect(late.reason).toBe('root')
    for (const one of [late, root, any, other, child]) one.dispose()
  })

  test('any: parents may go in any order', () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [0, 2, 1],
    ]) {
      const sources = [new CancelSource({ region }), new CancelSource({ region })]
      const any = CancelToken.any(sources.map((source) => source.token))
      const all = [...sources, any]
      for (const index of order) all[index]!.dispose()
    }
  })

  test('any of nothing, of strangers and of two regions', () => {
    const nothing = CancelToken.any([], { region })
    expect(nothing.isCancelled).toBe(false)
    nothing.dispose()
    expect(() => CancelToken.any([{} as CancelToken])).toThrow(InvalidArgumentError)
    const here = new CancelSource({ region })
    const far = new CancelSource({ region: Region.create({ bytes: 1 << 17, agents: 2 }) })
    expect(() => CancelToken.any([here.token, far.token])).toThrow(InvalidArgumentError)
    here.dispose()
    expect(() => here.token.child()).toThrow(DisposedError)
    expect(() => CancelToken.any([here.token])).toThrow(DisposedError)
  })
})

describe('callbacks', () => {
  test('in order, with the reason, before cancel returns; once', () => {
    const source = new CancelSource({ region })
    const calls: unknown[] = []
    source.token.onCancel((reason) => calls.push(['first', reason]))
    source.token.onCancel((reason) => calls.push(['second', reason]))
    source.cancel('now')
    expect(calls).toEqual([
      ['first', 'now'],
      ['second', 'now'],
    ])
    source.cancel()
    expect(calls.length).toBe(2)
    source.dispose()
  })

  test('one function registered twice is two callbacks; each is taken off by itself', () => {
    const source = new CancelSource({ region })
    const seen = vi.fn()
    const off = source.token.onCancel(seen)
    source.token.onCancel(seen)
    off()
    off()
    source.cancel()
    expect(seen).toHaveBeenCalledTimes(1)
    source.dispose()
  })

  test('after the cancel: soon, unless taken off before', async () => {
    const source = new CancelSource({ region })
    source.cancel('past')
    const seen = vi.fn()
    source.token.onCancel(seen)
    source.token.onCancel(() => expect.unreachable())()
    expect(seen).not.toHaveBeenCalled()
    await Promise.resolve()
    expect(seen.mock.calls).toEqual([['past']])
    source.dispose()
  })

  test('one that takes off the next, registers another, cancels again and disposes', async () => {
    const source = new CancelSource({ region })
    const calls: string[] = []
    let off = (): void => undefined
    source.token.onCancel(() => {
      calls.push('first')
      off()
      source.token.onCancel(() => calls.push('late'))
      source.cancel()
    })
    off = source.token.onCancel(() => calls.push('second'))
    source.token.onCancel(() => source.dispose())
    source.cancel()
    await Promise.resolve()
    expect(calls).toEqual(['first', 'late'])
  })

  test('one that throws is an uncaught error and stops no other', async () => {
    const source = new CancelSource({ region })
    const seen = vi.fn()
    source.token.onCancel(() => {
      throw new Error('in a callback')
    })
    source.token.onCancel(seen)
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
    source.cancel()
    expect(seen).toHaveBeenCalledTimes(1)
    expect((await uncaught).message).toBe('in a callback')
    for (const listener of listeners) process.on('uncaughtException', listener)
    source.dispose()
  })

  test('disposal without a cancel drops them; after a cancel they have run', async () => {
    const source = new CancelSource({ region })
    source.token.onCancel(() => expect.unreachable())
    source.dispose()
    await new Promise(setImmediate)
    const parent = new CancelSource({ region })
    const child = parent.token.child()
    const seen = vi.fn()
    child.token.onCancel(seen)
    parent.cancel()
    child.dispose()
    parent.dispose()
    expect(seen).toHaveBeenCalledTimes(1)
  })

  test('are functions, on tokens that are there', () => {
    const source = new CancelSource({ region })
    expect(() => source.token.onCancel(undefined as never)).toThrow(InvalidArgumentError)
    source.dispose()
    expect(() => source.token.onCancel(() => undefined)).toThrow(DisposedError)
  })

  test('listening many times leaves nothing behind', () => {
    const source = new CancelSource({ region })
    for (let i = 0; i < 10_000; i++) source.token.onCancel(() => undefined)()
    expect(Agent.of(region).slab.used).toBe(0)
    source.dispose()
  })
})

describe('disposal', () => {
  test('is once; the token of a source is the source’s to dispose of', () => {
    const source = new CancelSource({ region })
    expect(() => source.token.dispose()).toThrow(InvalidArgumentError)
    source.dispose()
    expect(() => source.dispose()).toThrow(DisposedError)
    expect(() => source.token.dispose()).toThrow(DisposedError)
    expect([source.isDisposed, source.token.isDisposed]).toEqual([true, true])
  })

  test('a disposed token reads as cancelled, its reason says why, and nothing can be done with it', () => {
    const source = new CancelSource({ region })
    source.dispose()
    const next = new CancelSource({ region })
    expect(next.at).toBe(source.at)
    expect(source.token.isCancelled).toBe(true)
    expect(source.token.reason).toBeInstanceOf(DisposedError)
    expect(() => source.cancel()).toThrow(DisposedError)
    expect(() => source.token.child()).toThrow(DisposedError)
    expect(next.token.isCancelled).toBe(false)
    next.dispose()
  })

  test('ends what waits with it', async () => {
    const source = new CancelSource({ region })
    const wait = sleepAsync(1e6, { signal: source.token })
    source.dispose()
    await expect(wait).rejects.toThrow(DisposedError)
    new CancelSource({ region }).dispose()
  })

  test('right after a cancel: waits keep their reason', async () => {
    const source = new CancelSource({ region })
    const child = source.token.child()
    const waits = [source, child].map((one) => sleepAsync(1e6, { signal: one.token }))
    source.cancel(new OddError('stop'))
    child.dispose()
    source.dispose()
    for (const wait of waits) await expect(wait).rejects.toThrow(OddError)
    // What was busy is recycled when the next token is made or disposed of.
    new CancelSource({ region }).dispose()
  })
})

describe('deadlines', () => {
  test('timeout: a TimeoutError for everybody', async () => {
    const token = CancelToken.timeout(5, { region })
    const child = token.child()
    const seen = vi.fn()
    child.token.onCancel(seen)
    expect(token.isCancelled).toBe(false)
    await expect(sleepAsync(1e6, { signal: child.token })).rejects.toThrow(TimeoutError)
    expect(performance.timeOrigin + performance.now()).toBeGreaterThanOrEqual(token.deadline!)
    await new Promise(setImmediate)
    expect([token.reason, child.token.reason].every((reason) => reason instanceof TimeoutError)).toBe(true)
    expect(seen).toHaveBeenCalledTimes(1)
    child.dispose()
    token.dispose()
  })

  test('the earlier of its own and its parents’; an own one in time for one', async () => {
    const parent = CancelToken.timeout(1e6, { region })
    const early = parent.child({ timeout: 3 })
    const late = parent.child({ timeout: 1e9 })
    expect(early.token.deadline).toBeLessThan(parent.deadline!)
    expect(late.token.deadline).toBe(parent.deadline)
    const any = CancelToken.any([parent, early.token])
    expect(any.deadline).toBe(early.token.deadline)
    // Which of the two comes first is the timers' affair.
    for (const one of [any, early.token]) await new Promise<void>((resolve) => void one.onCancel(() => resolve()))
    expect([parent.isCancelled, early.token.isCancelled, late.token.isCancelled]).toEqual([false, true, false])
    for (const one of [any, early, late, parent]) one.dispose()
  })

  test('a wait ends at the token’s deadline, or at its own', async () => {
    const token = CancelToken.timeout(4, { region })
    await expect(sleepAsync(1, { signal: token })).resolves.toBeUndefined()
    const reason = await sleepAsync(1e6, { signal: token }).catch((error: unknown) => error)
    expect(reason).toBeInstanceOf(TimeoutError)
    expect(reason).toBe(token.reason)
    token.dispose()
  })

  test('noticed by a wait that blocks: callbacks run when the thread is back on its loop', async () => {
    const token = CancelToken.timeout(3, { region })
    const seen = vi.fn()
    token.onCancel(seen)
    expect(() => sleep(1e6, { signal: token })).toThrow(TimeoutError)
    expect(seen).not.toHaveBeenCalled()
    await new Promise(setImmediate)
    expect(seen).toHaveBeenCalledTimes(1)
    token.dispose()
  })

  test('disposed of before: nothing fires', async () => {
    const token = CancelToken.timeout(1, { region })
    token.dispose()
    const next = new CancelSource({ region })
    await sleepAsync(5)
    expect(next.token.isCancelled).toBe(false)
    next.dispose()
  })

  test.each([NaN, -1, '5'])('refuses %s', (ms) => {
    expect(() => CancelToken.timeout(ms as number, { region })).toThrow(InvalidArgumentError)
    expect(() => new CancelSource({ region, timeout: ms as number })).toThrow(InvalidArgumentError)
  })

  test('infinite ones are none', () => {
    const token = CancelToken.timeout(Infinity, { region })
    expect(token.deadline).toBeUndefined()
    token.dispose()
  })
})

registerErrorClass(OddError)
