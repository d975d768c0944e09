/** What the suite runs in workers. */
import { AtomicInt32, currentTask, Executor, isMainThread, Mutex, registerErrorClass, sleep, sleepAsync, sleepFiber, tasks, transfer } from 'heddle'
import { waits } from './waits.mjs'

export class LimitError extends Error {
  constructor(message, limit) {
    super(message)
    this.limit = limit
    this.code = 'ERR_LIMIT'
  }
}
registerErrorClass(LimitError)

const spin = (ms) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}
let held
let handedOver

export const work = tasks(import.meta.url, {
  thread: (name, shared, started, options) => waits[name].thread(shared, options, () => started.add(1)),
  promise: (name, shared, started, options) => waits[name].promise(shared, options, () => started.add(1)),
  fiber: (name, shared, started, options) => waits[name].fiber(shared, options, () => started.add(1)),
  /** Ends what main waits for, when main has begun to. */
  async wake(name, shared, started) {
    const wake = waits[name].close(shared)
    started.add(1)
    while (started.load() < 2) await sleepAsync(1)
    await wake()
  },
  nothing() {},
  echo: (x) => x,
  list: (...args) => args,
  add: (a, b) => a + b,
  spin,
  isMain: () => isMainThread,
  async later(x, ms) {
    await sleepAsync(ms)
    return x
  },
  *count(n) {
    let sum = 0
    for (let i = 0; i < n; i++) {
      sum += i
      yield
    }
    return sum
  },
  sleepThread(ms) {
    const begun = performance.now()
    sleep(ms)
    return performance.now() - begun
  },
  *sleepFiber(ms) {
    const begun = performance.now()
    yield* sleepFiber(ms)
    return performance.now() - begun
  },
  fail(message) {
    throw new RangeError(message, { cause: new TypeError('the cause') })
  },
  failOwn(message, limit) {
    throw new LimitError(message, limit)
  },
  unshareable: () => ({ list: [1, () => 2] }),
  async nested(depth) {
    const executor = Executor.current()
    return depth === 0 ? 1 : (await executor.run(work.nested, depth - 1)) + (await executor.run(work.nested, depth - 1))
  },
  increment(cell, n) {
    for (let i = 0; i < n; i++) cell.add(1)
  },
  /** An error that nobody catches, outside of the call. */
  async uncaught() {
    setTimeout(() => {
      throw new Error('thrown in a timer')
    })
    await sleepAsync(60_000)
  },
  /** Holds a lock until its worker dies. */
  async holdForEver(lock, started) {
    held = lock.tryLock()
    started.add(1)
    await sleepAsync(60_000)
    held.release()
  },
  /** Runs the module's loop on memory that came along, at the word of a cell. */
  wasmAdd({ module, memory, at, times }) {
    new WebAssembly.Instance(module, { env: { memory } }).exports.add(at, times)
  },
  makeMutex() {
    new Mutex()
  },
  handOver(size) {
    handedOver = new Uint8Array(size).fill(7)
    return transfer(handedOver, [handedOver.buffer])
  },
  leftOfIt: () => handedOver.length,
  sum: (bytes) => bytes.reduce((a, b) => a + b, 0),
  /** Blocks for the result of a call of its own, a large one. */
  joinsLarge(size) {
    const bytes = new Uint8Array(size).fill(3)
    const back = Executor.current().spawn(work.echo, [bytes]).join()
    return back.length === size && back.every((byte) => byte === 3)
  },
  startThread: () => Executor.current().thread(work.echo, [1]),
  hangAlone() {
    for (;;);
  },
  hang(started) {
    started.add(1)
    for (;;);
  },
  sleepForEver(cell, started) {
    started.add(1)
    sleep(60_000)
    cell.add(1)
  },
  /** Ends when its spawner asks it to. */
  untilCancelled: () => sleepAsync(60_000, { signal: currentTask().signal }),
  failingSetup() {
    throw new Error('no database')
  },
})
/** Handles of this kind arrive before anything else names the class. */
export const kind = AtomicInt32
