import { describe, expectTypeOf, it } from 'vitest'
import { currentThread, type Executor, mainThread, type Message, tasks, Thread } from '../../src/index.js'

const work = tasks('file:///work.mjs', {
  add: (a: number, b: number) => a + b,
  echo: () => undefined,
  maybe: (x?: number) => x ?? 0,
  async load() {
    return Promise.resolve({ url: '' })
  },
  *crawl(depth: number): Generator<unknown, string[], unknown> {
    yield depth
    return []
  },
})
declare const executor: Executor

describe('threads', () => {
  it('have the types of their tasks', () => {
    expectTypeOf(executor.thread(work.add, [1, 2])).resolves.toEqualTypeOf<Thread<number>>()
    expectTypeOf(executor.thread(work.load)).resolves.toEqualTypeOf<Thread<{ url: string }>>()
    expectTypeOf(executor.thread(work.crawl, [1], { name: 'x', keepAlive: true })).resolves.toEqualTypeOf<Thread<string[]>>()
    expectTypeOf(executor.thread(work.maybe, [])).resolves.toEqualTypeOf<Thread<number>>()
    const thread = new Thread<number>(undefined, 0)
    expectTypeOf(thread.join()).toEqualTypeOf<number>()
    expectTypeOf(thread.joinAsync()).resolves.toEqualTypeOf<number>()
    expectTypeOf(thread.run(work.add, 1, 2)).resolves.toEqualTypeOf<number>()
    expectTypeOf(thread.request<string>(1)).resolves.toEqualTypeOf<string>()
    expectTypeOf(thread.request(1)).resolves.toBeUnknown()
    expectTypeOf(thread.recv()).toEqualTypeOf<Message>()
    expectTypeOf(thread.tryRecv()).toEqualTypeOf<Message | undefined>()
    expectTypeOf(currentThread()).toEqualTypeOf<Thread | undefined>()
    expectTypeOf(mainThread).toEqualTypeOf<Thread>()
    // @ts-expect-error -- two arguments
    void executor.thread(work.add, [1])
    // @ts-expect-error -- its arguments can't be left out
    void executor.thread(work.add)
    // @ts-expect-error -- a number is no string
    void thread.run(work.add, 1, 'x')
  })
})
