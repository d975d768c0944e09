import { describe, expectTypeOf, it } from 'vitest'
import type { Executor, JoinHandle, TaskRef } from '../src/index.js'
import { tasks, transfer } from '../src/index.js'

const work = tasks('file:///work.mjs', {
  add: (a: number, b: number) => a + b,
  load: async (url: string) => ({ url }),
  *crawl(depth: number): Generator<unknown, string[], unknown> {
    yield depth
    return []
  },
})
declare const executor: Executor

describe('tasks', () => {
  it('keeps the types of functions', () => {
    expectTypeOf(work.add).toEqualTypeOf<TaskRef<[a: number, b: number], number>>()
    expectTypeOf(executor.run(work.load, 'x')).resolves.toEqualTypeOf<{ url: string }>()
    expectTypeOf(executor.spawn(work.crawl, [3])).toEqualTypeOf<JoinHandle<string[]>>()
    expectTypeOf(executor.map(work.crawl, [1, 2])).toEqualTypeOf<AsyncIterableIterator<string[]>>()
    // @ts-expect-error -- two arguments
    void executor.run(work.add, 1)
    // @ts-expect-error -- a number is no string
    void executor.map(work.load, [1])
  })
})

describe('transfer', () => {
  it('gives back what it was given', () => {
    const bytes = new Uint8Array(1)
    expectTypeOf(transfer(bytes, [bytes.buffer])).toEqualTypeOf<typeof bytes>()
    const made = tasks('file:///made.mjs', { make: (size: number) => transfer({ size, bytes }, [bytes.buffer]) })
    expectTypeOf(executor.run(made.make, 1)).resolves.toEqualTypeOf<{ size: number; bytes: typeof bytes }>()
    // @ts-expect-error -- a number hands nothing over
    transfer(1, [])
    // @ts-expect-error -- objects, in a list
    transfer(bytes, bytes.buffer)
  })
})
