// Payloads that the region has no room for, by every road that a call can take; afterwards nothing of them is left.
import { Worker } from 'node:worker_threads'
import { AtomicInt32, Region } from '@heddle/atomics'
import { Executor as AnyExecutor } from '@heddle/executor'
import { assert, nodeHost, until, withExecutor } from './scenario.mjs'
import { isSame, large, make } from './large-tasks.mjs'

const MB = 2 ** 20
const size = 20 * MB
const region = Region.create({ bytes: 8 * MB })
const isBack = (executor) => until(() => executor.stats().large.used === 0)

await withExecutor({ workers: 2, region }, async (executor) => {
  await executor.warm()
  const bytes = make(size)
  assert.ok(isSame(await executor.run(large.echo, bytes), size))
  assert.equal(bytes.length, size)
  assert.ok(isSame(await executor.spawn(large.fiber, [bytes]).joinAsync(), size))
  // Within other values, with text, and for several elements in one call.
  const whole = { bytes, text: 'é'.repeat(MB), list: [new Float64Array(MB)] }
  const back = await executor.run(large.echo, whole)
  assert.ok(isSame(back.bytes, size) && back.text === whole.text && back.list[0].length === MB)
  const sizes = []
  for await (const one of executor.map(large.size, [bytes, bytes, make(1), bytes], { chunk: 2 })) sizes.push(one)
  assert.deepEqual(sizes, [size, size, 1, size])
  // To a thread that blocks, here and in workers; and through a mailbox.
  assert.ok(isSame(executor.spawn(large.echo, [bytes]).join(), size))
  assert.deepEqual(await Promise.all([executor.run(large.joins, size), executor.run(large.runs, size), executor.run(large.joinsElsewhere, size)]), [
    true,
    true,
    true,
  ])
  assert.ok(isSame(await executor.spawn(large.echo, [bytes], { isolate: true }).joinAsync(), size))
  assert.ok(isSame(await executor.spawnBlocking(large.echo, [bytes]).joinAsync(), size))
  const thread = await executor.thread(large.serve)
  assert.ok(isSame(await thread.request(bytes), size))
  assert.ok(isSame(await thread.run(large.echo, bytes), size))
  thread.close()
  await thread.joinAsync()
  // Many at once.
  const many = await Promise.all(Array.from({ length: 40 }, (_, i) => executor.run(large.echo, make(MB + i))))
  assert.ok(many.every((one, i) => isSame(one, MB + i)))
  await isBack(executor)

  // What fails leaves nothing.
  await assert.rejects(executor.run(large.unshareable, size), { code: 'ERR_NOT_SHAREABLE' })
  await assert.rejects(executor.run(large.returnsTooMuch), { code: 'ERR_VALUE_TOO_LARGE' })
  await assert.rejects(async () => executor.run(large.echo, [bytes, () => 1]), { code: 'ERR_NOT_SHAREABLE' })
  await assert.rejects(async () => executor.run(large.echo, new Uint8Array(2 ** 31)), { code: 'ERR_VALUE_TOO_LARGE' })

  // Calls that are taken back, and one that is cancelled while it runs.
  const flag = new AtomicInt32({ region })
  const busy = [1, 2].map(() => executor.spawn(large.waits, [flag]))
  await until(() => executor.stats().running === 2)
  const handles = Array.from({ length: 5 }, () => executor.spawn(large.echo, [bytes]))
  assert.equal(executor.stats().large.used, 5 * size)
  for (const handle of handles.slice(1)) handle.cancel()
  assert.equal(executor.stats().large.used, size)
  flag.store(1)
  await Promise.all([...busy, handles[0]].map((handle) => handle.joinAsync()))
  await isBack(executor)

  // A worker that dies: with the payload of the call that runs there; the others' run elsewhere.
  const dies = executor.spawn(large.exits, [bytes, 1])
  const others = Array.from({ length: 6 }, () => executor.spawn(large.echo, [bytes]))
  await assert.rejects(dies.joinAsync(), { code: 'ERR_WORKER_CRASHED' })
  const settled = await Promise.allSettled(others.map((handle) => handle.joinAsync()))
  assert.ok(settled.every(({ value, reason }) => (reason === undefined ? isSame(value, size) : reason.code === 'ERR_WORKER_CRASHED')))
  // And one whose own calls are open.
  await assert.rejects(executor.run(large.abandons, size, new AtomicInt32({ region })), { code: 'ERR_WORKER_CRASHED' })
  await isBack(executor)

  // An agent that the program started, which leaves in an orderly way, and one that is ended.
  for (const ends of [(worker) => worker.postMessage('end'), (worker) => worker.terminate()]) {
    flag.store(0)
    const worker = new Worker(new URL('large-tasks.mjs', import.meta.url), { workerData: { foreign: executor.toHandle(), flag: flag.toHandle() } })
    const exit = new Promise((resolve) => worker.once('exit', resolve))
    assert.deepEqual(await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)), [true, true])
    if (ends.toString().includes('end')) flag.store(1)
    ends(worker)
    flag.store(1)
    await exit
  }
  assert.equal(await executor.run(large.size, bytes), size)
})

// What has not started when the executor ends is given back, too.
const flag = new AtomicInt32({ region })
const { used } = region.stats()
const executor = await AnyExecutor.start({ host: nodeHost, workers: 1, region })
const runs = executor.spawn(large.waits, [flag])
await until(() => executor.stats().running === 1)
const waiting = Array.from({ length: 3 }, () => executor.spawn(large.echo, [make(size)]))
assert.equal(executor.stats().large.used, 3 * size)
const end = executor.shutdown({ drain: false })
for (const handle of waiting) await assert.rejects(handle.joinAsync(), { code: 'ERR_SHUTDOWN' })
assert.equal(executor.stats().large.used, 0)
flag.store(1)
await runs.joinAsync()
await end
assert.equal(region.stats().used, used)

// 256 MB each way.
await withExecutor({ workers: 1 }, async (one) => {
  const bytes = make(256 * MB)
  const back = await one.run(large.echo, bytes)
  assert.ok(Buffer.compare(back, bytes) === 0)
  assert.equal(one.stats().large.used, 0)
})
