// What the test calls in a page: each gives plain data.
import {
  adopt,
  AtomicInt32,
  browserHost,
  capabilities,
  Executor,
  Mutex,
  Region,
  setHost,
  sleepAsync,
  waitOnAsync,
} from '../../../heddle/dist/browser.js'

import { code, PAGES } from '../../../../tests/conformance/suite/wasm.mjs'
import { work } from './tasks.mjs'

const describe = (error) => ({ code: error.code, name: error.name, message: error.message })
const failure = (promise) => promise.then((value) => ({ value: String(value) }), describe)
const script = (url, more) => ({ workers: 1, native: { worker: () => new Worker(url, { type: 'module' }), ...more } })

/** A worker of the page's own, which has told `adopt` who it is. */
async function ownWorker(lock) {
  setHost(browserHost)
  const worker = new Worker(new URL('./own.worker.mjs', import.meta.url), { type: 'module' })
  adopt(worker)
  const ready = new Promise((resolve) => worker.addEventListener('message', ({ data }) => data === 'holds' && resolve()))
  worker.postMessage(lock.toHandle())
  await ready
  return worker
}

globalThis.checks = {
  capabilities: () => capabilities(),
  withoutSharedMemory() {
    try {
      new Mutex()
      return 'made'
    } catch (error) {
      return describe(error)
    }
  },
  absent: () => failure(Executor.start(script('/nowhere.mjs'))),
  wrongType: () => failure(Executor.start(script('/wrong-type.mjs'))),
  elsewhere: () => failure(Executor.start({ workers: 1, native: { worker: () => new Worker('data:text/javascript,1', { type: 'module' }) } })),
  throwing: () => failure(Executor.start(script(new URL('./throws.worker.mjs', import.meta.url)))),
  silent: () => failure(Executor.start(script(new URL('./silent.worker.mjs', import.meta.url), { startLimit: 500 }))),
  async ownWorkerScript() {
    const executor = await Executor.start({
      workers: 1,
      native: { worker: () => new Worker(new URL('./serving.worker.mjs', import.meta.url), { type: 'module' }) },
    })
    const sum = await executor.run(work.add, 1, 2)
    await executor.shutdown()
    return sum
  },
  async terminated() {
    const lock = new Mutex()
    const worker = await ownWorker(lock)
    const waiting = failure(lock.lockAsync())
    worker.terminate()
    return waiting
  },
  async closed() {
    const lock = new Mutex()
    const worker = await ownWorker(lock)
    const waiting = failure(lock.lockAsync())
    worker.postMessage('close')
    return waiting
  },
  /** A module's loop in two workers, on a word of the region that its memory is. */
  async wasm() {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
    const cell = new AtomicInt32({ region: Region.create({ buffer: memory.buffer }) })
    const module = await WebAssembly.compile(code)
    const executor = await Executor.start({ workers: 2 })
    const call = () => executor.spawn(work.wasmAdd, [{ module, memory, at: cell.valueAt, times: 1000 }], { transfer: [] }).joinAsync()
    await Promise.all([call(), call(), call()])
    await executor.shutdown()
    return cell.load()
  },
  async startAndStop(times) {
    const region = capabilities().sharedMemory ? Region.create({ bytes: 4 << 20 }) : undefined
    for (let i = 0; i < times; i++) {
      const executor = await Executor.start({ workers: 1, ...(region !== undefined && { region }) })
      await executor.run(work.add, i, 1)
      await executor.shutdown()
    }
    return region?.stats().used ?? null
  },
  /** Begins a wait that a worker ends a little later. */
  async beginWait() {
    const cell = new AtomicInt32()
    const executor = await Executor.start({ workers: 1 })
    globalThis.waiting = waitOnAsync(cell, 0).then(() => executor.shutdown().then(() => 'woken'))
    executor
      .spawn(work.wakeLater, [cell, 300])
      .joinAsync()
      .catch(() => undefined)
    await sleepAsync(1)
  },
  endWait: () => globalThis.waiting,
  visibility: () => document.visibilityState,
}
console.log('heddle ready')
