// What the scenarios run in workers.
import assert from 'node:assert/strict'
import { threadId } from 'node:worker_threads'
import { AtomicInt32, registerErrorClass, SharedBox } from '@heddle/atomics'
import { currentTask, currentThread, Executor, tasks } from '@heddle/executor'
import { sleepAsync, sleepFiber } from '@heddle/park'
import { safepoint } from '@heddle/scheduler'

export class LimitError extends Error {
  constructor(message, limit) {
    super(message)
    this.limit = limit
    this.code = 'ERR_LIMIT'
  }
}
registerErrorClass(LimitError)
// Handles of this kind arrive before anything else names the class here.
export const cell = AtomicInt32
export const reference = SharedBox

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const spin = (ms) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}
let open = 0
let most = 0
let booted = 0

export const work = tasks(import.meta.url, {
  nothing() {},
  add: (a, b) => a + b,
  echo: (x) => x,
  list: (...args) => args,
  describe: (...args) => args.map((x) => (Object.is(x, -0) ? '-0' : `${typeof x}:${String(x)}`)),
  spin,
  async later(x, ms = 5) {
    await sleep(ms)
    return x
  },
  async overlap() {
    most = Math.max(most, ++open)
    await sleep(20)
    open--
    return most
  },
  async where(ms) {
    spin(2)
    await sleep(ms)
    return threadId
  },
  *fiber(n) {
    let sum = 0
    for (let i = 0; i < n; i++) {
      sum += i
      yield
    }
    return sum
  },
  fail(message) {
    throw new RangeError(message, { cause: new TypeError('the cause') })
  },
  failOwn(message, limit) {
    throw new LimitError(message, limit)
  },
  failWith(value) {
    throw value
  },
  failAt20(x) {
    if (x === 20) throw new RangeError('at 20')
    return x
  },
  *double(x) {
    yield
    return x * 2
  },
  async failLater() {
    await sleep(1)
    throw new SyntaxError('later')
  },
  unshareable: () => ({ list: [1, () => 2] }),
  exit(code) {
    process.exit(code)
  },
  async exitLater(ms) {
    await sleep(ms)
    process.exit(3)
  },
  async uncaught() {
    setTimeout(() => {
      throw new Error('thrown in a timer')
    })
    await sleep(10_000)
  },
  async nested(depth) {
    const executor = Executor.current()
    return depth === 0 ? 1 : (await executor.run(work.nested, depth - 1)) + (await executor.run(work.nested, depth - 1))
  },
  joins: (depth) =>
    depth === 0
      ? 0
      : Executor.current()
          .spawn(work.joins, [depth - 1])
          .join() + 1,
  increment(box, by) {
    return box.counter.add(by)
  },
  answer: (port, text) =>
    new Promise((resolve) => {
      port.once('message', (message) => {
        port.postMessage(`${text}: ${message}`)
        port.close()
        resolve('done')
      })
    }),
  boot() {
    booted++
  },
  booted: () => booted,
  failBoot() {
    throw new Error('no database')
  },
  // Counts itself, and never ends.
  hang(started) {
    started?.add(1)
    for (;;);
  },
  // What they leave behind.
  locks(mutex) {
    mutex.lock()
  },
  *locksInFiber(mutex) {
    yield* mutex.lockFiber()
  },
  locksAndReleases(mutex) {
    mutex.lock().release()
  },
  listens(token) {
    token.onCancel(() => undefined)
  },
  async dozes() {
    void sleepAsync(60_000, { ref: false })
    await sleepAsync(1)
  },
  async hangLater() {
    await sleep(1)
    for (;;);
  },
  // Ends only by being cancelled.
  spinUntilCancelled(flag) {
    flag.store(1)
    for (;;) safepoint()
  },
  async waitUntilCancelled(flag) {
    const { signal } = currentTask()
    flag.store(1)
    // It may have been asked to end before it began.
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    signal.throwIfAborted()
  },
  *sleepUntilCancelled(flag) {
    flag.store(1)
    try {
      for (;;) yield* sleepFiber(60_000)
    } finally {
      flag.store(2)
    }
  },
  *loopUntilCancelled(flag) {
    flag.store(1)
    for (;;) if (safepoint()) yield
  },
  ignoresCancel(flag) {
    flag.store(1)
    while (flag.load() !== 2);
    return currentTask().isCancelled
  },
  cancels(source) {
    source.cancel()
  },
  *joinsInFiber(timeout) {
    return yield* Executor.current().spawn(work.later, [1, 60_000]).joinFiber({ timeout })
  },
  scoped: (flag) =>
    Executor.current().scope((scope) => {
      scope.spawn(work.loopUntilCancelled, [flag])
    }),
  // Fork and join: a call for each half, down to one.
  async tree(size) {
    if (size === 1) return 1
    const executor = Executor.current()
    const [a, b] = await Promise.all([executor.run(work.tree, size >> 1), executor.run(work.tree, size - (size >> 1))])
    return a + b
  },
  treeBlocking(size) {
    if (size === 1) return 1
    const left = Executor.current().spawn(work.treeBlocking, [size >> 1])
    const right = work.treeBlocking.fn(size - (size >> 1))
    return left.join() + right
  },
  // Waits, blocking its thread, until the other one has come.
  meetAt(handle, want) {
    const count = AtomicInt32.fromHandle(handle)
    count.add(1)
    while (count.load() < want);
  },
  meet(box) {
    box.count.add(1)
    while (box.count.load() < box.want);
    return threadId
  },
  // Spawns calls that only another worker can run, and waits for them without letting go of its own.
  feed(box) {
    const executor = Executor.current()
    for (let i = 0; i < 40; i++) executor.spawn(work.bump, [box]).detach()
    while (box.count.load() < 40);
    return threadId
  },
  async blocksElsewhere() {
    const there = await Executor.current().spawnBlocking(work.thread, []).joinAsync()
    return there !== threadId
  },
  bump(box) {
    box.count.add(1)
  },
  order(box, mark) {
    return [mark, box.count.add(1)]
  },
  thread: () => threadId,
  remember() {
    globalThis.remembered = (globalThis.remembered ?? 0) + 1
    return globalThis.remembered
  },
  self() {
    const { name, module, worker, isCancelled } = currentTask()
    return { name, module, worker, isCancelled }
  },
  *selfInFiber() {
    yield
    return currentTask().name
  },
  log(line) {
    console.log(line)
  },
  say(line) {
    console.log(line)
    return sleep(60_000)
  },
  // References are the reader's to release.
  weigh({ box }) {
    const { length } = box.value
    box.release()
    return length
  },
  passOn(box) {
    // The result takes a reference of its own once this has returned.
    setImmediate(() => box.release())
    return box
  },
  refuse(box) {
    setImmediate(() => box.release())
    throw Object.assign(new Error('not this one'), { box })
  },
  async releaseLate(box) {
    spin(20)
    await sleep(10)
    box.release()
  },
  dieWith(box) {
    assert.equal(box.count, 2)
    process.exit(1)
  },
  weighing() {
    currentThread().onMessage((message) => {
      const { box } = message.payload
      message.reply(box.value.length)
      box.release()
    })
  },
})
