// What the scenarios of threads run in workers.
import { AtomicInt32 } from '@heddle/atomics'
import { activeThreads, currentTask, currentThread, Executor, mainThread, tasks, Thread } from '@heddle/executor'
import { safepoint } from '@heddle/scheduler'

const listen = (handler) => void currentThread().onMessage(handler)
// Handles of this kind arrive before anything else names the class here.
export const cell = AtomicInt32

export const work = tasks(import.meta.url, {
  echo: () => listen((message) => message.reply(message.payload)),
  result: (x) => x,
  add: (a, b) => a + b,
  fail() {
    throw new TypeError('the task failed')
  },
  async failLater() {
    listen(() => undefined)
    await null
    throw new TypeError('the task failed')
  },
  idle() {},
  /** Gives the double by returning it, or a promise of it. */
  double: () => listen((message) => message.payload * 2),
  doubleLater() {
    listen(async (message) => {
      await null
      return message.payload * 2
    })
  },
  throws() {
    listen((message) => {
      if (message.payload === 'sync') throw new RangeError('sync')
      return message.payload
    })
    listen((message) => {
      throw new Error(`a second handler got ${message.payload}`)
    })
  },
  async rejects() {
    listen(async (message) => {
      await null
      throw new RangeError(String(message.payload))
    })
  },
  /** The first handler takes numbers, the second the rest. */
  flags() {
    const seen = []
    listen((message) => {
      seen.push(`a${message.handled}`)
      if (typeof message.payload === 'number') message.markHandled()
    })
    listen((message) => {
      seen.push(`b${message.handled}`)
      if (message.isRequest) message.reply(seen)
    })
  },
  async sum() {
    let sum = 0
    for await (const { payload } of currentThread()) sum += payload
    return sum
  },
  async sumLater() {
    let sum = 0
    for await (const { payload } of currentThread()) sum += payload
    await new Promise((resolve) => setTimeout(resolve, 50))
    return sum
  },
  sumBlocking() {
    let sum = 0
    for (const { payload } of currentThread()) sum += payload
    return sum
  },
  *sumFiber() {
    let sum = 0
    for (;;) {
      try {
        sum += (yield* currentThread().recvFiber()).payload
      } catch (error) {
        if (error.code !== 'ERR_CLOSED') throw error
        return sum
      }
    }
  },
  async list() {
    const got = []
    for await (const { payload } of currentThread()) got.push(payload)
    return got
  },
  tryAll() {
    const self = currentThread()
    const got = []
    while (got.length < 2) {
      const message = self.tryRecv()
      if (message !== undefined) got.push(message.payload)
    }
    return got
  },
  recvLimited() {
    try {
      currentThread().recv({ timeout: 1 })
    } catch (error) {
      return error.code
    }
  },
  /** Waits for a message without a handler, and takes no other. */
  never: () => new Promise(() => undefined),
  exit: () => listen(() => process.exit(3)),
  uncaught() {
    listen(() => {
      setImmediate(() => {
        throw new RangeError('uncaught')
      })
    })
  },
  /** Two messages to whoever started it, one of them through `mainThread`. */
  tell(x) {
    const self = currentThread()
    self.parent.send({ x, name: self.name, id: self.id })
    mainThread.send('second')
  },
  ask: async (x) => mainThread.request(x),
  /** Computes until a message comes at a safepoint. */
  compute() {
    let done = false
    let n = 0
    const stop = currentThread().onMessage((message) => {
      done = true
      message.reply('seen')
    })
    while (!done) {
      n++
      safepoint()
    }
    stop()
    return n > 0
  },
  async nested() {
    const thread = await Executor.current().thread(work.echo, [], { name: 'inner' })
    const facts = [await thread.request('deep'), thread.name, thread.parent?.name, activeThreads().length]
    thread.close()
    await thread.joinAsync()
    return [...facts, thread.state]
  },
  /** Two more threads, so that at least one needs a new worker. */
  async nestedDeep() {
    const outer = await Executor.current().thread(work.echo)
    const inner = await Executor.current().thread(work.echo, [], { name: 'innermost' })
    const reply = await inner.request('deeper')
    for (const thread of [outer, inner]) {
      thread.close()
      await thread.joinAsync()
    }
    return [reply, inner.name]
  },
  async nestedFails() {
    const thread = await Executor.current().thread(work.fail)
    return thread.joinAsync().catch((error) => error.name)
  },
  async joinOther() {
    const other = (await currentThread().recvAsync()).payload
    const end = other.joinAsync()
    currentThread().parent.send('asked')
    return end
  },
  /** Sends and asks through a thread that came in a message. */
  async pass() {
    const { payload } = await currentThread().recvAsync()
    payload.to.send(1)
    return payload.to.request('x')
  },
  increment() {
    listen(({ payload }) => {
      payload.cells[0].add(1)
      return payload.cells[0].load()
    })
  },
  /** A task of `run` that goes on for a while, with a message from whoever sends one. */
  async slow(x) {
    const task = currentTask()
    await new Promise((resolve) => setTimeout(resolve, 5))
    return [x, task.name, currentThread().name]
  },
  *fiber(x) {
    yield
    return x
  },
  /** Leaves a handler, a waiting recv and an open request behind. */
  messy() {
    globalThis.runs = (globalThis.runs ?? 0) + 1
    currentThread()
      .recvAsync()
      .catch(() => undefined)
    currentThread()
      .parent.request('never')
      .catch(() => undefined)
    return globalThis.runs
  },
  /** Answers with its name; ends its worker, or another thread, when told to. */
  named(name) {
    listen((message) => {
      const { payload } = message
      if (payload.for !== undefined && payload.for !== name) throw new Error(`${name} got a message for ${payload.for}`)
      if (payload.exit) process.exit(2)
      if (payload.terminate !== undefined) void payload.terminate.terminate().catch(() => undefined)
      if (message.isRequest) message.reply(name)
    })
  },
  broadcast: () => Thread.broadcast('hello'),
  async relay(count) {
    for (let i = 0; i < count; i++) await currentThread().parent.sendAsync(i)
  },
})
