import { channel } from 'node:diagnostics_channel'
import { asCompleted, waitAll } from '@heddle/executor'
import { assert, until, withExecutor, work } from './scenario.mjs'

const events = []
await withExecutor({ workers: 2 }, async (executor) => {
  executor.on('worker-exit', (event) => events.push(event))
  const spawn = (...values) => values.map((x) => executor.spawn(x < 0 ? work.fail : work.later, x < 0 ? ['no'] : [x, x]))

  const all = spawn(3, 1, -1)
  const everything = await waitAll(all)
  assert.deepEqual(everything, { done: all, pending: [] })
  assert.deepEqual(
    all.map(({ state }) => state),
    ['fulfilled', 'fulfilled', 'rejected'],
  )
  assert.deepEqual(await waitAll([]), { done: [], pending: [] })
  assert.deepEqual((await waitAll(all, { until: 'first' })).done, all)

  const race = spawn(60_000, 1)
  assert.deepEqual(await waitAll(race, { until: 'first' }), { done: [race[1]], pending: [race[0]] })
  race.push(...spawn(1, -1))
  const failed = await waitAll(race, { until: 'first-error' })
  assert.ok(failed.done.includes(race[3]) && failed.pending.includes(race[0]))
  const fine = spawn(1, 2)
  assert.equal((await waitAll(fine, { until: 'first-error' })).pending.length, 0)
  await assert.rejects(waitAll(race, { timeout: 5 }), { code: 'ERR_TIMEOUT' })
  await assert.rejects(waitAll(race, { until: 'never' }), { code: 'ERR_INVALID_ARGUMENT' })
  await assert.rejects(waitAll([1]), { code: 'ERR_INVALID_ARGUMENT' })
  const controller = new AbortController()
  const aborted = waitAll(race, { signal: controller.signal })
  controller.abort(new Error('stop'))
  await assert.rejects(aborted, { message: 'stop' })

  const order = []
  const gate = spawn(60_000, -1, 2)
  for await (const handle of asCompleted(gate)) {
    order.push(gate.indexOf(handle))
    if (order.length === 2) break
  }
  assert.deepEqual(order.sort(), [1, 2])
  assert.throws(() => asCompleted(['no']), { code: 'ERR_INVALID_ARGUMENT' })

  // Errors that nobody awaits are events; those that somebody sees are none.
  const unseen = []
  const published = []
  channel('heddle:task-error').subscribe((detail) => published.push(detail))
  executor.on('task-error', (detail) => unseen.push(detail))
  const stop = executor.on('task-error', () => assert.fail('no listener any more'))
  stop()
  const [joined, looked, raced, alone, detached] = Array.from({ length: 5 }, (_, i) => executor.spawn(work.fail, [String(i)], { name: `call ${i}` }))
  detached.detach()
  const joining = assert.rejects(joined.joinAsync(), { message: '0' })
  const racing = waitAll([raced])
  await until(() => looked.state !== 'pending')
  assert.equal(looked.error().message, '1')
  await Promise.all([joining, racing])
  await until(() => unseen.length === 2)
  // Everything that could come has come.
  await executor.run(work.echo, 1)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(unseen.map(({ task, error, id }) => [task, error.message, id]).sort(), [
    ['call 3', '3', alone.id],
    ['call 4', '4', detached.id],
  ])
  assert.equal(published.length, 2)
  assert.throws(() => executor.on('task-errors', () => undefined), { code: 'ERR_INVALID_ARGUMENT' })
  assert.throws(() => executor.on('task-error'), { code: 'ERR_INVALID_ARGUMENT' })
  for (const handle of [race[0], gate[0]]) handle.cancel()
  await executor.run(work.exit, 4).catch(() => undefined)
  assert.deepEqual([events[0].expected, events[0].crashed >= 1], [false, true])
  await executor.terminate()
})
assert.ok(events.slice(1).every(({ expected }) => expected))
