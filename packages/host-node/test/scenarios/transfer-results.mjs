// What tasks hand over, by every road: the buffer is there, and no longer here.
import { isMainThread, threadId } from 'node:worker_threads'
import { assert, Executor, nodeHost, until, withExecutor } from './scenario.mjs'
import { Executor as Any, tasks, transfer } from '@heddle/executor'

let kept
export const hands = tasks(import.meta.url, {
  make(size) {
    kept = new Uint8Array(size).fill(7)
    return transfer(kept, [kept.buffer])
  },
  async makeLater(size) {
    await null
    return hands.make.fn(size)
  },
  *makeInFiber(size) {
    yield
    return hands.make.fn(size)
  },
  inside(size) {
    kept = new Uint8Array(size).fill(7)
    return transfer({ name: 'pixels', kept }, [kept.buffer])
  },
  // Of the buffer that the call before returned, in this worker.
  left: () => [threadId, kept?.length],
  sum: (bytes) => bytes.reduce((a, b) => a + b, 0),
  nested: (how, size) => {
    const executor = Any.current()
    const bytes = new Uint8Array(size).fill(1)
    const sum = executor.spawn(hands.sum, [transfer(bytes, [bytes.buffer])]).join()
    const made = executor.spawn(hands.make, [size]).join()
    return [sum, bytes.length, made.length]
  },
  port() {
    const { port1, port2 } = new MessageChannel()
    port1.postMessage('hello')
    return transfer({ port2 }, [port2])
  },
  unclonable() {
    const bytes = new Uint8Array(8)
    return transfer({ bytes, no: () => 1 }, [bytes.buffer])
  },
  twice() {
    const bytes = new Uint8Array(8)
    structuredClone(null, { transfer: [bytes.buffer] })
    return transfer(bytes, [bytes.buffer])
  },
  makeAndExit(size) {
    setImmediate(() => process.exit(1))
    return hands.make.fn(size)
  },
})

async function all(executor, { isShared = true } = {}) {
  const size = 1 << 20
  for (const task of [hands.make, hands.makeLater, hands.makeInFiber]) {
    const bytes = await executor.run(task, size)
    assert.ok(bytes.length === size && bytes[size - 1] === 7)
    assert.deepEqual((await executor.run(hands.left))[1], 0)
  }
  const { name, kept: pixels } = await executor.run(hands.inside, size)
  assert.ok(name === 'pixels' && pixels.length === size)
  assert.equal((await executor.run(hands.left))[1], 0)
  assert.equal((await executor.spawn(hands.make, [size]).joinAsync()).length, size)
  assert.equal((await executor.run(hands.left))[1], 0)
  if (isShared) {
    assert.equal(executor.spawn(hands.make, [size]).join().length, size)
    assert.deepEqual(await executor.run(hands.nested, 'join', size), [size, 0, size])
  }
  for await (const bytes of executor.map(hands.make, [1, 2, 3])) assert.equal(bytes[0], 7)
  // Arguments.
  for (const call of [(x) => executor.run(hands.sum, x), (x) => executor.spawn(hands.sum, [x]).joinAsync()]) {
    const bytes = new Uint8Array(size).fill(1)
    const called = call(transfer(bytes, [bytes.buffer]))
    assert.equal(bytes.length, 0)
    assert.equal(await called, size)
  }
  await assert.rejects(executor.run(hands.unclonable), { code: 'ERR_NOT_SHAREABLE' })
  await assert.rejects(executor.run(hands.twice), { code: 'ERR_NOT_SHAREABLE' })
  // Refused at the call, and not lost.
  const mine = new Uint8Array(8)
  assert.throws(() => void executor.run(hands.sum, transfer({ mine, no: () => 1 }, [mine.buffer])), { code: 'ERR_NOT_SHAREABLE' })
  assert.equal(mine.length, 8)
  structuredClone(null, { transfer: [mine.buffer] })
  assert.throws(() => void executor.run(hands.sum, transfer(mine, [mine.buffer])), { code: 'ERR_NOT_SHAREABLE' })
  await until(() => executor.stats().large.used === 0)
}

if (isMainThread) {
  await withExecutor({ workers: 1 }, async (executor) => {
    await all(executor)
    // What only a message can carry.
    const { port2 } = await executor.run(hands.port)
    assert.equal(await new Promise((resolve) => port2.once('message', resolve)), 'hello')
    port2.close()
  })
  await withExecutor({ workers: 1 }, async (executor) => {
    // By message nothing is copied: no memory beside the region was ever needed for 64 MB.
    assert.equal((await executor.run(hands.make, 64 << 20)).length, 64 << 20)
    const bytes = new Uint8Array(64 << 20)
    await executor.run(hands.sum, transfer(bytes, [bytes.buffer]))
    assert.equal(executor.stats().large.held, 0)
    assert.equal((await executor.spawnBlocking(hands.make, [1000]).joinAsync()).length, 1000)
    assert.equal((await executor.spawn(hands.make, [1000], { isolate: true }).joinAsync()).length, 1000)
  })
  await withExecutor({ host: { ...nodeHost, sharesMemory: false }, workers: 1 }, async (executor) => all(executor, { isShared: false }))
  await withExecutor({ workers: 0 }, async (executor) => all(executor, { isShared: false }))

  // Drained, given up, and of workers that end right after: each call settles once.
  const drained = await Executor.start({ host: nodeHost, workers: 2 })
  const calls = Array.from({ length: 50 }, (_, i) => drained.run(hands.make, i + 1))
  await drained.shutdown()
  assert.deepEqual(
    (await Promise.all(calls)).map(({ length }) => length),
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
  await withExecutor({ workers: 2 }, async (executor) => {
    const dying = Array.from({ length: 20 }, (_, i) => executor.run(i % 4 === 0 ? hands.makeAndExit : hands.make, 1000))
    for (const { value, reason } of await Promise.allSettled(dying)) assert.ok(value?.length === 1000 || reason.code === 'ERR_WORKER_CRASHED')
    assert.equal((await executor.run(hands.make, 5)).length, 5)
    const { completed, failed } = executor.stats()
    assert.equal(completed + failed, 21)
  })
  await withExecutor({ workers: 2, recycle: { afterTasks: 3 } }, async (executor) => {
    for (let i = 1; i < 20; i++) assert.equal((await executor.run(hands.make, i)).length, i)
  })
  const ended = await Executor.start({ host: nodeHost, workers: 2 })
  const open = Array.from({ length: 50 }, () => ended.run(hands.make, 1000))
  const outcomes = Promise.allSettled(open)
  await ended.terminate()
  for (const { value, reason } of await outcomes) assert.ok(value?.length === 1000 || reason.code === 'ERR_SHUTDOWN')
}
