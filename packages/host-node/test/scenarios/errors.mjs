import { assert, withExecutor, work } from './scenario.mjs'
import { LimitError } from './tasks.mjs'

await withExecutor({ workers: 1 }, async (executor) => {
  await assert.rejects(executor.run(work.fail, 'too far'), (error) => {
    assert.ok(error instanceof RangeError)
    assert.equal(error.message, 'too far')
    assert.ok(error.cause instanceof TypeError)
    assert.equal(error.cause.message, 'the cause')
    assert.match(error.stack, /tasks\.mjs/)
    return true
  })
  await assert.rejects(
    executor.run(work.failOwn, 'full', 7),
    (error) => error instanceof LimitError && error.limit === 7 && error.code === 'ERR_LIMIT',
  )
  await assert.rejects(executor.run(work.failLater), SyntaxError)
  for (const value of [undefined, 'text', 5, { code: 1 }]) {
    const thrown = await executor.run(work.failWith, value).then(
      () => assert.fail(),
      (reason) => reason,
    )
    assert.deepEqual(thrown, value)
  }
  // Arguments that can't travel: at the call, with the path.
  assert.throws(() => executor.run(work.echo, { user: { socket() {} } }), { code: 'ERR_NOT_SHAREABLE', message: /args\[0\]\.user\.socket/ })
  assert.throws(() => executor.run(work.add, 1, Symbol('x')), { code: 'ERR_NOT_SHAREABLE', message: /args\[1\]/ })
  await assert.rejects(executor.run(work.unshareable), { code: 'ERR_NOT_SHAREABLE', message: /result\.list\[1\]/ })
  assert.throws(() => executor.run(() => 1), { code: 'ERR_INVALID_ARGUMENT' })
  assert.throws(() => executor.spawn(work.add, 5), { code: 'ERR_INVALID_ARGUMENT' })
  // None of that harmed the worker.
  assert.equal(await executor.run(work.add, 20, 22), 42)
  const { workers, failed } = executor.stats()
  assert.equal(workers.length, 1)
  assert.equal(failed, 8)
})
