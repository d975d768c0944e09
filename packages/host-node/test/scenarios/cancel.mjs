import { AtomicInt32 } from '@heddle/atomics'
import { CancelSource } from '@heddle/cancel'
import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1 }, async (executor) => {
  // A plain function, an async one, and fibers that wait and that loop.
  for (const task of [work.spinUntilCancelled, work.waitUntilCancelled, work.sleepUntilCancelled, work.loopUntilCancelled]) {
    const flag = new AtomicInt32()
    const call = executor.spawn(task, [flag])
    await until(() => flag.load() === 1)
    assert.equal(call.cancel(new Error(`no ${task.name}`)), true)
    await assert.rejects(call.joinAsync(), { message: `no ${task.name}` })
    assert.equal(call.state, 'cancelled')
    assert.equal(call.cancel(), false)
    if (task === work.sleepUntilCancelled) assert.equal(flag.load(), 2)
    flag.dispose()
  }
  // By a limit, a token and the default reason.
  const flag = new AtomicInt32()
  await assert.rejects(executor.spawn(work.spinUntilCancelled, [flag], { timeout: 20 }).joinAsync(), { code: 'ERR_TIMEOUT' })
  const source = new CancelSource()
  const byToken = executor.spawn(work.loopUntilCancelled, [flag], { signal: source.token })
  source.cancel(new Error('by token'))
  await assert.rejects(byToken.joinAsync(), { message: 'by token' })
  source.dispose()
  flag.store(0)
  const plain = executor.spawn(work.waitUntilCancelled, [flag])
  await until(() => flag.load() === 1)
  plain.cancel()
  await assert.rejects(plain.joinAsync(), { code: 'ERR_CANCELLED' })

  // One that doesn't look ends as it ends.
  flag.store(0)
  const deaf = executor.spawn(work.ignoresCancel, [flag])
  await until(() => flag.load() === 1)
  assert.equal(deaf.cancel(), true)
  assert.equal(deaf.state, 'pending')
  flag.store(2)
  assert.equal(await deaf.joinAsync(), true)
  assert.equal(deaf.state, 'fulfilled')

  // The next call starts clean.
  const { module, ...self } = await executor.run(work.self)
  assert.deepEqual(self, { name: 'self', worker: 0, isCancelled: false })
  assert.ok(module.endsWith('/tasks.mjs'))
  assert.equal(await executor.run(work.selfInFiber), 'selfInFiber')

  // A blocking join ends by a token, by its deadline and by its own limit.
  const late = executor.spawn(work.later, [1, 60_000])
  const limited = new CancelSource({ timeout: 10 })
  assert.throws(() => late.join({ signal: limited.token }), { code: 'ERR_TIMEOUT' })
  assert.throws(() => late.join({ timeout: 1 }), { code: 'ERR_TIMEOUT' })
  limited.dispose()
  const other = new CancelSource()
  const cancelling = executor.spawn(work.cancels, [other])
  assert.throws(() => late.join({ signal: other.token }), { code: 'ERR_CANCELLED' })
  cancelling.join()
  other.dispose()
  const aborting = new AbortController()
  const joining = late.joinAsync({ signal: aborting.signal })
  aborting.abort(new Error('enough'))
  await assert.rejects(joining, { message: 'enough' })
  await assert.rejects(executor.spawn(work.joinsInFiber, [20]).joinAsync(), { code: 'ERR_TIMEOUT' })
  assert.equal(late.state, 'pending')
  late.detach()
  flag.dispose()
  await executor.terminate()
})
