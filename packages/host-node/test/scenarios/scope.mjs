import { AtomicInt32 } from '@heddle/atomics'
import { blockOn } from '@heddle/executor'
import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 2 }, async (executor) => {
  // Left when everything has ended, also what nobody joined.
  const flag = new AtomicInt32()
  const handles = []
  assert.equal(
    await executor.scope((scope) => {
      for (let i = 0; i < 5; i++) handles.push(scope.spawn(work.later, [i, i]))
      return 'value'
    }),
    'value',
  )
  assert.ok(handles.every(({ state }) => state === 'fulfilled'))
  assert.equal(await executor.scope(async (scope) => (await scope.run(work.add, 1, 2)) + (await scope.run(work.add, 3, 4))), 10)

  // The first failure cancels the others, wherever they are, and the body's signal.
  let signal
  const failing = executor.scope(async (scope) => {
    signal = scope.signal
    handles.push(scope.spawn(work.spinUntilCancelled, [flag]), scope.spawn(work.sleepUntilCancelled, [new AtomicInt32()]))
    await until(() => flag.load() === 1)
    scope.spawn(work.failLater, [])
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    assert.throws(() => scope.spawn(work.echo, [1]), SyntaxError)
  })
  await assert.rejects(failing, SyntaxError)
  assert.deepEqual(
    handles.slice(5).map(({ state }) => state),
    ['cancelled', 'cancelled'],
  )
  // The body fails: its calls end first. One that was cancelled by itself is no failure.
  let inner
  flag.store(0)
  await assert.rejects(
    executor.scope(async (scope) => {
      inner = scope
      const alone = scope.spawn(work.waitUntilCancelled, [flag])
      await until(() => flag.load() === 1)
      alone.cancel()
      await until(() => alone.state === 'cancelled')
      assert.equal(scope.signal.aborted, false)
      handles.push(scope.spawn(work.waitUntilCancelled, [flag]))
      throw new Error('body')
    }),
    { message: 'body' },
  )
  assert.equal(handles.at(-1).state, 'cancelled')
  assert.throws(() => inner.spawn(work.echo, [1]), { code: 'ERR_INVALID_ARGUMENT' })
  inner.cancel()

  // Limits, and cancelling by hand.
  const waiting = (scope) => void scope.spawn(work.loopUntilCancelled, [flag])
  await assert.rejects(executor.scope(waiting, { timeout: 5 }), { code: 'ERR_TIMEOUT' })
  const controller = new AbortController()
  const aborted = executor.scope(waiting, { signal: controller.signal })
  controller.abort(new Error('aborted'))
  await assert.rejects(aborted, { message: 'aborted' })
  await assert.rejects(
    executor.scope((scope) => {
      waiting(scope)
      scope.cancel()
    }),
    { code: 'ERR_CANCELLED' },
  )
  await assert.rejects(executor.scope(5), { code: 'ERR_INVALID_ARGUMENT' })

  // A scope of a task ends with the task.
  flag.store(0)
  const outer = executor.spawn(work.scoped, [flag])
  await until(() => flag.load() === 1)
  outer.cancel(new Error('from above'))
  await assert.rejects(outer.joinAsync(), { message: 'from above' })
  await until(() => executor.stats().running === 0)
  assert.equal(blockOn(executor.spawn(work.add, [1, 2])), 3)
  assert.throws(() => blockOn(executor.spawn(work.fail, ['no'])), RangeError)
})
