import { afterAll, describe, expect, it } from 'vitest'
import { Executor } from '../src/executor.js'
import { inline } from '../src/inline.js'

describe('an inline task', async () => {
  const executor = await Executor.start({ workers: 0 })
  afterAll(() => executor.shutdown())

  it('is a function or an arrow function, async and a fiber too', async () => {
    const add = inline(function add(a: number, b: number) {
      return a + b
    })
    expect([add.name, await executor.run(add, 2, 3)]).toEqual(['add', 5])
    expect(await executor.run(inline((x: number) => x * x), 7)).toBe(49) // prettier-ignore
    expect(
      await executor.run(
        inline(async (text: string) => Promise.resolve(text.toUpperCase())),
        'ü€ % #',
      ),
    ).toBe('Ü€ % #')
    const fiber = inline(function* (n: number): Generator<unknown, number> {
      yield undefined
      return n + 1
    })
    expect(await executor.run(fiber, 1)).toBe(2)
    expect(await executor.run(inline(() => '\'"`${}\n// */'))).toBe('\'"`${}\n// */')
  })

  it('is one task, however often it is made', async () => {
    const make = () => inline((n: number) => n + 1)
    expect(make()).toBe(make())
    for (let i = 0; i < 3000; i++) expect(await executor.run(make(), i)).toBe(i + 1)
  })

  it('has nothing that is around it, and says so', async () => {
    const around = 1
    const lost = /around is not defined: an inline task has its arguments/
    await expect(executor.run(inline(() => around))).rejects.toThrow(lost)
    await expect(executor.run(inline(async () => Promise.resolve(around)))).rejects.toThrow(lost)
    await expect(executor.run(inline(() => { throw new TypeError('mine') }))).rejects.toThrow(/^mine$/) // prettier-ignore
  })

  it('refuses what does not stand alone', () => {
    class Thing {
      method() {
        return 1
      }
    }
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error
    for (const fn of [new Thing().method, Thing, Math.max, (() => 1).bind(undefined), 'text', undefined])
      expect(() => inline(fn as () => void)).toThrow(refused)
  })
})
