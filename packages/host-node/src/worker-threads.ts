/**
 * A host on `node:worker_threads`, timers and the process: what Node, Bun and Deno have in common. Each runtime's own package says what differs there.
 */
import { channel as diagnostics } from 'node:diagnostics_channel'
import { availableParallelism } from 'node:os'
import { clearTimeout, setImmediate, setInterval, setTimeout } from 'node:timers'
import { parentPort, threadId, Worker, type WorkerOptions, workerData } from 'node:worker_threads'
import type { Host, HostParent, HostWorker, WorkerExit, WorkerStart } from '@heddle/park'

const LONGEST_TIMER = 0x7fff_ffff

/** A timer that is there to keep the process alive while it is wanted: made once, then only counted in and out of the event loop. */
let keeper: NodeJS.Timeout | undefined
let holds = 0

/** @param owned whether heddle started it: the uncaught error of a worker that the program started stays the program's to handle */
function wrap(worker: Worker, owned: boolean): HostWorker {
  // -1 once the worker has ended.
  const { threadId: id } = worker
  let exit: WorkerExit | undefined
  let error: unknown
  const listeners: ((exit: WorkerExit) => void)[] = []
  if (owned) {
    worker.on('error', (reason: unknown) => {
      error = reason
    })
  }
  worker.on('exit', (code) => {
    exit = { code, ...(error !== undefined && { error }) }
    for (const listener of listeners.splice(0)) listener(exit)
  })
  return {
    native: worker,
    threadId: id,
    post: (message, transfer) => worker.postMessage(message, transfer as never),
    onMessage: (listener) => void worker.on('message', listener),
    onExit: (listener) => {
      if (exit === undefined) listeners.push(listener)
      else listener(exit)
    },
    terminate: async () => void (await worker.terminate()),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  }
}

/** A host whose workers are those of `node:worker_threads`, and which has everything else. */
export type WorkerThreadsHost = Host & Required<Pick<Host, 'startWorker' | 'adoptWorker' | 'parent' | 'onAgentExit'>>

/**
 * Makes the host of a runtime that has `node:worker_threads`. For host packages.
 * @param name the runtime's
 * @param workerModule what a pool's workers run: installs the host, then calls `serveWorker` of `@heddle/executor/worker`
 */
export function workerThreadsHost(name: string, workerModule: URL): WorkerThreadsHost {
  return {
    name,
    parallelism: availableParallelism(),
    workerModule,
    threadId: () => threadId,
    setTimer(callback, ms) {
      const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER)).unref()
      return () => clearTimeout(timer)
    },
    nextTurn(callback) {
      setImmediate(callback)
    },
    onAgentExit(callback) {
      process.once('exit', callback)
    },
    hold() {
      keeper ??= setInterval(() => undefined, LONGEST_TIMER)
      if (holds++ === 0) keeper.ref()
      let held = true
      return () => {
        if (!held) return
        held = false
        if (--holds === 0) keeper?.unref()
      }
    },
    heapBytes: () => process.memoryUsage().heapUsed,
    publish(event, detail) {
      const channel = diagnostics(event)
      if (channel.hasSubscribers) channel.publish(detail)
    },
    startWorker(module: URL | string, { name: workerName, data, native }: WorkerStart): HostWorker {
      const options = { ...(workerName !== undefined && { name: workerName }), workerData: data, ...(native as WorkerOptions | undefined) }
      return wrap(new Worker(module, options), true)
    },
    adoptWorker(worker: object): HostWorker {
      if (!(worker instanceof Worker)) throw new TypeError('adopt() takes a Worker of node:worker_threads')
      return wrap(worker, false)
    },
    parent(): HostParent {
      const port = parentPort
      if (port === null) throw new TypeError('this is no worker: it has no parent')
      return {
        data: workerData as unknown,
        post: (message, transfer) => port.postMessage(message, transfer as never),
        onMessage: (listener) => void port.on('message', listener),
        close: () => port.close(),
      }
    },
  }
}
