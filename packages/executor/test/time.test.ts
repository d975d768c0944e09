import { CancelSource } from '@heddle/cancel'
import { Region } from '@heddle/atomics'
import { sleepAsync } from '@heddle/park'
import { yieldNow } from '@heddle/scheduler'
import { describe, expect, it } from 'vitest'
import { blockOn, interval, timeout } from '../src/index.js'

const never = new Promise<never>(() => undefined)

describe('timeout', () => {
  it('passes on what comes in time', async () => {
    expect(await timeout(60_000, Promise.resolve(1))).toBe(1)
    expect(await timeout(60_000, () => 2)).toBe(2)
    expect(await timeout(60_000, async ({ aborted }) => aborted)).toBe(false)
    await expect(timeout(60_000, Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError)
    await expect(
      timeout(60_000, () => {
        throw new RangeError('at once')
      }),
    ).rejects.toThrow('at once')
  })

  it('rejects what does not, and aborts its signal with the same error', async () => {
    await expect(timeout(1, never)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    let seen: AbortSignal | undefined
    const error: unknown = await timeout(1, (signal) => {
      seen = signal
      return never
    }).catch((reason: unknown) => reason)
    expect(seen!.reason).toBe(error)
    await expect(timeout(0, sleepAsync(60_000, { ref: false } as never))).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  it('refuses what is no time', async () => {
    for (const ms of [-1, NaN, '5', undefined])
      await expect(timeout(ms as number, Promise.resolve())).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

describe('interval', () => {
  it('beats on a grid, and leaves out the beats that the body overran', async () => {
    const began = performance.now()
    const seen: number[] = []
    for await (const n of interval(4)) {
      // Never early: a beat is due n intervals after the first, which is after `began`.
      expect(performance.now() - began).toBeGreaterThanOrEqual(n * 4)
      seen.push(n)
      if (seen.length === 2) while (performance.now() - began < (n + 5) * 4);
      if (seen.length === 4) break
    }
    expect(seen[0]).toBe(0)
    expect(seen[2]! - seen[1]!).toBeGreaterThanOrEqual(5)
    expect(seen.every((n, i) => i === 0 || n > seen[i - 1]!)).toBe(true)
  })

  it('ends by its signal, by a token and by its time', async () => {
    const count = async (options: object, each: (n: number) => void = () => undefined): Promise<void> => {
      for await (const n of interval(1, options)) each(n)
    }
    const controller = new AbortController()
    await expect(count({ signal: controller.signal }, () => controller.abort(new Error('enough')))).rejects.toThrow('enough')
    await expect(count({ signal: controller.signal })).rejects.toThrow('enough')
    const source = new CancelSource({ region: Region.default })
    await expect(count({ signal: source.token }, () => source.cancel())).rejects.toMatchObject({ code: 'ERR_CANCELLED' })
    source.dispose()
    await expect(count({ timeout: 5 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    for (const ms of [0, -1, NaN]) expect(() => interval(ms)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('blockOn', () => {
  it('runs a generator to its end', () => {
    expect(
      blockOn(function* () {
        yield* yieldNow()
        return 5
      }),
    ).toBe(5)
  })

  it('refuses promises and what is nothing to wait for', () => {
    expect(() => blockOn(Promise.resolve(1) as never)).toThrow(expect.objectContaining({ code: 'ERR_BLOCKING_NOT_ALLOWED' }))
    for (const what of [5, undefined, null, {}])
      expect(() => blockOn(what as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})
