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
