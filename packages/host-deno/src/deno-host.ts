/**
 * heddle's platform on Deno: `node:worker_threads` as Deno has it, but for two things.
 *
 * Deno (2.9.6) reports the end of a terminated worker at once, and its thread runs on: up to 2 s when it computes, and for as long as nobody
 * wakes it when it sleeps in `Atomics.wait`. What such a thread still does would hit memory that was given to others. The thread of a
 * worker that holds a Web Lock is stopped (measured: at most one more atomic operation, and a sleeper never wakes), and the lock
 * is let go when that has happened. So every worker that heddle starts holds one, and its end is reported when both have been seen. The test
 * `terminate.test.ts` shows the defect and that it is gone.
 */
import { setTimeout } from 'node:timers'
import { workerThreadsHost } from '@heddle/node/worker-threads'
import type { Host, HostParent, HostWorker, WorkerExit, WorkerStart } from '@heddle/park'
import { type DenoWorkerData, lockName, locks } from './lock.js'
import { giveMessages } from './mailbox.js'

/** How long after its lock was let go a terminated thread may be off its processor, before it sees that it is to stop, in ms. */
const STOPPING_MS = 50
/** When Deno stops a terminated thread that computes and holds no lock, in ms; measured from outside, with room. */
const RUNS_ON_MS = 3000

const base = workerThreadsHost('deno', new URL('./worker.js', import.meta.url))
let started = 0

/** Tells of a worker's end when its thread has stopped, not when Deno says so. */
function truthful(worker: HostWorker, hasStopped: (exit: WorkerExit) => Promise<void>): HostWorker {
  let exit: WorkerExit | undefined
  const listeners: ((exit: WorkerExit) => void)[] = []
  const ended = new Promise<void>((resolve) => {
    worker.onExit((reported) => {
      // The process lives until it is known.
      const letGo = base.hold()
      void hasStopped(reported).then(() => {
        letGo()
        exit = reported
        for (const listener of listeners.splice(0)) listener(reported)
        resolve()
      })
    })
  })
  return {
    ...worker,
    onExit: (listener) => {
      if (exit === undefined) listeners.push(listener)
      else listener(exit)
    },
    async terminate() {
      await worker.terminate()
      await ended
    },
  }
}

const after = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** Deno: workers whose end is the end of their thread, timers, keep-alive. Pass it to `Executor.start`, or install it with `setHost`. */
export const denoHost: Host = {
  ...base,
  startWorker(module: URL | string, start: WorkerStart): HostWorker {
    const lock = lockName(++started, base.threadId())
    const data: DenoWorkerData = { heddleLock: lock, data: start.data }
    const worker = base.startWorker(module, { ...start, data })
    return truthful(worker, async () => {
      await locks().request(lock, () => undefined)
      await after(STOPPING_MS)
    })
  },
  adoptWorker(worker: object): HostWorker {
    // Nothing is known of its thread but how Deno says that it ended: by itself, or, which looks like an error, by terminate().
    return truthful(base.adoptWorker(worker), ({ code }) => (code === 1 ? after(RUNS_ON_MS) : Promise.resolve()))
  },
  parent(): HostParent {
    const parent = base.parent()
    const { data } = parent.data as DenoWorkerData
    // There is no port to close: the agent that started the worker ends it.
    return { ...parent, data, onMessage: giveMessages, close: () => undefined }
  },
}
