/** Every wait: in a worker by thread, promise and fiber, and on the main thread, where it may block and where it may not. */
import { AtomicInt32, CancelSource, capabilities, sleep, sleepAsync } from 'heddle'
import { equal, ok, rejects, throws, turn, until } from './assert.mjs'
import { work } from './tasks.mjs'
import { dispose, waits } from './waits.mjs'

const modes = ['thread', 'promise', 'fiber']

/** Calls the wait of a primitive in a worker, one time after the other. */
function caller(name, mode, shared, executor) {
  const started = new AtomicInt32()
  let count = 0
  return {
    call(options) {
      const result = executor.run(work[mode], name, shared, started, options)
      let isSettled = false
      const settled = () => (isSettled = true)
      result.then(settled, settled)
      const mine = ++count
      return {
        result,
        begun: () => until(() => isSettled || started.load() === mine),
        async isWaiting() {
          await turn()
          ok(!isSettled, 'the wait to wait')
        },
      }
    },
    dispose: () => started.dispose(),
  }
}

async function isWoken(name, mode, executor) {
  const shared = waits[name].make()
  const one = caller(name, mode, shared, executor)
  const wake = waits[name].close(shared)
  const waiting = one.call({})
  await waiting.begun()
  await waiting.isWaiting()
  await wake()
  equal(await waiting.result, 'done')
  one.dispose()
  dispose(shared)
}

/** A wait that ends early takes nothing: the one after it gets what there is. */
async function endsEarly(name, mode, executor) {
  const { make, close, once = false } = waits[name]
  let shared = make()
  let one = caller(name, mode, shared, executor)
  let open = close(shared)
  await rejects(one.call({ timeout: 10 }).result, 'ERR_TIMEOUT')
  if (once) {
    await Promise.allSettled([open()])
    shared = make()
    one = caller(name, mode, shared, executor)
    open = close(shared)
  }
  const source = new CancelSource()
  const cancelled = one.call({ signal: source.token })
  await cancelled.begun()
  source.cancel()
  await rejects(cancelled.result, 'ERR_CANCELLED')
  source.dispose()
  if (once) return
  const last = one.call({})
  await last.begun()
  await last.isWaiting()
  await open()
  equal(await last.result, 'done')
  one.dispose()
  dispose(shared)
}

/** On the main thread, woken by a worker. */
async function onMain(name, executor) {
  const { make, thread, promise } = waits[name]
  const begin = async () => {
    const shared = make()
    const started = new AtomicInt32()
    const waker = executor.run(work.wake, name, shared, started)
    await until(() => started.load() === 1)
    return { shared, started, waker }
  }
  if (promise !== undefined) {
    const { shared, started, waker } = await begin()
    equal(await promise(shared, {}, () => started.add(1)), 'done')
    await waker
  }
  const { shared, started, waker } = await begin()
  if (capabilities().canBlock)
    equal(
      thread(shared, {}, () => started.add(1)),
      'done',
    )
  else {
    const { message } = throws(() => thread(shared, {}, () => undefined), 'ERR_BLOCKING_NOT_ALLOWED')
    ok(/\w+Async\(|\w+Fiber\(/.test(message), `the method to use in ‘${message}’`)
    started.add(1)
    if (promise !== undefined) await promise(shared, {}, () => undefined)
  }
  await waker
}

const slept = (ms, least) => ok(ms >= least, `at least ${least} ms, got ${ms}`)

export const cases = [
  ...Object.keys(waits).flatMap((name) => [
    ...modes
      .filter((mode) => waits[name][mode] !== undefined)
      .flatMap((mode) => [
        { group: `waits, ${mode}`, name: `${name}: is woken`, run: ({ executor }) => isWoken(name, mode, executor) },
        {
          group: `waits, ${mode}`,
          name: `${name}: ends by time and token, and takes nothing`,
          run: ({ executor }) => endsEarly(name, mode, executor),
        },
      ]),
    { group: 'waits, main thread', name: `${name}: is woken by a worker, or refuses to block`, run: ({ executor }) => onMain(name, executor) },
  ]),
  {
    group: 'waits, main thread',
    name: 'sleep',
    async run() {
      const begun = performance.now()
      await sleepAsync(5)
      slept(performance.now() - begun, 4.9)
      if (capabilities().canBlock) sleep(1)
      else throws(() => sleep(1), 'ERR_BLOCKING_NOT_ALLOWED', 'sleepAsync()')
    },
  },
  { group: 'waits, thread', name: 'sleep', run: async ({ executor }) => slept(await executor.run(work.sleepThread, 5), 4.9) },
  { group: 'waits, fiber', name: 'sleepFiber', run: async ({ executor }) => slept(await executor.run(work.sleepFiber, 5), 4.9) },
]
