/** `program.mjs name`: programs that end by themselves, or don't; what they print and their exit code is the result. */
import { AtomicInt32, Executor, Mutex, run, sleepAsync, spawn, tasks, waitOnAsync, notify, isMainThread } from 'heddle'

const say = (line) => console.log(line)

export const work = tasks(import.meta.url, {
  later: async (x, ms) => {
    await sleepAsync(ms)
    return x
  },
  async open(cell, ms) {
    await sleepAsync(ms)
    cell.store(1)
    notify(cell)
  },
  lock(mutex, started) {
    started.add(1)
    mutex.lock().release()
  },
  fail() {
    throw new Error('nobody handles this')
  },
})

const programs = {
  /** A pool that nobody shut down. */
  async idle() {
    await run(work.later, 1, 1)
    say('done')
  },
  /** An open call keeps the process. */
  async pending() {
    run(work.later, 'late', 50).then(say)
    say('waiting')
  },
  /** So does a promise that waits for a wake. */
  async waiting() {
    const cell = new AtomicInt32()
    waitOnAsync(cell, 0).then(() => say('woken'))
    spawn(work.open, [cell, 50]).detach()
    say('waiting')
  },
  /** Not one that says that it does not. */
  async unref() {
    waitOnAsync(new AtomicInt32(), 0, { ref: false }).then(() => say('never'))
    say('waiting')
  },
  /** Nor calls of an executor that says so, in a worker that is blocked. */
  async blocked() {
    const mutex = new Mutex()
    const started = new AtomicInt32()
    mutex.tryLock()
    const executor = await Executor.start({ workers: 1 })
    executor.run(work.lock, mutex, started).then(() => say('never'))
    while (started.load() === 0) await sleepAsync(1)
    executor.unref()
    say('waiting')
  },
  async timer() {
    await sleepAsync(20)
    say('slept')
  },
  async shutdown() {
    const executor = await Executor.start({ workers: 2 })
    await executor.run(work.later, 1, 1)
    await executor.shutdown()
    say('ended')
  },
  async terminate() {
    const executor = await Executor.start({ workers: 1 })
    executor.run(work.later, 1, 60_000).catch((error) => say(error.code))
    await executor.terminate()
    say('ended')
  },
  async failed() {
    void run(work.fail)
  },
}

if (isMainThread) await programs[process.argv[2]]()
