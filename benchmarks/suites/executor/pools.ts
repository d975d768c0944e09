/** One interface over the pools that are compared: a function that calls the task, and how to end the pool. */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'

/** Where the tasks are, compiled: modules of their own, so that main thread and workers mean the same one. */
const url = (name: string): URL => new URL(`../workers/${name}.js`, import.meta.url)
const path = (name: string): string => fileURLToPath(url(name))

export interface Pool {
  call<T>(value: T): Promise<T>
  end(): Promise<unknown>
}

/** Gives its argument back; computes for so many rounds. */
export type Task = 'echo' | 'work'
/** Starts a pool of so many workers, for one task. */
export type Start = (task: Task, workers: number) => Promise<Pool>

async function startHeddle(task: Task, workers: number): Promise<Pool> {
  const executor = await Executor.start({ host: nodeHost, workers })
  const { calls } = (await import(url('calls').href)) as typeof import('../../workers/calls.worker.js')
  const ref = calls[task] as typeof calls.echo
  return { call: <T>(value: T) => executor.run(ref, value) as Promise<T>, end: () => executor.shutdown() }
}

/** As `work`, for pools that take a function's text. */
function computeAlone(rounds: unknown): unknown {
  let x = 1
  for (let i = 0; i < (rounds as number); i++) x = (Math.imul(x, 1103515245) + 12345) | 0
  return x
}

/** Why a pool can't run here, if so. */
export function unavailable(pool: string): string | undefined {
  return pool === 'multithreading' && !('withResolvers' in Promise) ? 'it needs Promise.withResolvers, of Node 22' : undefined
}

/** What the program itself would run, in the same form. */
export const startLocal: Start = (task) => startHeddle(task, 0)

export const pools: Readonly<Record<string, Start>> = {
  async piscina(name, workers) {
    const { Piscina } = await import('piscina')
    const pool = new Piscina({ filename: path('plain-calls'), name, minThreads: workers, maxThreads: workers })
    return { call: async <T>(value: T) => (await pool.run(value)) as T, end: () => pool.destroy() }
  },
  async tinypool(name, workers) {
    const { Tinypool } = await import('tinypool')
    const pool = new Tinypool({ filename: url('plain-calls').href, name, minThreads: workers, maxThreads: workers })
    return { call: async <T>(value: T) => (await pool.run(value)) as T, end: () => pool.destroy() }
  },
  async workerpool(name, workers) {
    const { default: workerpool } = await import('workerpool')
    const pool = workerpool.pool(path('workerpool-calls'), { minWorkers: workers, maxWorkers: workers, workerType: 'thread' })
    return { call: async <T>(value: T) => (await pool.exec(name, [value])) as T, end: async () => pool.terminate() }
  },
  async poolifier(name, workers) {
    const { FixedThreadPool } = await import('poolifier')
    const pool = new FixedThreadPool<unknown, unknown>(workers, path('poolifier-calls'))
    // Its `destroy` does not always end, and nothing keeps the process alive then.
    return { call: async <T>(value: T) => (await pool.execute(value, name)) as T, end: async () => Promise.resolve(void pool.destroy()) }
  },
  async nanothreads(name, workers) {
    const { default: nanothreads } = await import('nanothreads')
    const task = name === 'echo' ? (value: unknown): unknown => value : computeAlone
    const pool = new nanothreads.ThreadPool({ task, count: workers, maxConcurrency: 1000 })
    return { call: async <T>(value: T) => (await pool.exec(value)) as T, end: () => pool.terminate() }
  },
  /** A call takes the function along: its text is compiled once in each worker. */
  async multithreading(name, workers) {
    // It asks for the number of cores as it is imported, and Node 20 has no navigator.
    if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 2 } })
    const { initRuntime, move, shutdown, spawn } = await import('multithreading')
    initRuntime({ maxWorkers: workers })
    const task = name === 'echo' ? (value: unknown): unknown => value : computeAlone
    return {
      call: async <T>(value: T) => {
        const outcome = await spawn(move(value), task).join()
        if (!outcome.ok) throw outcome.error
        return outcome.value as T
      },
      end: async () => Promise.resolve(shutdown()),
    }
  },
  /** One worker without a pool in front of it; several take turns. */
  async comlink(name, workers) {
    const { wrap } = await import('comlink/dist/esm/comlink.mjs')
    const { default: nodeEndpoint } = await import('comlink/dist/esm/node-adapter.mjs')
    const threads = Array.from({ length: workers }, () => new Worker(url('comlink-calls')))
    const apis = threads.map((thread) => wrap(nodeEndpoint(thread)))
    let turn = 0
    return {
      call: async <T>(value: T) => (await apis[turn++ % workers]![name]!(value)) as T,
      end: async () => Promise.all(threads.map((thread) => thread.terminate())),
    }
  },
  heddle: startHeddle,
}
