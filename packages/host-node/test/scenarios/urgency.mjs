import { AtomicInt32 } from '@heddle/atomics'
import { assert, until, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 1 }, async (executor) => {
  const box = { count: new AtomicInt32(), want: 2 }
  const gate = executor.spawn(work.meet, [box])
  await until(() => box.count.load() === 1)
  const calls = ['low', 'normal', 'high', 'critical'].flatMap((priority) =>
    Array.from({ length: 30 }, (_, i) => executor.spawn(work.order, [box, `${priority} ${i}`], { priority })),
  )
  box.count.add(1)
  await gate.joinAsync()
  const ended = (await Promise.all(calls.map((call) => call.joinAsync()))).sort((a, b) => a[1] - b[1]).map(([mark]) => mark)
  const ranks = (priority) => ended.flatMap((mark, i) => (mark.startsWith(priority) ? [i] : []))
  const mean = (list) => list.reduce((a, b) => a + b) / list.length
  const means = ['critical', 'high', 'normal', 'low'].map((priority) => mean(ranks(priority)))
  assert.deepEqual(
    [...means].sort((a, b) => a - b),
    means,
  )
  // Nobody starves: each has its share from the start.
  assert.ok(ranks('high')[0] < 32 && ranks('normal')[0] < 32 && ranks('low')[0] < 32)
  // First in, first out within a level.
  for (const priority of ['critical', 'high', 'normal', 'low'])
    assert.deepEqual(
      ended.filter((mark) => mark.startsWith(priority)),
      Array.from({ length: 30 }, (_, i) => `${priority} ${i}`),
    )
  assert.throws(() => executor.spawn(work.echo, [1], { priority: 'urgent' }), { code: 'ERR_INVALID_ARGUMENT' })
})

await withExecutor({ workers: 1, queueLimit: 3 }, async (executor) => {
  const box = { count: new AtomicInt32(), want: 2 }
  const gate = executor.spawn(work.meet, [box])
  await until(() => box.count.load() === 1)
  const waiting = [1, 2, 3].map((x) => executor.spawn(work.later, [x, 60_000]))
  assert.throws(() => executor.spawn(work.echo, [4]), { code: 'ERR_QUEUE_FULL' })
  assert.throws(() => executor.run(work.echo, 4), { code: 'ERR_QUEUE_FULL' })
  await assert.rejects(executor.spawnAsync(work.echo, [4], { timeout: 5 }), { code: 'ERR_TIMEOUT' })
  const controller = new AbortController()
  const aborted = executor.room({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(aborted, { message: 'enough' })
  // One that is taken back makes room; so do calls that start, though none of them ends.
  const first = executor.spawnAsync(work.echo, [4])
  waiting[0].cancel()
  const four = await first
  const more = [5, 6, 7].map((x) => executor.spawnAsync(work.echo, [x]))
  box.count.add(1)
  assert.deepEqual(await Promise.all([four, ...(await Promise.all(more))].map((handle) => handle.joinAsync())), [4, 5, 6, 7])
  await gate.joinAsync()
  assert.deepEqual([waiting[1].state, waiting[2].state], ['pending', 'pending'])
  for (let i = 0; i < 200; i++) (await executor.spawnAsync(work.echo, [i])).detach()
  await executor.terminate()
})
