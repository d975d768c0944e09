import { Region } from '@heddle/atomics'
import { assert, Executor, nodeHost, until, work } from './scenario.mjs'

const start = (options) => Executor.start({ host: nodeHost, workers: 1, ...options })
{
  // Drain: what was accepted ends, then no more calls.
  const executor = await start()
  const calls = Promise.all([
    executor.run(work.later, 'a', 30),
    executor.run(work.spin, 20),
    ...Array.from({ length: 100 }, (_, i) => executor.run(work.echo, i)),
  ])
  const ended = executor.shutdown()
  assert.throws(() => executor.run(work.echo, 1), { code: 'ERR_SHUTDOWN' })
  assert.equal((await calls).length, 102)
  await ended
  assert.equal(executor.shutdown(), executor.shutdown())
}
{
  // Without drain: what has started ends, the rest rejects.
  const executor = await start()
  const running = executor.run(work.spin, 50)
  await until(() => executor.stats().running === 1)
  const queued = executor.run(work.echo, 1)
  const rejected = assert.rejects(queued, { code: 'ERR_SHUTDOWN' })
  await executor.shutdown({ drain: false })
  await rejected
  await running
}
{
  // The time limit ends what doesn't end.
  const executor = await start()
  const hanging = assert.rejects(executor.run(work.hang), { code: 'ERR_SHUTDOWN', message: /within 50 ms/ })
  const behind = assert.rejects(executor.run(work.echo, 1), { code: 'ERR_SHUTDOWN' })
  await until(() => executor.stats().running === 1)
  await executor.shutdown({ timeout: 50 })
  await hanging
  await behind
}
{
  const executor = await start()
  const hanging = assert.rejects(executor.run(work.hang), { code: 'ERR_SHUTDOWN' })
  await until(() => executor.stats().running === 1)
  await executor.terminate()
  await hanging
  assert.throws(() => executor.run(work.echo, 1), { code: 'ERR_SHUTDOWN' })
}
{
  // Both at once: both end.
  const executor = await start()
  const hanging = assert.rejects(executor.run(work.hang), { code: 'ERR_SHUTDOWN' })
  await until(() => executor.stats().running === 1)
  const ended = executor.shutdown()
  await executor.terminate()
  await ended
  await hanging
}
{
  // Nothing of a pool stays in its region, however it ended.
  const region = Region.create({ bytes: 16 << 20 })
  const use = async (end) => {
    const executor = await start({ region, workers: 2 })
    await Promise.all(Array.from({ length: 500 }, (_, i) => executor.run(work.echo, 'x'.repeat(i * 10))))
    await assert.rejects(executor.run(work.exit, 1))
    const open = Promise.allSettled(Array.from({ length: 50 }, () => executor.run(work.later, 'x'.repeat(1000))))
    await end(executor)
    await open
  }
  await use((executor) => executor.shutdown())
  const { used } = region.stats()
  await use((executor) => executor.terminate())
  await use((executor) => executor.shutdown({ drain: false }))
  await use((executor) => executor.shutdown())
  assert.equal(region.stats().used, used)
}
