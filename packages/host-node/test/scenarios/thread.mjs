// Threads: messages, requests, receiving in every mode, tasks in a live thread, ends, deaths.
import { AtomicInt32, Region } from '@heddle/atomics'
import { activeThreads, currentThread, mainThread, Thread } from '@heddle/executor'
import { assert, Executor, nodeHost, until, withExecutor } from './scenario.mjs'
import { work } from './thread-tasks.mjs'

const ended = async (thread) => {
  thread.close()
  await thread.joinAsync()
}

await withExecutor({ idleTimeout: Infinity }, async (executor) => {
  // A thread with a handler lives until it is closed.
  const echo = await executor.thread(work.echo, [], { name: 'parrot' })
  for (const value of [1, 'two', undefined, null, { a: [1, { b: new Map([[1, 2]]) }] }, 'x'.repeat(5000), new Uint8Array([1, 2])])
    assert.deepEqual(await echo.request(value), value)
  assert.equal(echo.name, 'parrot')
  assert.equal(echo.state, 'running')
  assert.equal(echo.parent, mainThread)
  assert.deepEqual(activeThreads(), [echo])
  assert.equal(currentThread(), mainThread)
  // What was sent before the close is answered; what comes after is refused.
  const last = Promise.all([1, 2, 3].map((x) => echo.request(x)))
  echo.close()
  echo.close()
  assert.throws(
    () => echo.send('late'),
    (error) => error.code === 'ERR_CLOSED' && error.value === 'late',
  )
  await assert.rejects(echo.request('late'), { code: 'ERR_CLOSED' })
  await assert.rejects(echo.run(work.add, 1, 2), { code: 'ERR_CLOSED' })
  assert.deepEqual(await last, [1, 2, 3])
  assert.equal(await echo.joinAsync(), undefined)
  assert.equal(echo.state, 'ended')
  assert.throws(() => echo.trySend(1), { code: 'ERR_CLOSED' })
  assert.deepEqual(activeThreads(), [])

  // Receiving in every mode, in the order in which it was sent; join in two.
  for (const task of [work.sum, work.sumBlocking, work.sumFiber]) {
    const thread = await executor.thread(task)
    for (let i = 0; i < 2500; i++) await thread.sendAsync(i)
    thread.close()
    assert.equal(await thread.joinAsync(), 3_123_750)
  }
  const list = await executor.thread(work.list)
  const numbers = Array.from({ length: 3000 }, (_, i) => i)
  // Some wait for room, and those behind them wait, too.
  await Promise.all(numbers.map((i) => (i % 3 === 0 ? list.sendAsync(i) : void list.send(i))))
  list.close()
  assert.deepEqual(await list.joinAsync(), numbers)
  const two = await executor.thread(work.tryAll)
  two.send('a')
  two.send('b')
  assert.deepEqual(two.join(), ['a', 'b'])
  assert.equal((await executor.thread(work.recvLimited)).join(), 'ERR_TIMEOUT')

  // Results and failures.
  assert.equal((await executor.thread(work.result, [7])).join(), 7)
  await assert.rejects((await executor.thread(work.fail)).joinAsync(), new TypeError('the task failed'))
  await assert.rejects((await executor.thread(work.failLater)).joinAsync(), new TypeError('the task failed'))
  await assert.rejects(executor.thread(work.result, [() => 1]), { code: 'ERR_NOT_SHAREABLE' })
  assert.throws(() => mainThread.close(), { code: 'ERR_INVALID_ARGUMENT' })

  // What handlers return, throw and flag.
  for (const task of [work.double, work.doubleLater]) {
    const thread = await executor.thread(task)
    assert.equal(await thread.request(4), 8)
    await ended(thread)
  }
  const errors = []
  executor.on('task-error', ({ error, task }) => errors.push([task, error.message]))
  const throws = await executor.thread(work.throws)
  await assert.rejects(throws.request('sync'), new RangeError('sync'))
  assert.equal(await throws.request('fine'), 'fine')
  throws.send('sync')
  await until(() => errors.length === 1)
  assert.deepEqual(errors, [['throws', 'sync']])
  assert.equal(await throws.request('alive'), 'alive')
  await ended(throws)
  const rejects = await executor.thread(work.rejects)
  await assert.rejects(rejects.request('later'), new RangeError('later'))
  await ended(rejects)
  const flags = await executor.thread(work.flags)
  flags.send(1)
  flags.send('x')
  assert.deepEqual(await flags.request('y'), ['afalse', 'afalse', 'bfalse', 'afalse', 'bfalse'])
  await ended(flags)

  // Shared objects deep inside a message; threads inside messages.
  const cell = new AtomicInt32()
  const increment = await executor.thread(work.increment)
  assert.equal(await increment.request({ cells: [cell] }), 1)
  assert.equal(cell.load(), 1)
  await ended(increment)
  cell.dispose()
  const target = await executor.thread(work.echo)
  const pass = await executor.thread(work.pass)
  pass.send({ to: target })
  assert.equal(await pass.joinAsync(), 'x')
  const joiner = await executor.thread(work.joinOther)
  const asked = new Promise((resolve) => joiner.onMessage(resolve))
  joiner.send(target)
  assert.equal((await asked).from, joiner)
  await ended(target)
  assert.equal(await joiner.joinAsync(), undefined)

  // The main thread's mailbox.
  const got = []
  const stop = mainThread.onMessage((message) => got.push(message))
  const tell = await executor.thread(work.tell, [5], { name: 'teller' })
  await tell.joinAsync()
  await until(() => got.length === 2)
  assert.deepEqual(
    got.map(({ payload }) => payload),
    [{ x: 5, name: 'teller', id: tell.id }, 'second'],
  )
  stop()
  const ask = await executor.thread(work.ask, [5])
  const { payload, from } = await mainThread.recvAsync().then((message) => (message.reply(message.payload + 1), message))
  assert.equal(payload, 5)
  assert.equal(from, ask)
  assert.equal(await ask.joinAsync(), 6)
  const ask2 = await executor.thread(work.ask, [7])
  const request = mainThread.recv()
  request.reject(new RangeError('no'))
  assert.throws(() => request.reply(1), { code: 'ERR_INVALID_ARGUMENT' })
  await assert.rejects(ask2.joinAsync(), new RangeError('no'))
  assert.equal(mainThread.tryRecv(), undefined)
  await assert.rejects(mainThread.recvAsync({ timeout: 1 }), { code: 'ERR_TIMEOUT' })
  // More than its mailbox holds, from a thread that waits for room.
  const relay = await executor.thread(work.relay, [2500])
  for (let i = 0; i < 2500; i++) assert.equal((await relay.recvAsync()).payload, i)
  await relay.joinAsync()

  // A thread that computes gets its messages at its safepoints.
  const compute = await executor.thread(work.compute)
  assert.equal(await compute.request('x'), 'seen')
  assert.equal(await compute.joinAsync(), true)

  // Tasks in a live thread.
  const live = await executor.thread(work.idle, [], { keepAlive: true })
  assert.equal(await live.run(work.add, 1, 2), 3)
  assert.equal(await live.run(work.fiber, 4), 4)
  await assert.rejects(live.run(work.fail), new TypeError('the task failed'))
  const slow = live.run(work.slow, 1)
  live.close()
  assert.deepEqual(await slow, [1, 'slow', 'idle'])
  await live.joinAsync()

  // Threads that start threads.
  const nested = await executor.thread(work.nested, [], { name: 'outer' })
  assert.deepEqual(await nested.joinAsync(), ['deep', 'inner', 'outer', 2, 'ended'])
  // Also while the main thread, whose part it is to start workers, blocks.
  assert.deepEqual((await executor.thread(work.nestedDeep)).join(), ['deeper', 'innermost'])
  assert.equal(await executor.run(work.nestedFails), 'TypeError')
  assert.deepEqual(await executor.run(work.nested), ['deep', 'inner', 'main', 1, 'ended'])

  // A worker whose thread has ended is used again, and nothing of the former thread is there.
  const first = await executor.thread(work.messy)
  assert.ok((await first.joinAsync()) >= 1)
  const workers = executor.stats().workers.length
  const second = await executor.thread(work.echo)
  assert.notEqual(second.id, first.id)
  assert.equal(await second.request('mine'), 'mine')
  assert.equal(executor.stats().workers.length, workers)
  assert.throws(() => first.send('x'), { code: 'ERR_CLOSED' })
  await ended(second)

  // Broadcast.
  const three = await Promise.all([1, 2, 3].map(() => executor.thread(work.list)))
  assert.equal(Thread.broadcast('all'), 3)
  assert.equal(await Thread.broadcastAsync('again'), 3)
  const speaker = await executor.thread(work.broadcast)
  assert.equal(await speaker.joinAsync(), 3)
  for (const thread of three) thread.close()
  for (const thread of three) assert.deepEqual(await thread.joinAsync(), ['all', 'again', 'hello'])

  // Deaths: each request and join is told once.
  for (const [task, end] of [
    [work.exit, (thread) => thread.send('x')],
    [work.uncaught, (thread) => thread.send('x')],
    [work.never, (thread) => thread.terminate()],
  ]) {
    const thread = await executor.thread(task)
    const answers = [thread.joinAsync(), thread.request(1), thread.request(2)].map((one) => assert.rejects(one, { code: 'ERR_WORKER_CRASHED' }))
    await end(thread)
    await Promise.all(answers)
    assert.equal(thread.state, 'ended')
    assert.throws(() => thread.send(1), { code: 'ERR_CLOSED' })
  }
  const cause = await executor.thread(work.exit)
  cause.send(1)
  await assert.rejects(cause.joinAsync(), (error) => /exit code 3/.test(error.cause.message))
  // A request that nobody answers.
  const silent = await executor.thread(work.never)
  await assert.rejects(silent.request('x', { timeout: 5 }), { code: 'ERR_TIMEOUT' })
  await assert.rejects(silent.request('x', { signal: AbortSignal.abort(new RangeError('stop')) }), new RangeError('stop'))
  await silent.terminate()
})

// A worker without a thread ends after a while, and another one comes.
await withExecutor({ idleTimeout: 5, maxThreads: 1 }, async (executor) => {
  for (let i = 0; i < 3; i++) {
    const thread = await executor.thread(work.result, [i])
    assert.equal(await thread.joinAsync(), i)
    if (i < 2) await until(() => executor.stats().workers.length === 0)
  }
})

// Shutting down closes threads: what they have is handled, and they end. Nothing of them stays in memory.
{
  const region = Region.create({ bytes: 32 << 20 })
  const round = async () => {
    const executor = await Executor.start({ host: nodeHost, region, maxThreads: 1 })
    const sum = await executor.thread(work.sum)
    await assert.rejects(executor.thread(work.sum), { code: 'ERR_THREAD_LIMIT' })
    sum.send(1)
    const end = sum.joinAsync()
    await executor.shutdown()
    assert.equal(await end, 1)
    await assert.rejects(executor.thread(work.echo), { code: 'ERR_SHUTDOWN' })
    return region.stats().used
  }
  const used = await round()
  // Agents' own records stay for the agents that come after them.
  assert.equal(await round(), used)
}
