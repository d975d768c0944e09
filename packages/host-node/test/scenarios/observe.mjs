import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { AtomicInt32 } from '@heddle/atomics'
import { assert, Executor, nodeHost, until, withExecutor, work } from './scenario.mjs'
import { checkTrace } from './trace-format.mjs'

// Hooks are told of each call, in order for each worker, also on the platform's channels.
{
  const seen = []
  const told = []
  const listen = (detail, name) => told.push([name, detail])
  for (const name of ['heddle:task-start', 'heddle:task-end', 'heddle:park']) subscribe(name, listen)
  const hook = (name) => (detail) => seen.push([name, detail])
  const hooks = { taskStart: hook('start'), taskEnd: hook('end'), steal: hook('steal'), park: hook('park'), unpark: hook('unpark') }
  await withExecutor({ workers: 1, hooks }, async (executor) => {
    assert.equal(await executor.run(work.add, 1, 2), 3)
    await assert.rejects(executor.run(work.fail, 'no'))
    assert.equal(await executor.run(work.later, 1), 1)
    assert.equal(await executor.run(work.fiber, 5), 10)
    // The last ones come after the results.
    await until(() => seen.filter(([name]) => name === 'end').length === 4)
  })
  const tasks = seen.filter(([name]) => name === 'start' || name === 'end').map(([name, { task, failed }]) => [name, task, failed])
  assert.deepEqual(tasks, [
    ['start', 'add', undefined],
    ['end', 'add', false],
    ['start', 'fail', undefined],
    ['end', 'fail', true],
    ['start', 'later', undefined],
    ['end', 'later', false],
    ['start', 'fiber', undefined],
    ['end', 'fiber', false],
  ])
  for (const [, detail] of seen) assert.equal(detail.worker, 0)
  const ms = seen.filter(([name]) => name === 'end').map(([, detail]) => detail.ms)
  assert.ok(ms.every((one) => one >= 0) && ms[2] >= 4, ms.join())
  // Asleep and awake by turns.
  const sleeps = seen.map(([name]) => name).filter((name) => name === 'park' || name === 'unpark')
  assert.ok(sleeps.length > 0 && sleeps.every((name, i) => name === (i % 2 === 0 ? 'park' : 'unpark')), sleeps.join())
  for (const name of ['heddle:task-start', 'heddle:task-end', 'heddle:park']) unsubscribe(name, listen)
  assert.deepEqual(
    told.filter(([name]) => name !== 'heddle:park').map(([name, { task }]) => [name.slice(12), task]),
    tasks.map(([name, task]) => [name, task]),
  )
  assert.ok(told.some(([name]) => name === 'heddle:park'))
}

// What happened while this thread was busy is told as far as it was kept, and how much was not.
{
  let [ends, lost] = [0, 0]
  const hooks = { taskEnd: () => ends++, lost: ({ events }) => (lost += events) }
  await withExecutor({ workers: 1, hooks, trace: { events: 64 } }, async (executor) => {
    const box = { count: new AtomicInt32() }
    await executor.run(work.bump, box)
    const calls = Array.from({ length: 500 }, () => executor.run(work.bump, box))
    while (box.count.load() < 501);
    await Promise.all(calls)
  })
  assert.ok(lost > 0 && ends < 501, `${lost} lost, ${ends} ends`)
}

// A trace of everything that there is, from the start.
await withExecutor({ workers: 2, name: 'pool', trace: true }, async (executor) => {
  const flag = new AtomicInt32()
  await Promise.all([executor.run(work.fiber, 50), executor.run(work.later, 1), executor.run(work.add, 1, 2)])
  // One worker feeds the other, which has nothing of its own.
  await executor.run(work.feed, { count: new AtomicInt32(), want: 0 })
  const open = executor.spawn(work.sleepUntilCancelled, [flag])
  await until(() => flag.load() === 1)
  const trace = executor.trace()
  assert.deepEqual(JSON.parse(String(trace)), JSON.parse(JSON.stringify(trace)))
  let lanes = checkTrace(trace)
  const of = (lane) => lanes.filter(({ name }) => lane.test(name)).flatMap(({ events }) => events)
  assert.deepEqual(
    lanes
      .map(({ name }) => name)
      .filter((name) => /^pool-\d$/.test(name))
      .sort(),
    ['pool-0', 'pool-1'],
  )
  const begun = (events, cat) => events.filter((event) => event.ph === 'B' && event.cat === cat)
  while (begun(of(/^pool-\d$/), 'park').length === 0) {
    await new Promise((resolve) => setImmediate(resolve))
    lanes = checkTrace(executor.trace())
  }
  const own = of(/^pool-\d$/)
  assert.deepEqual([...new Set(begun(own, 'task').map(({ name }) => name))].sort(), ['add', 'bump', 'feed', 'fiber', 'later', 'sleepUntilCancelled'])
  assert.equal(begun(own, 'fiber').filter(({ name }) => name === 'fiber').length, 51)
  assert.ok(own.some(({ name, args }) => name === 'steal' && args.calls > 0))
  const waits = of(/^pool-\d waits \d+$/)
  assert.deepEqual([...new Set(begun(waits, 'async').map(({ name }) => name))].sort(), ['fiber', 'later', 'sleepUntilCancelled'])
  assert.ok(begun(waits, 'fiber').every(({ name }) => name === 'runs'))
  open.cancel()
  await assert.rejects(open.joinAsync(), { code: 'ERR_CANCELLED' })
})

// Bounded, however much happens.
await withExecutor({ workers: 1, trace: { events: 64 } }, async (executor) => {
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 50 }, () => executor.run(work.nothing)))
  const [lane] = checkTrace(executor.trace())
  assert.ok(lane.events.length > 0 && lane.events.length <= 130, `${lane.events.length} events`)
})

// Turned on by the first look; in the calling agent too.
for (const workers of [1, 0]) {
  await withExecutor({ workers }, async (executor) => {
    await executor.run(work.nothing)
    assert.deepEqual(checkTrace(executor.trace()), [])
    // The workers hear of it in their own time.
    const names = () => checkTrace(executor.trace()).flatMap(({ events }) => events.map(({ name }) => name))
    while (!names().includes('add')) await executor.run(work.add, 1, 2)
    assert.ok(!names().includes('nothing'))
  })
}
const ended = await Executor.start({ host: nodeHost, workers: 0 })
await ended.shutdown()
assert.throws(() => ended.trace(), { code: 'ERR_INVALID_ARGUMENT' })
