import { assert, until, withExecutor, work } from './scenario.mjs'

// More calls at one time than there are slots.
await withExecutor({ workers: 2 }, async (executor) => {
  const count = 40_000
  const all = await Promise.all(Array.from({ length: count }, (_, i) => executor.run(work.echo, i % 2 === 0 ? i : `text ${i}`)))
  for (let i = 0; i < count; i++) assert.equal(all[i], i % 2 === 0 ? i : `text ${i}`)
  const { queued, running, completed } = executor.stats()
  assert.deepEqual([queued, running, completed], [0, 0, count])

  // Those that wait for a slot can be taken back, there and in the queue.
  const busy = [executor.spawn(work.spin, [100]), executor.spawn(work.spin, [100])]
  const handles = Array.from({ length: count }, (_, i) => executor.spawn(work.echo, [i]))
  const last = handles.pop()
  assert.equal(last.cancel(), true)
  assert.equal(last.state, 'cancelled')
  let cancelled = 0
  for (const handle of handles) if (handle.cancel() && handle.state === 'cancelled') cancelled++
  assert.ok(cancelled > 0)
  const settled = await Promise.allSettled(handles.map((handle) => handle.joinAsync()))
  settled.forEach(({ status, value, reason }, i) => (status === 'fulfilled' ? assert.equal(value, i) : assert.equal(reason.code, 'ERR_CANCELLED')))
  assert.equal(settled.filter(({ status }) => status === 'rejected').length, cancelled)
  for (const handle of busy) await handle.joinAsync()
  await until(() => executor.stats().queued === 0 && executor.stats().running === 0)
})
