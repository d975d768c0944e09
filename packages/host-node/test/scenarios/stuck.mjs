import { AtomicInt32 } from '@heddle/atomics'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'

const STUCK = { code: 'ERR_TASK_STUCK' }

// Reported once, with its name, while it goes on.
await withExecutor({ workers: 1, stuckAfter: 50 }, async (executor) => {
  const seen = []
  executor.on('task-stuck', (detail) => detail.task === 'ignoresCancel' && seen.push(detail))
  // Loading the module may take long.
  await executor.run(work.nothing)
  const flag = new AtomicInt32()
  const ignores = executor.run(work.ignoresCancel, flag)
  await until(() => seen.length > 0)
  const others = Array.from({ length: 4 }, () => executor.run(work.nothing))
  // Long enough for a second one.
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(seen.length, 1)
  flag.store(2)
  assert.equal(await ignores, false)
  await Promise.all(others)
  assert.equal(seen[0].worker, 0)
  assert.ok(seen[0].ms >= 50, `${seen[0].ms} ms`)
})

// Replaced: the task fails, others that had started there too, what had not started runs elsewhere. In a pool of one.
await withExecutor({ workers: 1, stuckAfter: 1000, onStuck: 'replace' }, async (executor) => {
  const events = []
  for (const name of ['task-stuck', 'worker-exit']) executor.on(name, (detail) => events.push([name, detail.task ?? detail.reason?.code]))
  const started = new AtomicInt32()
  const asleep = executor.run(work.sleepUntilCancelled, started)
  await until(() => started.load() === 1)
  const hung = executor.spawn(work.hang, [started], { name: 'the one' })
  await until(() => started.load() === 2)
  const queued = executor.run(work.add, 1, 2)
  await Promise.all([
    assert.rejects(hung.joinAsync(), STUCK),
    assert.rejects(asleep, (error) => error.code === 'ERR_WORKER_CRASHED' && error.cause.code === 'ERR_TASK_STUCK'),
    queued.then((sum) => assert.equal(sum, 3)),
  ])
  await until(() => events.length === 2)
  assert.deepEqual(events, [
    ['task-stuck', 'hang'],
    ['worker-exit', 'ERR_TASK_STUCK'],
  ])
  assert.equal(executor.stats().running, 0)
})

// While this thread is blocked, for the call itself and for one that waits behind it.
await withExecutor({ workers: 1, stuckAfter: 1000, onStuck: 'replace' }, async (executor) => {
  await executor.run(work.nothing)
  const hung = executor.spawn(work.hang, [])
  const queued = executor.spawn(work.add, [1, 2])
  assert.throws(() => hung.join(), STUCK)
  assert.equal(queued.join(), 3)
})

// Calls in workers of their own may take as long as they like.
await withExecutor({ workers: 1, stuckAfter: 50, onStuck: 'replace' }, (executor) => executor.spawnBlocking(work.spin, [200]).joinAsync())

// An async task that computes after it has waited: no function of its own runs then.
await withExecutor({ workers: 1, stuckAfter: 1000, onStuck: 'replace' }, async (executor) => {
  await assert.rejects(executor.run(work.hangLater), STUCK)
  assert.equal(await executor.run(work.add, 1, 1), 2)
})

// Settings are checked.
for (const wrong of [{ stuckAfter: 0 }, { stuckAfter: 10, workers: 0 }, { onStuck: 'ignore' }, { hooks: { start() {} } }, { trace: { events: 100 } }])
  await assert.rejects(Executor.start({ host: nodeHost, ...wrong }), { code: 'ERR_INVALID_ARGUMENT' })
