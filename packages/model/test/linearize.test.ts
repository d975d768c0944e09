import { describe, expect, test } from 'vitest'
import { type Call, isLinearizable } from '../src/linearize.js'

const call = (thread: number, name: string, args: unknown[], result: unknown, start: number, end: number): Call => ({
  thread,
  name,
  args,
  result,
  start,
  end,
})

/** A register, with its state in a field or hidden. */
class Register {
  value = 0
  write(value: number): void {
    this.value = value
  }
  read(): number {
    return this.value
  }
}
const visible = (): object => new Register()
const hidden = (): object => {
  let value = 0
  return { write: (next: number) => void (value = next), read: () => value }
}

describe.each([
  ['state in fields', visible],
  ['state hidden', hidden],
])('a register, %s', (_, register) => {
  test('calls that overlap may take effect in either order', () => {
    const write = call(0, 'write', [1], undefined, 0, 10)
    expect(isLinearizable([write, call(1, 'read', [], 0, 5, 6)], register)).toBe(true)
    expect(isLinearizable([write, call(1, 'read', [], 1, 5, 6)], register)).toBe(true)
  })

  test('a read after a write sees it', () => {
    const write = call(0, 'write', [1], undefined, 0, 4)
    expect(isLinearizable([write, call(1, 'read', [], 0, 5, 6)], register)).toBe(false)
    expect(isLinearizable([write, call(1, 'read', [], 1, 5, 6)], register)).toBe(true)
  })

  test('two readers agree on the order of two writes', () => {
    const writes = [call(0, 'write', [1], undefined, 0, 10), call(1, 'write', [2], undefined, 0, 10)]
    const reads = (a: number, b: number, c: number, d: number): Call[] => [
      call(2, 'read', [], a, 11, 12),
      call(2, 'read', [], b, 13, 14),
      call(3, 'read', [], c, 11, 12),
      call(3, 'read', [], d, 13, 14),
    ]
    expect(isLinearizable([...writes, ...reads(1, 1, 1, 1)], register)).toBe(true)
    expect(isLinearizable([...writes, ...reads(2, 2, 2, 2)], register)).toBe(true)
    expect(isLinearizable([...writes, ...reads(1, 2, 1, 2)], register)).toBe(false)
    expect(isLinearizable([...writes, ...reads(1, 1, 2, 2)], register)).toBe(false)
  })

  test('a call that never returned may have taken effect, or not', () => {
    const write = call(0, 'write', [1], undefined, 0, Infinity)
    expect(isLinearizable([write, call(1, 'read', [], 0, 5, 6)], register)).toBe(true)
    expect(isLinearizable([write, call(1, 'read', [], 1, 5, 6)], register)).toBe(true)
    expect(isLinearizable([write, call(1, 'read', [], 1, 5, 6), call(1, 'read', [], 0, 7, 8)], register)).toBe(false)
  })
})

test('a queue: first in, first out', () => {
  const queue = (): object => {
    const items: number[] = []
    return { items, push: (item: number) => void items.push(item), pop: () => items.shift() }
  }
  const pushes = [call(0, 'push', [1], undefined, 0, 1), call(0, 'push', [2], undefined, 2, 3)]
  expect(isLinearizable([...pushes, call(1, 'pop', [], 1, 4, 5), call(1, 'pop', [], 2, 6, 7)], queue)).toBe(true)
  expect(isLinearizable([...pushes, call(1, 'pop', [], 2, 4, 5), call(1, 'pop', [], 1, 6, 7)], queue)).toBe(false)
})

test('a history that is too long is refused', () => {
  const calls = Array.from({ length: 31 }, (_, i) => call(0, 'read', [], 0, 2 * i, 2 * i + 1))
  expect(() => isLinearizable(calls, visible)).toThrow(RangeError)
})
