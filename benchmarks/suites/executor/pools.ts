/** One interface over the pools that are compared: a function that calls the task, and how to end the pool. */
import { fileURLToPath } from 'node:url'
import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { Piscina } from 'piscina'

/** Where the tasks are, compiled: a module of its own, so that main thread and workers mean the same one. */
const module = new URL('../workers/calls.js', import.meta.url)

export interface Pool {
  call<T>(value: T): Promise<T>
  end(): Promise<void>
}

export const pools: Record<string, () => Promise<Pool>> = {
  async piscina() {
    const pool = new Piscina({ filename: fileURLToPath(module), minThreads: 1, maxThreads: 1 })
    return { call: async <T>(value: T) => (await pool.run(value)) as T, end: () => pool.destroy() }
  },
  async heddle() {
    const executor = await Executor.start({ host: nodeHost, workers: 1 })
    const { calls } = (await import(module.href)) as typeof import('../../workers/calls.worker.js')
    return { call: <T>(value: T) => executor.run(calls.echo, value) as Promise<T>, end: () => executor.shutdown() }
  },
}
