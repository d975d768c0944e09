// A host that is none of heddle's: all that a port to another platform has to write. Its workers talk through a port of their own.
import { setImmediate } from 'node:timers'
import { MessageChannel, threadId, Worker, workerData } from 'node:worker_threads'

export const counts = { started: 0, holds: 0 }

export const thirdPartyHost = {
  name: 'third-party',
  parallelism: 2,
  workerModule: new URL('./third-party-worker.mjs', import.meta.url),
  threadId: () => threadId,
  setTimer(callback, ms) {
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1)).unref()
    return () => clearTimeout(timer)
  },
  nextTurn: (callback) => void setImmediate(callback),
  hold() {
    counts.holds++
    const timer = setInterval(() => undefined, 2 ** 31 - 1)
    return () => clearInterval(timer)
  },
  startWorker(module, { data }) {
    counts.started++
    const { port1, port2 } = new MessageChannel()
    const native = new Worker(module, { workerData: { port: port2, data }, transferList: [port2] })
    const { threadId: number } = native
    let exit
    let error
    const listeners = []
    native.on('error', (reason) => (error = reason))
    native.on('exit', (code) => {
      exit = { code, error }
      port1.close()
      for (const listener of listeners.splice(0)) listener(exit)
    })
    return {
      native,
      threadId: number,
      post: (message, transfer) => port1.postMessage(message, transfer),
      onMessage: (listener) => void port1.on('message', listener),
      onExit: (listener) => void (exit === undefined ? listeners.push(listener) : listener(exit)),
      terminate: async () => void (await native.terminate()),
      ref() {
        native.ref()
        port1.ref()
      },
      unref() {
        native.unref()
        port1.unref()
      },
    }
  },
  parent() {
    const { port, data } = workerData
    return {
      data,
      post: (message, transfer) => port.postMessage(message, transfer),
      onMessage: (listener) => void port.on('message', listener),
      close: () => port.close(),
    }
  },
}
