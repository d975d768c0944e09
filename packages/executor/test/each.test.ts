import { describe, expect, it } from 'vitest'
import { callEach } from '../src/each.js'

const isPromise = (value: unknown): boolean => value instanceof Promise
const each = (fn: (x: number) => unknown) => callEach(fn as (input: unknown) => unknown, [1, 2, 3, 4], isPromise)
const failAt = (n: number) => (x: number) => {
  if (x === n) throw new RangeError(String(n))
  return x * 2
}

describe('a chunk', () => {
  it('gives the results of all its inputs', async () => {
    expect(each((x) => x * 2)).toEqual([[2, 4, 6, 8]])
    expect(await each(async (x) => x * 2)).toEqual([[2, 4, 6, 8]])
    expect(await each((x) => (x % 2 === 0 ? Promise.resolve(x) : x))).toEqual([[1, 2, 3, 4]])
  })

  it('ends at the first failure in the order of the inputs', async () => {
    expect(each(failAt(3))).toEqual([[2, 4], new RangeError('3')])
    expect(each(failAt(1))).toEqual([[], new RangeError('1')])
    expect(await each(async (x) => failAt(2)(x))).toEqual([[2], new RangeError('2')])
    // A promise that fails comes before a throw of a later input.
    const mixed = (x: number): unknown => (x === 2 ? Promise.reject(new RangeError('first')) : failAt(3)(x))
    expect(await each(mixed)).toEqual([[2], new RangeError('first')])
    // What failed with undefined failed, too.
    expect(
      each(() => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- what users may throw
        throw undefined
      }),
    ).toHaveLength(2)
  })
})
