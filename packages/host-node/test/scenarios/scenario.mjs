// Runs a scenario with an executor on Node and ends it afterwards.
import assert from 'node:assert/strict'
import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'

export { assert, Executor, nodeHost }
export { work } from './tasks.mjs'

export async function withExecutor(options, body) {
  const executor = await Executor.start({ host: nodeHost, ...options })
  try {
    await body(executor)
  } finally {
    await executor.shutdown()
  }
}

// Waits for a state that another thread brings about; the test's own limit ends it when it never comes.
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

// The host, and the platform's workers that it started and that have not ended.
export function watchedHost() {
  const natives = new Set()
  const host = {
    ...nodeHost,
    startWorker(module, start) {
      const worker = nodeHost.startWorker(module, start)
      natives.add(worker.native)
      worker.onExit(() => natives.delete(worker.native))
      return worker
    },
  }
  return { host, natives }
}

// Whole numbers below n, the same for the same seed.
export function seeded() {
  const seed = Number(process.env.HEDDLE_SEED ?? (Math.random() * 2 ** 31) | 0)
  let state = seed
  const random = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return Math.floor((state / 0x80000000) * n)
  }
  return { seed, random }
}
