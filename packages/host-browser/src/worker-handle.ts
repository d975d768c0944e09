/**
 * A worker as the agent that started it sees it.
 *
 * A browser tells of a worker neither that its script runs nor that it has ended (whatwg/html #5869). So the worker says hello, or
 * is given up after a time; and it holds a Web Lock, which this side asks for and gets when the worker is gone, for whatever reason.
 *
 *   state      what is known
 *   STARTING   nothing: messages are kept until it says hello
 *   RUNNING    it said hello; its lock is asked for
 *   ENDING     terminate() was called, here or because it failed: its lock says when it is over
 *   ENDED      the lock came, or there is none
 */
import type { HostWorker, WorkerExit } from '@heddle/park'
import { browser, type DedicatedWorker } from './dom.js'
import { type Hello, isFailed, isHello, type Start, webLocks } from './protocol.js'

/** How a worker of heddle's own is begun. Not for adopted ones. */
interface Begin {
  readonly script: string
  readonly name: string | undefined
  readonly data: unknown
  readonly startLimit: number
}

const HELP =
  'check that the URL is right (a program that was bundled: docs/bundlers.md), that the server sends it as JavaScript with status 200, and that the Content-Security-Policy allows it (worker-src); ' +
  'a page that is cross-origin isolated needs `Cross-Origin-Embedder-Policy: require-corp` on the script too'

/** Wraps a worker; `begin` for one that heddle started. */
export function wrap(worker: DedicatedWorker, begin: Begin | undefined): HostWorker {
  let threadId = 0
  let state: 'starting' | 'running' | 'ending' | 'ended' = 'starting'
  let exit: WorkerExit = {}
  let error: unknown
  let held: { message: unknown; transfer: readonly object[] | undefined }[] = []
  const messages: ((message: unknown) => void)[] = []
  const exits: ((exit: WorkerExit) => void)[] = []
  const post = (message: unknown, transfer: readonly object[] = []): void => worker.postMessage(message, transfer)

  const end = (): void => {
    if (state === 'ended') return
    state = 'ended'
    browser.clearTimeout(limit)
    exit = error === undefined ? {} : { error }
    for (const listener of exits.splice(0)) listener(exit)
  }
  const kill = (reason?: unknown): void => {
    if (state === 'ending' || state === 'ended') return
    const before = state
    error ??= reason
    state = 'ending'
    browser.clearTimeout(limit)
    worker.terminate()
    // One that has not said hello has touched nothing that is shared; one without a lock can't be watched.
    if (before === 'starting' || lock === undefined) queueMicrotask(end)
  }
  let lock: string | undefined
  const hello = (message: Hello): void => {
    if (state !== 'starting') return
    state = 'running'
    browser.clearTimeout(limit)
    threadId = message.thread
    lock = message.lock
    if (lock !== undefined) void webLocks()?.request(lock, end)
    if (begin === undefined) return
    post({ heddleWorker: 'start', name: begin.name, data: begin.data } satisfies Start)
    for (const { message, transfer } of held) post(message, transfer)
    held = []
  }
  const limit =
    begin === undefined
      ? undefined
      : browser.setTimeout(
          () => kill(new Error(`the worker's script ${begin.script} did not begin within ${begin.startLimit} ms: ${HELP}`)),
          begin.startLimit,
        )

  worker.addEventListener('message', (event) => {
    const { data } = event
    if (isHello(data)) {
      event.stopImmediatePropagation()
      hello(data)
    } else if (begin !== undefined && isFailed(data)) kill(new Error(data.message))
    else for (const listener of messages) listener(data)
  })
  if (begin !== undefined) {
    worker.addEventListener('error', (event) => {
      // A script that can't be fetched, parsed or is refused gives no message. An uncaught error ends a worker of heddle, as it does on servers.
      const message = event.message ?? ''
      event.preventDefault()
      if (message === '' && state === 'starting') kill(new Error(`the worker's script ${begin.script} could not be loaded: ${HELP}`))
      else kill(event.error ?? new Error(message.replace(/^(Uncaught )?(\w*Error: )?/, '')))
    })
  }
  return {
    native: worker,
    get threadId() {
      return threadId
    },
    post(message, transfer) {
      if (state === 'starting' && begin !== undefined) held.push({ message, transfer })
      else post(message, transfer)
    },
    onMessage: (listener) => void messages.push(listener),
    onExit(listener) {
      if (state === 'ended') listener(exit)
      else exits.push(listener)
    },
    terminate() {
      return new Promise((resolve) => {
        if (state === 'ended') return resolve()
        exits.push(() => resolve())
        kill()
      })
    },
    ref: () => undefined,
    unref: () => undefined,
  }
}
