import { CancelSource } from '@heddle/cancel'
import { Mutex, SpinMutex } from '@heddle/sync'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1, leaks: true }, async (executor) => {
  const seen = []
  executor.on('task-leak', (leak) => seen.push(leak))
  const leakOf = async (count) => {
    await until(() => seen.length >= count)
    const { tasks, ...rest } = seen[count - 1]
    return [tasks.join(), rest]
  }
  const mutex = new Mutex()
  const spin = new SpinMutex()
  const source = new CancelSource()
  // Nothing is left.
  await executor.run(work.nothing)
  await executor.run(work.later, 1)
  await executor.run(work.fiber, 5)
  await executor.run(work.nested, 2)
  await executor.run(work.locksAndReleases, mutex)
  await assert.rejects(executor.run(work.fail, 'no'))
  // A plain function's lock.
  await executor.run(work.locks, mutex)
  assert.deepEqual(await leakOf(1), ['locks', { worker: 0, waits: 0, timers: 0, locks: ['Mutex'] }])
  assert.ok(!mutex.isLocked && mutex.isPoisoned)
  // Who comes next is told, and may mend it.
  await assert.rejects(mutex.lockAsync(), (error) => {
    mutex.clearPoison()
    error.guard.release()
    return error.code === 'ERR_POISONED'
  })
  // A lock that the worker knows from before; one of another kind, in a fiber.
  await executor.run(work.locks, mutex)
  assert.deepEqual((await leakOf(2))[1].locks, ['Mutex'])
  await executor.run(work.locks, spin)
  assert.deepEqual(await leakOf(3), ['locks', { worker: 0, waits: 0, timers: 0, locks: ['SpinMutex'] }])
  const second = new Mutex()
  await executor.run(work.locksInFiber, second)
  assert.deepEqual(await leakOf(4), ['locksInFiber', { worker: 0, waits: 0, timers: 0, locks: ['Mutex'] }])
  // Listeners and timers. The next task is not blamed for them.
  await executor.run(work.listens, source.token)
  const [listens, { waits, timers }] = await leakOf(5)
  assert.ok(listens === 'listens' && waits > 0 && timers === 0, `${waits} waits, ${timers} timers`)
  await executor.run(work.dozes)
  assert.deepEqual(await leakOf(6), ['dozes', { worker: 0, waits: 1, timers: 1, locks: [] }])
  await executor.run(work.later, 1)
  // Also who is told that a section did not end holds the lock.
  await assert.rejects(executor.run(work.locks, second), { code: 'ERR_POISONED' })
  assert.deepEqual(await leakOf(7), ['locks', { worker: 0, waits: 0, timers: 0, locks: ['Mutex'] }])
  // Calls that overlap are named together.
  await Promise.all([executor.run(work.dozes), executor.run(work.later, 1, 200)])
  const [tasks] = await leakOf(8)
  assert.ok(tasks === 'dozes' || tasks === 'dozes,later' || tasks === 'later,dozes', tasks)
  assert.equal(seen.length, 8)
})

await assert.rejects(Executor.start({ host: nodeHost, workers: 0, leaks: true }), { code: 'ERR_INVALID_ARGUMENT' })
