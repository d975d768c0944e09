/** What the suite's threads run. */
import { activeThreads, currentThread, Executor, mainThread, safepoint, sleepAsync, tasks } from 'heddle'

const listen = (handler) => void currentThread().onMessage(handler)

export const threads = tasks(import.meta.url, {
  echo: () => listen((message) => message.reply(message.payload)),
  result: (x) => x,
  add: (a, b) => a + b,
  fail() {
    throw new RangeError('the task failed')
  },
  throws() {
    listen((message) => {
      if (message.payload === 'bad') throw new RangeError('bad')
      return message.payload
    })
  },
  count() {
    listen(({ payload }) => payload.cell.add(1) + 1)
  },
  async promise() {
    let sum = 0
    for await (const { payload } of currentThread()) sum += payload
    return sum
  },
  thread() {
    let sum = 0
    for (const { payload } of currentThread()) sum += payload
    return sum
  },
  *fiber() {
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
  compute() {
    let done = false
    const stop = currentThread().onMessage((message) => {
      done = true
      message.reply('seen')
    })
    while (!done) safepoint()
    stop()
    return 'done'
  },
  async tell(x) {
    currentThread().parent.send({ x, name: currentThread().name })
    return (await mainThread.request('ask')) + 1
  },
  async uncaught() {
    listen(() => undefined)
    await sleepAsync(1)
    throw new RangeError('late')
  },
  die() {
    listen(() => {
      setTimeout(() => {
        throw new RangeError('uncaught')
      }, 0)
    })
  },
  never: () => new Promise(() => undefined),
  idle() {},
  async nested() {
    const thread = await Executor.current().thread(threads.echo, [], { name: 'inner' })
    const reply = await thread.request('deep')
    const active = activeThreads().length
    thread.close()
    await thread.joinAsync()
    return [reply, thread.name, active, thread.state]
  },
})
