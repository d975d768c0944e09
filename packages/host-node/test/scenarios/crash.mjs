import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 2 }, async (executor) => {
  // Those that had started there fail, the others run elsewhere.
  const crashing = executor.run(work.exit, 3)
  const others = Promise.all(Array.from({ length: 2000 }, (_, i) => executor.run(work.add, i, 0)))
  await assert.rejects(crashing, (error) => error.code === 'ERR_WORKER_CRASHED' && /exit code 3/.test(error.cause.message))
  assert.equal((await others).length, 2000)

  const uncaught = executor.run(work.uncaught)
  await assert.rejects(uncaught, (error) => error.code === 'ERR_WORKER_CRASHED' && error.cause.message === 'thrown in a timer')

  // Every call settles exactly once, whatever dies when.
  let settled = 0
  let crashed = 0
  const calls = []
  for (let i = 0; i < 300; i++) {
    const crash = i % 50 === 25
    const call = crash ? executor.run(work.exitLater, i % 7) : executor.run(i % 3 === 0 ? work.later : work.echo, i)
    calls.push(
      call.then(
        (value) => {
          settled++
          assert.equal(value, i)
        },
        (error) => {
          settled++
          crashed++
          assert.equal(error.code, 'ERR_WORKER_CRASHED')
        },
      ),
    )
  }
  await Promise.all(calls)
  assert.equal(settled, 300)
  assert.ok(crashed >= 6)
  await until(() => executor.stats().workers.length === 2 && executor.stats().workers.every(({ state }) => state === 'ready'))
  assert.equal(await executor.run(work.add, 1, 2), 3)
})
