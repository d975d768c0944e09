/** Threads with mailboxes. */
import { activeThreads, AtomicInt32, capabilities, currentThread, mainThread, thread as startThread, Thread } from 'heddle'
import { equal, ok, rejects, throws, until } from './assert.mjs'
import { threads } from './tasks-threads.mjs'

const end = async (thread) => {
  thread.close()
  return thread.joinAsync()
}

const mailboxes = [
  {
    name: 'answers requests until it is closed',
    async run({ executor }) {
      const thread = await executor.thread(threads.echo, [], { name: 'parrot' })
      for (const value of [1, 'two', undefined, { a: [1, new Map([[1, 2]])] }, 'x'.repeat(5000)]) equal(await thread.request(value), value)
      equal(thread.name, 'parrot')
      ok(activeThreads().includes(thread), 'it is among the active threads')
      ok(thread.parent === mainThread && currentThread() === mainThread, 'its parent is the main thread')
      const last = Promise.all([1, 2, 3].map((x) => thread.request(x)))
      thread.close()
      throws(() => thread.send('late'), 'ERR_CLOSED')
      equal(await last, [1, 2, 3])
      equal(await thread.joinAsync(), undefined)
      equal(thread.state, 'ended')
      await rejects(thread.request('late'), 'ERR_CLOSED')
    },
  },
  {
    name: 'gives results and errors of its task',
    async run({ executor }) {
      equal(await (await executor.thread(threads.result, [{ a: 1 }])).joinAsync(), { a: 1 })
      ok((await (await executor.thread(threads.fail)).joinAsync().catch((error) => error)) instanceof RangeError, 'what it threw')
      ok((await (await executor.thread(threads.uncaught)).joinAsync().catch((error) => error)) instanceof RangeError, 'what it rejected with')
      if (!capabilities().canBlock) return
      equal((await executor.thread(threads.result, [7])).join(), 7)
    },
  },
  ...['promise', 'thread', 'fiber'].map((mode) => ({
    name: `receives messages in order as a ${mode}, more than its mailbox holds`,
    async run({ executor }) {
      const thread = await executor.thread(threads[mode])
      for (let i = 0; i < 2500; i++) await thread.sendAsync(i)
      equal(await end(thread), 3_123_750)
    },
  })),
  {
    name: 'holds 1,000 messages, and then whoever sends waits',
    async run({ executor }) {
      const thread = await executor.thread(threads.never)
      // From here on what it was begun with is no longer in its mailbox.
      await until(() => thread.state === 'running')
      let sent = 0
      while (thread.trySend(sent)) sent++
      equal(sent, 1000)
      await rejects(thread.sendAsync(0, { timeout: 1 }), 'ERR_TIMEOUT')
      throws(() => thread.send(0, { wait: false }), 'ERR_QUEUE_FULL')
      await thread.terminate()
      await rejects(thread.joinAsync(), 'ERR_WORKER_CRASHED')
    },
  },
  {
    name: 'goes on after a handler that throws',
    async run({ executor }) {
      const thread = await executor.thread(threads.throws)
      ok((await thread.request('bad').catch((error) => error)) instanceof RangeError, 'what the handler threw')
      equal(await thread.request('good'), 'good')
      await end(thread)
    },
  },
  {
    name: 'gets its messages at its safepoints',
    async run({ executor }) {
      const thread = await executor.thread(threads.compute)
      equal(await thread.request('x'), 'seen')
      equal(await thread.joinAsync(), 'done')
    },
  },
  {
    name: 'carries shared objects in messages',
    async run({ executor }) {
      const cell = new AtomicInt32()
      const thread = await executor.thread(threads.count)
      equal(await thread.request({ cell }), 1)
      equal(cell.load(), 1)
      await end(thread)
      cell.dispose()
    },
  },
  {
    name: 'sends to the main thread, and asks it',
    async run({ executor }) {
      const got = []
      const stop = mainThread.onMessage((message) => {
        if (message.isRequest) message.reply(41)
        else got.push([message.payload, message.from.name])
      })
      const thread = await executor.thread(threads.tell, [5], { name: 'teller' })
      equal(await thread.joinAsync(), 42)
      stop()
      equal(got, [[{ x: 5, name: 'teller' }, 'teller']])
    },
  },
  {
    name: 'runs tasks beside its own, and starts threads',
    async run({ executor }) {
      const thread = await executor.thread(threads.idle, [], { keepAlive: true })
      equal(await thread.run(threads.add, 1, 2), 3)
      const before = activeThreads().length
      equal(await thread.run(threads.nested), ['deep', 'inner', before + 1, 'ended'])
      await end(thread)
    },
  },
  {
    name: 'is started by the bare verb, and hears a broadcast',
    async run() {
      const one = await startThread(threads.promise)
      const two = await startThread(threads.promise)
      equal(await Thread.broadcastAsync(20), 2)
      one.send(1)
      equal([await end(one), await end(two)], [21, 20])
    },
  },
  {
    name: 'settles everything when it dies',
    async run({ executor }) {
      for (const [task, kill] of [
        [threads.never, (thread) => thread.terminate()],
        [threads.die, (thread) => thread.send('die')],
      ]) {
        const thread = await executor.thread(task)
        const answers = [thread.joinAsync(), thread.request(1), thread.request(2)].map((answer) => rejects(answer, 'ERR_WORKER_CRASHED'))
        await kill(thread)
        await Promise.all(answers)
        throws(() => thread.send(1), 'ERR_CLOSED')
        equal(thread.state, 'ended')
      }
    },
  },
  {
    name: 'uses workers again, and keeps messages for one that has ended from the next',
    async run({ executor }) {
      const first = await executor.thread(threads.echo)
      equal(await first.request('a'), 'a')
      await end(first)
      equal(first.state, 'ended')
      const second = await executor.thread(threads.promise)
      ok(second.id !== first.id, 'an id of its own')
      throws(() => first.send(1000), 'ERR_CLOSED')
      second.send(1)
      equal(await end(second), 1)
    },
  },
]

export const cases = mailboxes.map((one) => ({ group: 'threads', ...one }))
