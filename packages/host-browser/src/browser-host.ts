/** heddle's platform in browsers: dedicated module workers, the event loop, and death by Web Locks. */
import { threadNumber } from '@heddle/atomics/internal'
import type { Host, HostParent, HostWorker, WorkerStart } from '@heddle/park'
import { browser, type DedicatedWorker } from './dom.js'
import { giveMessages, startOf } from './mailbox.js'
import { workerScope } from './protocol.js'
import { wrap } from './worker-handle.js'

// By these names, and in this form, a bundler sees a worker.
declare const Worker: typeof browser.Worker
declare const URL: new (path: string, base: string) => URL
interface Meta {
  readonly url: string
}

const LONGEST_TIMER = 0x7fff_ffff
/** Stands for this package's own worker: a URL of it would make bundlers copy the file as it is. */
const workerModule = '@heddle/browser/worker'

/** Browser-specific settings of an executor's workers: `Executor.start({ native: { … } })`. */
interface BrowserWorkerOptions {
  /** Makes a worker, for programs whose bundler can only bundle what it sees as `new Worker(new URL('./tasks.js', import.meta.url), { type: 'module' })`. */
  readonly worker?: () => DedicatedWorker
  /** Milliseconds that a worker's script may take to load and begin. Default 30000. */
  readonly startLimit?: number
}

function make(module: URL | string, { worker }: BrowserWorkerOptions): DedicatedWorker {
  if (worker !== undefined) return worker()
  // Written out, and with constant options: that is how bundlers see a worker.
  if (module === workerModule) return new Worker(new URL('./worker.js', (import.meta as unknown as Meta).url), { type: 'module' })
  return new Worker(module, { type: 'module' })
}

let turns: InstanceType<typeof browser.MessageChannel> | undefined
let waiting: (() => void)[] = []

/** A timer of a hidden page runs once a second or less, and of any page after 4 ms when nested. A message is neither. */
function nextTurn(callback: () => void): void {
  if (turns === undefined) {
    turns = new browser.MessageChannel()
    turns.port1.onmessage = () => {
      const now = waiting
      waiting = []
      for (const one of now) one()
    }
  }
  if (waiting.push(callback) === 1) turns.port2.postMessage(undefined)
}

/**
 * Browsers: module workers, whose start is confirmed and whose death is noticed. Pass it to `Executor.start`, or install it with `setHost`.
 * There is no process to keep alive.
 */
export const browserHost: Host = {
  name: 'browser',
  get parallelism() {
    return browser.navigator.hardwareConcurrency
  },
  workerModule,
  threadId: () => (workerScope() === undefined ? 0 : threadNumber.get()),
  setTimer(callback, ms) {
    const timer = browser.setTimeout(callback, Math.min(ms, LONGEST_TIMER))
    return () => browser.clearTimeout(timer)
  },
  nextTurn,
  hold: () => () => undefined,
  startWorker(module: URL | string, { name, data, native }: WorkerStart): HostWorker {
    const options = (native ?? {}) as BrowserWorkerOptions
    return wrap(make(module, options), { script: String(module), name, data, startLimit: options.startLimit ?? 30_000 })
  },
  adoptWorker(worker: object): HostWorker {
    if (!(worker instanceof Worker)) throw new TypeError('adopt() takes a Worker')
    return wrap(worker, undefined)
  },
  parent(): HostParent {
    const { data } = startOf()
    return {
      data,
      post: (message, transfer = []) => workerScope()!.postMessage(message, transfer),
      onMessage: giveMessages,
      close: () => undefined,
    }
  },
}
